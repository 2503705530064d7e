//! How much one client may have of the server: refused with a reason, and never at others' cost.

use std::time::Duration;

use bivouac::{
    live::LiveConfig,
    serve::{
        ServerConfig,
        access::{Scope, Token},
    },
};
use proto::v1::{
    self, ClearQueueRequest, CreateGameRequest, DeleteGameRequest, ListGamesRequest, PlayRequest,
    Reason, SpectateRequest, StreamGameRequest, game_service_client::GameServiceClient,
    play_request, play_response,
};
use systems::rules::ruleset::Ruleset;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, transport::Channel};

use crate::client::{Client, create, lockstep, pair, reason, with_config, with_server};

#[test]
fn a_client_that_has_too_many_games_is_told_until_one_is_gone() {
    let config = LiveConfig { games_per_client: 2, ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        let first = create(&mut client, lockstep()).await;
        create(&mut client, lockstep()).await;
        let refused = client.create_game(lockstep()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("--max-client-games"), "{refused}");
        assert_eq!(reason::<()>(Err(refused)), "TOO_MANY_GAMES");
        let delete = DeleteGameRequest { game_id: first.id, owner_token: first.owner };
        client.delete_game(delete).await.unwrap();
        create(&mut client, lockstep()).await;
        assert_eq!(live.stats().await.unwrap().created, 3);
    });
}

#[test]
fn a_client_that_watches_too_much_is_told_until_a_stream_ends() {
    let config = LiveConfig { streams_per_client: 1, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let request = CreateGameRequest { allow_spectators: true, ..lockstep() };
        let game = create(&mut client, request).await;
        let spectate = || SpectateRequest { game_id: game.id.clone() };
        let stream = client.spectate(spectate()).await.unwrap();
        let refused = client.spectate(spectate()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(reason::<()>(Err(refused)), "TOO_MANY_STREAMS");
        drop(stream);
        // The server hears of it in a moment.
        while client.spectate(spectate()).await.is_err() {}
        // A stream that is refused takes no place.
        let wrong = StreamGameRequest { game_id: game.id.clone(), token: "x".to_owned() };
        client.stream_game(wrong).await.unwrap_err();
        while client.spectate(spectate()).await.is_err() {}
    });
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let header = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    request
}

#[test]
fn holders_of_tokens_are_counted_apart_and_a_token_may_have_its_own_limits() {
    let (small, large) = ("small-token-0123456789", "large-token-0123456789");
    let mut small_token = Token::new("small", small, vec![Scope::Drive]);
    small_token.max_games = 1;
    let tokens = vec![small_token, Token::new("large", large, vec![Scope::Drive])];
    let live = LiveConfig { games_per_client: 3, ..LiveConfig::default() };
    let address = ([127, 0, 0, 1], 0).into();
    let config = ServerConfig { live, tokens, ..ServerConfig::at(address) };
    with_config(config, 0, async |uri, _live| {
        let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
        let mut client = GameServiceClient::new(channel);
        for (token, games) in [(small, 1), (large, 3)] {
            for _ in 0..games {
                client.create_game(with_token(lockstep(), token)).await.unwrap();
            }
            let refused = client.create_game(with_token(lockstep(), token)).await;
            assert_eq!(reason(refused), "TOO_MANY_GAMES");
        }
    });
}

/// A request for a game by rules that no other game has.
fn of_its_own(number: u32) -> CreateGameRequest {
    let ruleset = format!(
        "extends = \"generals\"\nname = \"mine-{number}\"\n[growth]\nland_every = {}\n",
        100 + number
    );
    CreateGameRequest { ruleset, ..lockstep() }
}

#[test]
fn rules_of_clients_take_room_as_long_as_their_games_are_there_and_none_from_those_built_in() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let mut games = Vec::new();
        // More than a world can hold, one after the other.
        for number in 0..300 {
            let game = create(&mut client, of_its_own(number)).await;
            let delete = DeleteGameRequest { game_id: game.id, owner_token: game.owner };
            client.delete_game(delete).await.unwrap();
        }
        let refused = loop {
            assert!(games.len() < 256);
            let request = of_its_own(u32::try_from(games.len()).unwrap());
            match client.create_game(request).await {
                Ok(created) => games.push(created.into_inner()),
                Err(refused) => break refused,
            }
        };
        assert!(games.len() > 200);
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("built in"), "{refused}");
        assert_eq!(reason::<()>(Err(refused)), "TOO_MANY_GAMES");
        for ruleset in Ruleset::NAMES {
            let request = CreateGameRequest { ruleset: ruleset.to_owned(), ..lockstep() };
            create(&mut client, request).await;
        }
        let gone = games.pop().unwrap();
        let delete = DeleteGameRequest { game_id: gone.game_id, owner_token: gone.owner_token };
        client.delete_game(delete).await.unwrap();
        create(&mut client, of_its_own(299)).await;
    });
}

#[test]
fn who_may_not_play_here_is_told_why_in_one_word() {
    let (driver, reader, busy) = ("driver-0123456789", "reader-0123456789", "busy-0123456789");
    let mut without_requests = Token::new("busy", busy, vec![Scope::Drive]);
    without_requests.max_requests = 0;
    let tokens = vec![
        Token::new("driver", driver, vec![Scope::Drive]),
        Token::new("reader", reader, vec![Scope::Read]),
        without_requests,
    ];
    let config = ServerConfig { tokens, ..ServerConfig::at(([127, 0, 0, 1], 0).into()) };
    with_config(config, 0, async |uri, live| {
        let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
        let mut client = GameServiceClient::new(channel);
        let refused = client.create_game(lockstep()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(reason::<()>(Err(refused)), "BAD_TOKEN", "no token");
        for (token, code, wanted) in [
            ("nobody-knows-this", Code::Unauthenticated, "BAD_TOKEN"),
            (reader, Code::PermissionDenied, "NOT_ALLOWED"),
            (busy, Code::ResourceExhausted, "TOO_MANY_REQUESTS"),
        ] {
            let refused = client.create_game(with_token(lockstep(), token)).await.unwrap_err();
            assert_eq!(refused.code(), code, "{wanted}");
            assert_eq!(reason::<()>(Err(refused)), wanted);
        }
        client.create_game(with_token(lockstep(), driver)).await.unwrap();
        live.stop();
        live.ended().await;
        let refused = client.create_game(with_token(lockstep(), driver)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert_eq!(reason::<()>(Err(refused)), "UNAVAILABLE");
    });
}

#[test]
fn one_request_for_a_list_looks_at_few_games_and_the_next_ones_at_the_rest() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        for _ in 0..600 {
            create(&mut client, lockstep()).await;
        }
        let mut list = async |players| {
            let (mut pages, mut games, mut page_token) = (0, 0, String::new());
            loop {
                let request =
                    ListGamesRequest { players, page_size: 1000, page_token, ..Default::default() };
                let page = client.list_games(request).await.unwrap().into_inner();
                (pages, games) = (pages + 1, games + page.games.len());
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return (pages, games);
                }
            }
        };
        assert_eq!(list(0).await, (3, 600), "a page has fewer than asked for");
        assert_eq!(list(5).await, (3, 0), "even none, and another page after it");
    });
}

/// A stream up of messages that are sent one by one, and what is sent into it.
fn up() -> (mpsc::Sender<PlayRequest>, ReceiverStream<PlayRequest>) {
    let (up, requests) = mpsc::channel(1);
    (up, ReceiverStream::new(requests))
}

#[test]
fn a_play_stream_needs_a_place_before_it_says_anything() {
    // One that was let in would wait for its first message longer than this test may take.
    let patience = Duration::from_hours(24);
    let config = LiveConfig { max_streams: 1, patience, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let request = CreateGameRequest { allow_spectators: true, ..lockstep() };
        let game = create(&mut client, request).await;
        let spectate = SpectateRequest { game_id: game.id.clone() };
        let _watching = client.spectate(spectate).await.unwrap();
        let (_up, requests) = up();
        assert_eq!(reason(client.play(requests).await), "TOO_MANY_STREAMS");
    });
}

#[test]
fn a_play_stream_that_says_nothing_for_long_is_ended() {
    let patience = Duration::from_millis(20);
    let config = LiveConfig { patience, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let (_up, requests) = up();
        let refused = client.play(requests).await.unwrap_err();
        assert!(refused.message().contains("`watch` has not come"), "{refused}");
        assert_eq!(reason::<()>(Err(refused)), "INVALID_ARGUMENT");
    });
}

#[test]
fn messages_inside_a_stream_are_requests_of_their_client() {
    let config = LiveConfig { requests_per_second: 20, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let (_, [ada, _bob]) = pair(&mut client, lockstep()).await;
        let (up, requests) = up();
        let watch = StreamGameRequest { game_id: ada.game.clone(), token: ada.token.clone() };
        let (mut sender, kinds) = (client.clone(), play_request::Kind::Watch(watch));
        let first = up.send(PlayRequest { kind: Some(kinds), id: 0 });
        let (down, sent) = tokio::join!(sender.play(requests), first);
        sent.unwrap();
        let mut down = down.unwrap().into_inner();
        // Until one is refused, and then until one is answered again.
        for is_wanted in [false, true] {
            loop {
                let kind = Some(play_request::Kind::ClearQueue(ClearQueueRequest::default()));
                up.send(PlayRequest { kind, id: 1 }).await.unwrap();
                let answer = loop {
                    let response = down.message().await.unwrap().unwrap();
                    if response.id == 1 {
                        break response.kind.unwrap();
                    }
                };
                match answer {
                    play_response::Kind::Cleared(_) if is_wanted => break,
                    play_response::Kind::Cleared(_) => {}
                    play_response::Kind::Failure(failure) => {
                        assert_eq!(failure.reason(), Reason::TooManyRequests);
                        if !is_wanted {
                            break;
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    });
}

/// What became of each of some games.
async fn together(
    client: &mut Client,
    games: Vec<CreateGameRequest>,
) -> Vec<Result<v1::CreateGameResponse, String>> {
    let request = v1::CreateGamesRequest { games };
    let made = client.create_games(request).await.unwrap().into_inner().games;
    let one = |made: v1::GameCreation| match made.result.unwrap() {
        v1::game_creation::Result::Created(game) => Ok(game),
        v1::game_creation::Result::Failure(failure) => {
            assert!(!failure.message.is_empty());
            Err(failure.reason().as_str_name().trim_start_matches("REASON_").to_owned())
        }
    };
    made.into_iter().map(one).collect()
}

#[test]
fn games_are_created_together_and_what_is_wrong_with_one_keeps_no_other_back() {
    let config = LiveConfig { max_games: 70, ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        let two = || CreateGameRequest {
            join_as: Some("ada".to_owned()),
            join_seat: Some(1),
            further_players: vec!["bob".to_owned()],
            seed: Some(7),
            ..lockstep()
        };
        let full = CreateGameRequest { further_players: vec!["bob".into(), "eve".into()], ..two() };
        let same = CreateGameRequest { further_players: vec!["ada".into()], ..two() };
        let wrong = CreateGameRequest { turn_ms: u32::MAX, ..two() };
        let alone = CreateGameRequest { further_players: vec!["eve".into()], ..lockstep() };
        let made = together(&mut client, vec![two(), full, same, wrong, alone]).await;
        let [Ok(two_seated), Err(full), Err(same), Err(wrong), Ok(alone)] = &made[..] else {
            panic!("{made:?}")
        };
        assert_eq!((full.as_str(), same.as_str()), ("GAME_FULL", "ALREADY_JOINED"));
        assert_eq!(wrong, "INVALID_ARGUMENT");
        assert_eq!(two_seated.seed, Some(7));
        let (ada, bob) = (two_seated.joined.as_ref().unwrap(), &two_seated.further[0]);
        assert_eq!((ada.seat, bob.seat, bob.phase()), (1, 0, v1::Phase::Running));
        assert!(alone.joined.is_none() && alone.further[0].seat == 0);
        assert_eq!(alone.further[0].phase(), v1::Phase::Lobby);
        // Their seats are those of any other player.
        for joined in [ada, bob] {
            let (game_id, token) = (two_seated.game_id.clone(), joined.token.clone());
            let state = v1::GetGameStateRequest { game_id, token };
            let state = client.get_game_state(state).await.unwrap().into_inner();
            assert_eq!(state.seat, joined.seat);
        }
        // In the order of the request, as far as there is room.
        let many = (0..100).map(|seed| CreateGameRequest { seed: Some(seed), ..two() }).collect();
        let made = together(&mut client, many).await;
        let seeds: Vec<_> = made.iter().flatten().map(|game| game.seed.unwrap()).collect();
        assert_eq!(seeds, (0..68).collect::<Vec<_>>());
        assert!(made[68..].iter().all(|made| made.as_ref().is_err_and(|e| e == "TOO_MANY_GAMES")));
        assert_eq!(live.stats().await.unwrap().created, 70);

        assert_eq!(together(&mut client, Vec::new()).await, []);
        let too_many = v1::CreateGamesRequest { games: vec![lockstep(); 1001] };
        assert_eq!(reason(client.create_games(too_many).await), "INVALID_ARGUMENT");
    });
}

#[test]
fn games_that_are_created_together_count_as_many_requests() {
    let config = LiveConfig { requests_per_second: 20, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let made = together(&mut client, vec![lockstep(); 100]).await;
        let refused =
            made.iter().filter(|made| made.as_ref().is_err_and(|e| e == "TOO_MANY_REQUESTS"));
        let created = made.iter().flatten().count();
        assert_eq!(refused.count() + created, 100);
        assert!((1..50).contains(&created), "{created}");
    });
}

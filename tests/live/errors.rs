//! Every reason for which a request is refused.

use std::time::Duration;

use bivouac::live::LiveConfig;
use proto::v1::{self, CreateGameRequest, Pace};

use crate::client::{create, drawn, join, lockstep, march, order, pair, reason, with_server};

/// A token that is nobody's.
const NOBODY: &str = "00000000000000000000000000000000";

#[test]
fn every_rule_of_the_board_has_a_reason_of_its_own() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let map = "A . . .\n# . . .\n. . . B";
        let (_, [ada, bob]) = pair(&mut client, drawn(map)).await;
        for (wanted, wrong) in [
            ("BAD_COORDINATES", march((3, 0), (2, 0))),
            ("BAD_COORDINATES", march((0, 0), (0, 4))),
            ("BAD_COORDINATES", order(Some(97))),
            ("BAD_COORDINATES", order(Some(0))),
            ("NOT_ADJACENT", march((0, 0), (0, 2))),
            ("NOT_ADJACENT", march((0, 0), (0, 0))),
            ("NOT_ADJACENT", march((0, 0), (1, 1))),
            ("NOT_OWNED", march((2, 3), (2, 2))),
            ("NOT_OWNED", march((1, 1), (1, 2))),
            ("ARMY_TOO_SMALL", march((0, 0), (0, 1))),
            ("TARGET_IS_MOUNTAIN", march((0, 0), (1, 0))),
        ] {
            assert_eq!(reason(ada.submit(wrong).await), wanted, "{wrong:?}");
        }
        let build =
            v1::Order { kind: Some(v1::order::Kind::Build(v1::Build { row: 0, column: 0 })) };
        assert_eq!(reason(ada.submit(build).await), "CANNOT_BUILD");
        assert_eq!(reason(client.submit_action(ada.orders(vec![])).await), "INVALID_ARGUMENT");
        let state = ada.state().await.state.unwrap();
        assert_eq!((state.tick, state.queued), (0, 0), "nothing was done");
        // Once there are units, the same order is taken.
        for _ in 0..2 {
            ada.submit(order(None)).await.unwrap();
            bob.submit(order(None)).await.unwrap();
        }
        ada.submit(march((0, 0), (0, 1))).await.unwrap();
    });
}

#[test]
fn an_order_for_another_tick_is_refused_early_and_late() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (_, [ada, bob]) = pair(&mut client, lockstep()).await;
        let at = |tick| v1::SubmitActionRequest {
            expected_tick: Some(tick),
            ..ada.orders(vec![order(None)])
        };
        assert_eq!(reason(client.submit_action(at(1)).await), "WRONG_TICK");
        client.submit_action(at(0)).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        assert_eq!(reason(client.submit_action(at(0)).await), "WRONG_TICK");
        client.submit_action(at(1)).await.unwrap();
    });
}

#[test]
fn a_full_queue_takes_nothing_of_what_is_too_much() {
    let config = LiveConfig { queue_orders: 5, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let (_, [ada, _]) = pair(&mut client, lockstep()).await;
        let orders = |n| ada.orders(vec![order(None); n]);
        assert_eq!(client.submit_action(orders(3)).await.unwrap().into_inner().queued, 3);
        assert_eq!(reason(client.submit_action(orders(3)).await), "QUEUE_FULL");
        assert_eq!(ada.state().await.state.unwrap().queued, 3);
        let replace = v1::SubmitActionRequest { replace_queue: true, ..orders(5) };
        assert_eq!(client.submit_action(replace).await.unwrap().into_inner().queued, 5);
        let clear = v1::ClearQueueRequest { game_id: ada.game.clone(), token: ada.token.clone() };
        assert_eq!(client.clear_queue(clear).await.unwrap().into_inner().cleared, 5);
    });
}

#[test]
fn nothing_is_done_with_a_token_of_somebody_else() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (game, [ada, bob]) = pair(&mut client, lockstep()).await;
        let (other, [eve, _]) = pair(&mut client, lockstep()).await;
        let long = "f".repeat(33);
        for token in [NOBODY, "", "token", &long, &eve.token, &game.owner, &other.owner] {
            let (game_id, token) = (game.id.clone(), token.to_owned());
            let mut forged = ada.orders(vec![order(None)]);
            forged.token.clone_from(&token);
            assert_eq!(reason(client.submit_action(forged).await), "BAD_TOKEN");
            let request =
                v1::GetGameStateRequest { game_id: game_id.clone(), token: token.clone() };
            assert_eq!(reason(client.get_game_state(request).await), "BAD_TOKEN");
            let request = v1::StreamGameRequest { game_id: game_id.clone(), token: token.clone() };
            assert_eq!(reason(client.stream_game(request).await), "BAD_TOKEN");
            let request = v1::SurrenderRequest { game_id: game_id.clone(), token: token.clone() };
            assert_eq!(reason(client.surrender(request).await), "BAD_TOKEN");
            let request = v1::ClearQueueRequest { game_id: game_id.clone(), token: token.clone() };
            assert_eq!(reason(client.clear_queue(request).await), "BAD_TOKEN");
            let request = v1::LeaveGameRequest { game_id, token };
            assert_eq!(reason(client.leave_game(request).await), "BAD_TOKEN");
        }
        for token in [NOBODY, &bob.token, &other.owner] {
            let owner_token = token.to_owned();
            let request = v1::DeleteGameRequest { game_id: game.id.clone(), owner_token };
            assert_eq!(reason(client.delete_game(request).await), "BAD_TOKEN");
        }
        for token in [NOBODY, &eve.token, &other.owner] {
            let (game_id, token) = (game.id.clone(), token.to_owned());
            let request = v1::PauseGameRequest { game_id: game_id.clone(), token: token.clone() };
            assert_eq!(reason(client.pause_game(request).await), "BAD_TOKEN");
            let request = v1::ResumeGameRequest { game_id, token };
            assert_eq!(reason(client.resume_game(request).await), "BAD_TOKEN");
        }
    });
}

#[test]
fn seats_are_taken_once_and_by_players() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let policies = vec!["random".to_owned()];
        let request = CreateGameRequest { players: 3, policies, ..lockstep() };
        let game = create(&mut client, request).await;
        let ask = |name: &str, seat| {
            let (game_id, name) = (game.id.clone(), name.to_owned());
            let mut client = client.clone();
            async move { client.join_game(v1::JoinGameRequest { game_id, name, seat }).await }
        };
        assert_eq!(reason(ask("ada", Some(2)).await), "BAD_PLAYER");
        assert_eq!(reason(ask("ada", Some(3)).await), "BAD_PLAYER");
        for name in ["", "\n", &"x".repeat(41)] {
            assert_eq!(reason(ask(name, None).await), "INVALID_ARGUMENT", "{name:?}");
        }
        assert_eq!(ask("ada", Some(1)).await.unwrap().into_inner().seat, 1);
        assert_eq!(reason(ask("bob", Some(1)).await), "ALREADY_JOINED");
        assert_eq!(reason(ask("ada", None).await), "ALREADY_JOINED");
        assert_eq!(ask("bob", None).await.unwrap().into_inner().seat, 0);
        assert_eq!(reason(ask("eve", None).await), "GAME_FULL");
        let missing = v1::JoinGameRequest { game_id: "1".repeat(16), ..Default::default() };
        assert_eq!(reason(client.join_game(missing).await), "GAME_NOT_FOUND");
        let nonsense = v1::JoinGameRequest { game_id: "game-1".into(), ..Default::default() };
        assert_eq!(reason(client.join_game(nonsense).await), "GAME_NOT_FOUND");
    });
}

#[test]
fn who_creates_a_game_joins_it_in_the_same_request_or_there_is_no_game() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let policies = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let ask = |players, names: &[&str], join_as: Option<&str>, join_seat| CreateGameRequest {
            players,
            policies: policies(names),
            join_as: join_as.map(str::to_owned),
            join_seat,
            ..lockstep()
        };
        for (wanted, wrong) in [
            ("BAD_PLAYER", ask(3, &["random"], Some("ada"), Some(2))),
            ("BAD_PLAYER", ask(3, &["random"], Some("ada"), Some(3))),
            ("GAME_FULL", ask(2, &["random", "random"], Some("ada"), None)),
            ("INVALID_ARGUMENT", ask(2, &[], Some(""), None)),
            ("INVALID_ARGUMENT", ask(2, &[], Some(&"x".repeat(41)), None)),
            ("INVALID_ARGUMENT", ask(2, &[], None, Some(0))),
        ] {
            assert_eq!(reason(client.create_game(wrong.clone()).await), wanted, "{wrong:?}");
        }
        let list = client.list_games(v1::ListGamesRequest::default()).await.unwrap().into_inner();
        assert_eq!(list.games, [], "what was refused left nothing behind");

        let lobby = client.create_game(ask(3, &["random"], Some("ada"), Some(1))).await.unwrap();
        let lobby = lobby.into_inner();
        let ada = lobby.joined.unwrap();
        assert_eq!((ada.seat, ada.phase()), (1, v1::Phase::Lobby));
        let again = v1::JoinGameRequest {
            game_id: lobby.game_id.clone(),
            name: "ada".to_owned(),
            seat: None,
        };
        assert_eq!(reason(client.join_game(again).await), "ALREADY_JOINED");
        let bob = join(&client, &lobby.game_id, "bob").await;
        assert_eq!(bob.seat, 0);
        let state = v1::GetGameStateRequest { game_id: lobby.game_id, token: ada.token };
        let state = client.get_game_state(state).await.unwrap().into_inner();
        assert_eq!((state.seat, state.info.unwrap().phase()), (1, v1::Phase::Running));

        let full = client.create_game(ask(2, &["random"], Some("ada"), None)).await.unwrap();
        let ada = full.into_inner().joined.unwrap();
        assert_eq!((ada.seat, ada.phase()), (0, v1::Phase::Running), "a policy has the other seat");
        let nobody = client.create_game(lockstep()).await.unwrap().into_inner();
        assert_eq!(nobody.joined, None);
    });
}

#[test]
fn a_phase_in_which_something_cannot_be_done_is_named() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let game = create(&mut client, lockstep()).await;
        let ada = join(&client, &game.id, "ada").await;
        let pause = || v1::PauseGameRequest { game_id: ada.game.clone(), token: ada.token.clone() };
        let resume =
            || v1::ResumeGameRequest { game_id: ada.game.clone(), token: ada.token.clone() };
        let surrender =
            || v1::SurrenderRequest { game_id: ada.game.clone(), token: ada.token.clone() };
        let refused = client.pause_game(pause()).await.unwrap_err();
        assert!(refused.message().contains("the game is lobby"), "{}", refused.message());
        assert_eq!(reason(client.pause_game(pause()).await), "WRONG_PHASE");
        assert_eq!(reason(client.surrender(surrender()).await), "WRONG_PHASE");
        assert_eq!(reason(ada.submit(order(None)).await), "WRONG_PHASE");
        let bob = join(&client, &game.id, "bob").await;
        assert_eq!(reason(client.resume_game(resume()).await), "WRONG_PHASE");
        client.pause_game(pause()).await.unwrap();
        assert_eq!(reason(ada.submit(order(None)).await), "WRONG_PHASE");
        assert_eq!(reason(client.pause_game(pause()).await), "WRONG_PHASE");
        client.resume_game(resume()).await.unwrap();
        client.surrender(surrender()).await.unwrap();
        // It is put off to turn 1.
        bob.submit(order(None)).await.unwrap();
        bob.submit(order(None)).await.unwrap();
        bob.stream().await.rest().await;
        assert_eq!(reason(bob.submit(order(None)).await), "GAME_OVER");
        assert_eq!(reason(client.surrender(surrender()).await), "GAME_OVER");
        assert_eq!(reason(client.pause_game(pause()).await), "GAME_OVER");
        let join = v1::JoinGameRequest { game_id: game.id, name: "eve".into(), seat: None };
        assert_eq!(reason(client.join_game(join).await), "GAME_OVER");
    });
}

#[test]
fn games_that_cannot_be_played_are_refused_with_the_field() {
    use v1::{BoardSize, MapChoice, map_choice::Map};
    with_server(LiveConfig::default(), async |mut client, _live| {
        let size =
            |width, height| Some(MapChoice { map: Some(Map::Size(BoardSize { width, height })) });
        let text = |text: &str| Some(MapChoice { map: Some(Map::Text(text.to_owned())) });
        let default = CreateGameRequest::default;
        for (field, request) in [
            ("map", CreateGameRequest { map: size(0, 0), ..default() }),
            ("map", CreateGameRequest { map: size(33, 20), ..default() }),
            ("map", CreateGameRequest { map: size(u32::MAX, 1), ..default() }),
            ("map", CreateGameRequest { map: size(2, 2), players: 5, ..default() }),
            ("map", CreateGameRequest { map: text("A ?"), ..default() }),
            ("players", CreateGameRequest { map: text("A . ."), ..default() }),
            ("players", CreateGameRequest { map: text("A . B"), players: 3, ..default() }),
            ("players", CreateGameRequest { players: 1, ..default() }),
            ("players", CreateGameRequest { players: 40, ..default() }),
            ("teams", CreateGameRequest { teams: vec![0, 0], ..default() }),
            ("teams", CreateGameRequest { teams: vec![0, 256], ..default() }),
            ("teams", CreateGameRequest { teams: vec![0, 1, 2], players: 2, ..default() }),
            ("ruleset", CreateGameRequest { ruleset: "chess".into(), ..default() }),
            ("ruleset", CreateGameRequest { ruleset: "x = [".into(), ..default() }),
            ("pace", CreateGameRequest { pace: 9, ..default() }),
            ("turn_ms", CreateGameRequest { turn_ms: u32::MAX, ..default() }),
            ("policies", CreateGameRequest { policies: vec!["stockfish".into()], ..default() }),
            ("policies", CreateGameRequest { policies: vec!["external".into()], ..default() }),
            ("policies", CreateGameRequest { policies: vec!["random".into(); 3], ..default() }),
            (
                "spectator_delay",
                CreateGameRequest { allow_spectators: true, spectator_delay: 1001, ..default() },
            ),
        ] {
            let refused = client.create_game(request.clone()).await.unwrap_err();
            let message = refused.message().to_owned();
            assert!(message.starts_with(&format!("{field}: ")), "{request:?}: {message}");
            assert_eq!(reason::<()>(Err(refused)), "INVALID_ARGUMENT");
        }
        let list = v1::ListGamesRequest { page_token: "next".into(), ..Default::default() };
        assert_eq!(reason(client.list_games(list).await), "INVALID_ARGUMENT");
    });
}

#[test]
fn a_server_has_as_many_games_and_streams_as_it_may_have() {
    let config = LiveConfig { max_games: 2, max_streams: 1, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let (first, [ada, bob]) = pair(&mut client, lockstep()).await;
        create(&mut client, lockstep()).await;
        assert_eq!(reason(client.create_game(lockstep()).await), "TOO_MANY_GAMES");
        let watcher = ada.stream().await;
        let request =
            || v1::StreamGameRequest { game_id: bob.game.clone(), token: bob.token.clone() };
        assert_eq!(reason(client.stream_game(request()).await), "TOO_MANY_STREAMS");
        drop(watcher);
        // The server hears of it in its own time.
        while client.stream_game(request()).await.is_err() {}
        let spectate = || v1::SpectateRequest { game_id: first.id.clone() };
        // The stream that was just opened is closed again.
        let refused = loop {
            match reason(client.spectate(spectate()).await).as_str() {
                "TOO_MANY_STREAMS" => {}
                other => break other.to_owned(),
            }
        };
        assert_eq!(refused, "NOT_ALLOWED");
        let request = v1::DeleteGameRequest { game_id: first.id, owner_token: first.owner };
        client.delete_game(request).await.unwrap();
        create(&mut client, lockstep()).await;
    });
}

#[test]
fn the_eliminated_are_told_so() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let request = CreateGameRequest { players: 3, ..lockstep() };
        let game = create(&mut client, request).await;
        let ada = join(&client, &game.id, "ada").await;
        let bob = join(&client, &game.id, "bob").await;
        let eve = join(&client, &game.id, "eve").await;
        let leave = v1::LeaveGameRequest { game_id: eve.game.clone(), token: eve.token.clone() };
        client.leave_game(leave).await.unwrap();
        // Who leaves before the first tick is out with the second one.
        for seat in [&ada, &bob] {
            client.submit_action(seat.orders(vec![order(None); 2])).await.unwrap();
        }
        while ada.state().await.state.unwrap().tick < 2 {}
        assert_eq!(reason(eve.submit(order(None)).await), "ELIMINATED");
    });
}

#[test]
fn a_lobby_that_nobody_fills_and_a_game_that_nobody_plays_are_given_up() {
    let short = Duration::from_millis(20);
    let config =
        LiveConfig { lobby: short, idle: short, keep_ended: short, ..LiveConfig::default() };
    with_server(config, async |mut client, live| {
        create(&mut client, lockstep()).await;
        let request = CreateGameRequest { pace: Pace::Timed.into(), turn_ms: 1000, ..lockstep() };
        let game = create(&mut client, request).await;
        // Both may be gone before the second player comes.
        for name in ["ada", "bob"] {
            let (game_id, name) = (game.id.clone(), name.to_owned());
            let joining = v1::JoinGameRequest { game_id, name, seat: None };
            if client.join_game(joining).await.is_err() {
                break;
            }
        }
        loop {
            let stats = live.stats().await.unwrap();
            if stats.removed == 2 {
                assert_eq!((stats.aborted, stats.games, stats.timers), (2, [0; 6], 0));
                break;
            }
        }
        let join = v1::JoinGameRequest { game_id: game.id, name: "eve".into(), seat: None };
        assert_eq!(reason(client.join_game(join).await), "GAME_NOT_FOUND");
    });
}

#[test]
fn a_client_that_sends_too_many_requests_is_told_to_wait() {
    let config = LiveConfig { requests_per_second: 1, ..LiveConfig::default() };
    with_server(config, async |mut client, _live| {
        let list = v1::ListGamesRequest::default;
        let refused = loop {
            if let Err(refused) = client.list_games(list()).await {
                break refused;
            }
        };
        assert_eq!(reason::<()>(Err(refused)), "TOO_MANY_REQUESTS");
        // After a while it may go on.
        while client.list_games(list()).await.is_err() {}
    });
}

//! How much one client may have of the server: refused with a reason, and never at others' cost.

use bivouac::{
    live::LiveConfig,
    serve::{
        ServerConfig,
        access::{Scope, Token},
    },
};
use proto::v1::{
    CreateGameRequest, DeleteGameRequest, SpectateRequest, StreamGameRequest,
    game_service_client::GameServiceClient,
};
use tonic::{Code, Request, transport::Channel};

use crate::client::{create, lockstep, reason, with_config, with_server};

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

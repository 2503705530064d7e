//! What the server logs, and what it never does.

use arrow_flight::{Action, Criteria, Ticket, flight_service_client::FlightServiceClient};
use proto::v1::{
    CreateGameRequest, GetGameStateRequest, JoinGameRequest, game_service_client::GameServiceClient,
};
use serde_json::Value;
use tonic::{Code, Request, metadata::MetadataValue};

use super::process::{Process, run};

const SECRET: &str = "a-token-that-is-never-logged";
const WRONG: &str = "a-wrong-token-is-not-logged-either";

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let header: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    request
}

/// Uses and misuses tokens of every kind, and returns those that the server made.
async fn use_tokens(server: &Process) -> Vec<String> {
    let channel = server.connect().await;
    let mut flight = FlightServiceClient::new(channel.clone());
    flight.list_flights(with_token(Criteria::default(), SECRET)).await.unwrap();
    let refused = flight.list_flights(with_token(Criteria::default(), WRONG)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused = flight.do_action(with_token(Action::new("no-such", ""), SECRET)).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let ticket = with_token(Ticket::new("{}"), SECRET);
    let mut rows = flight.do_get(ticket).await.unwrap().into_inner();
    while rows.message().await.unwrap().is_some() {}

    let mut games = GameServiceClient::new(channel);
    let create = with_token(CreateGameRequest::default(), SECRET);
    let game = games.create_game(create).await.unwrap().into_inner();
    let name = "ada\n\u{1b}[31mERROR forged".to_owned();
    let join = JoinGameRequest { game_id: game.game_id.clone(), name, seat: None };
    games.join_game(with_token(join, SECRET)).await.unwrap_err();
    let join =
        JoinGameRequest { game_id: game.game_id.clone(), name: "ada".to_owned(), seat: None };
    let joined = games.join_game(with_token(join, SECRET)).await.unwrap().into_inner();
    for token in [&joined.token, &game.owner_token] {
        let (game_id, token) = (game.game_id.clone(), token.clone());
        let state = GetGameStateRequest { game_id, token };
        let _one_is_no_seat = games.get_game_state(with_token(state, SECRET)).await;
    }
    vec![game.owner_token, joined.token]
}

fn logged(format: &str) -> (Vec<String>, Vec<String>) {
    let arguments = ["--log", "trace", "--log-format", format];
    let variables = [("BIVOUAC_TOKEN_READ", "read-token-0123456789"), ("TOKEN", SECRET)];
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("tokens-{format}.toml"));
    let text = "[both]\ntoken-env = \"TOKEN\"\nscopes = [\"read\", \"drive\"]\n";
    std::fs::write(&file, text).unwrap();
    let arguments = [&arguments[..], &["--tokens", file.to_str().unwrap()]].concat();
    let mut server = Process::start(&arguments, &variables);
    let secrets = run(use_tokens(&server));
    assert!(server.stop().success(), "{:#?}", server.log);
    (server.log.clone(), secrets)
}

#[test]
fn no_token_is_ever_logged() {
    for format in ["human", "json"] {
        let (log, mut secrets) = logged(format);
        secrets.extend([SECRET.to_owned(), WRONG.to_owned(), "read-token-0123456789".to_owned()]);
        assert!(log.iter().any(|line| line.contains("request refused")), "{log:#?}");
        for secret in secrets {
            assert!(!log.iter().any(|line| line.contains(&secret)), "{secret}: {log:#?}");
        }
    }
}

#[test]
fn a_log_in_json_has_an_object_for_each_event() {
    let (log, _) = logged("json");
    let events: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |message: &str| {
        let found = events.iter().find(|event| event["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {log:#?}"))
    };
    for message in ["listening", "stream opened", "stream ended", "game created", "stopped"] {
        assert_eq!(find(message)["timestamp"].as_str().unwrap().chars().next_back(), Some('Z'));
    }
    assert_eq!(find("listening")["tokens"], 2);
    assert_eq!(find("game created")["level"], "DEBUG");
    let refused = events.iter().find(|event| event["code"] == "Unauthenticated").unwrap();
    assert_eq!(refused["level"], "WARN");
    assert_eq!(refused["span"]["method"], "/arrow.flight.protocol.FlightService/ListFlights");
    assert!(refused["span"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn a_client_cannot_forge_lines_of_the_log() {
    let (log, _) = logged("human");
    let is_ours = |line: &String| line.contains("bivouac::") && !line.contains('\u{1b}');
    assert!(log.iter().all(is_ours), "{log:#?}");
}

#[test]
fn the_level_comes_from_the_flag_before_the_environment() {
    let mut server = Process::start(&["--log", "error"], &[("BIVOUAC_LOG", "trace")]);
    assert!(server.stop().success());
    assert_eq!(server.log, Vec::<String>::new());
    let mut server = Process::start(&[], &[("BIVOUAC_LOG", "debug")]);
    server.read_log_until("listening");
    run(async {
        let mut flight = FlightServiceClient::new(server.connect().await);
        flight.do_action(Action::new("no-such", "")).await.unwrap_err();
    });
    server.read_log_until("request refused");
    assert!(server.stop().success());
}

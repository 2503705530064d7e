//! Descriptors, schemas, tickets and actions.

use arrow::datatypes::Schema;
use arrow_flight::{Action, Criteria, FlightDescriptor, FlightInfo};
use datasets::schema;
use tonic::Code;

use crate::client::{config, connect, games, raw, stats_until, with_server};

fn experiences() -> FlightDescriptor {
    FlightDescriptor::new_path(vec!["experiences".to_owned()])
}

#[test]
fn experiences_are_a_flight_with_the_columns_of_a_dataset() {
    let simulated = games(4);
    let wanted = schema::experiences(&simulated.format);
    with_server(&config(), simulated, async |uri| {
        let mut client = connect(&uri).await;
        let listed = client.list_flights(Criteria::default()).await.unwrap().into_inner();
        let listed: FlightInfo = { listed }.message().await.unwrap().unwrap();
        let info = client.get_flight_info(experiences()).await.unwrap().into_inner();
        assert_eq!(listed, info);
        assert_eq!((info.total_records, info.total_bytes, info.ordered), (-1, -1, false));
        assert_eq!(info.endpoint.len(), 1);
        assert_eq!(&info.endpoint[0].ticket.as_ref().unwrap().ticket[..], b"{}");
        assert_eq!(info.try_decode_schema().unwrap(), *wanted);
        let schema = client.get_schema(experiences()).await.unwrap().into_inner();
        assert_eq!(Schema::try_from(&schema).unwrap(), *wanted);
    });
}

#[test]
fn one_game_is_a_flight() {
    with_server(&config(), games(4), async |uri| {
        let mut client = connect(&uri).await;
        let path =
            |number: &str| FlightDescriptor::new_path(vec!["game".to_owned(), number.to_owned()]);
        let info = client.get_flight_info(path("2")).await.unwrap().into_inner();
        let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
        assert_eq!(&ticket[..], br#"{"games":[2]}"#);
        for number in ["", "two", "-1"] {
            let status = client.get_flight_info(path(number)).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        }
    });
}

#[test]
fn a_ticket_may_be_a_descriptor() {
    with_server(&config(), games(4), async |uri| {
        let ticket = r#"{"columns": ["step", "policy"], "players": [1]}"#;
        let mut client = connect(&uri).await;
        let info = client.get_flight_info(FlightDescriptor::new_cmd(ticket)).await.unwrap();
        let info = info.into_inner();
        assert_eq!(&info.endpoint[0].ticket.as_ref().unwrap().ticket[..], ticket.as_bytes());
        let schema = info.try_decode_schema().unwrap();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["step", "policy"]);
    });
}

#[test]
fn malformed_tickets_name_the_field() {
    with_server(&config(), games(4), async |uri| {
        for (ticket, field) in [
            ("{", "ticket"),
            (r#"{"turbo": 1}"#, "turbo"),
            (r#"{"games": "all"}"#, "games"),
            (r#"{"players": [99]}"#, "players"),
            (r#"{"policies": ["alphago"]}"#, "policies"),
            (r#"{"columns": ["reward", "speed"]}"#, "columns"),
            (r#"{"columns": ["reward", "reward"]}"#, "columns"),
            (r#"{"batch_rows": 1000000}"#, "batch_rows"),
            (r#"{"max_wait_ms": -1}"#, "max_wait_ms"),
            (r#"{"after": 1000000000}"#, "after"),
            (r#"{"slow": "never"}"#, "slow"),
        ] {
            let status = raw(&uri, ticket).await.expect_err(ticket);
            assert_eq!(status.code(), Code::InvalidArgument, "{ticket}: {status}");
            assert!(status.message().starts_with(&format!("{field}: ")), "{ticket}: {status}");
            if !["ticket", "after", "batch_rows"].contains(&field) {
                let descriptor = FlightDescriptor::new_cmd(ticket);
                let status = connect(&uri).await.get_schema(descriptor).await;
                let status = status.expect_err(ticket);
                assert_eq!(status.code(), Code::InvalidArgument, "{ticket}: {status}");
            }
        }
    });
}

#[test]
fn what_does_not_exist_is_told_with_what_does() {
    with_server(&config(), games(4), async |uri| {
        let mut client = connect(&uri).await;
        let path = FlightDescriptor::new_path(vec!["dreams".to_owned()]);
        let status = client.get_flight_info(path).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("experiences"), "{status}");
        let status = client.do_action(Action::new("dance", "")).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("stats"), "{status}");
        let descriptor = FlightDescriptor::default();
        let status = client.get_schema(descriptor).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    });
}

#[test]
fn a_request_that_is_too_large_is_a_limit() {
    with_server(&config(), games(4), async |uri| {
        let large = " ".repeat(17 << 20);
        let status = raw(&uri, &large).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        let action = Action::new("stats", large);
        let status = connect(&uri).await.do_action(action).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    });
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let config = bivouac::serve::ServerConfig { max_streams: 1, ..config() };
    // No game ends in time, so the stream stays open.
    with_server(&config, games(1_000_000), async |uri| {
        let first = raw(&uri, r#"{"follow": true}"#).await.unwrap();
        let status = raw(&uri, "{}").await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        drop(first);
        stats_until(&uri, |stats| stats["experiences"]["streams"] == 0).await;
        raw(&uri, "{}").await.unwrap();
    });
}

#[test]
fn an_address_in_use_is_an_error() {
    let server = bivouac::serve::Server::start(&config(), games(1)).unwrap();
    let taken = bivouac::serve::ServerConfig::at(server.address());
    let error = bivouac::serve::Server::start(&taken, games(1)).unwrap_err().to_string();
    assert!(error.contains(&server.address().to_string()) && error.contains("--listen"), "{error}");
    server.stop().unwrap();
}

//! Whether the services are well, as gRPC's health protocol tells it.

use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::process::{Process, run};

const SERVICES: [&str; 3] = ["", "arrow.flight.protocol.FlightService", "bivouac.v1.GameService"];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[test]
fn health_needs_no_token_and_knows_both_services() {
    let server = Process::start(&[], &[("BIVOUAC_TOKEN_ADMIN", "admin-token-0123456789")]);
    run(async {
        let mut client = HealthClient::new(server.connect().await);
        for service in SERVICES {
            let answer = client.check(of(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
        }
        let unknown = client.check(of("bivouac.v1.Other")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    });
}

#[test]
fn who_watches_is_told_that_the_server_stops() {
    let mut server = Process::start(&[], &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut watched, channel) = runtime.block_on(async {
        let channel = server.connect().await;
        let mut client = HealthClient::new(channel.clone());
        let mut watched = client.watch(of(SERVICES[2])).await.unwrap().into_inner();
        let first = watched.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);
        (watched, channel)
    });
    let told = std::thread::spawn(move || {
        runtime.block_on(async move {
            let mut last = ServingStatus::Serving;
            while let Ok(Some(status)) = watched.message().await {
                last = status.status();
            }
            drop(channel);
            last
        })
    });
    assert!(server.stop().success(), "{:#?}", server.log);
    assert_eq!(told.join().unwrap(), ServingStatus::NotServing);
}

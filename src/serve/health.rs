//! Whether each service is well, for load balancers and whoever else asks the gRPC way.

use std::future::pending;

use arrow_flight::flight_service_server::FlightServiceServer;
use tonic::server::NamedService;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{
    games::{GameServiceServer, Games},
    service::Service,
};
use crate::live::LiveHandle;

/// The server as a whole.
const ALL: &str = "";

/// Says that the services are well until the world has ended or the server is told to stop. Never
/// ends.
pub(super) async fn report(
    mut reporter: HealthReporter,
    live: &LiveHandle,
    stopped: impl Future<Output = ()>,
) {
    tokio::pin!(stopped);
    let services = [
        ALL,
        <FlightServiceServer<Service> as NamedService>::NAME,
        <GameServiceServer<Games> as NamedService>::NAME,
    ];
    for service in services {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    let is_stopped = tokio::select! {
        () = &mut stopped => true,
        () = live.ended() => false,
    };
    // One thread plays all games: without it neither service has anything to give.
    for service in services {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
    if !is_stopped {
        stopped.await;
    }
    // Who watches was told, and its stream ends, so that the server need not wait for it.
    for service in services {
        reporter.clear_service_status(service).await;
    }
    pending::<()>().await;
}

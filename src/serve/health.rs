//! Whether each service is well, for load balancers and whoever else asks the gRPC way.

use arrow_flight::flight_service_server::FlightServiceServer;
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
    reporter.set_serving::<FlightServiceServer<Service>>().await;
    reporter.set_serving::<GameServiceServer<Games>>().await;
    let is_stopping = tokio::select! {
        () = stopped => true,
        () = live.ended() => false,
    };
    // One thread plays all games: without it neither service has anything to give.
    reporter.set_service_status(ALL, ServingStatus::NotServing).await;
    reporter.set_not_serving::<FlightServiceServer<Service>>().await;
    reporter.set_not_serving::<GameServiceServer<Games>>().await;
    if is_stopping {
        // Who watches is told, and its stream ends, so that the server need not wait for it.
        for service in
            [ALL, name::<FlightServiceServer<Service>>(), name::<GameServiceServer<Games>>()]
        {
            reporter.clear_service_status(service).await;
        }
    }
    std::future::pending().await
}

fn name<S: tonic::server::NamedService>() -> &'static str {
    S::NAME
}

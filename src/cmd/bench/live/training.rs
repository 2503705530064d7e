//! Simulated games at full speed beside the live ones, and who reads their rows.

use bivouac::serve::Simulated;
use tonic::transport::Channel;

use crate::cmd::bench::self_play::self_play;

/// A trainer who takes rows as fast as they come.
pub(in crate::cmd::bench) async fn read_rows(uri: String) {
    use arrow_flight::{Ticket, flight_service_client::FlightServiceClient};
    let Ok(channel) = Channel::from_shared(uri) else { return };
    let Ok(channel) = channel.connect().await else { return };
    let ticket = Ticket::new(r#"{"follow": true, "slow": "drop_oldest"}"#);
    let Ok(rows) = FlightServiceClient::new(channel).do_get(ticket).await else { return };
    let mut rows = rows.into_inner();
    while let Ok(Some(_)) = rows.message().await {}
}

/// Simulated games without end, or none.
pub(in crate::cmd::bench) fn simulated(trains: bool) -> Simulated {
    if trains { self_play(u64::MAX, 1024) } else { Simulated::nothing() }
}

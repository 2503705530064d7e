//! Simulated games at full speed beside the live ones, and who reads their rows.

use std::sync::Arc;

use bivouac::serve::Simulated;
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::WorldConfig,
};
use tonic::transport::Channel;

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
    if !trains {
        return Simulated::nothing();
    }
    let ruleset = Arc::new(Ruleset::named("generals").expect("it is built in"));
    let map = MapSpec::free_for_all(ruleset.map.kind, 2);
    let spec = RolloutSpec {
        seed: 0,
        first_game: 0,
        games: u64::MAX,
        maps: Maps::Generated(MapSpec { size: Size::Fixed { width: 20, height: 20 }, ..map }),
        ruleset,
        max_ticks: 500,
        policies: vec![Policy::Random],
        has_fog: true,
    };
    let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
    let reward = Reward::SPARSE;
    Simulated { spec, format, reward, at_once: 1024, world: WorldConfig::default() }
}

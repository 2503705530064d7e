//! Simulated games for servers that are measured: random self-play on boards of 20x20.

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

/// So many games, some of them side by side.
pub(super) fn self_play(games: u64, at_once: usize) -> Simulated {
    let ruleset = Arc::new(Ruleset::named("generals").expect("it is built in"));
    let map = MapSpec::free_for_all(ruleset.map.kind, 2);
    let size = Size::Fixed { width: 20, height: 20 };
    let spec = RolloutSpec {
        seed: 0,
        first_game: 0,
        games,
        maps: Maps::Generated(MapSpec { size, ..map }),
        ruleset,
        max_ticks: 500,
        policies: vec![Policy::Random],
        has_fog: true,
    };
    let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
    let (reward, world) = (Reward::SPARSE, WorldConfig::default());
    Simulated { spec, format, reward, at_once, world }
}

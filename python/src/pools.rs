//! Maps that are made beforehand, shared by all environments that want the same ones.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use systems::{dice, mapgen::MapSpec, start::Start};

/// A pool that some environment still draws from.
struct Pool {
    spec: MapSpec,
    seed: u64,
    maps: Weak<[Arc<Start>]>,
}

/// A curriculum asks for the pool that it has, once for each change of another attribute.
static POOLS: Mutex<Vec<Pool>> = Mutex::new(Vec::new());

/// `n` maps of a seed.
pub(crate) fn of(spec: MapSpec, seed: u64, n: u32) -> Arc<[Arc<Start>]> {
    if let Some(known) = known(&spec, seed, n) {
        return known;
    }
    let map = |i| Arc::new(spec.generate(dice::episode_key(seed, u64::from(i), 0)));
    let maps: Arc<[Arc<Start>]> = (0..n).map(map).collect();
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.push(Pool { spec, seed, maps: Arc::downgrade(&maps) });
    maps
}

fn known(spec: &MapSpec, seed: u64, n: u32) -> Option<Arc<[Arc<Start>]>> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|pool| pool.maps.strong_count() > 0);
    let same = pools.iter().filter(|pool| (&pool.spec, pool.seed) == (spec, seed));
    same.filter_map(|pool| pool.maps.upgrade()).find(|maps| maps.len() == n as usize)
}

//! One measurement.

use std::{sync::Arc, time::Instant};

use systems::{
    reset::Renewal,
    reward::Reward,
    rows::RecycledRows,
    schedule::Phase,
    world::{GameSpec, World, WorldConfig},
};

use super::roster::Roster;

/// Ticks before measuring, so that games have land of many sizes.
const WARM_UP_TICKS: usize = 150;
/// Tick limit of the games, so that some end and begin anew while measuring.
const MAX_TICKS: u32 = 1000;

/// What to measure.
pub(super) struct Case {
    pub(super) games: usize,
    pub(super) threads: usize,
    pub(super) phases: &'static [Phase],
    pub(super) seconds: f64,
}

/// What was measured.
pub(super) struct Measured {
    pub(super) games: usize,
    pub(super) threads: usize,
    pub(super) players: usize,
    pub(super) ns_per_game_tick: f64,
    pub(super) rows_per_second: f64,
    pub(super) bytes_per_game: f64,
}

impl Measured {
    pub(super) fn game_ticks_per_second(&self) -> f64 {
        1e9 / self.ns_per_game_tick
    }
}

/// Fills a world and steps it.
pub(super) fn measure(roster: &Roster, case: &Case) -> anyhow::Result<Measured> {
    let before = resident_bytes();
    let (mut world, rows) = fill(roster, case)?;
    let bytes_per_game = (resident_bytes() - before) / case.games as f64;
    let (ns_per_game_tick, rows_per_second) = world.on_pool(|world| {
        for _ in 0..warm_up(case.games) {
            world.step();
        }
        let mut best = (f64::INFINITY, 0.0);
        for _ in 0..3 {
            let round = round(world, &rows, case);
            if round.0 < best.0 {
                best = round;
            }
        }
        best
    });
    let players = roster.policies.len();
    let Case { games, threads, .. } = *case;
    Ok(Measured { games, threads, players, ns_per_game_tick, rows_per_second, bytes_per_game })
}

/// Huge worlds are warmed up for fewer ticks: they take long, and their games differ anyway.
fn warm_up(games: usize) -> usize {
    if games > 200_000 { WARM_UP_TICKS / 5 } else { WARM_UP_TICKS }
}

fn round(world: &mut World, rows: &RecycledRows, case: &Case) -> (f64, f64) {
    let (start, rows_before, mut ticks) = (Instant::now(), rows.rows(), 0_u64);
    let steps = (20_000 / case.games).max(1);
    loop {
        for _ in 0..steps {
            world.step();
        }
        ticks += (steps * case.games) as u64;
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= case.seconds {
            let rows = rows.rows() - rows_before;
            return (elapsed * 1e9 / ticks as f64, rows as f64 / elapsed);
        }
    }
}

fn fill(roster: &Roster, case: &Case) -> anyhow::Result<(World, Arc<RecycledRows>)> {
    let config =
        WorldConfig { threads: case.threads, phases: case.phases, ..WorldConfig::default() };
    let mut world = World::new(config)?;
    let rules = world.add_ruleset(&roster.ruleset)?;
    let rows = Arc::new(RecycledRows::default());
    world.collect_rows(rows.clone(), roster.format, Reward::SPARSE);
    world.renew(Renewal::Pool { starts: roster.starts.clone(), seed: 1 });
    for game in 0..case.games {
        let start = &roster.starts[game % roster.starts.len()];
        world.create(&GameSpec {
            seed: 1,
            game: game as u64,
            // Games end at different times, as in a long run.
            max_ticks: MAX_TICKS,
            policies: &roster.policies,
            ..GameSpec::new(start, rules)
        })?;
    }
    Ok((world, rows))
}

/// Resident memory of this process, in bytes; 0 where the system does not tell.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}

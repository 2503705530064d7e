//! One measurement: a world of games, stepped for a while.
#![expect(clippy::cast_precision_loss, reason = "rates are printed with a few digits")]

use std::{sync::Arc, time::Instant};

use serde::Serialize;
use systems::{
    isa::Isa,
    reset::Renewal,
    reward::Reward,
    rows::RecycledRows,
    schedule::Phase,
    world::{GameSpec, World, WorldConfig},
};

use super::roster::Roster;

/// Ticks before measuring, so that games have land of many sizes.
pub(super) const WARM_UP_TICKS: usize = 150;
/// Tick limit of the games, so that some end and begin anew while measuring.
pub(super) const MAX_TICKS: u32 = 1000;
/// Rounds of which the best counts: the others were disturbed.
pub(super) const ROUNDS: usize = 3;

/// What to measure.
pub(super) struct Case {
    pub(super) games: usize,
    pub(super) threads: usize,
    pub(super) isa: Isa,
    pub(super) seconds: f64,
}

/// What was measured.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) games: usize,
    pub(super) threads: usize,
    /// Phases that were timed alone; empty: whole steps.
    pub(super) phases: Vec<PhaseTime>,
    pub(super) ns_per_game_tick: f64,
    pub(super) game_ticks_per_second: f64,
    pub(super) agent_steps_per_second: f64,
    pub(super) rows_per_second: f64,
    pub(super) row_bytes_per_second: f64,
    pub(super) step_us: f64,
    pub(super) world_bytes_per_game: f64,
}

/// The time of one phase.
#[derive(Clone, Serialize)]
pub(super) struct PhaseTime {
    pub(super) phase: &'static str,
    pub(super) ns_per_game_tick: f64,
}

/// A world at work, and what it writes.
struct Bench {
    world: World,
    rows: Arc<RecycledRows>,
    bytes_per_game: f64,
}

/// Measures whole steps.
pub(super) fn steps(roster: &Roster, case: &Case) -> anyhow::Result<Measured> {
    let mut bench = fill(roster, case)?;
    let rows = bench.rows.clone();
    let (seconds, ticks, n_rows) = bench.world.on_pool(|world| {
        let rounds = (0..ROUNDS).map(|_| round(world, &rows, case));
        rounds
            .min_by(|a, b| (a.0 / a.1 as f64).total_cmp(&(b.0 / b.1 as f64)))
            .expect("there are rounds")
    });
    Ok(measured(roster, case, &bench, seconds, ticks, n_rows, Vec::new()))
}

/// Measures phases alone: every phase runs in its turn, and those asked for are timed.
pub(super) fn phases(roster: &Roster, case: &Case, phases: &[Phase]) -> anyhow::Result<Measured> {
    let mut bench = fill(roster, case)?;
    let best = bench.world.on_pool(|world| {
        let rounds = (0..ROUNDS).map(|_| phase_round(world, case));
        rounds
            .fold([f64::INFINITY; 6], |best, times| std::array::from_fn(|i| best[i].min(times[i])))
    });
    let times: Vec<PhaseTime> = phases
        .iter()
        .map(|&phase| PhaseTime { phase: phase.name(), ns_per_game_tick: best[phase as usize] })
        .collect();
    let ns: f64 = times.iter().map(|t| t.ns_per_game_tick).sum();
    Ok(measured(roster, case, &bench, ns / 1e9, 1, 0, times))
}

fn measured(
    roster: &Roster,
    case: &Case,
    bench: &Bench,
    seconds: f64,
    ticks: u64,
    rows: u64,
    phases: Vec<PhaseTime>,
) -> Measured {
    let per_second = ticks as f64 / seconds;
    let rows_per_second = rows as f64 / seconds;
    Measured {
        games: case.games,
        threads: case.threads,
        phases,
        ns_per_game_tick: 1e9 / per_second,
        game_ticks_per_second: per_second,
        agent_steps_per_second: per_second * roster.policies.len() as f64,
        rows_per_second,
        row_bytes_per_second: rows_per_second * roster.format.row_bytes() as f64,
        step_us: case.games as f64 * 1e6 / per_second,
        world_bytes_per_game: bench.bytes_per_game,
    }
}

/// Seconds, game-ticks and rows of one round.
fn round(world: &mut World, rows: &RecycledRows, case: &Case) -> (f64, u64, u64) {
    let (start, rows_before, mut ticks) = (Instant::now(), rows.rows(), 0_u64);
    let steps = (20_000 / case.games).max(1);
    loop {
        for _ in 0..steps {
            world.step();
        }
        ticks += (steps * case.games) as u64;
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= case.seconds {
            return (elapsed, ticks, rows.rows() - rows_before);
        }
    }
}

/// Nanoseconds of each phase per game-tick in one round.
fn phase_round(world: &mut World, case: &Case) -> [f64; 6] {
    let (start, mut times, mut ticks) = (Instant::now(), [0.0; 6], 0.0);
    while start.elapsed().as_secs_f64() < case.seconds {
        for phase in Phase::ALL {
            let begin = Instant::now();
            world.step_phase(phase);
            times[phase as usize] += begin.elapsed().as_secs_f64();
        }
        ticks += case.games as f64;
    }
    times.map(|seconds| seconds * 1e9 / ticks)
}

fn fill(roster: &Roster, case: &Case) -> anyhow::Result<Bench> {
    let config = WorldConfig { threads: case.threads, isa: case.isa, ..WorldConfig::default() };
    let mut world = World::new(config)?;
    let rules = world.add_ruleset(&roster.ruleset)?;
    let rows = Arc::new(RecycledRows::default());
    world.collect_rows(rows.clone(), roster.format, Reward::SPARSE);
    world.renew(Renewal::Pool { starts: roster.starts.clone(), seed: 1 });
    let before = resident_bytes();
    for game in 0..case.games {
        let start = &roster.starts[game % roster.starts.len()];
        let policies = &roster.policies;
        let game = game as u64;
        world.create(&GameSpec {
            seed: 1,
            game,
            max_ticks: MAX_TICKS,
            policies,
            ..GameSpec::new(start, rules)
        })?;
    }
    let bytes_per_game = (resident_bytes() - before) / case.games as f64;
    // Huge worlds are warmed up for fewer ticks: they take long, and their games differ anyway.
    let warm_up = if case.games > 200_000 { WARM_UP_TICKS / 5 } else { WARM_UP_TICKS };
    world.on_pool(|world| (0..warm_up).for_each(|_| world.step()));
    anyhow::ensure!(rows.rows() > 0, "the warm-up wrote no row");
    Ok(Bench { world, rows, bytes_per_game })
}

/// Resident memory of this process, in bytes; 0 where the system does not tell.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}

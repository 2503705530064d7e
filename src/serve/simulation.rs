//! The world on its own thread: it steps, and publishes what its games' seats saw and did.
//!
//! Live games are played on the same thread and come first. What may have to wait for readers is
//! a third thread, the publisher: while it does, simulated games stand still and live ones go on.

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use datasets::live::{LiveBatch, LiveRows, pool::RowPool};
use systems::{
    mapgen::MapSpec,
    policies::Policy,
    record::GameRecord,
    reward::Reward,
    rollout::{Maps, Rollout, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::{World, WorldConfig},
};

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::{
    ServeError,
    log::{Log, Wait},
    server::spawn,
    snapshot::Command,
    stats::SimulationStats,
};
use crate::{
    analytics::{Analytics, Source},
    live::{Arena, arena::Batch},
};

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The games, their maps and their policies.
    pub spec: RolloutSpec,
    /// The form of the rows: every board must fit it.
    pub format: RowFormat,
    /// What rows reward.
    pub reward: Reward,
    /// Games that are played side by side.
    pub at_once: usize,
    /// How the world runs.
    pub world: WorldConfig,
}

impl Simulated {
    /// No games but live ones, of any size.
    #[must_use]
    pub fn nothing() -> Self {
        let ruleset = Arc::new(Ruleset::named("generals").expect("it is built in"));
        let spec = RolloutSpec {
            seed: 0,
            first_game: 0,
            games: 0,
            maps: Maps::Generated(MapSpec::free_for_all(ruleset.map.kind, 2)),
            ruleset,
            max_ticks: 1,
            policies: vec![Policy::Random],
            has_fog: true,
        };
        let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
        let world = WorldConfig { threads: 1, ..WorldConfig::default() };
        Self { spec, format, reward: Reward::SPARSE, at_once: 1, world }
    }
}

/// One step in so many is played phase by phase, with a look at the clock between them. It may take
/// half as long again as others, so all steps together take less than 1 % longer.
const SAMPLED: u64 = 64;

/// Ended games whose places are taken before live games are looked at again: some 2 ms. All games of a
/// rollout may come to their tick limit in one step.
const REFILLED: usize = 64;

/// A world, and what becomes of its rows.
pub(super) struct Simulation {
    rollout: Rollout,
    pool: Arc<RowPool>,
    live: LiveRows,
    commands: mpsc::Receiver<Command>,
    stats: Arc<Mutex<SimulationStats>>,
}

impl Simulation {
    /// Makes the world and its first games. `learners` are names of policies that play elsewhere.
    ///
    /// # Errors
    ///
    /// [`ServeError::World`] for games that cannot be played.
    pub(super) fn new(
        simulated: Simulated,
        learners: &[String],
        commands: mpsc::Receiver<Command>,
    ) -> Result<Self, ServeError> {
        let Simulated { spec, format, reward, at_once, world } = simulated;
        let pool = Arc::new(RowPool::default());
        let simulated = spec.policies.iter().map(|policy| policy.name());
        let mut names: Vec<_> = simulated.chain(learners.iter().map(String::as_str)).collect();
        // Those that may play live games and remote environments.
        for (_, name) in Policy::ALL {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let seats = spec.clone();
        let number = Box::new(move |game, seat| seats.policy_number(game, seat));
        let ruleset = spec.ruleset.name.clone();
        let live = LiveRows::new(format, &ruleset, &names, number, pool.clone());
        let mut world = World::new(world)?;
        world.collect_rows(pool.clone(), format, reward);
        let rollout = Rollout::unrecorded(spec, at_once, world)?;
        Ok(Self { rollout, pool, live, commands, stats: Arc::default() })
    }

    /// Where its world's rows go first.
    pub(super) fn pool(&self) -> &Arc<RowPool> {
        &self.pool
    }

    /// The rows it makes.
    pub(super) fn rows(&self) -> &LiveRows {
        &self.live
    }

    /// What it tells of itself while it runs.
    pub(super) fn stats(&self) -> Arc<Mutex<SimulationStats>> {
        self.stats.clone()
    }

    /// Plays until the arena is told to stop; readers end after the last row of the last game.
    pub(super) fn run(self, log: &Arc<Log>, arena: &mut Arena) -> Result<(), ServeError> {
        let clock = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| ServeError::Thread { name: "simulation", source })?;
        // One step's batches: the next step is played while they are published.
        let (batches, made) = mpsc::channel(1);
        let readers = log.clone();
        let simulates = !self.rollout.is_finished();
        let publisher = spawn("publisher", move || {
            publish(&readers, made);
            if simulates {
                readers.close_simulated();
            }
        })?;
        let analytics = arena.analytics();
        let mut beside = Beside {
            simulation: self,
            log: log.clone(),
            analytics,
            batches: Some(batches),
            told: None,
            restoring: None,
            left: Vec::new(),
        };
        let result = clock.block_on(arena.run(&mut beside));
        drop(beside);
        publisher.join().map_err(|_panic| ServeError::Panicked("publisher"))?;
        // Nothing is played any more.
        log.close();
        result
    }

    /// One step of all games, which is measured.
    fn advance(&mut self) {
        let began = Instant::now();
        let steps = self.lock_stats().steps;
        let mut phases = None;
        if steps.is_multiple_of(SAMPLED) {
            let (mut last, times) = (began, phases.insert([0; 6]));
            self.rollout.advance_by_phase(|phase| {
                let now = Instant::now();
                times[phase as usize] = nanoseconds(last, now);
                last = now;
            });
        } else {
            self.rollout.advance();
        }
        let mut stats = self.lock_stats();
        stats.steps += 1;
        stats.step_ns += nanoseconds(began, Instant::now());
        if let Some(times) = phases {
            stats.sampled_steps += 1;
            for (sum, time) in stats.phase_ns.iter_mut().zip(times) {
                *sum += time;
            }
        }
    }

    /// Some of the games that ended, whose places the next ones have taken.
    fn refill(&mut self) -> Result<Vec<GameRecord>, ServeError> {
        let ended = self.rollout.refill(REFILLED)?;
        let playing = self.rollout.playing() as u64;
        let mut stats = self.lock_stats();
        stats.playing = playing;
        stats.ended += ended.len() as u64;
        Ok(ended)
    }

    fn lock_stats(&self) -> MutexGuard<'_, SimulationStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

/// Puts batches into the log, which may have to wait for readers.
fn publish(log: &Log, mut batches: mpsc::Receiver<Vec<LiveBatch>>) {
    while let Some(batches) = batches.blocking_recv() {
        for batch in batches {
            log.publish(batch, Wait::Always);
        }
    }
}

/// The simulated games, as work beside the live ones.
struct Beside {
    simulation: Simulation,
    log: Arc<Log>,
    analytics: Analytics,
    /// Where batches go; none when all games are over.
    batches: Option<mpsc::Sender<Vec<LiveBatch>>>,
    /// A command that came while there was nothing to do.
    told: Option<Command>,
    /// Who waits for the games to stand where they stood.
    restoring: Option<oneshot::Sender<Result<(), ServeError>>>,
    /// Rows from before the games went back.
    left: Vec<LiveBatch>,
}

impl Beside {
    /// Obeys the commands that wait, of which a restoration goes on for many steps.
    fn obey(&mut self) -> Result<(), ServeError> {
        while self.restoring.is_none() {
            let told = self.told.take();
            let Some(command) = told.or_else(|| self.simulation.commands.try_recv().ok()) else {
                break;
            };
            match command {
                Command::Snapshot(answer) => {
                    // Who asked may be gone.
                    let _is_heard = answer.send(self.simulation.rollout.snapshot());
                }
                Command::Restore(_, answer) if self.batches.is_none() => {
                    let _is_heard = answer.send(Err(ServeError::Finished));
                }
                Command::Restore(snapshot, answer) => {
                    info!(games = snapshot.games.len(), "restoring");
                    let Simulation { rollout, live, .. } = &mut self.simulation;
                    self.left.extend(live.finish()?);
                    rollout.rewind(&snapshot)?;
                    self.restoring = Some(answer);
                }
            }
        }
        Ok(())
    }

    /// Goes on with the second half of a step.
    fn refill(&mut self) -> Result<(), ServeError> {
        let simulation = &mut self.simulation;
        for game in simulation.refill()? {
            let GameRecord { ruleset, policies, outcome, .. } = &game;
            self.analytics.add(Source::Simulated, &ruleset.name, policies, outcome);
        }
        Ok(())
    }

    /// One step on the way back, between which live games are played.
    fn catch_up(&mut self) -> Result<(), ServeError> {
        let Simulation { rollout, pool, live, .. } = &mut self.simulation;
        if rollout.catch_up()? {
            // Rows of all but the last step were made before, and those of the last one wait here
            // for what came of them.
            drop(live.step(pool.drain())?);
        } else if let Some(answer) = self.restoring.take() {
            info!("restored");
            let _is_heard = answer.send(Ok(()));
        }
        Ok(())
    }
}

impl Batch for Beside {
    type Error = ServeError;

    fn world(&mut self) -> &mut World {
        self.simulation.rollout.world_mut()
    }

    fn step(&mut self) -> Result<bool, ServeError> {
        if self.simulation.rollout.is_refilling() {
            self.refill()?;
            return Ok(true);
        }
        self.obey()?;
        if self.simulation.rollout.is_behind() {
            self.catch_up()?;
            return Ok(true);
        }
        let Some(batches) = &self.batches else { return Ok(false) };
        let Ok(place) = batches.try_reserve() else { return Ok(false) };
        let simulation = &mut self.simulation;
        let mut made = std::mem::take(&mut self.left);
        if simulation.rollout.is_finished() || self.log.is_stopping() {
            made.extend(simulation.live.finish()?);
            place.send(made);
            self.batches = None;
            return Ok(true);
        }
        simulation.advance();
        // Before anything live is played, whose rows go through the same pool.
        made.extend(simulation.live.step(simulation.pool.drain())?);
        place.send(made);
        self.refill()?;
        Ok(true)
    }

    async fn ready(&mut self) {
        let Self { batches, simulation, told, .. } = self;
        let room = async {
            match batches {
                // Taken at the next step.
                Some(batches) => drop(batches.reserve().await),
                None => pending().await,
            }
        };
        tokio::select! {
            () = room => {}
            Some(command) = simulation.commands.recv(), if told.is_none() => {
                *told = Some(command);
            }
        }
    }
}

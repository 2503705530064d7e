//! The world on its own thread: it steps, and publishes what its games' seats saw and did.
//!
//! Live games are played on the same thread and come first. What may have to wait for readers is
//! a third thread, the publisher: while it does, simulated games stand still and live ones go on.

use std::{future::pending, sync::Arc};

use datasets::live::{LiveBatch, LiveRows, pool::RowPool};
use systems::{
    policies::Policy,
    reward::Reward,
    rollout::{Rollout, RolloutSpec},
    rows::RowFormat,
    world::{World, WorldConfig},
};

use tokio::sync::mpsc;

use super::{
    ServeError,
    log::{Log, Wait},
    server::spawn,
};
use crate::live::{Arena, arena::Batch};

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

/// A world, and what becomes of its rows.
pub(super) struct Simulation {
    rollout: Rollout,
    pool: Arc<RowPool>,
    live: LiveRows,
}

impl Simulation {
    /// Makes the world and its first games. `learners` are names of policies that play elsewhere.
    ///
    /// # Errors
    ///
    /// [`ServeError::World`] for games that cannot be played.
    pub(super) fn new(simulated: Simulated, learners: &[String]) -> Result<Self, ServeError> {
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
        Ok(Self { rollout: Rollout::in_world(spec, at_once, world)?, pool, live })
    }

    /// Where its world's rows go first.
    pub(super) fn pool(&self) -> &Arc<RowPool> {
        &self.pool
    }

    /// The rows it makes.
    pub(super) fn rows(&self) -> &LiveRows {
        &self.live
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
        let mut beside = Beside { simulation: self, log: log.clone(), batches: Some(batches) };
        let result = clock.block_on(arena.run(&mut beside));
        drop(beside);
        publisher.join().map_err(|_panic| ServeError::Panicked("publisher"))?;
        // Nothing is played any more.
        log.close();
        result
    }
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
    /// Where batches go; none when all games are over.
    batches: Option<mpsc::Sender<Vec<LiveBatch>>>,
}

impl Batch for Beside {
    type Error = ServeError;

    fn world(&mut self) -> &mut World {
        self.simulation.rollout.world_mut()
    }

    fn step(&mut self) -> Result<bool, ServeError> {
        let Simulation { rollout, pool, live } = &mut self.simulation;
        let Some(batches) = &self.batches else { return Ok(false) };
        let Ok(place) = batches.try_reserve() else { return Ok(false) };
        if rollout.is_finished() || self.log.is_stopping() {
            place.send(live.finish()?);
            self.batches = None;
            return Ok(true);
        }
        rollout.step()?;
        place.send(live.step(pool.drain())?);
        Ok(true)
    }

    async fn ready(&mut self) {
        match &self.batches {
            // Taken at the next step.
            Some(batches) => drop(batches.reserve().await),
            None => pending().await,
        }
    }
}

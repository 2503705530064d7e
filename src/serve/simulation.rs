//! The world on its own thread: it steps, and publishes what its games' seats saw and did.

use std::sync::Arc;

use datasets::live::{LiveRows, pool::RowPool};
use systems::{
    reward::Reward,
    rollout::{Rollout, RolloutSpec},
    rows::RowFormat,
    world::{World, WorldConfig},
};

use super::{ServeError, log::Log};

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
        let built_in = spec.policies.iter().map(|policy| policy.name());
        let names: Vec<_> = built_in.chain(learners.iter().map(String::as_str)).collect();
        let seats = spec.clone();
        let number = Box::new(move |game, seat| seats.policy_number(game, seat));
        let live = LiveRows::new(format, &names, number, pool.clone());
        let mut world = World::new(world)?;
        world.collect_rows(pool.clone(), format, reward);
        Ok(Self { rollout: Rollout::in_world(spec, at_once, world)?, pool, live })
    }

    /// The rows it makes.
    pub(super) fn rows(&self) -> &LiveRows {
        &self.live
    }

    /// Plays until all games are over or the log says stop; readers end after the last row.
    pub(super) fn run(mut self, log: &Log) -> Result<(), ServeError> {
        let result = self.play(log);
        log.close();
        result
    }

    fn play(&mut self, log: &Log) -> Result<(), ServeError> {
        while !self.rollout.is_finished() && !log.is_stopping() {
            self.rollout.step()?;
            for batch in self.live.step(self.pool.drain())? {
                log.publish(batch);
            }
        }
        for batch in self.live.finish()? {
            log.publish(batch);
        }
        Ok(())
    }
}

//! Episodes of environments: how they begin, and what is kept of those that are over.

use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{
    EnvError, Frame, Opening, VectorEnv,
    spec::EnvSpec,
    vector::{Env, EnvState},
};
use crate::{
    components::State,
    record::{GameRecord, Outcome},
    replay::{ScriptMoves, ScriptedOrder},
    rollout::Maps,
    rows::{RowBatch, flag},
    slots::UNWRITTEN,
    start::Start,
    visit::Phases,
    world::{
        Class, GameId, GameSpec, World, WorldConfig,
        slotted::{Errand, StoredGame},
    },
};

/// Fewer maps than this are made on the calling thread: waking others costs more.
const PARALLEL_MAPS: usize = 8;

/// The position where episodes of a specification begin, if that is in the middle of a game.
pub(super) fn opening(spec: &EnvSpec) -> Result<Option<Arc<StoredGame>>, EnvError> {
    let Opening::Replay { game, tick } = &spec.opening else { return Ok(None) };
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
    let rules = world.add_ruleset(&game.ruleset)?;
    let id = world.create(&GameSpec { is_recorded: true, ..game.spec(rules) })?;
    // The first step shows the start.
    for _ in 0..=*tick {
        world.step();
    }
    let stored = world.stored(id)?;
    if stored.turn() != *tick {
        return Err(EnvError::Tick { tick: *tick, ticks: stored.turn() });
    }
    Ok(Some(Arc::new(stored)))
}

impl VectorEnv {
    /// Lays out the start of the present episode of some environments.
    pub(super) fn begin(&mut self, envs: &[usize]) -> Result<(), EnvError> {
        let starts = self.starts(envs);
        for (&env, start) in envs.iter().zip(starts) {
            let state = &mut self.envs[env].state;
            state.spec = state.next.clone();
            state.rules = self.world.add_ruleset(&state.spec.ruleset)?;
            state.policies = state.spec.policies.clone();
            state.policies.resize(start.players(), crate::policies::Policy::External);
            state.start = start;
            match state.opening.clone() {
                None => self.lay(env)?,
                Some(opening) => self.enter(env, &opening)?,
            }
        }
        Ok(())
    }

    /// The maps of some environments' present episodes.
    fn starts(&mut self, envs: &[usize]) -> Vec<Arc<Start>> {
        let Self { world, envs: all, .. } = self;
        let start = |&env: &usize| -> Arc<Start> {
            let EnvState { next, episode, .. } = &all[env].state;
            match &next.opening {
                Opening::Maps(maps) => maps.start(episode.seed, episode.game, episode.episode),
                Opening::Replay { game, .. } => game.start.clone(),
            }
        };
        let is_costly =
            |&env: &usize| matches!(all[env].state.next.opening, Opening::Maps(Maps::Generated(_)));
        if world.is_threaded() && envs.len() >= PARALLEL_MAPS && envs.iter().any(is_costly) {
            world.on_pool(|_| envs.par_iter().map(start).collect())
        } else {
            envs.iter().map(start).collect()
        }
    }

    /// Begins an episode on its map.
    fn lay(&mut self, env: usize) -> Result<(), EnvError> {
        let Env { home, aside, state, .. } = &mut self.envs[env];
        state.departures.clear();
        let (spec, episode) = (&state.spec, state.episode);
        let game = GameSpec {
            seed: episode.seed,
            game: episode.game,
            episode: episode.episode,
            max_ticks: spec.max_ticks,
            policies: &state.policies,
            has_fog: spec.has_fog,
            is_recorded: self.is_recorded,
            ..GameSpec::new(&state.start, state.rules)
        };
        if self.home.holds(Class::of(&state.start)) {
            self.world.reset_as(*home, self.home, &game)?;
            aside.take().map_or(Ok(()), |id| self.world.remove(id))?;
        } else {
            let game = GameSpec { is_live: true, ..game };
            self.has_aside = true;
            match aside {
                Some(id) => self.world.reset_as(*id, Class::WIDE, &game)?,
                None => *aside = Some(self.world.create_as(&game, Class::WIDE)?),
            }
            self.world.silence(*home)?;
        }
        Ok(())
    }

    /// Begins an episode in the middle of a game.
    fn enter(&mut self, env: usize, opening: &StoredGame) -> Result<(), EnvError> {
        let state = &mut self.envs[env].state;
        let mut game = opening.clone();
        game.become_episode(state.episode.key(), &state.policies, state.spec.max_ticks);
        if let Opening::Replay { game, tick } = &state.spec.opening {
            let before = game.moves.departures.iter().filter(|(turn, _)| turn < tick);
            state.departures = before.copied().collect();
        }
        self.place(env, &game)
    }

    /// Puts a game into an environment, at home if it fits.
    pub(super) fn place(&mut self, env: usize, game: &StoredGame) -> Result<(), EnvError> {
        let Env { home, aside, state, .. } = &mut self.envs[env];
        if game.fits(self.home) {
            self.world.put(*home, game, state.rules)?;
            aside.take().map_or(Ok(()), |id| self.world.remove(id))?;
        } else {
            self.has_aside = true;
            match aside {
                Some(id) => self.world.put(*id, game, state.rules)?,
                None => *aside = Some(self.world.put_aside(game, state.rules)?),
            }
            self.world.silence(*home)?;
        }
        Ok(())
    }

    /// Writes the rows of environments that have just begun.
    pub(super) fn observe(&mut self, envs: &[usize], frame: &mut Frame) -> Result<(), EnvError> {
        for &env in envs {
            self.visit_alone(env, Phases::only(crate::schedule::Phase::Experience), &[], frame)?;
        }
        Ok(())
    }

    /// Takes one environment through some phases and puts its rows into the frame.
    pub(super) fn visit_alone(
        &mut self,
        env: usize,
        phases: Phases,
        actions: &[i32],
        frame: &mut Frame,
    ) -> Result<(), EnvError> {
        let agents = self.seats.len();
        let mut refused = [0; 16];
        self.batch.flags[..agents].fill(UNWRITTEN);
        self.batch.large_army.clear();
        let errand = Errand {
            phases,
            batch: &mut self.batch,
            seats: self.seats.iter().fold(0, |set, seat| set | 1 << seat),
            actions,
            refused: &mut refused[..agents],
        };
        self.world.visit_alone(self.envs[env].id(), errand)?;
        take_rows(frame, env, &mut self.batch);
        frame.refused[env * agents..][..agents].copy_from_slice(&refused[..agents]);
        Ok(())
    }

    /// Keeps what some environments played, if games are recorded and a tick was.
    pub(super) fn finish(&mut self, envs: &[usize]) -> Result<(), EnvError> {
        if !self.is_recorded {
            return Ok(());
        }
        for &env in envs {
            let id = self.envs[env].id();
            if self.world.progress(id)?.0 > 0 {
                let orders = self.world.take_recording(id)?;
                let record = self.record(env, id, orders)?;
                self.envs[env].last = Some(Box::new(record.clone()));
                self.games.push(record);
            }
        }
        Ok(())
    }

    /// What an environment has played of its present episode, as a game that is cut off here unless
    /// it is over; its last game if nothing of the episode was played yet. None if there is none, as
    /// long as games are not recorded.
    ///
    /// # Errors
    ///
    /// [`EnvError::Env`].
    pub fn last_game(&self, env: usize) -> Result<Option<GameRecord>, EnvError> {
        let id = self.env(env)?.id();
        if self.is_recorded && self.world.progress(id)?.0 > 0 {
            return Ok(Some(self.record(env, id, self.world.recording(id)?)?));
        }
        Ok(self.envs[env].last.as_deref().cloned())
    }

    /// What an environment has played, as a game that is cut off here unless it is over.
    fn record(
        &self,
        env: usize,
        id: GameId,
        orders: Vec<Vec<ScriptedOrder>>,
    ) -> Result<GameRecord, EnvError> {
        let state = &self.envs[env].state;
        let position = self.world.position(id)?;
        let mut outcome = Outcome::of(&position, &state.start.teams);
        let is_given_up = position.state == State::Running;
        outcome.is_truncated |= is_given_up;
        let moves = ScriptMoves { orders, departures: state.departures.clone() };
        Ok(GameRecord {
            seed: state.episode.seed,
            game: state.episode.game,
            episode: state.episode.episode,
            ruleset: state.spec.ruleset.clone(),
            has_fog: state.spec.has_fog,
            max_ticks: if is_given_up { position.turn } else { state.spec.max_ticks },
            policies: state.policies.iter().map(|policy| policy.name().to_owned()).collect(),
            start: state.start.clone(),
            moves: Arc::new(moves),
            outcome,
        })
    }
}

/// Puts the rows of one environment into a frame. Rows that were not written stay, or are nobody's
/// in a game that begins.
fn take_rows(frame: &mut Frame, env: usize, batch: &mut RowBatch) {
    let agents = frame.agents();
    let is_written = |flags: u8| flags & UNWRITTEN == 0;
    let flags = &batch.flags[..agents];
    let begins = flags.iter().any(|&f| is_written(f) && f & flag::FIRST != 0);
    let first = env * agents;
    for agent in 0..agents {
        let (mut rows, _) = frame.write();
        if is_written(batch.flags[agent]) {
            batch.flags[agent] |= flag::ACTIVE;
            rows.copy(first + agent, crate::row_slices::RowsRef::of(batch), agent, 1);
        } else if begins {
            rows.clear(first + agent);
        } else {
            rows.flags[first + agent] &= !flag::ACTIVE;
            rows.reward[first + agent] = 0.0;
            rows.action[first + agent] = -1;
            rows.forbid(first + agent);
            continue;
        }
        frame.large_army.retain(|(row, _)| *row as usize != first + agent);
    }
    #[expect(clippy::cast_possible_truncation, reason = "rows are counted in 32 bits")]
    let exact = batch.large_army.drain(..).map(|(agent, units)| (first as u32 + agent, units));
    frame.large_army.extend(exact);
}

//! A vector of environments: reset, step, and what changes while it runs.

use std::sync::Arc;

use super::{Autoreset, EnvError, EnvSpec, Frame, Refusal, Seeds, VectorSpec, frames::Frames};
use crate::{
    delta::SeenBoard,
    policies::Policy,
    record::GameRecord,
    rows::{RecycledRows, RowBatch, RowFormat},
    slots::SlotTable,
    start::Start,
    world::{Class, GameId, GameSpec, Position, World, slotted::StoredGame},
};

/// Which episode an environment plays: its effective seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Seed of all games it belongs to.
    pub seed: u64,
    /// Its index among them.
    pub game: u64,
    /// Its number, from 0.
    pub episode: u32,
}

impl Episode {
    /// Its key, which decides everything random in it and is its `episode_id`.
    #[must_use]
    pub fn key(self) -> u64 {
        crate::dice::episode_key(self.seed, self.game, self.episode)
    }
}

/// Environments whose episodes ended in the last step, and their last rows
/// ([`Autoreset::SameStep`]).
#[derive(Clone, Debug)]
pub struct Finals {
    /// The environments, ascending.
    pub envs: Vec<usize>,
    /// Their rows, in this order.
    pub frame: Arc<Frame>,
}

/// One environment and the episode it plays.
pub(super) struct Env {
    /// Its game in the table of the slots.
    pub(super) home: GameId,
    /// Its game elsewhere, if that does not fit the table; then nothing happens at home.
    pub(super) aside: Option<GameId>,
    pub(super) state: EnvState,
    /// The last game that it finished or gave up, if games are recorded.
    pub(super) last: Option<Box<GameRecord>>,
}

/// What an environment remembers of its episode, wherever the game is.
#[derive(Clone)]
pub(super) struct EnvState {
    /// What it plays from its next episode on.
    pub(super) next: Arc<EnvSpec>,
    /// What it plays now.
    pub(super) spec: Arc<EnvSpec>,
    pub(super) rules: u8,
    pub(super) episode: Episode,
    /// Who chooses for each seat now.
    pub(super) policies: Vec<Policy>,
    pub(super) start: Arc<Start>,
    /// Who left before the episode began, in a game that was entered in the middle.
    pub(super) departures: Vec<(u32, u8)>,
    /// The position of [`EnvState::next`], if it lies in the middle of a game.
    pub(super) opening: Option<Arc<StoredGame>>,
}

impl Env {
    /// Its game.
    pub(super) fn id(&self) -> GameId {
        self.aside.unwrap_or(self.home)
    }
}

/// Many environments, stepped together. See [the module](super).
pub struct VectorEnv {
    pub(super) world: World,
    pub(super) envs: Vec<Env>,
    pub(super) seats: Vec<u8>,
    pub(super) format: RowFormat,
    pub(super) home: Class,
    pub(super) is_recorded: bool,
    pub(super) games: Vec<GameRecord>,
    pub(super) frames: Frames,
    pub(super) frame: Arc<Frame>,
    /// Whether some game may lie elsewhere than in its slot.
    pub(super) has_aside: bool,
    /// For the rows of games that are visited alone.
    pub(super) batch: RowBatch,
    autoreset: Autoreset,
    /// Agent whose end is that of its environment's episode; none: that of all agents is.
    learner: Option<usize>,
    finals: Option<Finals>,
    refusals: [u64; Refusal::ALL.len()],
    /// Environments that ended in this step: kept for its memory.
    over: Vec<usize>,
    /// Whether nobody has reset, stepped or restored it yet.
    pub(super) is_new: bool,
}

impl VectorEnv {
    /// Makes the environments and shows the starts of their first episodes.
    ///
    /// # Errors
    ///
    /// What cannot be played; see [`EnvError`].
    pub fn new(spec: VectorSpec) -> Result<Self, EnvError> {
        spec.check()?;
        let (format, seats) = (spec.format, spec.seats.clone());
        let mut world = World::new(spec.config)?;
        world.collect_rows(Arc::new(RecycledRows::default()), format, spec.reward);
        let players = spec.envs.iter().map(|env| env.players()).max().unwrap_or(1);
        let most = players.max(seats.last().map_or(0, |&seat| usize::from(seat) + 1));
        let home = Class::for_boards(format.tiles(), most);
        let (n, agents) = (spec.envs.len(), seats.len());
        let envs = Self::make(&mut world, &spec, home)?;
        let frame = Arc::new(Frame::zeroed(format, n, agents));
        *world.slots() = Some(SlotTable {
            class: home,
            seats: seats.iter().fold(0, |set, seat| set | 1 << seat),
            actions: vec![-1; n * agents],
            frame: Frame::zeroed(format, 0, agents),
            last: frame.clone(),
            large_army: std::sync::Mutex::default(),
        });
        let mut vector = Self {
            world,
            envs,
            format,
            home,
            is_recorded: spec.is_recorded,
            games: Vec::new(),
            frames: Frames::new(format, n, agents),
            frame,
            has_aside: false,
            batch: RowBatch::new(format, agents),
            autoreset: spec.autoreset,
            learner: spec.learner.and_then(|seat| seats.iter().position(|&its| its == seat)),
            finals: None,
            refusals: [0; _],
            over: Vec::new(),
            is_new: true,
            seats,
        };
        let all: Vec<usize> = (0..n).collect();
        vector.begin(&all)?;
        vector.advance()?;
        Ok(vector)
    }

    /// Games that are over, one for each environment, in the order of the environments.
    fn make(world: &mut World, spec: &VectorSpec, home: Class) -> Result<Vec<Env>, EnvError> {
        let nobody = Start {
            width: 1,
            height: 1,
            teams: vec![0, 1],
            generals: vec![None; 2],
            ..Start::default()
        };
        let start = Arc::new(nobody);
        let mut envs: Vec<Env> = Vec::with_capacity(spec.envs.len());
        for (env, its) in spec.envs.iter().enumerate() {
            let rules = world.add_ruleset(&its.ruleset)?;
            let blank = GameSpec { is_recorded: spec.is_recorded, ..GameSpec::new(&start, rules) };
            let id = world.create_as(&blank, home)?;
            let (seed, game) = spec.seeds.of(env);
            let twin = envs.last().filter(|last| Arc::ptr_eq(&last.state.next, its));
            let opening = match twin {
                Some(twin) => twin.state.opening.clone(),
                None => super::episodes::opening(its)?,
            };
            let state = EnvState {
                next: its.clone(),
                spec: its.clone(),
                rules,
                episode: Episode { seed, game, episode: 0 },
                policies: Vec::new(),
                start: start.clone(),
                departures: Vec::new(),
                opening,
            };
            envs.push(Env { home: id, aside: None, state, last: None });
        }
        Ok(envs)
    }

    /// Number of environments.
    pub fn len(&self) -> usize {
        self.envs.len()
    }

    /// Whether there is no environment; there always is.
    pub fn is_empty(&self) -> bool {
        self.envs.is_empty()
    }

    /// Seats that have rows and give actions, ascending: the agents of a frame.
    pub fn seats(&self) -> &[u8] {
        &self.seats
    }

    /// The form of its rows.
    pub fn format(&self) -> RowFormat {
        self.format
    }

    /// What happens when an episode ends.
    pub fn autoreset(&self) -> Autoreset {
        self.autoreset
    }

    /// The rows as they are now.
    pub fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// The last rows of episodes that ended in the last step; none unless the mode is
    /// [`Autoreset::SameStep`] and some did.
    pub fn finals(&self) -> Option<&Finals> {
        self.finals.as_ref()
    }

    /// Actions played as a pass so far, by reason: entry `r` counts reason `r` of
    /// [`Refusal::ALL`].
    pub fn refusals(&self) -> [u64; Refusal::ALL.len()] {
        let mut counts = self.refusals;
        counts[0] = 0;
        counts
    }

    /// The episode that an environment plays.
    ///
    /// # Errors
    ///
    /// [`EnvError::Env`].
    pub fn episode(&self, env: usize) -> Result<Episode, EnvError> {
        Ok(self.env(env)?.state.episode)
    }

    /// Who chooses for each seat of an environment.
    ///
    /// # Errors
    ///
    /// [`EnvError::Env`].
    pub fn policies(&self, env: usize) -> Result<&[Policy], EnvError> {
        Ok(&self.env(env)?.state.policies)
    }

    pub(super) fn env(&self, env: usize) -> Result<&Env, EnvError> {
        self.envs.get(env).ok_or(EnvError::Env { env, envs: self.envs.len() })
    }

    /// Begins new episodes: of all environments, or of those that a mask names.
    ///
    /// With seeds they are episode 0 of the seeds; without, the next ones of each environment. The
    /// first reset of all environments without seeds leaves them at their first episodes. Rows of
    /// environments that are not reset stay as they are.
    ///
    /// # Errors
    ///
    /// A mask or seeds of another length than there are environments.
    pub fn reset(
        &mut self,
        mask: Option<&[bool]>,
        seeds: Option<&Seeds>,
    ) -> Result<&Arc<Frame>, EnvError> {
        let n = self.envs.len();
        let fits = |what, given| {
            if given == n { Ok(()) } else { Err(EnvError::Length { what, given, wanted: n }) }
        };
        if let Some(mask) = mask {
            fits("the mask of environments to reset", mask.len())?;
        }
        if let Some(Seeds::Each(seeds)) = seeds {
            fits("seeds", seeds.len())?;
        }
        if std::mem::take(&mut self.is_new) && mask.is_none() && seeds.is_none() {
            return Ok(&self.frame);
        }
        self.finals = None;
        let chosen: Vec<usize> = (0..n).filter(|&env| mask.is_none_or(|mask| mask[env])).collect();
        self.finish(&chosen)?;
        for &env in &chosen {
            let episode = &mut self.envs[env].state.episode;
            *episode = match seeds {
                Some(seeds) => {
                    let (seed, game) = seeds.of(env);
                    Episode { seed, game, episode: 0 }
                }
                None => Episode { episode: episode.episode.wrapping_add(1), ..*episode },
            };
        }
        self.begin(&chosen)?;
        if chosen.len() == n {
            self.advance()?;
        } else {
            let mut frame = self.writable();
            self.observe(&chosen, &mut frame)?;
            self.publish(frame);
        }
        Ok(&self.frame)
    }

    /// Plays one tick in every environment, with one action for each agent (`env * agents +
    /// agent`), and returns the rows.
    ///
    /// An action is an index of the padded board's action space (see
    /// [`view`](crate::rules::view)); -1 passes. What the rules do not accept is played as a pass
    /// and its reason noted in [`Frame::refused`]. Actions of seats that a built-in policy plays,
    /// and of environments that begin an episode in this step, are not looked at.
    ///
    /// # Errors
    ///
    /// [`EnvError::Length`] if there is not one action for each agent; nothing is played then.
    pub fn step(&mut self, actions: &[i32]) -> Result<&Arc<Frame>, EnvError> {
        let wanted = self.envs.len() * self.seats.len();
        if actions.len() != wanted {
            return Err(EnvError::Length { what: "actions", given: actions.len(), wanted });
        }
        self.is_new = false;
        self.finals = None;
        self.slots().actions.copy_from_slice(actions);
        self.advance()?;
        for &refusal in self.frame.refused() {
            self.refusals[usize::from(refusal) % Refusal::ALL.len()] += 1;
        }
        if self.autoreset != Autoreset::Disabled {
            self.renew()?;
        }
        Ok(&self.frame)
    }

    /// Takes all games one step further and makes their rows the present frame.
    fn advance(&mut self) -> Result<(), EnvError> {
        let (frame, last) = (self.frames.take(), self.frame.clone());
        let slots = self.slots();
        slots.last = last;
        slots.frame = frame;
        self.world.step();
        drop(self.world.take_ended());
        let (format, agents) = (self.format, self.seats.len());
        let slots = self.slots();
        let mut frame = std::mem::replace(&mut slots.frame, Frame::zeroed(format, 0, agents));
        slots.last = Arc::new(Frame::zeroed(format, 0, agents));
        let armies = slots.large_army.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        frame.large_army = std::mem::take(armies);
        frame.large_army.sort_unstable_by_key(|(row, _)| *row);
        self.advance_aside(&mut frame)?;
        self.publish(frame);
        if self.world.take_outgrown() {
            self.set_outgrown_aside()?;
        }
        Ok(())
    }

    /// Begins the next episodes of the environments that are over.
    fn renew(&mut self) -> Result<(), EnvError> {
        let mut over = std::mem::take(&mut self.over);
        over.clear();
        let (frame, learner) = (&self.frame, self.learner);
        over.extend((0..self.envs.len()).filter(|&env| match learner {
            Some(agent) => frame.has_ended(env, agent) || frame.is_over(env),
            None => frame.is_over(env),
        }));
        if !over.is_empty() {
            self.finish(&over)?;
            for &env in &over {
                let episode = &mut self.envs[env].state.episode;
                episode.episode = episode.episode.wrapping_add(1);
            }
            self.begin(&over)?;
            if self.autoreset == Autoreset::SameStep {
                let frame = Arc::new(self.frame.gathered(&over));
                self.finals = Some(Finals { envs: over.clone(), frame });
                let mut frame = self.writable();
                self.observe(&over, &mut frame)?;
                self.publish(frame);
            }
        }
        self.over = over;
        Ok(())
    }

    /// Changes what an environment plays from its next episode on.
    ///
    /// # Errors
    ///
    /// What cannot be played, or does not fit the form of the rows.
    pub fn set_spec(&mut self, env: usize, spec: Arc<EnvSpec>) -> Result<(), EnvError> {
        self.env(env)?;
        spec.check(self.format, &self.seats)?;
        self.world.add_ruleset(&spec.ruleset)?;
        let before = env.checked_sub(1).map(|before| &self.envs[before].state);
        let opening = match before.filter(|state| Arc::ptr_eq(&state.next, &spec)) {
            Some(twin) => twin.opening.clone(),
            None => super::episodes::opening(&spec)?,
        };
        let state = &mut self.envs[env].state;
        state.next = spec;
        state.opening = opening;
        Ok(())
    }

    /// Changes who chooses for a seat of an environment in the episode that it plays, from the
    /// next step on. Its next episode has the policies of its [`EnvSpec`].
    ///
    /// # Errors
    ///
    /// Environments and seats that do not exist.
    pub fn set_policy(&mut self, env: usize, seat: usize, policy: Policy) -> Result<(), EnvError> {
        let id = self.env(env)?.id();
        self.world.set_policy(id, seat, policy)?;
        self.envs[env].state.policies[seat] = policy;
        Ok(())
    }

    /// The games that were finished or given up since the last call, in the order in which they
    /// were; none unless games are recorded.
    pub fn take_games(&mut self) -> Vec<GameRecord> {
        std::mem::take(&mut self.games)
    }

    /// The game of an environment as it stands: the truth, for tools. Never for players.
    ///
    /// # Errors
    ///
    /// [`EnvError::Env`].
    pub fn position(&self, env: usize) -> Result<Position, EnvError> {
        Ok(self.world.position(self.env(env)?.id())?)
    }

    /// What a seat of an environment sees, tile by tile.
    ///
    /// # Errors
    ///
    /// Environments and seats that do not exist.
    pub fn seen(&self, env: usize, seat: usize) -> Result<SeenBoard, EnvError> {
        Ok(self.world.seen(self.env(env)?.id(), seat)?)
    }

    /// Whether there are threads besides the calling one, which can share the work of
    /// [`VectorEnv::on_pool`].
    pub fn is_threaded(&self) -> bool {
        self.world.is_threaded()
    }

    /// Runs work that is made of many parts where the threads of the environments can share it.
    pub fn on_pool<R: Send>(&mut self, work: impl FnOnce() -> R + Send) -> R {
        self.world.on_pool(|_| work())
    }

    /// Makes these the present rows.
    pub(super) fn publish(&mut self, frame: Frame) {
        let before = std::mem::replace(&mut self.frame, Arc::new(frame));
        self.frames.give(before);
    }

    /// A frame like the present one, or the present one itself if nobody else looks at it. What is
    /// made of it has to be published.
    pub(super) fn writable(&mut self) -> Frame {
        let (format, agents) = (self.format, self.seats.len());
        let blank = Arc::new(Frame::zeroed(format, 0, agents));
        match Arc::try_unwrap(std::mem::replace(&mut self.frame, blank)) {
            Ok(frame) => frame,
            Err(shared) => {
                let mut frame = self.frames.take();
                frame.copy_envs(0, &shared, 0, self.envs.len());
                self.frames.give(shared);
                frame
            }
        }
    }

    pub(super) fn slots(&mut self) -> &mut SlotTable {
        self.world.slots().as_mut().expect("a vector environment has slots")
    }
}

//! A recorded game on its way through a world, and what happened in it.

use std::sync::Arc;

use datasets::{gior::Replay, import};
use systems::{
    components::State,
    delta::SeenBoard,
    owned::OwnedGame,
    replay::Script,
    rules::{ruleset::Ruleset, tick::Log},
    start::Start,
    world::{GameId, GameSpec, Position, World, WorldConfig, WorldError},
};

/// The game in a world, which gives positions and views, and once more on its own, which tells
/// what happens inside a tick.
pub(super) struct Playback {
    /// Where it began.
    pub(super) start: Start,
    /// What it is played by.
    pub(super) ruleset: Ruleset,
    world: World,
    id: GameId,
    twin: OwnedGame,
    script: Script<16>,
    log: TickLog,
    position: Position,
    /// Everything but moves that happened so far, with the first tick that shows it.
    pub(super) events: Vec<(u32, Event)>,
    /// Moves carried out so far.
    pub(super) moves: u64,
}

/// Something that happens to a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A player gave up, or was dropped.
    Surrender(usize),
    /// The first took the general of the second.
    Capture(usize, usize),
    /// A player's land became neutral, or an ally's.
    Neutralise(usize, Option<usize>),
    /// Two players exchanged everything.
    Trade(usize, usize),
    /// A player died because nobody moved any more, or the game took too long.
    Idle(usize),
}

/// What one tick did.
#[derive(Default)]
struct TickLog {
    order: Vec<usize>,
    events: Vec<Event>,
}

impl Log for TickLog {
    fn executed(&mut self, seat: usize) {
        self.order.push(seat);
    }
    fn captured(&mut self, captor: usize, victim: usize) {
        self.events.push(Event::Capture(captor, victim));
    }
    fn surrendered(&mut self, seat: usize) {
        self.events.push(Event::Surrender(seat));
    }
    fn neutralised(&mut self, seat: usize, heir: Option<usize>) {
        self.events.push(Event::Neutralise(seat, heir));
    }
    fn traded(&mut self, a: usize, b: usize) {
        self.events.push(Event::Trade(a, b));
    }
}

impl Playback {
    /// The game at its start.
    pub(super) fn new(replay: &Replay) -> anyhow::Result<Self> {
        let (start, moves, ruleset) = import::playable(replay)?;
        let moves = Arc::new(moves);
        let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
        let rules = world.add_ruleset(&ruleset)?;
        let spec = GameSpec { script: Some(moves.clone()), ..GameSpec::new(&start, rules) };
        let id = world.create(&spec)?;
        world.step();
        let twin = OwnedGame::new(&start, &ruleset)?;
        Ok(Self {
            position: world.position(id)?,
            start,
            ruleset,
            world,
            id,
            twin,
            script: Script::new(moves),
            log: TickLog::default(),
            events: Vec::new(),
            moves: 0,
        })
    }

    /// Plays one tick.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        self.log.order.clear();
        self.twin.tick(&mut self.script, &mut self.log);
        self.world.step();
        let before = std::mem::replace(&mut self.position, self.world.position(self.id)?);
        self.moves += self.log.order.len() as u64;
        let mut events = std::mem::take(&mut self.log.events);
        let known = events.clone();
        let has_reason = |seat: usize| {
            known.iter().any(|event| match *event {
                Event::Surrender(who) | Event::Capture(_, who) => who == seat,
                _ => false,
            })
        };
        let died = |&seat: &usize| before.alive[seat] && !self.position.alive[seat];
        let deaths = self.position.deaths.iter().copied().filter(died);
        events.extend(deaths.filter(|&seat| !has_reason(seat)).map(Event::Idle));
        let turn = self.position.turn;
        self.events.extend(events.into_iter().map(|event| (turn, event)));
        Ok(())
    }

    /// Ticks completed.
    pub(super) fn turn(&self) -> u32 {
        self.position.turn
    }

    /// Whether the game is decided.
    pub(super) fn has_ended(&self) -> bool {
        self.position.state != State::Running
    }

    /// Number of players.
    pub(super) fn players(&self) -> usize {
        self.start.players()
    }

    /// The position after the last tick.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// What a player sees of it.
    pub(super) fn seen(&self, player: usize) -> Result<SeenBoard, WorldError> {
        self.world.seen(self.id, player)
    }

    /// The players whose moves the last tick carried out, in that order.
    pub(super) fn order(&self) -> &[usize] {
        &self.log.order
    }

    /// The players on the winning side, the dead among them too.
    pub(super) fn winners(&self) -> Vec<usize> {
        self.position.winners(&self.start.teams)
    }

    /// The players whose generals each player took, in that order.
    pub(super) fn captures(&self) -> Vec<Vec<usize>> {
        let mut captures = vec![Vec::new(); self.players()];
        for (_, event) in &self.events {
            if let Event::Capture(captor, victim) = *event {
                captures[captor].push(victim);
            }
        }
        captures
    }
}

//! What spectators who are behind will be told: some fifty bytes a tick, and never more than so many,
//! since it is kept for every game that allows them, whether any are there or not.

use std::collections::{BTreeMap, VecDeque};

use systems::{
    components::State,
    delta::{Face, SeenTile, ViewDelta},
    world::Scoreboard,
};

use super::{game::Phase, update::Event};

/// Bytes that a game holds back at most; what comes when there are as many is told in one with what
/// came before it, so that spectators see fewer steps of the same game.
const MOST: usize = 256 << 10;

/// Room is made in pieces of so many bytes.
const PIECE: usize = 4096;

/// News of a tick, and of what happened before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// What changed on the board, and the tick after which it had.
    pub(super) change: ViewDelta,
    /// Whether the game began, which is told with the whole board.
    pub(super) is_start: bool,
    pub(super) phase: Phase,
    /// The scoreboard, if it changed.
    pub(super) scoreboard: Option<Scoreboard>,
    pub(super) events: Vec<Event>,
}

impl Held {
    /// Makes this the news of both.
    fn add(&mut self, later: Self) {
        if !later.change.tiles.is_empty() {
            let mut tiles: BTreeMap<_, _> = self.change.tiles.drain(..).collect();
            tiles.extend(later.change.tiles);
            self.change.tiles = tiles.into_iter().collect();
        }
        self.change.turn = later.change.turn;
        self.is_start |= later.is_start;
        self.phase = later.phase;
        if later.scoreboard.is_some() {
            self.scoreboard = later.scoreboard;
        }
        later.events.into_iter().for_each(|event| event.tell(&mut self.events));
    }
}

/// News in the order of their ticks.
#[derive(Debug, Default)]
pub(super) struct HeldQueue {
    /// All but the newest, one after the other, as [`write`] puts them.
    bytes: VecDeque<u8>,
    /// Events of those in `bytes` that have any, with their ticks.
    events: VecDeque<(u32, Vec<Event>)>,
    n_events: usize,
    /// What happens before the next tick is added to it.
    newest: Option<Held>,
}

impl HeldQueue {
    /// Adds the news of a tick, or more of those of the newest.
    pub(super) fn push(&mut self, held: Held) {
        let is_full = self.size() >= MOST;
        if let Some(newest) = &mut self.newest
            && (newest.change.turn == held.change.turn || is_full)
        {
            newest.add(held);
            return;
        }
        let Some(before) = self.newest.replace(held) else { return };
        let mut bytes = Vec::new();
        write(&before, &mut bytes);
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.reserve_exact(bytes.len().max(PIECE));
        }
        self.bytes.extend(bytes);
        if !before.events.is_empty() {
            self.n_events += before.events.len();
            self.events.push_back((before.change.turn, before.events));
        }
    }

    /// The tick of the oldest news.
    pub(super) fn oldest(&self) -> Option<u32> {
        if self.bytes.is_empty() {
            return self.newest.as_ref().map(|newest| newest.change.turn);
        }
        Some(Reader(self.bytes.iter().copied()).number())
    }

    /// Takes the oldest news.
    pub(super) fn pop(&mut self) -> Option<Held> {
        if self.bytes.is_empty() {
            return self.newest.take();
        }
        let mut bytes = self.bytes.iter().copied();
        let mut held = read(&mut Reader(&mut bytes));
        let left = bytes.len();
        self.bytes.drain(..self.bytes.len() - left);
        if self.events.front().is_some_and(|(tick, _)| *tick == held.change.turn)
            && let Some((_, events)) = self.events.pop_front()
        {
            self.n_events -= events.len();
            held.events = events;
        }
        Some(held)
    }

    /// Bytes that are held, but for the newest.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.n_events * size_of::<Event>()
    }
}

/// Puts the tick, a byte of flags, the scoreboard and the tiles: each tile as the step from the one
/// before it, its looks and owner in a byte, and its army.
fn write(held: &Held, bytes: &mut Vec<u8>) {
    let Held { change, is_start, phase, scoreboard, events: _ } = held;
    number(change.turn, bytes);
    let state = scoreboard.as_ref().map_or(State::Running, |scoreboard| scoreboard.state);
    let flags = [u8::from(*is_start) << 3, u8::from(scoreboard.is_some()) << 4, (state as u8) << 5];
    bytes.push(*phase as u8 | flags[0] | flags[1] | flags[2]);
    if let Some(Scoreboard { alive, land, army, .. }) = scoreboard {
        number((*alive).into(), bytes);
        bytes.push(u8::try_from(land.len()).unwrap_or(u8::MAX));
        for (&land, &army) in land.iter().zip(army) {
            number(land, bytes);
            number(army, bytes);
        }
    }
    number(u32::try_from(change.tiles.len()).unwrap_or(u32::MAX), bytes);
    let mut before = 0;
    for &(tile, SeenTile { face, owner, army }) in &change.tiles {
        number((tile - before).into(), bytes);
        before = tile;
        // Seats are below 16, so that nobody is 0 in 5 bits.
        bytes.push((face as u8) << 5 | owner.wrapping_add(1));
        // The sign comes last, so that small numbers of both signs are short.
        number(((army << 1) ^ (army >> 31)).cast_unsigned(), bytes);
    }
}

/// Seven bits in each byte, the lowest first; the eighth says that more follow.
fn number(mut number: u32, bytes: &mut Vec<u8>) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Reads what [`write`] wrote, which never ends too early.
struct Reader<I>(I);

impl<I: Iterator<Item = u8>> Reader<I> {
    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or_default()
    }

    fn number(&mut self) -> u32 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 28 {
                return number;
            }
        }
    }
}

fn read<I: Iterator<Item = u8>>(bytes: &mut Reader<I>) -> Held {
    let turn = bytes.number();
    let flags = bytes.byte();
    let scoreboard = (flags >> 4 & 1 != 0).then(|| {
        let alive = u16::try_from(bytes.number()).unwrap_or(u16::MAX);
        let (land, army) = (0..bytes.byte()).map(|_| (bytes.number(), bytes.number())).unzip();
        let state = match flags >> 5 {
            0 => State::Running,
            1 => State::Over,
            _ => State::Truncated,
        };
        Scoreboard { turn, state, alive, land, army }
    });
    let mut tile = 0;
    let tiles = (0..bytes.number()).map(|_| {
        tile += u16::try_from(bytes.number()).unwrap_or(u16::MAX);
        let looks = bytes.byte();
        let army = bytes.number();
        let army = (army >> 1).cast_signed() ^ -((army & 1).cast_signed());
        (tile, SeenTile { face: face(looks >> 5), owner: (looks & 31).wrapping_sub(1), army })
    });
    Held {
        change: ViewDelta { turn, tiles: tiles.collect() },
        is_start: flags >> 3 & 1 != 0,
        phase: Phase::ALL[usize::from(flags & 7) % Phase::ALL.len()],
        scoreboard,
        events: Vec::new(),
    }
}

fn face(number: u8) -> Face {
    match number {
        0 => Face::Fog,
        1 => Face::Plain,
        2 => Face::Mountain,
        3 => Face::City,
        4 => Face::General,
        _ => Face::FogStructure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(turn: u32, tiles: Vec<(u16, SeenTile)>) -> Held {
        let change = ViewDelta { turn, tiles };
        Held { change, is_start: false, phase: Phase::Running, scoreboard: None, events: vec![] }
    }

    #[test]
    fn what_is_held_comes_out_as_it_went_in() {
        let faces = [0, 1, 2, 3, 4, 5].map(face);
        let armies = [0, 1, -1, 63, -64, 64, 127, 128, 70_000, -40, i32::MAX, i32::MIN];
        let owners = [0, 15, 255];
        let looks = (0_u16..1024).zip(faces.iter().cycle()).zip(armies.iter().cycle());
        let tiles = looks.zip(owners.iter().cycle());
        let tiles: Vec<_> = tiles
            .map(|(((tile, &face), &army), &owner)| (tile, SeenTile { face, owner, army }))
            .filter(|(tile, _)| tile % 7 < 5 && !(200..700).contains(tile))
            .collect();
        let scoreboard = |state| Scoreboard {
            turn: 70_000,
            state,
            alive: 0xa5f0,
            land: vec![0, 1, 400],
            army: vec![1, 127, u32::MAX],
        };
        let mut all = vec![Held { is_start: true, ..held(0, vec![]) }, held(300, tiles)];
        for (turn, state) in (70_000..).zip([State::Running, State::Over, State::Truncated]) {
            let scoreboard = Some(Scoreboard { turn, ..scoreboard(state) });
            let events = vec![Event::Surrendered { seat: 3 }, Event::Left { seat: 3 }];
            all.push(Held { scoreboard, events, ..held(turn, vec![]) });
        }
        all.push(Held { phase: Phase::Aborted, ..held(u32::MAX, vec![]) });
        let mut queue = HeldQueue::default();
        for held in &all {
            queue.push(held.clone());
        }
        for held in all {
            assert_eq!(queue.oldest(), Some(held.change.turn));
            assert_eq!(queue.pop(), Some(held));
        }
        assert_eq!((queue.oldest(), queue.pop(), queue.size()), (None, None, 0));
    }

    #[test]
    fn what_happens_between_ticks_is_one_piece_of_news() {
        let mut queue = HeldQueue::default();
        queue.push(held(7, vec![]));
        for (before, now) in [(Phase::Running, Phase::Paused), (Phase::Paused, Phase::Running)] {
            for _ in 0..20_000 {
                let events = vec![Event::PhaseChanged { before, now }];
                queue.push(Held { phase: now, events, ..held(7, vec![]) });
            }
        }
        let news = queue.pop().unwrap();
        assert_eq!((news.events.len(), news.phase), (2, Phase::Running));
        assert_eq!(queue.oldest(), None);
    }
}

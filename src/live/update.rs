//! What watchers are told: views, what changes in them, and events.

use bytes::{BufMut, Bytes, BytesMut};
use systems::{
    delta::{SeenBoard, SeenTile, ViewDelta},
    world::Scoreboard,
};

use super::game::Phase;

/// What is new since the update before. It is made once for all watchers of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// One more than that of the update before, unless the whole view is there.
    pub seq: u64,
    /// Ticks completed.
    pub tick: u32,
    /// The phase.
    pub phase: Phase,
    /// The board, if it changed.
    pub board: Option<BoardNews>,
    /// The scoreboard, if it changed.
    pub scoreboard: Option<Scoreboard>,
    /// What happened.
    pub events: Vec<Event>,
    /// The seat's own orders, as actions, that were not legal when their turn came.
    pub skipped: Vec<u32>,
    /// The seat's own orders that wait.
    pub queued: u32,
    /// Who plays; empty unless it is new to the watcher.
    pub players: Vec<Player>,
}

/// News of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardNews {
    /// The whole view.
    View(ViewBytes),
    /// What changed.
    Delta(DeltaBytes),
}

/// A whole view, column by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewBytes {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// [`systems::delta::Face`] of each tile, one byte each.
    pub faces: Bytes,
    /// Owning seat of each tile, one byte each; 255: nobody or unseen.
    pub owners: Bytes,
    /// Units of each tile, four bytes each, signed and little-endian; 0 where unseen.
    pub armies: Bytes,
}

/// The tiles that look different, column by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaBytes {
    /// Their numbers, ascending, two bytes each, little-endian.
    pub tiles: Bytes,
    /// As in [`ViewBytes`].
    pub faces: Bytes,
    /// As in [`ViewBytes`].
    pub owners: Bytes,
    /// As in [`ViewBytes`].
    pub armies: Bytes,
}

/// A seat, as everybody may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Player {
    /// The seat.
    pub seat: u8,
    /// The player's name, or that of the policy; empty if the seat is free.
    pub name: String,
    /// The team.
    pub team: u8,
    /// Whether a built-in policy plays.
    pub is_policy: bool,
}

/// Something that everybody in the game is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody took a seat.
    Joined {
        /// The seat.
        seat: u8,
        /// The name.
        name: String,
    },
    /// Somebody gave a seat up.
    Left {
        /// The seat.
        seat: u8,
    },
    /// The first tick is about to be played.
    Started,
    /// A player is dead.
    Eliminated {
        /// The seat.
        seat: u8,
        /// Who took its general.
        by: Option<u8>,
    },
    /// A player gave up.
    Surrendered {
        /// The seat.
        seat: u8,
    },
    /// The land of a player who gave up became neutral, or an ally's.
    Neutralised {
        /// The seat.
        seat: u8,
        /// The ally.
        heir: Option<u8>,
    },
    /// The phase changed.
    PhaseChanged {
        /// Before.
        before: Phase,
        /// Now.
        now: Phase,
    },
    /// The game is over.
    Ended {
        /// Winning seats.
        winners: Vec<u8>,
        /// Seats from first to last.
        ranking: Vec<u8>,
        /// Whether the tick limit ended it.
        is_truncated: bool,
    },
    /// The last stream of a player ended without its leaving.
    Disconnected {
        /// The seat.
        seat: u8,
    },
    /// A player came back.
    Reconnected {
        /// The seat.
        seat: u8,
    },
}

/// Skipped orders that a whole view tells of, if it takes the place of many updates: the newest.
const SKIPPED: usize = 1024;

impl Update {
    /// This whole view, which also tells of what happened in the updates it takes the place of. However
    /// long a reader is away, that is bounded: of what happens again the newest is told.
    pub(super) fn in_place_of<'a>(mut self, earlier: impl Iterator<Item = &'a Self>) -> Self {
        let (own, last) = (std::mem::take(&mut self.events), std::mem::take(&mut self.skipped));
        for update in earlier {
            for event in &update.events {
                event.clone().tell(&mut self.events);
            }
            self.skipped.extend(&update.skipped);
        }
        for event in own {
            event.tell(&mut self.events);
        }
        self.skipped.extend(last);
        self.skipped.drain(..self.skipped.len().saturating_sub(SKIPPED));
        self
    }
}

impl Event {
    /// Adds this to what is told, in the place of an earlier event that it makes out of date.
    pub(super) fn tell(self, told: &mut Vec<Self>) {
        told.retain(|earlier| !self.supersedes(earlier));
        told.push(self);
    }

    /// Whether the other one is of the same kind and seat.
    fn supersedes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Joined { seat, .. }, Self::Joined { seat: other, .. })
            | (Self::Left { seat }, Self::Left { seat: other })
            | (Self::Eliminated { seat, .. }, Self::Eliminated { seat: other, .. })
            | (Self::Surrendered { seat }, Self::Surrendered { seat: other })
            | (Self::Neutralised { seat, .. }, Self::Neutralised { seat: other, .. })
            | (Self::Disconnected { seat }, Self::Disconnected { seat: other })
            | (Self::Reconnected { seat }, Self::Reconnected { seat: other }) => seat == other,
            _ => self == other,
        }
    }
}

impl BoardNews {
    /// The whole view.
    pub(super) fn whole((width, height): (u16, u16), board: &SeenBoard) -> Self {
        let Columns { faces, owners, armies } = columns(board.tiles.iter().copied());
        Self::View(ViewBytes { width, height, faces, owners, armies })
    }

    /// What changed, or the whole view where more than a fifth did; nothing if nothing did.
    pub(super) fn change(size: (u16, u16), board: &SeenBoard, delta: &ViewDelta) -> Option<Self> {
        if delta.tiles.is_empty() {
            return None;
        }
        if delta.tiles.len() * 5 > board.tiles.len() {
            return Some(Self::whole(size, board));
        }
        let mut tiles = BytesMut::with_capacity(2 * delta.tiles.len());
        delta.tiles.iter().for_each(|&(tile, _)| tiles.put_u16_le(tile));
        let Columns { faces, owners, armies } = columns(delta.tiles.iter().map(|&(_, seen)| seen));
        Some(Self::Delta(DeltaBytes { tiles: tiles.freeze(), faces, owners, armies }))
    }
}

struct Columns {
    faces: Bytes,
    owners: Bytes,
    armies: Bytes,
}

/// The columns in one allocation.
fn columns(tiles: impl ExactSizeIterator<Item = SeenTile> + Clone) -> Columns {
    let n = tiles.len();
    let mut all = BytesMut::with_capacity(6 * n);
    tiles.clone().for_each(|tile| all.put_u8(tile.face as u8));
    tiles.clone().for_each(|tile| all.put_u8(tile.owner));
    tiles.for_each(|tile| all.put_i32_le(tile.army));
    let mut all = all.freeze();
    let (faces, owners) = (all.split_to(n), all.split_to(n));
    Columns { faces, owners, armies: all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(events: Vec<Event>, skipped: Vec<u32>) -> Update {
        Update {
            seq: 1,
            tick: 1,
            phase: Phase::Running,
            board: None,
            scoreboard: None,
            events,
            skipped,
            queued: 0,
            players: Vec::new(),
        }
    }

    #[test]
    fn a_view_in_the_place_of_updates_tells_all_that_happened_in_them() {
        let (by, left) = (Some(0), Event::Left { seat: 3 });
        let backlog = [
            update(vec![Event::Surrendered { seat: 1 }], vec![8, 9]),
            update(
                vec![Event::Eliminated { seat: 2, by }, Event::Disconnected { seat: 0 }],
                vec![],
            ),
            update(vec![Event::Reconnected { seat: 0 }, left.clone()], vec![7]),
        ];
        let whole = update(vec![left.clone()], vec![]).in_place_of(backlog.iter());
        let wanted = [
            Event::Surrendered { seat: 1 },
            Event::Eliminated { seat: 2, by },
            Event::Disconnected { seat: 0 },
            Event::Reconnected { seat: 0 },
            left,
        ];
        assert_eq!((whole.events, whole.skipped), (wanted.to_vec(), vec![8, 9, 7]));
    }

    #[test]
    fn what_happens_again_and_again_does_not_make_a_view_grow() {
        let mut whole = update(vec![], vec![]);
        for number in 0..5000 {
            let seat = u8::try_from(number % 16).unwrap();
            let (before, now) = (Phase::Running, Phase::Paused);
            let news = [
                Event::Joined { seat, name: number.to_string() },
                Event::Left { seat },
                Event::Disconnected { seat },
                Event::Reconnected { seat },
                Event::PhaseChanged { before, now },
                Event::PhaseChanged { before: now, now: before },
            ];
            whole = update(news.to_vec(), vec![number]).in_place_of([whole].iter());
        }
        assert_eq!((whole.events.len(), whole.skipped.len()), (4 * 16 + 2, SKIPPED));
        assert_eq!(whole.skipped.last(), Some(&4999), "the newest are told");
        let last = Event::PhaseChanged { before: Phase::Paused, now: Phase::Running };
        assert_eq!(whole.events.last(), Some(&last));
    }
}

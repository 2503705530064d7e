//! Classes of games: which table a game is stored in.

use bevy_ecs::component::Component;

use crate::{components::Cell, start::Start};

/// Which table a game is stored in: words of a plane, most seats, and how armies are stored.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub(crate) words: u8,
    pub(crate) seats: u8,
    pub(crate) is_wide: bool,
}

/// Runs `$body` with the class's constants bound.
macro_rules! with_class {
    ($class:expr, |$k:ident, $p:ident, $a:ident| $body:expr) => {{
        match ($class.words, $class.seats, $class.is_wide) {
            (8, 2, false) => with_class!(@bind 8, 2, u16, $k, $p, $a, $body),
            (8, 8, false) => with_class!(@bind 8, 8, u16, $k, $p, $a, $body),
            (16, 2, false) => with_class!(@bind 16, 2, u16, $k, $p, $a, $body),
            (16, 8, false) => with_class!(@bind 16, 8, u16, $k, $p, $a, $body),
            (16, 16, false) => with_class!(@bind 16, 16, u16, $k, $p, $a, $body),
            _ => with_class!(@bind 16, 16, i32, $k, $p, $a, $body),
        }
    }};
    (@bind $kv:literal, $pv:literal, $at:ty, $k:ident, $p:ident, $a:ident, $body:expr) => {{
        const $k: usize = $kv;
        const $p: usize = $pv;
        type $a = $at;
        $body
    }};
}

pub(crate) use with_class;

impl Class {
    /// The smallest class a start fits.
    pub(crate) fn of(start: &Start) -> Self {
        let units = start.cities.iter().chain(&start.neutrals).map(|c| i64::from(c.1));
        let is_wide =
            units.clone().any(|army| army < 0) || units.sum::<i64>() > i64::from(u16::TOTAL) / 2;
        if is_wide {
            return Self::WIDE;
        }
        Self::for_boards(usize::from(start.tiles()), start.players())
    }

    /// Whether every game of another class can be stored in this one.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.words >= other.words && self.seats >= other.seats && (self.is_wide || !other.is_wide)
    }

    /// The smallest class for boards of so many tiles with so many seats and ordinary armies.
    pub(crate) fn for_boards(tiles: usize, seats: usize) -> Self {
        // Six classes in all: each more costs compile time and cache for code, each less memory.
        let (words, seats) = match (tiles, seats) {
            (..=512, ..=2) => (8, 2),
            (..=512, ..=8) => (8, 8),
            (_, ..=2) => (16, 2),
            (_, ..=8) => (16, 8),
            _ => (16, 16),
        };
        Self { words, seats, is_wide: false }
    }

    /// Holds any game, exactly.
    pub(crate) const WIDE: Self = Self { words: 16, seats: 16, is_wide: true };
}

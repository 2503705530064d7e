//! A set of seats: whose rows a table of experiences holds.

use std::{fmt, str::FromStr};

use serde::Serialize;
use systems::start::MAX_PLAYERS;

/// A set of seats, each from 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats(u16);

impl Seats {
    /// Every seat a game can have.
    pub const ALL: Self = Self(u16::MAX);

    /// The seats of a list; those above 15, which no game has, are left out.
    #[must_use]
    pub fn of(seats: impl IntoIterator<Item = usize>) -> Self {
        let bit = |seat: usize| if seat < MAX_PLAYERS { 1 << seat } else { 0 };
        Self(seats.into_iter().fold(0, |set, seat| set | bit(seat)))
    }

    /// Whether a seat is among them.
    #[inline]
    pub fn has(self, seat: usize) -> bool {
        seat < MAX_PLAYERS && self.0 >> seat & 1 != 0
    }

    /// Those that a game of `players` has too.
    #[must_use]
    pub fn within(self, players: usize) -> Self {
        if players < MAX_PLAYERS { Self(self.0 & ((1 << players) - 1)) } else { self }
    }

    /// Those that are in another set too.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The seats, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_PLAYERS).filter(move |&seat| self.has(seat))
    }

    /// Place of a seat among them, from 0, if it is one of them.
    #[inline]
    pub fn place(self, seat: usize) -> Option<usize> {
        self.has(seat).then(|| (self.0 & ((1 << seat) - 1)).count_ones() as usize)
    }
}

impl Serialize for Seats {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl fmt::Display for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seats: Vec<String> = self.iter().map(|seat| seat.to_string()).collect();
        f.write_str(&seats.join(","))
    }
}

impl FromStr for Seats {
    type Err = String;

    /// Reads a list such as `0,2`.
    fn from_str(text: &str) -> Result<Self, String> {
        let seat = |part: &str| part.trim().parse().ok().filter(|&seat| seat < MAX_PLAYERS);
        let seats: Option<Vec<usize>> = text.split(',').map(seat).collect();
        let fix = || format!("write seats from 0 to {}, as in 0,2", MAX_PLAYERS - 1);
        seats.map(Self::of).ok_or_else(fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_its_seats_and_their_places() {
        let seats: Seats = "5, 0,2,0".parse().unwrap();
        assert_eq!((seats.to_string(), seats.len()), ("0,2,5".to_owned(), 3));
        assert_eq!(
            [0, 1, 2, 5, 16, 99].map(|s| seats.place(s)),
            [Some(0), None, Some(1), Some(2), None, None]
        );
        assert_eq!(seats.within(3), Seats::of([0, 2]));
        assert_eq!(seats.within(16), seats);
        assert!(seats.and(Seats::of([1, 3])).is_empty());
        assert_eq!(Seats::ALL.within(4).iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(serde_json::to_string(&seats).unwrap(), "[0,2,5]");
    }

    #[test]
    fn texts_that_are_no_seats_are_refused_with_the_fix() {
        for text in ["", "16", "a", "0,,1", "-1"] {
            assert!(text.parse::<Seats>().unwrap_err().contains("0 to 15"), "{text}");
        }
    }
}

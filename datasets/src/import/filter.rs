//! Which replays are wanted.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use thiserror::Error;

use crate::{error::ImportError, gior::Replay};

/// Numbers as a user names them: `15`, `15..18` (both included), `15..`, `..18`, or some of these
/// with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(Vec<RangeInclusive<u32>>);

/// Text that names no numbers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} names no numbers: write 15, 15..18 (both included), 15.. or ..18, or several with commas"
)]
pub struct NumbersError(String);

impl Numbers {
    /// Whether a number is among them.
    pub fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }
}

impl FromStr for Numbers {
    type Err = NumbersError;

    fn from_str(text: &str) -> Result<Self, NumbersError> {
        let range = |part: &str| {
            let number = |digits: &str, open: u32| match digits {
                "" => Some(open),
                digits => digits.parse().ok(),
            };
            let (first, last) = match part.split_once("..") {
                Some(("", "")) => return None,
                Some((first, last)) => (number(first, 0)?, number(last, u32::MAX)?),
                None => (part.parse().ok()?, part.parse().ok()?),
            };
            (first <= last).then_some(first..=last)
        };
        let ranges = text.split(',').map(|part| range(part.trim())).collect::<Option<_>>();
        ranges.map(Self).ok_or_else(|| NumbersError(text.to_owned()))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match (*range.start(), *range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, u32::MAX) => write!(f, "{comma}{first}..")?,
                (first, last) => write!(f, "{comma}{first}..{last}")?,
            }
        }
        Ok(())
    }
}

/// Which replays are wanted; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Ticks that a game lasts at least.
    pub min_ticks: u32,
    /// Versions of the replay format.
    pub versions: Option<Numbers>,
    /// Numbers of seats.
    pub players: Option<Numbers>,
}

impl Filter {
    /// Refuses a replay that is not wanted, before it is played.
    ///
    /// # Errors
    ///
    /// [`ImportError::OtherVersion`] and [`ImportError::OtherPlayers`].
    pub fn check(&self, replay: &Replay) -> Result<(), ImportError> {
        let lacks = |wanted: &Option<Numbers>, number| {
            wanted.clone().filter(|wanted| !wanted.contains(number))
        };
        if let Some(wanted) = lacks(&self.versions, replay.version) {
            return Err(ImportError::OtherVersion { version: replay.version, wanted });
        }
        let players = u32::try_from(replay.generals.len()).unwrap_or(u32::MAX);
        match lacks(&self.players, players) {
            Some(wanted) => Err(ImportError::OtherPlayers { players, wanted }),
            None => Ok(()),
        }
    }

    /// Refuses a game that ended too early.
    ///
    /// # Errors
    ///
    /// [`ImportError::TooShort`].
    pub fn check_ticks(&self, ticks: u32) -> Result<(), ImportError> {
        if ticks < self.min_ticks {
            return Err(ImportError::TooShort { ticks, least: self.min_ticks });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_single_ones_and_ranges_with_both_ends() {
        for (text, within, outside) in [
            ("15", vec![15], vec![14, 16]),
            ("15..18", vec![15, 18], vec![14, 19]),
            ("16..", vec![16, u32::MAX], vec![15]),
            ("..5", vec![0, 5], vec![6]),
            ("5, 15..16,18", vec![5, 15, 16, 18], vec![4, 6, 14, 17, 19]),
        ] {
            let numbers: Numbers = text.parse().unwrap();
            assert!(within.iter().all(|&n| numbers.contains(n)), "{text}");
            assert!(!outside.iter().any(|&n| numbers.contains(n)), "{text}");
            assert_eq!(numbers.to_string().parse::<Numbers>().unwrap(), numbers);
        }
    }

    #[test]
    fn text_that_names_no_numbers_is_quoted() {
        for text in ["", "x", "..", "18..15", "-1", "5,,6", "1.5", "4294967296"] {
            let message = text.parse::<Numbers>().unwrap_err().to_string();
            assert!(message.contains(&format!("{text:?}")), "{message}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_named_with_what_is() {
        let replay = Replay { version: 15, generals: vec![Some(0); 3], ..Replay::default() };
        let filter = |versions: &str, players: &str| Filter {
            min_ticks: 100,
            versions: Some(versions.parse().unwrap()),
            players: Some(players.parse().unwrap()),
        };
        assert!(filter("15..18", "2..4").check(&replay).is_ok());
        let refused =
            |versions, players| filter(versions, players).check(&replay).unwrap_err().to_string();
        assert!(refused("16..18", "3").contains("version 15"));
        assert!(refused("16..18", "3").contains("16..18"));
        assert!(refused("15", "2,8").contains("3 players"));
        assert!(filter("15", "3").check_ticks(100).is_ok());
        assert!(filter("15", "3").check_ticks(99).unwrap_err().to_string().contains("99"));
        assert!(Filter::default().check(&replay).is_ok());
    }
}

//! The position a game starts from.

use thiserror::Error;

use crate::rules::shape::MAX_SIDE;

/// Most players in a game.
pub const MAX_PLAYERS: usize = 16;

/// A start position: what a map generator, a map file or a replay gives, and what a game is made of.
///
/// Tiles are indices `row * width + column`. Everything not listed is plain, neutral and empty
/// (rules, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Start {
    /// Columns, 1 to 32.
    pub width: u16,
    /// Rows, 1 to 32.
    pub height: u16,
    /// Team of each seat; its length is the number of players, 1 to 16. All different: free for all.
    pub teams: Vec<u8>,
    /// Mountain tiles.
    pub mountains: Vec<u16>,
    /// City tiles, neutral, with their armies.
    pub cities: Vec<(u16, i32)>,
    /// General of each seat; `None`: the player is dead from the start.
    pub generals: Vec<Option<u16>>,
    /// Plain tiles with a neutral army.
    pub neutrals: Vec<(u16, i32)>,
}

/// Why a start position cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// The board has no tile or is too large.
    #[error(
        "a board of {width}x{height} (width x height) is not supported: each side is 1 to {MAX_SIDE}"
    )]
    Size {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// No player, or too many.
    #[error("{0} players are not supported: 1 to {MAX_PLAYERS} are")]
    Players(usize),
    /// The list of generals does not fit the seats.
    #[error("{generals} generals are given for {players} players")]
    Generals {
        /// Entries in the list of generals.
        generals: usize,
        /// Number of seats.
        players: usize,
    },
    /// A tile is not on the board.
    #[error("{what} on tile {tile} is outside the board of {tiles} tiles")]
    Outside {
        /// "mountain", "city", "general" or "neutral army".
        what: &'static str,
        /// The tile.
        tile: u16,
        /// Number of tiles.
        tiles: u16,
    },
    /// Two things stand on one tile.
    #[error("{what} on tile {tile}, where something else stands already")]
    Taken {
        /// "mountain", "city", "general" or "neutral army".
        what: &'static str,
        /// The tile.
        tile: u16,
    },
    /// An army that no 32-bit total can hold.
    #[error("{what} on tile {tile} has an army of {army}: -1000000 to 1000000 are supported")]
    Army {
        /// "city" or "neutral army".
        what: &'static str,
        /// The tile.
        tile: u16,
        /// The army.
        army: i32,
    },
}

impl Start {
    /// Number of seats.
    pub fn players(&self) -> usize {
        self.teams.len()
    }

    /// Number of tiles.
    pub fn tiles(&self) -> u16 {
        self.width * self.height
    }

    /// The teams of a free-for-all.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a game has at most 16 players")]
    pub fn free_for_all(players: usize) -> Vec<u8> {
        (0..players.min(MAX_PLAYERS)).map(|seat| seat as u8).collect()
    }

    /// Whether two seats share a team.
    pub fn has_teams(&self) -> bool {
        (1..self.teams.len()).any(|i| self.teams[..i].contains(&self.teams[i]))
    }

    /// Checks that a game can be made of it.
    ///
    /// # Errors
    ///
    /// The first thing found that no game can have, in the order the fields are listed.
    pub fn check(&self) -> Result<(), StartError> {
        let (width, height) = (self.width, self.height);
        let side = |n: u16| (1..=MAX_SIDE).contains(&usize::from(n));
        if !side(width) || !side(height) {
            return Err(StartError::Size { width, height });
        }
        if !(1..=MAX_PLAYERS).contains(&self.players()) {
            return Err(StartError::Players(self.players()));
        }
        if self.generals.len() != self.players() {
            return Err(StartError::Generals {
                generals: self.generals.len(),
                players: self.players(),
            });
        }
        let mountains = self.mountains.iter().map(|&t| ("mountain", t, 0));
        let cities = self.cities.iter().map(|&(t, army)| ("city", t, army));
        let generals = self.generals.iter().flatten().map(|&t| ("general", t, 1));
        let neutrals = self.neutrals.iter().map(|&(t, army)| ("neutral army", t, army));
        let mut taken = [false; MAX_SIDE * MAX_SIDE];
        for (what, tile, army) in mountains.chain(cities).chain(generals).chain(neutrals) {
            if tile >= self.tiles() {
                return Err(StartError::Outside { what, tile, tiles: self.tiles() });
            }
            if std::mem::replace(&mut taken[usize::from(tile)], true) {
                return Err(StartError::Taken { what, tile });
            }
            if !(-1_000_000..=1_000_000).contains(&army) {
                return Err(StartError::Army { what, tile, army });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Start {
        Start {
            width: 4,
            height: 3,
            teams: vec![0, 1],
            mountains: vec![5],
            cities: vec![(6, 40)],
            generals: vec![Some(0), Some(11)],
            neutrals: vec![(7, 3)],
        }
    }

    #[test]
    fn what_no_game_can_have_is_named() {
        assert_eq!(small().check(), Ok(()));
        let refuse = |change: &dyn Fn(&mut Start)| {
            let mut start = small();
            change(&mut start);
            start.check().unwrap_err()
        };
        assert_eq!(refuse(&|s| s.width = 33), StartError::Size { width: 33, height: 3 });
        assert_eq!(refuse(&|s| s.height = 0), StartError::Size { width: 4, height: 0 });
        assert_eq!(refuse(&|s| s.teams = vec![]), StartError::Players(0));
        assert_eq!(refuse(&|s| s.teams = vec![0; 17]), StartError::Players(17));
        assert_eq!(
            refuse(&|s| s.generals.truncate(1)),
            StartError::Generals { generals: 1, players: 2 }
        );
        assert_eq!(
            refuse(&|s| s.mountains[0] = 12),
            StartError::Outside { what: "mountain", tile: 12, tiles: 12 }
        );
        assert_eq!(
            refuse(&|s| s.generals[1] = Some(6)),
            StartError::Taken { what: "general", tile: 6 }
        );
        assert!(matches!(refuse(&|s| s.neutrals[0].1 = i32::MAX), StartError::Army { .. }));
    }

    #[test]
    fn teams_are_teams_when_two_seats_share_one() {
        let mut start = small();
        assert!(!start.has_teams());
        start.teams = vec![7, 7];
        assert!(start.has_teams());
    }
}

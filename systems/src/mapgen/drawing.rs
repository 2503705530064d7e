//! Reading a map drawn as text; the format is described in the module `map_file`.

use super::MapFileError;
use crate::rules::shape::MAX_SIDE;
use crate::start::{MAX_PLAYERS, Start, StartError};

/// What has been read of a map drawn as text.
#[derive(Default)]
pub(super) struct Drawing {
    /// The map so far; the generals are kept apart, since how many there are is known last.
    start: Start,
    generals: [Option<u16>; MAX_PLAYERS],
    teams: Option<Vec<u8>>,
}

impl Drawing {
    /// Reads the line `teams`.
    pub(super) fn read_teams(&mut self, text: &str, line: usize) -> Result<(), MapFileError> {
        if self.teams.is_some() {
            return Err(MapFileError::TeamsTwice { line });
        }
        let team = |word: &str| {
            word.parse().ok().ok_or_else(|| MapFileError::Team { line, found: word.to_owned() })
        };
        self.teams = Some(text.split_whitespace().skip(1).map(team).collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Reads the next row.
    pub(super) fn read_row(&mut self, text: &str, line: usize) -> Result<(), MapFileError> {
        let first = self.start.height == 0;
        if usize::from(self.start.height) == MAX_SIDE {
            return Err(MapFileError::TooLarge { line });
        }
        let mut tiles = 0;
        let mut rest = text.trim_start();
        while let Some(symbol) = rest.chars().next() {
            if tiles == MAX_SIDE {
                return Err(MapFileError::TooLarge { line });
            }
            let column = text.chars().count() - rest.chars().count() + 1;
            let at = At { line, column };
            rest = &rest[symbol.len_utf8()..];
            // Tiles beyond the width are only counted: the row is refused below.
            if first || tiles < usize::from(self.start.width) {
                let tile = self.start.height * self.start.width
                    + u16::try_from(tiles).expect("a row has been held to 32 tiles");
                rest = self.read_tile(symbol, rest, tile, at)?;
            } else {
                rest = rest.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
            }
            rest = rest.trim_start();
            tiles += 1;
        }
        if first {
            self.start.width = u16::try_from(tiles).expect("a row has been held to 32 tiles");
        } else if tiles != usize::from(self.start.width) {
            return Err(MapFileError::Ragged { line, tiles, width: self.start.width.into() });
        }
        self.start.height += 1;
        Ok(())
    }

    /// Puts one tile on the board and returns the text after it.
    fn read_tile<'a>(
        &mut self,
        symbol: char,
        rest: &'a str,
        tile: u16,
        at: At,
    ) -> Result<&'a str, MapFileError> {
        let At { line, column } = at;
        match symbol {
            '.' => {}
            '#' => self.start.mountains.push(tile),
            'A'..='P' => {
                let general = &mut self.generals[symbol as usize - 'A' as usize];
                if general.replace(tile).is_some() {
                    return Err(MapFileError::GeneralTwice { line, column, letter: symbol });
                }
            }
            'c' | 'n' => {
                let end =
                    rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
                let (number, rest) = rest.split_at(end);
                // At most a sign and 7 digits, so that the message does not quote a page of them.
                let found = || format!("{symbol}{}", &number[..number.len().min(9)]);
                let short = number.trim_start_matches('-').len() <= 7;
                let army = number.parse().ok().filter(|_| short);
                let army =
                    army.ok_or_else(|| MapFileError::Army { line, column, found: found() })?;
                let list =
                    if symbol == 'c' { &mut self.start.cities } else { &mut self.start.neutrals };
                list.push((tile, army));
                return Ok(rest);
            }
            found => return Err(MapFileError::Symbol { line, column, found }),
        }
        Ok(rest)
    }

    /// The start position, once all lines are read.
    pub(super) fn into_start(self) -> Result<Start, MapFileError> {
        let mut start = self.start;
        if start.height == 0 {
            return Err(MapFileError::Empty);
        }
        let letters = || ('A'..='P').zip(self.generals);
        let players = self.generals.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        start.teams = if let Some(teams) = self.teams {
            let mut extra = letters().skip(teams.len());
            if let Some((letter, _)) = extra.find(|(_, tile)| tile.is_some()) {
                return Err(MapFileError::GeneralWithoutTeam { letter, seats: teams.len() });
            }
            teams
        } else {
            if let Some((letter, _)) = letters().take(players).find(|(_, tile)| tile.is_none()) {
                return Err(MapFileError::GeneralMissing { letter });
            }
            Start::free_for_all(players)
        };
        start.generals = self.generals.into_iter().take(start.teams.len()).collect();
        if start.teams.len() > MAX_PLAYERS {
            return Err(StartError::Players(start.teams.len()).into());
        }
        start.check()?;
        Ok(start)
    }
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy)]
struct At {
    line: usize,
    column: usize,
}

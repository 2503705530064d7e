//! Custom maps as text for humans and as JSON for programs.
//!
//! # Text
//!
//! One line per row, row 0 first; spaces between tiles are optional.
//!
//! | symbol | tile |
//! | --- | --- |
//! | `.` | plain |
//! | `#` | mountain |
//! | `A` to `P` | general of seat 0 to 15 |
//! | `c40` | neutral city with an army of 40 |
//! | `n5` | plain tile with a neutral army of 5 |
//!
//! Armies may be negative. A line `teams 0 0 1 1` gives the team of each seat; without it every
//! seat up to the last letter is its own team. A seat that `teams` lists and that has no general
//! on the board is dead from the start. Empty lines and lines that start with `;` mean nothing.
//!
//! # JSON
//!
//! ```json
//! {"width": 4, "height": 3, "mountains": [5], "cities": [[6, 40]], "generals": [0, 11]}
//! ```
//!
//! The fields of [`Start`] by name, tiles as `row * width + column`. All but `width`, `height` and
//! `generals` may be left out; a general that is `null` is dead from the start.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::drawing::Drawing;
use crate::rules::shape::MAX_SIDE;
use crate::start::{MAX_PLAYERS, Start, StartError};

/// Why a map file cannot be read. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MapFileError {
    /// No line of the text is a row of tiles.
    #[error("the map has no rows: write one line per row, such as `A . # c40 B`")]
    Empty,
    /// A character that stands for nothing.
    #[error(
        "line {line}, column {column}: {found:?} is no tile: use . # A to P, c and n with an army (c40, n5)"
    )]
    Symbol {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// The character.
        found: char,
    },
    /// `c` or `n` without a number that can be an army.
    #[error(
        "line {line}, column {column}: {found:?} has no army: write a number of at most 7 digits, as in c40 or n5"
    )]
    Army {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// The tile as far as it could be read.
        found: String,
    },
    /// A row is longer or shorter than the first.
    #[error(
        "line {line}: this row has {tiles} tiles and the first has {width}: make all rows equally long"
    )]
    Ragged {
        /// Line.
        line: usize,
        /// Tiles in this row.
        tiles: usize,
        /// Tiles in the first row.
        width: usize,
    },
    /// More rows or columns than a board can have.
    #[error("line {line}: the board is larger than {MAX_SIDE}x{MAX_SIDE}: remove rows or columns")]
    TooLarge {
        /// Line.
        line: usize,
    },
    /// Two generals of one seat.
    #[error(
        "line {line}, column {column}: general {letter} stands on the board already: use another letter"
    )]
    GeneralTwice {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// The seat's letter.
        letter: char,
    },
    /// A letter is left out and no line `teams` says that its seat is dead.
    #[error(
        "general {letter} is missing: place it, or add a line `teams` if that seat is dead from the start"
    )]
    GeneralMissing {
        /// The seat's letter.
        letter: char,
    },
    /// A letter beyond the seats that the line `teams` lists.
    #[error(
        "general {letter} has no team: list a team for every seat up to it in the line `teams` ({seats} listed)"
    )]
    GeneralWithoutTeam {
        /// The seat's letter.
        letter: char,
        /// Seats in the line `teams`.
        seats: usize,
    },
    /// Something in the line `teams` is not a team.
    #[error(
        "line {line}: {found:?} is no team: list one number from 0 to 255 per seat, as in `teams 0 0 1 1`"
    )]
    Team {
        /// Line.
        line: usize,
        /// The word.
        found: String,
    },
    /// The line `teams` is there twice.
    #[error("line {line}: the line `teams` is there already: keep one of the two")]
    TeamsTwice {
        /// Line.
        line: usize,
    },
    /// The text is not the JSON of a map; the message has line and column.
    #[error("map file: {0}")]
    Json(String),
    /// The map could be read, but no game can start from it.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Start {
    /// Reads a map drawn as text.
    ///
    /// ```
    /// # use systems::start::Start;
    /// let start = Start::from_text("teams 0 1\n A . #\n . c40 B\n").unwrap();
    /// assert_eq!((start.width, start.height), (3, 2));
    /// assert_eq!(start.generals, [Some(0), Some(5)]);
    /// assert_eq!(start.cities, [(4, 40)]);
    /// ```
    ///
    /// # Errors
    ///
    /// The first thing in the text that is not a map, and what [`Start::check`] refuses.
    pub fn from_text(text: &str) -> Result<Self, MapFileError> {
        let mut drawing = Drawing::default();
        for (i, line) in text.lines().enumerate() {
            match line.split_whitespace().next() {
                None => {}
                Some(word) if word.starts_with(';') => {}
                Some("teams") => drawing.read_teams(line, i + 1)?,
                Some(_) => drawing.read_row(line, i + 1)?,
            }
        }
        drawing.into_start()
    }

    /// Draws the map as text that [`Start::from_text`] reads back, lists in ascending order of tile.
    ///
    /// The position is one that [`Start::check`] accepts; what stands outside the board is left out.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut tiles = vec![".".to_owned(); usize::from(self.width) * usize::from(self.height)];
        let mut put = |tile: u16, symbol: String| {
            if let Some(place) = tiles.get_mut(usize::from(tile)) {
                *place = symbol;
            }
        };
        for &tile in &self.mountains {
            put(tile, "#".to_owned());
        }
        for &(tile, army) in &self.cities {
            put(tile, format!("c{army}"));
        }
        for &(tile, army) in &self.neutrals {
            put(tile, format!("n{army}"));
        }
        for (tile, letter) in self.generals.iter().zip('A'..='P') {
            if let Some(tile) = *tile {
                put(tile, letter.to_string());
            }
        }
        let longest = tiles.iter().map(String::len).max().unwrap_or(1);
        let teams = self.teams.iter().map(|team| format!(" {team}"));
        let mut text = format!("teams{}\n", teams.collect::<String>());
        for row in tiles.chunks(usize::from(self.width).max(1)) {
            let row: Vec<String> = row.iter().map(|symbol| format!("{symbol:>longest$}")).collect();
            text += &row.join(" ");
            text.push('\n');
        }
        text
    }

    /// Reads a map as JSON.
    ///
    /// # Errors
    ///
    /// Text that is not JSON, fields that are missing, unknown or of the wrong type, and what
    /// [`Start::check`] refuses.
    pub fn from_json(text: &str) -> Result<Self, MapFileError> {
        let file: MapFile =
            serde_json::from_str(text).map_err(|error| MapFileError::Json(error.to_string()))?;
        if file.generals.len() > MAX_PLAYERS {
            return Err(StartError::Players(file.generals.len()).into());
        }
        let start = Self {
            width: file.width,
            height: file.height,
            teams: file.teams.unwrap_or_else(|| Self::free_for_all(file.generals.len())),
            mountains: file.mountains,
            cities: file.cities,
            generals: file.generals,
            neutrals: file.neutrals,
        };
        start.check()?;
        Ok(start)
    }

    /// The map as JSON that [`Start::from_json`] reads back, on one line.
    ///
    /// # Panics
    ///
    /// Never: numbers and lists have a JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = MapFile {
            width: self.width,
            height: self.height,
            teams: Some(self.teams.clone()),
            mountains: self.mountains.clone(),
            cities: self.cities.clone(),
            generals: self.generals.clone(),
            neutrals: self.neutrals.clone(),
        };
        serde_json::to_string(&file).expect("numbers and lists have a JSON form")
    }
}

/// A map as it stands in a JSON file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    width: u16,
    height: u16,
    #[serde(default)]
    teams: Option<Vec<u8>>,
    #[serde(default)]
    mountains: Vec<u16>,
    #[serde(default)]
    cities: Vec<(u16, i32)>,
    generals: Vec<Option<u16>>,
    #[serde(default)]
    neutrals: Vec<(u16, i32)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::mapgen::{MapKind, MapSpec};

    const DRAWN: &str = "; a comment\n\nteams 3 3 7\n  A .   # c-1\n\n  . n5 c40 C  \n";

    fn refuse(text: &str) -> MapFileError {
        Start::from_text(text).unwrap_err()
    }

    #[test]
    fn a_drawing_is_read_tile_by_tile() {
        let expected = Start {
            width: 4,
            height: 2,
            teams: vec![3, 3, 7],
            mountains: vec![2],
            cities: vec![(3, -1), (6, 40)],
            generals: vec![Some(0), None, Some(7)],
            neutrals: vec![(5, 5)],
        };
        assert_eq!(Start::from_text(DRAWN), Ok(expected.clone()));
        assert_eq!(Start::from_text("teams 3 3 7\r\nA.#c-1\r\n.n5c40C"), Ok(expected));
        assert_eq!(Start::from_text("AB").unwrap().teams, [0, 1]);
    }

    #[test]
    fn generated_and_drawn_maps_read_back_as_written() {
        let mut starts = vec![Start::from_text(DRAWN).unwrap()];
        for (kind, players) in
            [(MapKind::Generals, 16), (MapKind::GeneralsBots, 2), (MapKind::Competition, 2)]
        {
            starts.extend((0..20).map(|seed| MapSpec::free_for_all(kind, players).generate(seed)));
        }
        for start in starts {
            assert_eq!(Start::from_text(&start.to_text()), Ok(start.clone()));
            assert_eq!(Start::from_json(&start.to_json()), Ok(start));
        }
    }

    #[test]
    fn what_is_no_drawing_is_refused_by_place() {
        use MapFileError as E;
        assert_eq!(refuse(""), E::Empty);
        assert_eq!(refuse("; nothing\nteams 0 1\n"), E::Empty);
        assert_eq!(refuse("A .\n. é"), E::Symbol { line: 2, column: 3, found: 'é' });
        assert_eq!(refuse("A Q"), E::Symbol { line: 1, column: 3, found: 'Q' });
        assert_eq!(refuse("A B c"), E::Army { line: 1, column: 5, found: "c".to_owned() });
        assert_eq!(refuse("A c1-2 B"), E::Army { line: 1, column: 3, found: "c1-2".to_owned() });
        assert_eq!(
            refuse("A n99999999 B"),
            E::Army { line: 1, column: 3, found: "n99999999".to_owned() }
        );
        assert_eq!(refuse("A .\n. . B"), E::Ragged { line: 2, tiles: 3, width: 2 });
        assert_eq!(refuse("A B\n."), E::Ragged { line: 2, tiles: 1, width: 2 });
        assert_eq!(refuse(&".".repeat(33)), E::TooLarge { line: 1 });
        assert_eq!(refuse(&format!("A B\n{}", ".".repeat(1_000_000))), E::TooLarge { line: 2 });
        assert_eq!(refuse(&format!("A\n{}", ".\n".repeat(32))), E::TooLarge { line: 33 });
        assert_eq!(refuse("A B A"), E::GeneralTwice { line: 1, column: 5, letter: 'A' });
        assert_eq!(refuse("A . C"), E::GeneralMissing { letter: 'B' });
        assert_eq!(refuse("teams 0 1\nA B C"), E::GeneralWithoutTeam { letter: 'C', seats: 2 });
        assert_eq!(refuse("teams 0 256\nA B"), E::Team { line: 1, found: "256".to_owned() });
        assert_eq!(refuse("teams 0 1\nA B\nteams 0 1"), E::TeamsTwice { line: 3 });
        assert_eq!(refuse("teams\n. ."), E::Start(StartError::Players(0)));
        assert_eq!(refuse(". ."), E::Start(StartError::Players(0)));
        assert_eq!(
            refuse(&format!("teams{}\nA B", " 1".repeat(17))),
            E::Start(StartError::Players(17))
        );
        assert_eq!(
            refuse("A c9999999 B"),
            E::Start(StartError::Army { what: "city", tile: 1, army: 9_999_999 })
        );
    }

    #[test]
    fn what_is_no_json_map_is_refused() {
        let refuse = |text: &str| Start::from_json(text).unwrap_err();
        assert!(refuse("{\"width\": 4}").to_string().contains("height"));
        assert!(refuse("{\"width\": 70000}").to_string().contains("line 1 column 15"));
        let map = |rest: &str| format!("{{\"width\": 3, \"height\": 2, {rest}}}");
        assert!(refuse(&map("\"generals\": [0], \"citys\": []")).to_string().contains("citys"));
        assert_eq!(
            refuse(&map("\"generals\": [0, 6]")),
            MapFileError::Start(StartError::Outside { what: "general", tile: 6, tiles: 6 })
        );
        let nulls = ["null"; 300].join(",");
        assert_eq!(
            refuse(&map(&format!("\"generals\": [{nulls}]"))),
            MapFileError::Start(StartError::Players(300))
        );
        let json = map("\"generals\": [0, null, 5], \"mountains\": [1]");
        assert_eq!(Start::from_json(&json).unwrap().teams, [0, 1, 2]);
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let words = [
            "A", "B", "P", "c", "n", "-", "4", "0", ".", "#", " ", "\n", "teams", ";", "é", "\t",
            "\u{2003}", "{", "[",
        ];
        let mut dice = Dice::new(3);
        for _ in 0..20_000 {
            let length = dice.below(40);
            let text: String = (0..length).map(|_| words[dice.below(19) as usize]).collect();
            if let Ok(start) = Start::from_text(&text) {
                assert_eq!(Start::from_text(&start.to_text()), Ok(start));
            }
            assert!(Start::from_json(&text).is_err());
        }
    }

    #[test]
    fn drawing_a_position_that_is_no_start_leaves_out_what_is_outside() {
        let odd = Start {
            width: 2,
            height: 1,
            mountains: vec![900],
            generals: vec![Some(7); 20],
            ..Start::default()
        };
        assert_eq!(odd.to_text(), "teams\n. .\n");
        assert_eq!(Start::default().to_text(), "teams\n");
    }
}

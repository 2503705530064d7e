//! A position as text: one cell a tile, in the colours of the owners where there are any.
//!
//! A cell is a mark, the army right aligned, and without colours a letter for the owner before
//! them: `A@12` is the general of player 0 with 12, `+40` a neutral city, `#` a mountain.

use std::fmt::{self, Write};

use bivouac::play::palette;
use serde_json::{Value, json};
use systems::{
    delta::{Face, SeenTile},
    world::Position,
};

use super::playback::Playback;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cmd) enum Style {
    /// Letters name the owners.
    Plain,
    /// Background colours do, of the 256 that terminals have in common.
    Coloured,
}

/// No owner.
const NOBODY: u8 = u8::MAX;

/// One position, whole or as a player sees it.
pub(in crate::cmd) struct Drawing {
    pub(in crate::cmd) tick: u32,
    pub(in crate::cmd) width: usize,
    pub(in crate::cmd) player: Option<usize>,
    pub(in crate::cmd) tiles: Vec<SeenTile>,
    pub(in crate::cmd) land: Vec<u32>,
    pub(in crate::cmd) army: Vec<u32>,
    pub(in crate::cmd) alive: Vec<bool>,
}

impl Drawing {
    /// The present position, as `player` sees it or whole.
    pub(super) fn of(playback: &Playback, player: Option<usize>) -> anyhow::Result<Self> {
        let seen = match player {
            Some(player) => Some((player, playback.seen(player)?.tiles)),
            None => None,
        };
        Ok(Self::at(playback.position(), seen))
    }

    /// A position, as the tiles show it that a player sees, or whole.
    pub(in crate::cmd) fn at(position: &Position, seen: Option<(usize, Vec<SeenTile>)>) -> Self {
        let player = seen.as_ref().map(|(player, _)| *player);
        Self {
            tick: position.turn,
            width: usize::from(position.width),
            player,
            tiles: seen.map_or_else(|| whole(position), |(_, tiles)| tiles),
            land: position.land.clone(),
            army: position.army.clone(),
            alive: position.alive.clone(),
        }
    }

    /// The board, a legend and the scoreboard.
    pub(in crate::cmd) fn text(&self, names: &[String], style: Style) -> String {
        let whose = self.player.map_or_else(String::new, |p| format!(", as player {p} sees it"));
        let mut text = format!("After {} ticks{whose}\n\n", self.tick);
        let digits = self.tiles.iter().map(|tile| tile.army.to_string().len()).max().unwrap_or(1);
        // The numbers of columns need two places, of which the mark's is one.
        let cell = 1 + digits.max(2);
        // A letter, and a space where there is no colour to tell two cells apart.
        let extra = if style == Style::Plain { 2 } else { 0 };
        text += "   ";
        for column in 0..self.width {
            put(&mut text, format_args!("{column:>width$}", width = cell + extra));
        }
        for (row, tiles) in self.tiles.chunks(self.width).enumerate() {
            put(&mut text, format_args!("\n{row:>2} "));
            for &tile in tiles {
                text += &styled(tile, cell, style);
            }
        }
        text += "\n\n@ general  + city  # mountain  ";
        text += if self.player.is_some() { "? mountain or city in fog  : fog\n\n" } else { "\n\n" };
        for (seat, name) in names.iter().enumerate() {
            text += &self.score(seat, name, style);
        }
        text
    }

    fn score(&self, seat: usize, name: &str, style: Style) -> String {
        let owner = u8::try_from(seat).unwrap_or(NOBODY);
        let swatch = match style {
            Style::Plain => letter(owner).to_string(),
            Style::Coloured => painted("  ", owner),
        };
        let (land, army) = (self.land[seat], self.army[seat]);
        let dead = if self.alive[seat] { "" } else { "  dead" };
        format!("{swatch} player {seat:<2}  land {land:>4}  army {army:>6}  {name}{dead}\n")
    }

    /// The same for scripts: owners as in a trace, with -3 for fog and -4 for a structure in fog.
    pub(in crate::cmd) fn json(&self) -> Value {
        let owner = |tile: &SeenTile| match tile.face {
            Face::Mountain => -2,
            Face::Fog => -3,
            Face::FogStructure => -4,
            _ if tile.owner == NOBODY => -1,
            _ => i32::from(tile.owner),
        };
        let of_face = |face: Face| -> Vec<usize> {
            (0..self.tiles.len()).filter(|&tile| self.tiles[tile].face == face).collect()
        };
        json!({
            "tick": self.tick,
            "player": self.player,
            "owners": self.tiles.iter().map(owner).collect::<Vec<_>>(),
            "armies": self.tiles.iter().map(|tile| tile.army).collect::<Vec<_>>(),
            "generals": of_face(Face::General),
            "cities": of_face(Face::City),
            "land": self.land,
            "army": self.army,
        })
    }
}

/// Appends to a text, which never fails.
pub(super) fn put(text: &mut String, piece: fmt::Arguments<'_>) {
    text.write_fmt(piece).expect("a String takes whatever is written to it");
}

/// The board without fog, in the form of a view.
fn whole(position: &Position) -> Vec<SeenTile> {
    let tiles = (0_u16..).zip(position.owners.iter().zip(&position.armies));
    let seen = tiles.map(|(tile, (&owner, &army))| {
        let face = match owner {
            -2 => Face::Mountain,
            _ if position.generals.contains(&Some(tile)) => Face::General,
            _ if position.cities.contains(&tile) => Face::City,
            _ => Face::Plain,
        };
        SeenTile { face, owner: u8::try_from(owner).unwrap_or(NOBODY), army }
    });
    seen.collect()
}

/// The letter of a player without colours.
fn letter(owner: u8) -> char {
    if owner == NOBODY { ' ' } else { char::from(b'A' + owner % 26) }
}

/// A mark and the army, `cell` characters, right aligned.
fn content(tile: SeenTile, cell: usize) -> String {
    let SeenTile { face, owner, army } = tile;
    let text = match face {
        Face::Mountain => "#".to_owned(),
        Face::FogStructure => "?".to_owned(),
        Face::Fog => ":".to_owned(),
        Face::General => format!("@{army}"),
        Face::City => format!("+{army}"),
        Face::Plain if owner == NOBODY && army == 0 => ".".to_owned(),
        Face::Plain => army.to_string(),
    };
    format!("{text:>cell$}")
}

fn styled(tile: SeenTile, cell: usize, style: Style) -> String {
    let content = content(tile, cell);
    match (style, tile.face) {
        (Style::Plain, _) => {
            // The letter stands before the mark: `A+12`, not `A +12`.
            let text = content.trim_start();
            format!("{:>width$}", format!("{}{text}", letter(tile.owner)), width = cell + 2)
        }
        (Style::Coloured, Face::General) => format!("\x1b[1m{}", painted(&content, tile.owner)),
        (Style::Coloured, Face::Mountain) => coloured(&content, palette::MOUNTAIN),
        (Style::Coloured, Face::Fog | Face::FogStructure) => coloured(&content, palette::FOG),
        (Style::Coloured, Face::City) if tile.owner == NOBODY => coloured(&content, palette::CITY),
        (Style::Coloured, _) => painted(&content, tile.owner),
    }
}

/// Text on the colour of a player, or on that of neutral land.
fn painted(text: &str, owner: u8) -> String {
    let is_player = usize::from(owner) < palette::PLAYERS.len();
    coloured(text, if is_player { palette::player(owner) } else { palette::LAND })
}

fn coloured(text: &str, (back, fore): (u8, u8)) -> String {
    format!("\x1b[48;5;{back};38;5;{fore}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEUTRAL: SeenTile = SeenTile { face: Face::Plain, owner: NOBODY, army: 0 };

    fn drawing(player: Option<usize>) -> Drawing {
        let own = SeenTile { face: Face::General, owner: 0, army: 12 };
        let city = SeenTile { face: Face::City, owner: NOBODY, army: 41 };
        let mountain = SeenTile { face: Face::Mountain, ..NEUTRAL };
        let foe = SeenTile { face: Face::Plain, owner: 1, army: 345 };
        let fog = SeenTile { face: Face::Fog, ..NEUTRAL };
        let tiles = vec![own, city, mountain, foe, fog, NEUTRAL];
        let (land, army, alive) = (vec![1, 1], vec![12, 345], vec![true, false]);
        Drawing { tick: 7, width: 3, player, tiles, land, army, alive }
    }

    fn names() -> Vec<String> {
        vec!["ann".to_owned(), "bob".to_owned()]
    }

    #[test]
    fn a_plain_board_is_legible_without_colours() {
        let expected = "\
After 7 ticks, as player 0 sees it

        0     1     2
 0   A@12   +41     #
 1   B345     :     .

@ general  + city  # mountain  ? mountain or city in fog  : fog

A player 0   land    1  army     12  ann
B player 1   land    1  army    345  bob  dead
";
        assert_eq!(drawing(Some(0)).text(&names(), Style::Plain), expected);
    }

    #[test]
    fn a_coloured_board_has_the_same_signs_and_closes_every_colour() {
        let text = drawing(None).text(&names(), Style::Coloured);
        assert!(text.contains("\x1b[1m\x1b[48;5;160;38;5;231m @12\x1b[0m"), "{text:?}");
        assert!(text.contains("\x1b[48;5;27;38;5;231m 345\x1b[0m"), "{text:?}");
        let opened = text.matches("\x1b[48").count();
        assert_eq!(opened, text.matches("\x1b[0m").count());
        assert!(!text.contains("fog"));
    }

    #[test]
    fn scripts_get_numbers_for_what_is_hidden() {
        let json = drawing(Some(0)).json();
        assert_eq!(json["owners"], json!([0, -1, -2, 1, -3, -1]));
        assert_eq!(json["generals"], json!([0]));
        assert_eq!(json["cities"], json!([1]));
    }

    #[test]
    fn every_player_has_a_colour_of_their_own() {
        for (i, colour) in palette::PLAYERS.iter().enumerate() {
            assert!(palette::PLAYERS[..i].iter().all(|other| other.0 != colour.0), "colour of {i}");
        }
    }
}

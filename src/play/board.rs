//! What a player knows of a game, put together from the updates of its stream.

use proto::v1::{self, event::Kind, update::Board as News};
use systems::delta::{Face, SeenTile};

use super::PlayError;

/// Nobody, or nobody that is known.
pub const NOBODY: u8 = u8::MAX;

/// The newest view of a game.
#[derive(Clone, Debug)]
pub struct Board {
    /// The own seat.
    pub seat: u8,
    /// Columns; 0 before the start.
    pub width: usize,
    /// Rows; 0 before the start.
    pub height: usize,
    /// Tiles, `[height, width]`.
    pub tiles: Vec<SeenTile>,
    /// Ticks completed.
    pub tick: u32,
    /// How far the game is.
    pub phase: v1::Phase,
    /// Tiles of each seat.
    pub land: Vec<u32>,
    /// Units of each seat.
    pub army: Vec<u32>,
    /// Living seats: bit `s` is seat `s`.
    pub alive: u32,
    /// Who plays.
    pub players: Vec<v1::Player>,
    /// How it ended, once it has.
    pub ended: Option<v1::Ended>,
    seq: Option<u64>,
}

impl Board {
    /// Of a game that nothing is known of.
    #[must_use]
    pub fn new(seat: u8) -> Self {
        Self {
            seat,
            width: 0,
            height: 0,
            tiles: Vec::new(),
            tick: 0,
            phase: v1::Phase::Unspecified,
            land: Vec::new(),
            army: Vec::new(),
            alive: 0,
            players: Vec::new(),
            ended: None,
            seq: None,
        }
    }

    /// The tile in a row and a column, if there is one.
    pub fn tile(&self, row: usize, column: usize) -> Option<SeenTile> {
        let is_inside = row < self.height && column < self.width;
        is_inside.then(|| self.tiles[row * self.width + column])
    }

    /// Row and column of the own general, as far as it is seen.
    pub fn general(&self) -> Option<(usize, usize)> {
        let is_own = |tile: &SeenTile| tile.face == Face::General && tile.owner == self.seat;
        let tile = self.tiles.iter().position(is_own)?;
        Some((tile / self.width, tile % self.width))
    }

    /// Whether a seat lives.
    pub fn is_alive(&self, seat: u8) -> bool {
        self.alive.checked_shr(seat.into()).is_some_and(|alive| alive & 1 != 0)
    }

    /// Whether nothing will happen any more.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, v1::Phase::Ended | v1::Phase::Aborted)
    }

    /// The name of a seat's player.
    pub fn name(&self, seat: u32) -> String {
        let player = self.players.iter().find(|player| player.seat == seat);
        match player.map(|player| player.name.as_str()) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("player {seat}"),
        }
    }

    /// Brings the view up to date.
    ///
    /// # Errors
    ///
    /// [`PlayError::BadUpdate`] if an update before this one is missing, or if it does not fit the
    /// board. The view is then as it was.
    pub fn apply(&mut self, update: &v1::Update) -> Result<(), PlayError> {
        let bad = |what: String| Err(PlayError::BadUpdate(what));
        // In a lobby there is no board yet, and who plays is all.
        let is_whole = matches!(update.board, Some(News::View(_))) || !update.players.is_empty();
        if let Some(seq) = self.seq.filter(|_| !is_whole)
            && update.seq != seq.wrapping_add(1)
        {
            return bad(format!("update {} comes after update {seq}", update.seq));
        }
        match &update.board {
            Some(News::View(view)) => self.replace(view)?,
            Some(News::Delta(delta)) => self.change(delta)?,
            None => {}
        }
        (self.seq, self.tick, self.phase) = (Some(update.seq), update.tick, update.phase());
        if let Some(scores) = &update.scoreboard {
            self.land.clone_from(&scores.land);
            self.army.clone_from(&scores.army);
            self.alive = scores.alive;
        }
        if !update.players.is_empty() {
            self.players.clone_from(&update.players);
        }
        for event in &update.events {
            match &event.kind {
                Some(Kind::Ended(ended)) => self.ended = Some(ended.clone()),
                Some(Kind::Joined(joined)) => self.set_name(joined.seat, &joined.name),
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets which update was the last one: the next is of another stream.
    pub fn reopened(&mut self) {
        self.seq = None;
    }

    fn set_name(&mut self, seat: u32, name: &str) {
        if let Some(player) = self.players.iter_mut().find(|player| player.seat == seat) {
            name.clone_into(&mut player.name);
        }
    }

    fn replace(&mut self, view: &v1::View) -> Result<(), PlayError> {
        let side = |side: u32| usize::try_from(side).ok().filter(|side| (1..=32).contains(side));
        let (Some(width), Some(height)) = (side(view.width), side(view.height)) else {
            let what = format!("a board of {}x{} tiles", view.height, view.width);
            return Err(PlayError::BadUpdate(what));
        };
        self.tiles = tiles(&view.faces, &view.owners, &view.armies, width * height)?;
        (self.width, self.height) = (width, height);
        Ok(())
    }

    fn change(&mut self, delta: &v1::Delta) -> Result<(), PlayError> {
        let (places, []) = delta.tiles.as_chunks::<2>() else {
            return Err(PlayError::BadUpdate("half a tile's number".to_owned()));
        };
        let changed = tiles(&delta.faces, &delta.owners, &delta.armies, places.len())?;
        let places: Vec<usize> =
            places.iter().map(|&place| u16::from_le_bytes(place).into()).collect();
        if let Some(outside) = places.iter().find(|&&place| place >= self.tiles.len()) {
            let what = format!("tile {outside} of a board of {}", self.tiles.len());
            return Err(PlayError::BadUpdate(what));
        }
        for (place, tile) in places.into_iter().zip(changed) {
            self.tiles[place] = tile;
        }
        Ok(())
    }
}

/// The tiles of three columns.
fn tiles(
    faces: &[u8],
    owners: &[u8],
    armies: &[u8],
    count: usize,
) -> Result<Vec<SeenTile>, PlayError> {
    let (units, rest) = armies.as_chunks::<4>();
    if faces.len() != count || owners.len() != count || units.len() != count || !rest.is_empty() {
        let lengths = format!("{}, {} and {}", faces.len(), owners.len(), armies.len());
        return Err(PlayError::BadUpdate(format!("columns of {lengths} bytes for {count} tiles")));
    }
    let columns = faces.iter().zip(owners).zip(units);
    let tile = |((&number, &owner), &army): ((&u8, &u8), &[u8; 4])| {
        Ok(SeenTile { face: face(number)?, owner, army: i32::from_le_bytes(army) })
    };
    columns.map(tile).collect()
}

fn face(number: u8) -> Result<Face, PlayError> {
    const FACES: [Face; 6] =
        [Face::Fog, Face::Plain, Face::Mountain, Face::City, Face::General, Face::FogStructure];
    let found = FACES.into_iter().find(|&face| face as u8 == number);
    found.ok_or_else(|| PlayError::BadUpdate(format!("{number} stands on a tile")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> v1::Update {
        let view = v1::View {
            width: 2,
            height: 1,
            faces: vec![4, 0].into(),
            owners: vec![0, 255].into(),
            armies: vec![3, 0, 0, 0, 0, 0, 0, 0].into(),
        };
        v1::Update { seq: 7, board: Some(News::View(view)), ..v1::Update::default() }
    }

    fn delta(seq: u64, tile: u16) -> v1::Update {
        let delta = v1::Delta {
            tiles: tile.to_le_bytes().to_vec().into(),
            faces: vec![1].into(),
            owners: vec![0].into(),
            armies: vec![2, 0, 0, 0].into(),
        };
        v1::Update { seq, board: Some(News::Delta(delta)), ..v1::Update::default() }
    }

    #[test]
    fn a_delta_changes_the_tiles_it_names() {
        let mut board = Board::new(0);
        board.apply(&view()).unwrap();
        board.apply(&delta(8, 1)).unwrap();
        assert_eq!(board.general(), Some((0, 0)));
        let taken = SeenTile { face: Face::Plain, owner: 0, army: 2 };
        assert_eq!((board.tile(0, 1), board.tile(1, 0)), (Some(taken), None));
    }

    #[test]
    fn an_update_of_a_lobby_says_who_plays_and_may_take_the_place_of_others() {
        let mut board = Board::new(0);
        let lobby = |seq, name: &str| {
            let players = vec![v1::Player { name: name.to_owned(), ..v1::Player::default() }];
            v1::Update { seq, players, ..v1::Update::default() }
        };
        board.apply(&lobby(1, "ada")).unwrap();
        board.apply(&lobby(9, "bob")).unwrap();
        assert_eq!(board.players[0].name, "bob");
        let gap = v1::Update { seq: 11, ..v1::Update::default() };
        board.apply(&gap).unwrap_err();
    }

    #[test]
    fn updates_that_cannot_be_are_refused_and_change_nothing() {
        let mut board = Board::new(0);
        board.apply(&view()).unwrap();
        let known = board.tiles.clone();
        let mut short = view();
        let mut odd = view();
        if let (Some(News::View(short)), Some(News::View(odd))) = (&mut short.board, &mut odd.board)
        {
            short.owners = vec![0].into();
            odd.faces = vec![9, 0].into();
        }
        for (update, wanted) in [
            (delta(9, 1), "update 9 comes after update 7"),
            (delta(8, 2), "tile 2 of a board of 2"),
            (short, "columns of 2, 1 and 8 bytes for 2 tiles"),
            (odd, "9 stands on a tile"),
        ] {
            let error = board.apply(&update).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
            assert_eq!(board.tiles, known);
        }
    }
}

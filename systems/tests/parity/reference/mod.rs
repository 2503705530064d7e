//! The slow, obvious reference implementation of the game's rules.
//!
//! Written straight from the two specifications, one tile at a time, to be compared with the fast
//! engine. Nothing here is shared with that engine, and nothing here is meant to be quick.
//! "rules, section N" cites the rules of generals.io, "competition" the page about the rulesets
//! `generals-bots` and `competition`.
//!
//! ```text
//! let mut game = Game::new(Rules::modern(), &start);
//! game.queues[0].push_back(Input::Move(Move { from: 7, to: 8, half: false }));
//! let executed = game.tick(&[]);          // seats, in the order in which their moves were executed
//! ```

mod combat;
mod duel;
mod fog;
mod moves;
mod order;
mod rules;
mod standing;
mod trade;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use fog::SeenTile;
pub use rules::{Order, Rules};

/// Owner of a mountain tile. Source: rules, section 1.
pub const MOUNTAIN: i32 = -2;
/// Owner of a tile that is nobody's. Source: rules, section 1.
pub const NEUTRAL: i32 = -1;

/// A move as a client sends it. It may be nonsense: tiles off the board, or not neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Tile the army leaves, `row * width + column`.
    pub from: usize,
    /// Tile the army enters.
    pub to: usize,
    /// Send half of the army, rounded down, instead of all but one.
    pub half: bool,
}

/// One entry of a player's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Do nothing for one tick. It uses up the tick but is not a move.
    Pass,
    /// March from one tile to a neighbour.
    Move(Move),
    /// Turn this tile into a castle (competition only).
    Build(usize),
}

/// Everything needed to set up a game. Source: rules, section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Columns of the board.
    pub width: usize,
    /// Rows of the board.
    pub height: usize,
    /// Mountain tiles.
    pub mountains: Vec<usize>,
    /// Neutral cities: tile and army.
    pub cities: Vec<(usize, i64)>,
    /// General tile per seat; a seat without one is dead from the start.
    pub generals: Vec<Option<usize>>,
    /// Neutral armies on plain tiles: tile and army.
    pub neutrals: Vec<(usize, i64)>,
    /// Team id per seat, or `None` for free-for-all.
    pub teams: Option<Vec<i64>>,
}

/// A game: the whole truth about one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// The ruleset being played.
    pub rules: Rules,
    /// Columns of the board.
    pub width: usize,
    /// Rows of the board.
    pub height: usize,
    /// Owner of each tile: [`MOUNTAIN`], [`NEUTRAL`] or a seat. Shape: `[height * width]`.
    pub owner: Vec<i32>,
    /// Army on each tile. Shape: `[height * width]`.
    pub army: Vec<i64>,
    /// General tile per seat, `None` once lost.
    pub generals: Vec<Option<usize>>,
    /// City (castle) tiles, neutral or owned.
    pub cities: BTreeSet<usize>,
    /// Team id per seat; all different in a free-for-all.
    pub teams: Vec<i64>,
    /// Whether each seat is alive.
    pub alive: Vec<bool>,
    /// Seats in the order in which they died.
    pub deaths: Vec<usize>,
    /// Seats whose death was an AFK event.
    pub surrendered: Vec<bool>,
    /// Seats whose generals each seat has captured, in order. A trade is not a capture.
    pub captured: Vec<Vec<usize>>,
    /// Tiles that stopped being a general, and for each seat whether it has seen the tile since.
    /// Source: rules, section 14.
    pub former_generals: BTreeMap<usize, Vec<bool>>,
    /// Completed ticks.
    pub turn: u32,
    /// Ticks in a row without an executed move. Source: rules, section 16.3.
    pub idle: u32,
    /// Queue of each seat, front first.
    pub queues: Vec<VecDeque<Input>>,
    /// The game ended with no winner (competition only).
    pub drawn: bool,
}

impl Game {
    /// Sets up a game in the order rules, section 2, gives.
    ///
    /// # Panics
    ///
    /// Panics if a tile lies off the board or the team list has another length than the generals.
    pub fn new(rules: Rules, start: &Start) -> Self {
        let n_tiles = start.width * start.height;
        let n_seats = start.generals.len();
        let free_for_all = || (0_i64..).take(n_seats).collect::<Vec<i64>>();
        let teams = start.teams.clone().unwrap_or_else(free_for_all);
        assert_eq!(teams.len(), n_seats, "one team id per seat");
        let mut game = Self {
            rules,
            width: start.width,
            height: start.height,
            owner: vec![NEUTRAL; n_tiles],
            army: vec![0; n_tiles],
            generals: start.generals.clone(),
            cities: BTreeSet::new(),
            teams,
            alive: vec![true; n_seats],
            deaths: Vec::new(),
            surrendered: vec![false; n_seats],
            captured: vec![Vec::new(); n_seats],
            former_generals: BTreeMap::new(),
            turn: 0,
            idle: 0,
            queues: vec![VecDeque::new(); n_seats],
            drawn: false,
        };
        for &tile in &start.mountains {
            game.owner[tile] = MOUNTAIN;
        }
        for &(tile, army) in &start.cities {
            game.cities.insert(tile);
            game.army[tile] = army;
        }
        for seat in 0..n_seats {
            match start.generals[seat] {
                Some(tile) => {
                    game.owner[tile] = owner_number(seat);
                    game.army[tile] = 1;
                }
                None => game.die(seat),
            }
        }
        for &(tile, army) in &start.neutrals {
            game.army[tile] = army;
        }
        game
    }

    /// Number of seats, dead ones included.
    pub fn n_seats(&self) -> usize {
        self.generals.len()
    }

    /// Number of tiles.
    pub fn n_tiles(&self) -> usize {
        self.width * self.height
    }

    /// Plays one tick in the order of rules, section 4, taking moves from `queues`.
    ///
    /// `afk` lists the seats with an AFK event due now, in order. Queueing (step 3) is the
    /// caller's: it pushes this tick's entries before the call, which makes no difference, since a
    /// player who dies in step 2 could not move anyway.
    ///
    /// Returns the seats whose moves were executed, in order, as replay files record them: the two
    /// moves of a trade one after the other, moves without effect included, dropped ones not.
    pub fn tick(&mut self, afk: &[usize]) -> Vec<usize> {
        if self.is_over() {
            return Vec::new();
        }
        let (land_before, army_before) = self.scoreboard();
        for &seat in afk {
            if self.is_over() {
                // Rules, section 4, step 2: stop as soon as the game is decided.
                break;
            }
            self.afk_event(seat);
        }
        let executed = match self.rules.order {
            Order::Modern => self.play_sorted_moves(),
            Order::SeatAlternating => self.play_seats_in_turn(),
            // Its spoils come after growth, so the rest of the tick is told over there.
            Order::ChaseFirst => return self.duel_tick(),
        };
        self.apply_idle_rule(executed.is_empty(), &land_before, &army_before);
        self.turn += 1;
        self.grow();
        self.remember_former_generals();
        executed
    }

    /// Handles one AFK event. Source: rules, section 12.
    ///
    /// The first event of a living player is a death that keeps all tiles; an event of a dead
    /// player neutralises what is left, provided the general still stands.
    pub fn afk_event(&mut self, seat: usize) {
        if self.alive[seat] {
            self.surrendered[seat] = true;
            self.die(seat);
            return;
        }
        let Some(general) = self.generals[seat] else {
            return;
        };
        let heir =
            (0..self.n_seats()).find(|&other| self.alive[other] && self.are_allies(seat, other));
        for tile in 0..self.n_tiles() {
            if self.owner[tile] == owner_number(seat) {
                self.owner[tile] = heir.map_or(NEUTRAL, owner_number);
            }
        }
        self.lose_general(seat, general);
    }

    /// Growth with the value of `turn` after the increment. Source: rules, section 10.
    fn grow(&mut self) {
        if self.turn.is_multiple_of(2) {
            for general in self.generals.iter().flatten() {
                self.army[*general] += 1;
            }
            for &city in &self.cities {
                let is_owned = self.owner[city] >= 0;
                let regenerates = self.rules.city_regen && !is_owned && self.army[city] < 40;
                if is_owned || regenerates {
                    self.army[city] += 1;
                }
            }
        }
        if self.turn.is_multiple_of(50) {
            for tile in 0..self.n_tiles() {
                if self.owner[tile] >= 0 {
                    self.army[tile] += 1;
                }
            }
        }
    }

    /// A living player dies: it joins the order of deaths, once, and its queue is emptied.
    fn die(&mut self, seat: usize) {
        assert!(self.alive[seat], "nobody dies twice");
        self.alive[seat] = false;
        self.deaths.push(seat);
        self.queues[seat].clear();
    }

    /// A general stops being one and its tile becomes a city for good.
    fn lose_general(&mut self, seat: usize, tile: usize) {
        self.generals[seat] = None;
        self.cities.insert(tile);
        self.former_generals.insert(tile, vec![false; self.n_seats()]);
    }

    /// Two different players of one team. Dead players stay allies.
    pub fn are_allies(&self, seat: usize, other: usize) -> bool {
        seat != other && self.teams[seat] == self.teams[other]
    }
}

/// The number that stands for this seat in [`Game::owner`].
fn owner_number(seat: usize) -> i32 {
    i32::try_from(seat).expect("a game has a handful of seats")
}

/// The seat that owns a tile with this owner number, if a player does.
fn owning_seat(owner: i32) -> Option<usize> {
    usize::try_from(owner).ok()
}

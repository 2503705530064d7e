//! Maps of the two-player simulator generals-bots and of its competition (competition, "Map
//! settings").

use super::ground::{self, Deck};
use crate::dice::Dice;
use crate::rules::plane::Plane;
use crate::rules::shape::{MAX_SIDE, Shape};
use crate::start::Start;

/// First generals tried before the best pair seen is taken.
const TRIES: u32 = 24;

/// Steps within which the ground of a general is compared.
const GROUND_STEPS: u16 = 7;

/// Steps between the generals of the base game where the board allows. The specification is
/// silent; recorded boards have 9 to 25.
const BASE_STEPS: u16 = 10;

/// Fills `start` with a map of the base game.
///
/// 18 to 26 percent obstacles; 9 to 11 of them castles of 40 to 50, on small boards at most half
/// of them, one within 6 steps of the first general where possible.
pub(super) fn fill_base<const K: usize>(shape: &Shape<K>, dice: &mut Dice, start: &mut Start) {
    let n_obstacles = draw_percent(shape.tiles(), 18, 26, dice);
    let obstacles = Deck::new(&shape.board).draw(n_obstacles, dice);
    let open = shape.board.without(obstacles);
    let rule = PairRule { steps: BASE_STEPS, ground_gap_max: None };
    let generals = Pairs::new(shape, open).draw(rule, dice);

    let n_castles = draw_castles(n_obstacles, dice);
    let first = Plane::of([generals[0]]);
    let near = shape.grown(&ground::within(shape, first, &open, 5)) & obstacles;
    let mut castles: Plane<K> = Deck::new(&near).draw(n_castles.min(1), dice);
    let sites = (shape.grown(&ground::flood(shape, first, &open)) & obstacles).without(castles);
    let rest = n_castles - u16::from(!castles.is_empty());
    castles |= Deck::new(&sites).draw(rest, dice);
    let mountains = obstacles.without(castles);
    ground::write(start, &mountains, &castles, &generals, || i32::from(dice.between(40, 50)));
}

/// Fills `start` with a map of the competition.
///
/// 24 to 26 percent mountains, at most a quarter of the board, less the 9 to 11 castles that are
/// carved out of them and stripped; generals at least 17 steps apart on comparable ground.
pub(super) fn fill_competition<const K: usize>(
    shape: &Shape<K>,
    dice: &mut Dice,
    start: &mut Start,
) {
    let drawn = draw_percent(shape.tiles(), 24, 26, dice).min(shape.tiles() / 4);
    // Castles carved out of random mountains and stripped leave random mountains, only fewer.
    let n_mountains = drawn - draw_castles(drawn, dice);
    let mountains = Deck::new(&shape.board).draw(n_mountains, dice);
    let rule = PairRule { steps: 17, ground_gap_max: Some(5) };
    let generals = Pairs::new(shape, shape.board.without(mountains)).draw(rule, dice);
    ground::write(start, &mountains, &Plane::EMPTY, &generals, || 0);
}

/// So many tiles as a percentage from `low` to `high` covers, rounded down.
///
/// Rounding the lower end down too gives the 21.5 percent that 18x18 competition boards have on
/// average; rounding it up would give 21.7.
fn draw_percent(tiles: u16, low: u32, high: u32, dice: &mut Dice) -> u16 {
    let part = |percent: u32| {
        u16::try_from(u32::from(tiles) * percent / 100)
            .expect("a percentage of a board is not more than the board")
    };
    dice.between(part(low), part(high))
}

/// Number of castles carved out of so many obstacles.
fn draw_castles(obstacles: u16, dice: &mut Dice) -> u16 {
    dice.between(9, 11).min(obstacles / 2)
}

/// What two generals have to satisfy.
#[derive(Clone, Copy)]
struct PairRule {
    /// Least number of steps between them, walking.
    steps: u16,
    /// Most that their ground may differ by, in tiles; `None`: any.
    ground_gap_max: Option<u16>,
}

/// A pair that does not satisfy a rule, and by how much. Less is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Miss {
    steps_missing: u16,
    ground_gap: u16,
    generals: [u16; 2],
}

/// Finds two generals on the open tiles of a board.
struct Pairs<'a, const K: usize> {
    shape: &'a Shape<K>,
    open: Plane<K>,
    /// Ground of each tile looked at so far, in tiles; 0: not yet counted.
    grounds: [u16; MAX_SIDE * MAX_SIDE],
}

impl<'a, const K: usize> Pairs<'a, K> {
    fn new(shape: &'a Shape<K>, open: Plane<K>) -> Self {
        Self { shape, open, grounds: [0; MAX_SIDE * MAX_SIDE] }
    }

    /// The first general on any open tile, the second on any that satisfies the rule.
    ///
    /// If that fails for [`TRIES`] first generals, the pair that comes nearest: distance before
    /// ground. Obstacles cover at most 26 percent of the board, so two open tiles are neighbours
    /// and some pair exists.
    fn draw(&mut self, rule: PairRule, dice: &mut Dice) -> [u16; 2] {
        let mut best = None;
        for _ in 0..TRIES {
            let first = ground::pick(&self.open, dice).expect("most tiles are open");
            match self.second(first, rule, dice) {
                Ok(second) => return [first, second],
                Err(miss) => best = best.into_iter().chain(miss).min(),
            }
        }
        let open = self.open;
        for first in open.tiles() {
            if let Some(miss) = best {
                return miss.generals;
            }
            best = self.second(first, rule, dice).map_or_else(
                |miss| miss,
                |second| Some(Miss { steps_missing: 0, ground_gap: 0, generals: [first, second] }),
            );
        }
        best.expect("two open tiles are neighbours").generals
    }

    /// A tile for the second general, each that satisfies the rule with equal chance; otherwise
    /// the nearest miss, if the first general can go anywhere.
    fn second(&mut self, first: u16, rule: PairRule, dice: &mut Dice) -> Result<u16, Option<Miss>> {
        let (mut far, steps) = self.far(first, rule.steps);
        let steps_missing = rule.steps - steps;
        let gap_max = rule.ground_gap_max.unwrap_or(u16::MAX);
        let ground = self.ground(first);
        let mut best: Option<Miss> = None;
        // Trying the far tiles in random order and taking the first that fits is fair to all that
        // fit, and counts the ground of few.
        while let Some(second) = ground::pick(&far, dice) {
            let ground_gap = if rule.ground_gap_max.is_some() {
                self.ground(second).abs_diff(ground)
            } else {
                0
            };
            if steps_missing == 0 && ground_gap <= gap_max {
                return Ok(second);
            }
            let miss = Miss { steps_missing, ground_gap, generals: [first, second] };
            best = Some(best.map_or(miss, |best| best.min(miss)));
            far.remove(second);
        }
        Err(best)
    }

    /// The tiles at least `steps` away from `from`, and `steps`; if there are none, the farthest,
    /// and how far they are. Nothing, if `from` has no open neighbour.
    fn far(&self, from: u16, steps: u16) -> (Plane<K>, u16) {
        let from = Plane::of([from]);
        // Within so many steps, and within one less.
        let (mut reached, mut before) = (from, from);
        for step in 1..steps {
            let next = self.shape.grown(&reached) & self.open;
            if next == reached {
                return (reached.without(before), step - 1);
            }
            (reached, before) = (next, reached);
        }
        let all = ground::flood(self.shape, reached, &self.open);
        if all == reached {
            return (reached.without(before), steps - 1);
        }
        (all.without(reached), steps)
    }

    /// Number of tiles within [`GROUND_STEPS`] steps of a tile, itself included.
    fn ground(&mut self, tile: u16) -> u16 {
        let known = &mut self.grounds[usize::from(tile)];
        if *known == 0 {
            let ground = ground::within(self.shape, Plane::of([tile]), &self.open, GROUND_STEPS);
            *known = u16::try_from(ground.count()).expect("a board has at most 1024 tiles");
        }
        *known
    }
}

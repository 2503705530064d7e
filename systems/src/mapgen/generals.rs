//! Maps like those of generals.io (rules, section 18).
//!
//! Generals first, far from each other; then obstacles anywhere, drawn again as long as they cut
//! a general off; then some obstacles become cities. In the seven real maps of the replay corpus
//! mountains and cities together cover 20 to 26 percent of the board and mountains alone 17 to
//! 22, so the 20 to 28 percent of section 18 are taken to count both.

use super::ground::{self, Deck};
use super::{MapSpec, Span};
use crate::dice::Dice;
use crate::rules::plane::Plane;
use crate::rules::shape::{MAX_SIDE, Shape};
use crate::start::{MAX_PLAYERS, Start};

/// Share of the board under mountains and cities, in percent, at the default setting.
const OBSTACLES: Span = Span { low: 20, high: 28 };

/// How often obstacles are drawn before a corridor is cut through them. At the default density
/// few draws cut anybody off, so corridors are for small, crowded or mountainous boards.
const DRAWS: u32 = 16;

/// Candidates for each general in the tries at one distance, before it is lowered by one.
const CANDIDATES: [u32; 7] = [1, 2, 4, 8, 16, 32, 32];

/// Further tries with the most candidates, at the distance of the rules, on boards as large as random
/// ones. One try in some fails there with 16 players, and all of [`CANDIDATES`] in one map of 2,000.
const FURTHER_TRIES: usize = 64;

/// The greatest random part of a side for so many players.
fn random_max(players: u16) -> u16 {
    4 + players / 2
}

/// The greatest length that a random side for so many players can have, in tiles.
pub(super) fn side_max(players: usize) -> u16 {
    let players = narrow(players);
    (side_min(players) + random_max(players)).min(narrow(MAX_SIDE))
}

/// Length of a random side for so many players, in tiles, at most 32.
pub(super) fn draw_side(players: usize, dice: &mut Dice) -> u16 {
    let players = narrow(players);
    let random_max = random_max(players);
    // The least of three is small more often than large; its mean, a quarter of the largest, is
    // that of the real maps.
    let random = (0..3).fold(random_max, |least, _| dice.between(0, random_max).min(least));
    let largest = narrow(MAX_SIDE);
    (side_min(players) + random).min(largest)
}

/// Fills `start` with the map of the next draws of `dice`.
pub(super) fn fill<const K: usize>(
    spec: &MapSpec,
    shape: &Shape<K>,
    dice: &mut Dice,
    start: &mut Start,
) {
    let players = narrow(spec.teams.len());
    let spawns = place(&spec.teams, shape, dice);
    let spawns = &spawns[..spec.teams.len()];
    let generals = Plane::of(spawns.iter().copied());

    let n_cities = draw_cities(spec, shape.tiles(), dice);
    let span = spec.mountains.unwrap_or(OBSTACLES);
    let n_obstacles =
        draw_share(span, shape.tiles(), dice).max(n_cities).min(shape.tiles() - players);

    let mut obstacles = Plane::EMPTY;
    let mut ground = Plane::EMPTY;
    let mut deck = Deck::new(&shape.board.without(generals));
    for _ in 0..DRAWS {
        obstacles = deck.draw(n_obstacles, dice);
        ground = ground::flood(shape, Plane::of([spawns[0]]), &shape.board.without(obstacles));
        if generals.without(ground).is_empty() {
            break;
        }
    }
    for &spawn in spawns {
        if !ground.has(spawn) {
            obstacles = obstacles.without(corridor(shape, spawns[0], spawn));
            ground = ground::flood(shape, ground, &shape.board.without(obstacles));
        }
    }

    // A city that touches the common ground can be taken; one walled in by mountains could not.
    let sites = shape.grown(&ground) & obstacles;
    let cities = Deck::new(&sites).draw(n_cities, dice);
    let mountains = obstacles.without(cities);
    // A real number from 40 to 50, rounded: 40 and 50 come half as often as the others.
    ground::write(start, &mountains, &cities, spawns, || {
        i32::from(40 + dice.between(0, 19).div_ceil(2))
    });
}

/// A number of seats or tiles as it is computed with here.
fn narrow(n: usize) -> u16 {
    u16::try_from(n).expect("there are at most 16 seats, and a side has at most 32 tiles")
}

/// Shortest random side: `16 + min(8, P)` and half a tile per player above six, rounded down.
fn side_min(players: u16) -> u16 {
    16 + players.min(8) + players.saturating_sub(6) / 2
}

/// So many tiles as a percentage drawn from `span` covers.
fn draw_share(span: Span, tiles: u16, dice: &mut Dice) -> u16 {
    let part = |percent: u16, round_up: u32| {
        let tiles = (u32::from(tiles) * u32::from(percent) + round_up) / 100;
        u16::try_from(tiles).expect("a percentage of a board is not more than the board")
    };
    let (low, high) = (part(span.low, 99), part(span.high, 0));
    // No whole number of tiles may lie between the two: then the larger one below.
    dice.between(low.min(high), high)
}

/// Number of neutral cities: `5 + P * (2 .. 3)`, and in proportion to the tiles on boards smaller
/// than the smallest random one of so many players.
fn draw_cities(spec: &MapSpec, tiles: u16, dice: &mut Dice) -> u16 {
    if let Some(Span { low, high }) = spec.cities {
        return dice.between(low, high);
    }
    let players = narrow(spec.teams.len());
    let drawn = dice.between(5 + 2 * players, 5 + 3 * players);
    let usual = u32::from(side_min(players)).pow(2);
    let scaled = (u32::from(drawn) * u32::from(tiles) + usual / 2) / usual;
    u16::try_from(scaled).map_or(drawn, |scaled| scaled.min(drawn))
}

/// The tiles of a walk from one tile to another with one bend.
fn corridor<const K: usize>(shape: &Shape<K>, from: u16, to: u16) -> Plane<K> {
    let width = shape.width;
    let (row, column) = (from / width, to % width);
    let along_row = from.min(row * width + column)..=from.max(row * width + column);
    let rows = row.min(to / width)..=row.max(to / width);
    Plane::of(along_row.chain(rows.map(|row| row * width + column)))
}

/// Distances that generals keep, in steps without obstacles.
#[derive(Clone, Copy)]
struct Distances {
    enemies: u16,
    allies: u16,
}

impl Distances {
    /// Allies keep a third of what enemies keep; the rules are silent on them.
    fn of(enemies: u16) -> Self {
        Self { enemies, allies: (enemies / 3).max(1) }
    }
}

/// The generals' tiles, by seat.
///
/// Enemies are more than `max(9, 9 * (1.8 - 0.1 * teams))` apart on boards as large as random ones;
/// on smaller ones where so many fit, otherwise one step less each time that all tries have failed,
/// down to neighbours.
fn place<const K: usize>(teams: &[u8], shape: &Shape<K>, dice: &mut Dice) -> [u16; MAX_PLAYERS] {
    let n_teams = narrow((0..teams.len()).filter(|&i| !teams[..i].contains(&teams[i])).count());
    let wished = (9 * 18_u16.saturating_sub(n_teams) / 10).max(9) + 1;
    let mut enemies = wished.min(shape.width + shape.height - 2).max(1);
    while enemies > 1 && !may_fit(n_teams, shape, enemies) {
        enemies -= 1;
    }
    let is_large = shape.width.min(shape.height) >= side_min(narrow(teams.len()));
    let mut further = if is_large && enemies == wished { FURTHER_TRIES } else { 0 };
    loop {
        let most = CANDIDATES[CANDIDATES.len() - 1];
        for candidates in CANDIDATES.into_iter().chain(std::iter::repeat_n(most, further)) {
            if let Some(spawns) = try_place(teams, shape, Distances::of(enemies), candidates, dice)
            {
                return spawns;
            }
        }
        // At distance 1 any free tile does, and there are as many tiles as players.
        assert!(enemies > 1, "a checked board has a tile for every player");
        enemies -= 1;
        further = 0;
    }
}

/// Whether so many generals could be `distance` apart, judged by area alone.
///
/// The tiles within half the distance of each general are its own, and all of them lie within
/// that radius of the board.
fn may_fit<const K: usize>(generals: u16, shape: &Shape<K>, distance: u16) -> bool {
    let radius = u32::from((distance - 1) / 2);
    let own = 2 * radius * (radius + 1) + 1;
    let (width, height) = (u32::from(shape.width), u32::from(shape.height));
    let around = 2 * radius * (width + height) + 2 * radius * radius.saturating_sub(1);
    u32::from(generals) * own <= width * height + around
}

/// Places the generals one by one, in random order of seats; `None` when one finds no tile.
///
/// Of so many random `candidates` for each, the one is taken that leaves the most room: one is a
/// plain random placement, more of them pack tighter.
fn try_place<const K: usize>(
    teams: &[u8],
    shape: &Shape<K>,
    distances: Distances,
    candidates: u32,
    dice: &mut Dice,
) -> Option<[u16; MAX_PLAYERS]> {
    let mut spawns = [0; MAX_PLAYERS];
    let mut order: [usize; MAX_PLAYERS] = std::array::from_fn(|seat| seat);
    let order = &mut order[..teams.len()];
    // Per placed seat: where no enemy and where no ally of it may stand.
    let mut kept = [(Plane::EMPTY, Plane::EMPTY); MAX_PLAYERS];
    let mut room = shape.board;
    for n in 0..order.len() {
        let other = n + dice.below(u32::from(narrow(order.len() - n))) as usize;
        order.swap(n, other);
        let seat = order[n];
        let mut free = if n == 0 { with_far_tiles(shape, distances.enemies) } else { shape.board };
        for &placed in &order[..n] {
            let (from_enemies, from_allies) = kept[placed];
            free =
                free.without(if teams[placed] == teams[seat] { from_allies } else { from_enemies });
        }
        let mut best = ground::pick(&free, dice)?;
        let mut best_keep = ground::diamond(shape, best, distances.enemies - 1);
        let mut best_room = room.without(best_keep).count();
        for _ in 1..candidates {
            let tile = ground::pick(&free, dice)?;
            let keep = ground::diamond(shape, tile, distances.enemies - 1);
            let left = room.without(keep).count();
            if left > best_room {
                (best, best_keep, best_room) = (tile, keep, left);
            }
        }
        room = room.without(best_keep);
        kept[seat] = (best_keep, ground::diamond(shape, best, distances.allies - 1));
        spawns[seat] = best;
    }
    Some(spawns)
}

/// The tiles from which some tile is so many steps away, or as many as the board has.
fn with_far_tiles<const K: usize>(shape: &Shape<K>, steps: u16) -> Plane<K> {
    let (width, height) = (shape.width, shape.height);
    let steps = steps.min(width + height - 2);
    // From the middle the farthest corner is nearest.
    if width / 2 + height / 2 >= steps {
        return shape.board;
    }
    Plane::of((0..shape.tiles()).filter(|tile| {
        let (row, column) = (tile / width, tile % width);
        row.max(height - 1 - row) + column.max(width - 1 - column) >= steps
    }))
}

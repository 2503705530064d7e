//! Why an order is not accepted, as far as the seat that gives it can see.

use super::{legality, ruleset::Rules, view::View};
use crate::components::{Cell, Command, Order};

/// Why an action was played as a pass.
///
/// Each reason is something that the player knows, so telling it gives nothing away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// It was not: the rules accept the action.
    None = 0,
    /// The number is no action of this board.
    OutOfRange = 1,
    /// The player is out of the game.
    NotAlive = 2,
    /// The army belongs to somebody else, or to nobody.
    NotOwned = 3,
    /// The step leaves the board.
    OffBoard = 4,
    /// A mountain is in the way.
    Mountain = 5,
    /// There are fewer than two units to march with.
    ArmyTooSmall = 6,
    /// No city can be built there, or not yet.
    NoBuild = 7,
}

impl Refusal {
    /// All of them by number, with the name that reports use.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::None, "accepted"),
        (Self::OutOfRange, "out_of_range"),
        (Self::NotAlive, "not_alive"),
        (Self::NotOwned, "not_owned"),
        (Self::OffBoard, "off_board"),
        (Self::Mountain, "mountain"),
        (Self::ArmyTooSmall, "army_too_small"),
        (Self::NoBuild, "no_build"),
    ];
}

/// What is wrong with an order on the board that the view shows: exactly what keeps the rules from
/// accepting it, since a seat sees its own tiles and what lies beside them.
pub(crate) fn judge<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    rules: &Rules,
    order: Order,
) -> Refusal {
    if !view.is_alive(view.seat()) {
        return Refusal::NotAlive;
    }
    let shape = view.shape();
    let (tile, direction) = match order.command() {
        Command::Pass => return Refusal::None,
        Command::Step { from, direction, .. } => (from, Some(direction)),
        Command::Build { tile } => (tile, None),
    };
    if tile >= shape.tiles() {
        return Refusal::OutOfRange;
    }
    if !view.own().has(tile) {
        return Refusal::NotOwned;
    }
    let Some(direction) = direction else {
        let is_rich = build_price(view, rules, tile).is_some_and(|price| view.army(tile) >= price);
        return if is_rich { Refusal::None } else { Refusal::NoBuild };
    };
    if !shape.inner[usize::from(direction)].has(tile) {
        return Refusal::OffBoard;
    }
    let to = shape.step(tile, direction);
    let takes_over = || view.army(tile) == 1 && view.allies().has(to);
    if view.mountains().has(to) {
        Refusal::Mountain
    } else if view.movable().has(tile) || takes_over() {
        Refusal::None
    } else {
        Refusal::ArmyTooSmall
    }
}

/// What a city costs on a tile of the seat; `None` where none can be built.
pub(crate) fn build_price<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
    rules: &Rules,
    tile: u16,
) -> Option<i32> {
    let structures = view.own() & (view.cities() | view.generals());
    let can_build = rules.build.price > 0 && !structures.has(tile);
    can_build.then(|| legality::price(rules, view.shape(), &structures, tile))
}

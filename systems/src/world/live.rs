//! Live games: the queues of their seats, what a seat may order, and what everybody is told.

use thiserror::Error;

use super::{GameId, World, WorldError, class::with_class};
use crate::{
    bundle::borrow,
    components::{Cell, Command, Order, Standing, State},
    queue::{Queues, TickNews},
    rules::{
        refusal::{Refusal, build_price, judge},
        ruleset::Rules,
        view::View,
    },
    visit::{Rulebook, Shapes},
};

/// The public scoreboard of a game: what every player is told, whatever the fog hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoreboard {
    /// Ticks completed.
    pub turn: u32,
    /// How the game goes on.
    pub state: State,
    /// Living seats, as a set.
    pub alive: u16,
    /// Tiles of each seat.
    pub land: Vec<u32>,
    /// Units of each seat.
    pub army: Vec<u32>,
}

/// Why an order could not be carried out on the board as its seat sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OrderFault {
    /// The march begins or ends beside the board.
    #[error("tile {tile} or the tile that the order enters is not on the board of {tiles} tiles")]
    Outside {
        /// Tile of the army.
        tile: u16,
        /// Number of tiles.
        tiles: u16,
    },
    /// The tile is not the seat's.
    #[error("tile {tile} is not yours")]
    NotOwned {
        /// The tile.
        tile: u16,
    },
    /// Too few units stand on the tile.
    #[error("the army of {army} on tile {tile} is too small: {need} units are needed")]
    ArmyTooSmall {
        /// The tile.
        tile: u16,
        /// Units on it.
        army: i32,
        /// Units needed.
        need: i32,
    },
    /// The march enters a mountain.
    #[error("tile {tile} is a mountain")]
    Mountain {
        /// The tile.
        tile: u16,
    },
    /// No city can be built there.
    #[error("no city can be built on tile {tile}: it has one, or the ruleset has no builds")]
    CannotBuild {
        /// The tile.
        tile: u16,
    },
    /// The seat is dead.
    #[error("seat {seat} has been eliminated")]
    Eliminated {
        /// The seat.
        seat: usize,
    },
}

/// The legal orders of a seat, as bit planes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionMask {
    /// Sources of legal marches up, down, left and right, and tiles where a city can be built:
    /// five planes of `tiles.div_ceil(8)` bytes; tile `t` is bit `t % 8` of byte `t / 8`.
    pub planes: Vec<u8>,
}

impl World {
    /// The orders that wait in a seat's queue; `None` for a game without queues.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn queued(&self, id: GameId, seat: usize) -> Result<usize, WorldError> {
        self.seat(id, seat)?;
        Ok(self.ecs.get::<Queues>(id.0).map_or(0, |queues| queues.waiting(seat).len()))
    }

    /// Adds orders to a seat's queue. A game without queues has no place for them.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn enqueue(&mut self, id: GameId, seat: usize, orders: &[Order]) -> Result<(), WorldError> {
        self.seat(id, seat)?;
        if let Some(mut queues) = self.ecs.get_mut::<Queues>(id.0) {
            queues.waiting_mut(seat).extend(orders);
        }
        Ok(())
    }

    /// Empties a seat's queue and returns how many orders waited in it.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn clear_queue(&mut self, id: GameId, seat: usize) -> Result<usize, WorldError> {
        self.seat(id, seat)?;
        let Some(mut queues) = self.ecs.get_mut::<Queues>(id.0) else { return Ok(0) };
        Ok(std::mem::take(queues.waiting_mut(seat)).len())
    }

    /// What happened in the last tick of a game with queues.
    pub fn tick_news(&self, id: GameId) -> Option<&TickNews> {
        self.ecs.get::<Queues>(id.0).map(Queues::news)
    }

    /// The public scoreboard.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn scoreboard(&self, id: GameId) -> Result<Scoreboard, WorldError> {
        Ok(with_class!(self.class(id)?, |_K, P, _A| {
            let players = usize::from(self.setup::<P>(id).players);
            let standing =
                self.ecs.get::<Standing<P>>(id.0).expect("a game has every component of its class");
            Scoreboard {
                turn: standing.turn,
                state: standing.state,
                alive: standing.alive,
                land: standing.land[..players].iter().map(|&land| u32::from(land)).collect(),
                army: standing.army[..players].to_vec(),
            }
        }))
    }

    /// Whether a seat could carry out an order now, as far as the seat can see.
    ///
    /// # Errors
    ///
    /// Unknown games and seats; inside, the first thing that is wrong with the order.
    pub fn check_order(
        &self,
        id: GameId,
        seat: usize,
        order: Order,
    ) -> Result<Result<(), OrderFault>, WorldError> {
        Ok(with_class!(self.seat(id, seat)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shape = &self.ecs.resource::<Shapes<K>>().0[usize::from(bundle.0.shape)];
            let rules = self.ecs.resource::<Rulebook>().0[usize::from(bundle.0.rules)];
            check(View::of(&borrow(&mut bundle), shape, seat), &rules, order)
        }))
    }

    /// The legal orders of a seat.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn action_mask(&self, id: GameId, seat: usize) -> Result<ActionMask, WorldError> {
        Ok(with_class!(self.seat(id, seat)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shape = &self.ecs.resource::<Shapes<K>>().0[usize::from(bundle.0.shape)];
            let rules = self.ecs.resource::<Rulebook>().0[usize::from(bundle.0.rules)];
            let mask = View::of(&borrow(&mut bundle), shape, seat).mask(&rules);
            let bytes = usize::from(shape.tiles()).div_ceil(8);
            let planes =
                mask.steps.iter().chain([&mask.builds]).flat_map(|plane| {
                    plane.0.iter().flat_map(|word| word.to_le_bytes()).take(bytes)
                });
            ActionMask { planes: planes.collect() }
        }))
    }
}

fn check<const K: usize, const P: usize, A: Cell>(
    view: View<'_, K, P, A>,
    rules: &Rules,
    order: Order,
) -> Result<(), OrderFault> {
    let refusal = judge(&view, rules, order);
    let tiles = view.shape().tiles();
    let (tile, direction) = match order.command() {
        Command::Pass => (0, None),
        Command::Step { from, direction, .. } => (from, Some(direction)),
        Command::Build { tile } => (tile, None),
    };
    let leaves =
        |direction: u8| tile < tiles && !view.shape().inner[usize::from(direction)].has(tile);
    let army = view.army(tile.min(tiles - 1));
    Err(match refusal {
        Refusal::None => return Ok(()),
        Refusal::NotAlive => OrderFault::Eliminated { seat: view.seat() },
        Refusal::NotOwned if !direction.is_some_and(leaves) => OrderFault::NotOwned { tile },
        Refusal::OutOfRange | Refusal::OffBoard | Refusal::NotOwned => {
            OrderFault::Outside { tile, tiles }
        }
        Refusal::Mountain => {
            let to = direction.map_or(tile, |direction| view.shape().step(tile, direction));
            OrderFault::Mountain { tile: to }
        }
        Refusal::ArmyTooSmall => OrderFault::ArmyTooSmall { tile, army, need: 2 },
        Refusal::NoBuild => match build_price(&view, rules, tile) {
            Some(need) => OrderFault::ArmyTooSmall { tile, army, need },
            None => OrderFault::CannotBuild { tile },
        },
    })
}

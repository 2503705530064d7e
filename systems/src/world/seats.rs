//! Seats: what they order, what they see, how their game stands.

use super::{Class, GameId, Position, World, WorldError, class::with_class, position::position_of};
use crate::{
    bundle::borrow,
    components::{Order, Orders, Setup, Standing, State},
    delta::{SeenBoard, WHOLE, Watch, WatchedSeat},
    rules::view::View,
    visit::{Due, Shapes},
};

/// A seat of a game and what can be done with it.
impl World {
    pub(super) fn seat(&self, id: GameId, seat: usize) -> Result<Class, WorldError> {
        let class = self.class(id)?;
        let players = with_class!(class, |_K, P, _A| usize::from(self.setup::<P>(id).players));
        if seat < players { Ok(class) } else { Err(WorldError::Seat { seat, players }) }
    }

    pub(super) fn setup<const P: usize>(&self, id: GameId) -> &Setup<P> {
        self.ecs.get::<Setup<P>>(id.0).expect("a game has every component of its class")
    }

    /// Tells a seat's order for the next step.
    ///
    /// # Errors
    ///
    /// Unknown games and seats. An illegal order is no error: it becomes a pass.
    pub fn order(&mut self, id: GameId, seat: usize, order: Order) -> Result<(), WorldError> {
        with_class!(self.seat(id, seat)?, |_K, P, _A| {
            self.ecs
                .get_mut::<Orders<P>>(id.0)
                .expect("a game has every component of its class")
                .0[seat] = order;
        });
        Ok(())
    }

    /// Lets a seat surrender at the start of the next tick, at turn 0 at that of turn 1.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn surrender(&mut self, id: GameId, seat: usize) -> Result<(), WorldError> {
        with_class!(self.seat(id, seat)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            borrow(&mut bundle).announce_surrender(seat);
            self.ecs.entity_mut(id.0).insert(bundle);
        });
        Ok(())
    }

    /// Lets a live game advance in the next step.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn make_due(&mut self, id: GameId) -> Result<(), WorldError> {
        self.class(id)?;
        self.ecs.resource_mut::<Due>().0.push(id.0);
        Ok(())
    }

    /// Lists the changes of a seat's view from now on, and returns the view as it is.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn watch(&mut self, id: GameId, seat: usize) -> Result<SeenBoard, WorldError> {
        self.seat(id, seat)?;
        let board = self.seen(id, seat)?;
        #[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
        self.add_watch(id, seat as u8, board.clone());
        Ok(board)
    }

    /// Lists the changes of the whole board from now on, for spectators, and returns the board.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn watch_whole(&mut self, id: GameId) -> Result<SeenBoard, WorldError> {
        let board = self.seen_whole(id)?;
        self.add_watch(id, WHOLE, board.clone());
        Ok(board)
    }

    /// Stops listing the changes of a seat's view, or of the whole board for [`WHOLE`].
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn unwatch(&mut self, id: GameId, seat: u8) -> Result<(), WorldError> {
        self.class(id)?;
        let Some(mut watch) = self.ecs.get_mut::<Watch>(id.0) else { return Ok(()) };
        watch.seats.retain(|watched| watched.seat != seat);
        if watch.seats.is_empty() {
            self.ecs.entity_mut(id.0).remove::<Watch>();
        }
        Ok(())
    }

    fn add_watch(&mut self, id: GameId, seat: u8, board: SeenBoard) {
        let mut entity = self.ecs.entity_mut(id.0);
        let mut watch = entity.take::<Watch>().unwrap_or_default();
        watch.seats.retain(|watched| watched.seat != seat);
        watch.seats.push(WatchedSeat::new(seat, board));
        entity.insert(watch);
    }

    /// The watched views of a game and their last changes.
    pub fn watched(&self, id: GameId) -> &[WatchedSeat] {
        self.ecs.get::<Watch>(id.0).map_or(&[], |watch| &watch.seats)
    }

    /// What a seat sees.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn seen(&self, id: GameId, seat: usize) -> Result<SeenBoard, WorldError> {
        Ok(with_class!(self.seat(id, seat)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shapes = self.ecs.resource::<Shapes<K>>();
            let shape = &shapes.0[usize::from(bundle.0.shape)];
            SeenBoard::of(&View::of(&borrow(&mut bundle), shape, seat))
        }))
    }

    /// The whole board, as a spectator sees it.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn seen_whole(&self, id: GameId) -> Result<SeenBoard, WorldError> {
        Ok(with_class!(self.class(id)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shapes = self.ecs.resource::<Shapes<K>>();
            let shape = &shapes.0[usize::from(bundle.0.shape)];
            SeenBoard::of(&View::whole(&borrow(&mut bundle), shape))
        }))
    }

    /// The game as it stands.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn position(&self, id: GameId) -> Result<Position, WorldError> {
        Ok(with_class!(self.class(id)?, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let shapes = self.ecs.resource::<Shapes<K>>();
            let shape = &shapes.0[usize::from(bundle.0.shape)];
            position_of(&borrow(&mut bundle), shape)
        }))
    }

    /// The turn of a game and how it goes on: a glance, without copying it.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn progress(&self, id: GameId) -> Result<(u32, State), WorldError> {
        Ok(with_class!(self.class(id)?, |_K, P, _A| {
            let standing =
                self.ecs.get::<Standing<P>>(id.0).expect("a game has every component of its class");
            (standing.turn, standing.state)
        }))
    }

    /// What each seat did in the last tick.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] if it does not exist.
    pub fn orders(&self, id: GameId) -> Result<&[Order], WorldError> {
        Ok(with_class!(self.class(id)?, |_K, P, _A| {
            let players = usize::from(self.setup::<P>(id).players);
            &self.ecs.get::<Orders<P>>(id.0).expect("a game has every component of its class").0
                [..players]
        }))
    }
}

//! What players tell their seats to do.

use systems::{
    components::Order,
    world::{OrderFault, World},
};
use tokio::time::Instant;

use super::{
    Arena, LiveError,
    game::{Game, Phase},
    request::{RawOrder, SeatKey, Submission, Submitted},
    settings::Pace,
};

/// Bytes of an idempotency key at most.
const KEY: usize = 64;

impl Arena {
    /// Adds orders to a seat's queue. A key is looked up only for who has the seat's token.
    pub(super) fn submit(
        &mut self,
        world: &mut World,
        key: SeatKey,
        submission: Submission,
    ) -> Result<Submitted, LiveError> {
        let most = self.config.queue_orders;
        let (game, seat) = self.player(key)?;
        if submission.orders.len() > most {
            // So many are not even remembered.
            let n_orders = submission.orders.len();
            return Err(LiveError::QueueFull { waiting: 0, sent: n_orders, most });
        }
        if submission.key.len() > KEY {
            let reason = format!("{} bytes are too long: use {KEY} at most", submission.key.len());
            return Err(LiveError::invalid("idempotency_key", reason));
        }
        let known = game.occupant(seat).and_then(|player| player.answered(&submission));
        if let Some(answer) = known {
            return answer;
        }
        let answer = self.take_orders(world, key.game, seat, &submission);
        if let Some(player) = self.game_mut(key.game)?.occupant(seat) {
            player.remember(submission, answer.clone());
        }
        answer
    }

    /// The game and the seat of a token. Who asks is still there.
    pub(super) fn player(&mut self, key: SeatKey) -> Result<(&mut Game, u8), LiveError> {
        let game = self.game_mut(key.game)?;
        let seat = game.seat_of(&key.token)?;
        game.last_active = Instant::now();
        Ok((game, seat))
    }

    fn take_orders(
        &mut self,
        world: &mut World,
        id: u64,
        seat: u8,
        submission: &Submission,
    ) -> Result<Submitted, LiveError> {
        let tick = self.tick_of(world, id);
        let most = self.config.queue_orders;
        let game = self.game_mut(id)?;
        let entity = match game.phase {
            Phase::Ended | Phase::Aborted => return Err(LiveError::GameOver { tick }),
            Phase::Running => game.entity,
            _ => None,
        };
        let Some(entity) = entity else {
            let (what, need) = ("sending orders", "running");
            return Err(LiveError::WrongPhase { what, phase: game.phase, need });
        };
        let expected = submission.expected_tick.unwrap_or(tick);
        if expected != tick {
            return Err(LiveError::WrongTick { expected, tick });
        }
        let player = usize::from(seat);
        if game.alive >> seat & 1 == 0 {
            return Err(OrderFault::Eliminated { seat: player }.into());
        }
        let parse = |&order: &RawOrder| parse(order, game.size, game.settings.ruleset.builds());
        let orders: Vec<Order> = submission.orders.iter().map(parse).collect::<Result<_, _>>()?;
        let Some(&first) = orders.first() else {
            return Err(LiveError::invalid("orders", "the list is empty: send at least one order"));
        };
        let waiting = if submission.replaces { 0 } else { world.queued(entity, player)? };
        if waiting + orders.len() > most {
            return Err(LiveError::QueueFull { waiting, sent: orders.len(), most });
        }
        if waiting == 0 {
            // The board will have changed before those behind it have their turn.
            world.check_order(entity, player, first)??;
        }
        if submission.replaces {
            world.clear_queue(entity, player)?;
        }
        world.enqueue(entity, player, &orders)?;
        self.play_if_all_acted(world, id);
        let queued = u32::try_from(waiting + orders.len()).unwrap_or(u32::MAX);
        Ok(Submitted { tick, queued })
    }

    /// Takes back all orders that wait.
    pub(super) fn clear_queue(
        &mut self,
        world: &mut World,
        key: SeatKey,
    ) -> Result<u32, LiveError> {
        let (game, seat) = self.player(key)?;
        let Some(entity) = game.entity.filter(|_| !game.phase.is_final()) else {
            let (what, need) = ("taking orders back", "running or paused");
            return Err(LiveError::WrongPhase { what, phase: game.phase, need });
        };
        let cleared = world.clear_queue(entity, usize::from(seat))?;
        Ok(u32::try_from(cleared).unwrap_or(u32::MAX))
    }

    /// Gives the game up, with effect from the next tick.
    pub(super) fn surrender(&mut self, world: &mut World, key: SeatKey) -> Result<(), LiveError> {
        let tick = self.tick_of(world, key.game);
        let (game, seat) = self.player(key)?;
        match game.phase {
            Phase::Ended | Phase::Aborted => return Err(LiveError::GameOver { tick }),
            Phase::Running | Phase::Paused => {}
            phase => {
                let (what, need) = ("surrendering", "running or paused");
                return Err(LiveError::WrongPhase { what, phase, need });
            }
        }
        if game.alive >> seat & 1 == 0 {
            return Err(OrderFault::Eliminated { seat: usize::from(seat) }.into());
        }
        self.depart(world, key.game, seat);
        Ok(())
    }

    /// Lets a seat of a game that has begun surrender with the next tick.
    pub(super) fn depart(&mut self, world: &mut World, id: u64, seat: u8) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let Some(entity) = game.entity else { return };
        // The seat exists; a dead one has nothing to give up.
        let _is_known = world.surrender(entity, usize::from(seat)).is_ok();
        if let Some(player) = game.occupant(seat) {
            player.is_departing = true;
        }
        self.play_if_all_acted(world, id);
    }

    /// Gives up the seat of a player who was disconnected and has not come back.
    pub(super) fn give_up_absent(&mut self, world: &mut World, id: u64, seat: u8) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let phase = game.phase;
        if game.occupant(seat).is_none_or(|player| player.streams > 0) {
            return;
        }
        match phase {
            Phase::Lobby => self.free_seat(world, id, seat),
            Phase::Running | Phase::Paused => self.depart(world, id, seat),
            Phase::Starting | Phase::Ended | Phase::Aborted => {}
        }
    }

    /// Lets a lockstep game advance now if nobody has to be waited for.
    pub(super) fn play_if_all_acted(&mut self, world: &World, id: u64) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let is_lockstep = matches!(game.settings.pace, Pace::Lockstep(_));
        if !is_lockstep || game.phase != Phase::Running || !has_everyone_acted(game, world) {
            return;
        }
        // Without a timer the game is listed already.
        if let Some(timer) = game.timer.take() {
            self.timers.cancel(timer);
            self.ready.push(id);
        }
    }
}

/// Whether each living player has an order waiting or is about to leave.
pub(super) fn has_everyone_acted(game: &Game, world: &World) -> bool {
    let Some(entity) = game.entity else { return false };
    game.seats.iter().enumerate().all(|(seat, who)| {
        let is_waited_for = game.alive >> seat & 1 != 0
            && who.player.as_ref().is_some_and(|player| !player.is_departing);
        !is_waited_for || world.queued(entity, seat).is_ok_and(|queued| queued > 0)
    })
}

/// Whether any living player has to be waited for.
pub(super) fn waits_for_players(game: &Game) -> bool {
    let mut seats = game.seats.iter().enumerate();
    seats.any(|(seat, who)| {
        game.alive >> seat & 1 != 0
            && who.player.as_ref().is_some_and(|player| !player.is_departing)
    })
}

/// The order on a board of this size.
fn parse(order: RawOrder, (width, height): (u16, u16), builds: bool) -> Result<Order, LiveError> {
    let tiles = width * height;
    let tile = |(row, column): (u32, u32)| {
        let is_inside = row < u32::from(height) && column < u32::from(width);
        let tile = is_inside.then(|| u16::try_from(row * u32::from(width) + column).ok()).flatten();
        tile.ok_or(LiveError::BadCoordinates { row, column, height, width })
    };
    match order {
        RawOrder::Pass => Ok(Order::PASS),
        RawOrder::Build(at) => Ok(Order::build(tile(at)?)),
        RawOrder::March { from, to, half } => {
            let source = tile(from)?;
            tile(to)?;
            let direction = match (to.0.wrapping_sub(from.0), to.1.wrapping_sub(from.1)) {
                (u32::MAX, 0) => 0,
                (1, 0) => 1,
                (0, u32::MAX) => 2,
                (0, 1) => 3,
                _ => return Err(LiveError::NotAdjacent { from, to }),
            };
            Ok(Order::step(source, direction, half))
        }
        RawOrder::Action(action) => {
            let last = u32::from(tiles) * if builds { 9 } else { 8 };
            let number = i32::try_from(action).ok().filter(|_| action <= last);
            let number = number.ok_or(LiveError::BadAction { action, last })?;
            let order = Order::from_action(number, tiles);
            if let systems::components::Command::Step { from, direction, .. } = order.command() {
                let (row, column) = (from / width, from % width);
                let leaves = match direction {
                    0 => row == 0,
                    1 => row + 1 == height,
                    2 => column == 0,
                    _ => column + 1 == width,
                };
                if leaves {
                    return Err(OrderFault::Outside { tile: from, tiles }.into());
                }
            }
            Ok(order)
        }
    }
}

#[cfg(test)]
mod tests {
    use systems::components::Command;

    use super::*;
    use crate::live::Reason;

    const SIZE: (u16, u16) = (4, 3);

    fn march(from: (u32, u32), to: (u32, u32)) -> Result<Order, LiveError> {
        parse(RawOrder::March { from, to, half: false }, SIZE, false)
    }

    #[test]
    fn marches_to_neighbours_become_directions() {
        for (to, direction) in [((0, 1), 0), ((2, 1), 1), ((1, 0), 2), ((1, 2), 3)] {
            let order = march((1, 1), to).unwrap();
            assert_eq!(order.command(), Command::Step { from: 5, direction, half: false });
        }
    }

    #[test]
    fn what_could_be_legal_on_no_board_is_refused() {
        let reason = |order: Result<Order, LiveError>| order.unwrap_err().reason();
        assert_eq!(reason(march((3, 0), (2, 0))), Reason::BadCoordinates);
        assert_eq!(reason(march((0, 3), (0, 4))), Reason::BadCoordinates);
        assert_eq!(reason(march((0, 0), (u32::MAX, 0))), Reason::BadCoordinates);
        for to in [(1, 1), (0, 0), (2, 2), (1, 3)] {
            assert_eq!(reason(march((1, 1), to)), Reason::NotAdjacent, "{to:?}");
        }
        let action = |action| parse(RawOrder::Action(action), SIZE, false);
        for number in [0, 4, 97, u32::MAX] {
            assert_eq!(reason(action(number)), Reason::BadCoordinates, "{number}");
        }
        assert_eq!(action(96).unwrap(), Order::PASS);
        assert_eq!(parse(RawOrder::Action(97), SIZE, true).unwrap(), Order::build(0));
        assert_eq!(reason(parse(RawOrder::Build((9, 0)), SIZE, true)), Reason::BadCoordinates);
    }
}

//! The reset phase: ended games begin their next episode in place.

use std::sync::Arc;

use bevy_ecs::resource::Resource;

use crate::{
    components::{Cell, Game, Ledger, NO_TILE, Order, State},
    dice,
    rules::{plane::Plane, shape::Shape, view},
    start::Start,
    visit::Visit,
};

/// What ended batch games do next.
#[derive(Resource, Clone, Debug, Default)]
pub enum Renewal {
    /// They stay as they are until someone resets them.
    #[default]
    Never,
    /// They begin their next episode on a map of the pool.
    Pool {
        /// Maps made beforehand, all of one size and number of players.
        starts: Arc<[Start]>,
        /// Seed of the games.
        seed: u64,
    },
}

/// Renews the game if it has ended and its last rows are out.
#[inline(always)]
pub fn reset<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    if visit.game.standing.has_ended() && visit.game.standing.active == 0 {
        renew(visit);
    }
}

#[cold]
#[expect(clippy::cast_possible_truncation, reason = "a remainder of the pool's length")]
fn renew<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    let Renewal::Pool { starts, seed } = visit.context.renewal else { return };
    let game = &mut visit.game;
    let episode = game.setup.episode.wrapping_add(1);
    let key = dice::episode_key(*seed, game.setup.game, episode);
    game.setup.episode = episode;
    game.setup.key = key;
    let start = &starts[(dice::mix(key) % starts.len() as u64) as usize];
    lay_out(game, visit.shape, start);
}

/// Makes the game's position the given start; its setup stays.
///
/// The start must fit the game's size and number of seats.
#[expect(clippy::cast_possible_truncation, reason = "seats are below 16, tiles below 1024")]
#[expect(
    clippy::cast_sign_loss,
    reason = "negative armies count as nothing in the bound of neutral units"
)]
pub fn lay_out<const K: usize, const P: usize, A: Cell>(
    game: &mut Game<'_, K, P, A>,
    shape: &Shape<K>,
    start: &Start,
) {
    debug_assert_eq!((shape.width, shape.height), (start.width, start.height));
    *game.ledger = Ledger::BLANK;
    game.orders.0 = [Order::PASS; P];
    game.terrain.passable = shape.board.without(Plane::of(start.mountains.iter().copied()));
    game.terrain.cities = Plane::of(start.cities.iter().map(|city| city.0));
    game.terrain.generals = Plane::of(start.generals.iter().flatten().copied());
    game.territory.0 = [Plane::EMPTY; P];
    *game.armies = crate::components::Armies::default();
    let standing = &mut *game.standing;
    standing.turn = 0;
    standing.idle = 0;
    standing.neutral = 0;
    standing.state = State::Running;
    standing.departing = false;
    standing.fallen = 0;
    standing.is_first = true;
    standing.generals = [NO_TILE; P];
    standing.land = [0; P];
    standing.army = [0; P];
    for &(tile, army) in start.cities.iter().chain(&start.neutrals) {
        game.armies.set(tile, army);
        standing.neutral += army.max(0) as u32;
    }
    standing.alive = ((1_u32 << start.players()) - 1) as u16;
    for (seat, general) in start.generals.iter().enumerate() {
        let Some(tile) = *general else { continue };
        game.armies.set(tile, 1);
        game.territory.0[seat].insert(tile);
        standing.generals[seat] = tile;
        standing.land[seat] = 1;
        standing.army[seat] = 1;
    }
    for seat in (0..start.players()).filter(|&seat| start.generals[seat].is_none()) {
        game.kill(seat);
    }
    if game.is_decided() {
        game.standing.state = State::Over;
    }
    game.standing.active = game.standing.alive;
    for seat in 0..P {
        game.vision.0[seat] =
            view::vision(seat, game.setup, game.territory, shape, crate::isa::Isa::Portable);
    }
}

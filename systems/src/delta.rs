//! The delta phase: what changed in the views that somebody watches.

use bevy_ecs::component::Component;

use crate::{components::Cell, rules::view::View, visit::Visit};

/// What a player sees of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenTile {
    /// What stands there.
    pub face: Face,
    /// Owning seat, 255: nobody or unseen.
    pub owner: u8,
    /// Units; 0 where unseen.
    pub army: i32,
}

/// What stands on a tile, as far as a player can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Face {
    /// Hidden, nothing known.
    Fog = 0,
    /// Seen: plain land.
    Plain = 1,
    /// Seen: a mountain.
    Mountain = 2,
    /// Seen: a city.
    City = 3,
    /// Seen: a general.
    General = 4,
    /// Hidden: a mountain or a city.
    FogStructure = 5,
}

/// A whole view, tile by tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBoard {
    /// Ticks completed.
    pub turn: u32,
    /// Tiles, `[height, width]`.
    pub tiles: Vec<SeenTile>,
}

/// What makes one view of the view a tick before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDelta {
    /// Ticks completed.
    pub turn: u32,
    /// Tiles that look different, ascending, with their new looks.
    pub tiles: Vec<(u16, SeenTile)>,
}

impl SeenBoard {
    /// The view as it is now.
    pub fn of<const K: usize, const P: usize, A: Cell>(view: &View<'_, K, P, A>) -> Self {
        Self { turn: view.turn(), tiles: seen_tiles(view).collect() }
    }

    /// Makes this the next view.
    pub fn apply(&mut self, delta: &ViewDelta) {
        self.turn = delta.turn;
        for &(tile, seen) in &delta.tiles {
            self.tiles[usize::from(tile)] = seen;
        }
    }
}

fn seen_tiles<const K: usize, const P: usize, A: Cell>(
    view: &View<'_, K, P, A>,
) -> impl Iterator<Item = SeenTile> {
    let (visible, cities, generals) = (view.visible(), view.cities(), view.generals());
    let (mountains, structures) = (view.mountains(), view.fog_structures());
    let land: [_; P] = std::array::from_fn(|seat| view.land_of(seat));
    (0..view.shape().tiles()).map(move |tile| {
        let face = match tile {
            t if generals.has(t) => Face::General,
            t if cities.has(t) => Face::City,
            t if mountains.has(t) => Face::Mountain,
            t if visible.has(t) => Face::Plain,
            t if structures.has(t) => Face::FogStructure,
            _ => Face::Fog,
        };
        let owner =
            (0_u8..).zip(&land).find(|(_, land)| land.has(tile)).map_or(255, |(seat, _)| seat);
        SeenTile { face, owner, army: view.army(tile) }
    })
}

/// The number under which [`Watch`] lists the whole board, which no seat sees.
pub const WHOLE: u8 = u8::MAX;

/// The seats of a game whose views are streamed, and what changed in the last tick.
#[derive(Component, Clone, Debug, Default)]
pub struct Watch {
    /// Seats watched, their last views, and the last change of each.
    pub seats: Vec<WatchedSeat>,
}

/// One watched view.
#[derive(Clone, Debug)]
pub struct WatchedSeat {
    /// Seat that looks, or [`WHOLE`].
    pub seat: u8,
    /// Its view after the last tick.
    pub board: SeenBoard,
    /// What the last tick changed.
    pub delta: ViewDelta,
}

/// Brings watched views up to date and notes what changed.
#[inline(always)]
pub fn delta<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    if visit.watch.is_some() {
        update(visit);
    }
}

#[cold]
fn update<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    let Some(watch) = visit.watch.as_deref_mut() else { return };
    for watched in &mut watch.seats {
        let view = match watched.seat {
            WHOLE => View::whole(&visit.game, visit.shape),
            seat => View::of(&visit.game, visit.shape, usize::from(seat)),
        };
        let WatchedSeat { board, delta, .. } = watched;
        board.turn = view.turn();
        delta.turn = view.turn();
        delta.tiles.clear();
        for (tile, (old, new)) in (0_u16..).zip(board.tiles.iter_mut().zip(seen_tiles(&view))) {
            if *old != new {
                *old = new;
                delta.tiles.push((tile, new));
            }
        }
    }
}

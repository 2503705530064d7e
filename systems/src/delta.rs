//! The delta phase: what changed in the views that somebody watches.

use bevy_ecs::component::Component;

use crate::{
    components::Cell,
    rules::{plane::Plane, shape::MAX_SIDE, view::View},
    visit::Visit,
};

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
        let looks = Looks::of(view);
        let tiles = (0..view.shape().tiles()).map(|tile| looks.at(tile)).collect();
        Self { turn: view.turn(), tiles }
    }

    /// Makes this the next view.
    pub fn apply(&mut self, delta: &ViewDelta) {
        self.turn = delta.turn;
        for &(tile, seen) in &delta.tiles {
            self.tiles[usize::from(tile)] = seen;
        }
    }
}

/// What tiles of a view look like.
struct Looks<'a, const K: usize, const P: usize, A: Cell> {
    view: &'a View<'a, K, P, A>,
    visible: Plane<K>,
    cities: Plane<K>,
    generals: Plane<K>,
    mountains: Plane<K>,
    structures: Plane<K>,
    land: [Plane<K>; P],
}

impl<'a, const K: usize, const P: usize, A: Cell> Looks<'a, K, P, A> {
    fn of(view: &'a View<'a, K, P, A>) -> Self {
        Self {
            view,
            visible: view.visible(),
            cities: view.cities(),
            generals: view.generals(),
            mountains: view.mountains(),
            structures: view.fog_structures(),
            land: std::array::from_fn(|seat| view.land_of(seat)),
        }
    }

    fn at(&self, tile: u16) -> SeenTile {
        let face = match tile {
            t if self.generals.has(t) => Face::General,
            t if self.cities.has(t) => Face::City,
            t if self.mountains.has(t) => Face::Mountain,
            t if self.visible.has(t) => Face::Plain,
            t if self.structures.has(t) => Face::FogStructure,
            _ => Face::Fog,
        };
        let owner =
            (0_u8..).zip(&self.land).find(|(_, land)| land.has(tile)).map_or(255, |(seat, _)| seat);
        SeenTile { face, owner, army: self.view.army(tile) }
    }
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
    /// The tiles that it saw, and those under fog where it knew of a structure: where a tile was hidden
    /// and is, only that can be new. Everything before the first tick.
    seen: [u64; WORDS],
    known: [u64; WORDS],
}

/// Words of the largest plane.
const WORDS: usize = MAX_SIDE * MAX_SIDE / 64;

impl WatchedSeat {
    /// A view that is watched from now on.
    #[must_use]
    pub fn new(seat: u8, board: SeenBoard) -> Self {
        let delta = ViewDelta { turn: board.turn, tiles: Vec::new() };
        Self { seat, board, delta, seen: [u64::MAX; WORDS], known: [0; WORDS] }
    }

    /// The tiles that may look different now; from now on those looks are the last.
    fn changing<const K: usize, const P: usize, A: Cell>(
        &mut self,
        looks: &Looks<'_, K, P, A>,
    ) -> Plane<K> {
        let (seen, known) = (last(&self.seen), last(&self.known));
        self.seen[..K].copy_from_slice(&looks.visible.0);
        self.known[..K].copy_from_slice(&looks.structures.0);
        let learned = looks.structures.without(known) | known.without(looks.structures);
        (looks.visible | seen | learned) & looks.view.shape().board
    }
}

fn last<const K: usize>(words: &[u64; WORDS]) -> Plane<K> {
    Plane(std::array::from_fn(|word| words[word]))
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
        let looks = Looks::of(&view);
        let changing = watched.changing(&looks);
        let WatchedSeat { board, delta, .. } = watched;
        board.turn = view.turn();
        delta.turn = view.turn();
        delta.tiles.clear();
        for tile in changing.tiles() {
            let (old, new) = (&mut board.tiles[usize::from(tile)], looks.at(tile));
            if *old != new {
                *old = new;
                delta.tiles.push((tile, new));
            }
        }
    }
}

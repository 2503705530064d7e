//! What `hunter` sees, sorted for its questions, and the decisions that need no memory.

use crate::{
    components::{Cell, Order},
    policies::ways,
    rules::{
        plane::Plane,
        ruleset::Rules,
        shape::{Direction, Shape},
        view::View,
    },
};

/// Steps from the general within which an enemy army is a threat.
const ALARM: u32 = 9;

/// A view with the sets that are asked for again and again.
pub(super) struct Sight<'a, 'v, const K: usize, const P: usize, A: Cell> {
    pub(super) view: &'a View<'v, K, P, A>,
    pub(super) shape: &'v Shape<K>,
    pub(super) own: Plane<K>,
    pub(super) enemies: Plane<K>,
    pub(super) neutral: Plane<K>,
    pub(super) cities: Plane<K>,
    /// Legal marches that enter no ally's tile.
    pub(super) steps: [Plane<K>; 4],
    pub(super) general: Option<u16>,
}

impl<'a, 'v, const K: usize, const P: usize, A: Cell> Sight<'a, 'v, K, P, A> {
    #[inline(always)]
    pub(super) fn of(view: &'a View<'v, K, P, A>) -> Self {
        let shape = view.shape();
        let elsewhere = shape.board.without(view.allies());
        let mut steps = view.steps();
        for d in Direction::ALL {
            steps[d as usize] &= shape.arriving(&elsewhere, d);
        }
        Self {
            view,
            shape,
            own: view.own(),
            enemies: view.enemies(),
            neutral: view.neutral(),
            cities: view.cities(),
            steps,
            general: view.general(),
        }
    }

    /// Units on a seen tile.
    #[inline(always)]
    pub(super) fn army(&self, tile: u16) -> i32 {
        self.view.army(tile)
    }

    /// The legal step from a tile into one of `into` that is worth most; none worth 0 or less.
    #[inline(always)]
    pub(super) fn best_step(
        &self,
        from: u16,
        into: &Plane<K>,
        worth: impl Fn(u16) -> i32,
    ) -> Option<Order> {
        let mut best = (0, None);
        for d in Direction::ALL {
            if !self.steps[d as usize].has(from) {
                continue;
            }
            let to = self.shape.step(from, d as u8);
            if into.has(to) {
                let its = worth(to);
                if its > best.0 {
                    best = (its, Some(Order::step(from, d as u8, false)));
                }
            }
        }
        best.1
    }

    /// The step into `prey` from the source that is worth most, where worth is above 0.
    #[inline(always)]
    pub(super) fn best_attack(
        &self,
        sources: &Plane<K>,
        prey: &Plane<K>,
        worth: impl Fn(u16, u16) -> i32,
    ) -> Option<Order> {
        let mut best = (0, None);
        for d in Direction::ALL {
            let attacks = self.steps[d as usize] & self.shape.arriving(prey, d) & *sources;
            for from in attacks.tiles() {
                let its = worth(from, self.shape.step(from, d as u8));
                if its > best.0 {
                    best = (its, Some(Order::step(from, d as u8, false)));
                }
            }
        }
        best.1
    }

    /// Takes an enemy general that an army beside it can take.
    #[inline(always)]
    pub(super) fn strike(&self, rules: &Rules) -> Option<Order> {
        let generals = self.view.generals() & self.enemies;
        if generals.is_empty() {
            return None;
        }
        let is_deadly = self.view.turn() >= rules.deathtouch_from;
        self.best_attack(&self.own, &generals, |from, to| {
            let margin = self.army(from) - 1 - self.army(to);
            if is_deadly { margin.max(1) } else { margin }
        })
    }

    /// Meets the nearest enemy army that could take the own general.
    #[inline(always)]
    pub(super) fn guard(&self) -> Option<Order> {
        let general = self.general?;
        let armies = self.enemies & self.view.movable();
        if armies.is_empty() {
            return None;
        }
        let (threat, distance) = self.threat(general, &armies)?;
        let power = self.army(threat);
        let kill =
            self.best_attack(&self.own, &Plane::of([threat]), |from, _| self.army(from) - power);
        kill.or_else(|| self.bring(general, distance + 1))
    }

    /// The nearest enemy army that would take the general if nothing else happened, and its
    /// distance.
    #[inline(always)]
    fn threat(&self, general: u16, armies: &Plane<K>) -> Option<(u16, u32)> {
        let open = self.view.open();
        let garrison = self.army(general);
        let mut reached = Plane::of([general]);
        for distance in 1..=ALARM {
            let grown = self.shape.grown(&reached) & open;
            for tile in (grown.without(reached) & *armies).tiles() {
                // It leaves a unit on every tile, and the general grows every other tick.
                let steps = distance.cast_signed();
                if self.army(tile) - steps > garrison + steps / 2 {
                    return Some((tile, distance));
                }
            }
            reached = grown;
        }
        None
    }

    /// Brings the largest army within `radius` steps over own land one step nearer to a tile; of
    /// equal ones the farthest, which collects most on its way.
    #[inline(always)]
    pub(super) fn bring(&self, to: u16, radius: u32) -> Option<Order> {
        let movable = self.own & self.view.movable();
        let mut reached = Plane::of([to]);
        let mut best = (0, 0, reached);
        for _ in 0..radius {
            let grown = self.shape.grown(&reached) & self.own | reached;
            let layer = grown.without(reached);
            if layer.is_empty() {
                break;
            }
            for tile in (layer & movable).tiles() {
                let army = self.army(tile);
                if army >= best.0 {
                    best = (army, tile, reached);
                }
            }
            reached = grown;
        }
        let (army, from, nearer) = best;
        if army == 0 { None } else { self.best_step(from, &nearer, |tile| 1 + self.army(tile)) }
    }

    /// Takes land with an army at the border, the smallest that can; `head` is kept together.
    #[inline(always)]
    pub(super) fn spread(&self, head: Option<u16>) -> Option<Order> {
        let kept = Plane::of(head.into_iter().chain(self.general));
        let sources = self.own.without(kept);
        let prey = self.enemies | self.neutral;
        self.best_attack(&sources, &prey, |from, to| {
            let (army, garrison) = (self.army(from), self.army(to));
            if army - 1 <= garrison {
                return 0;
            }
            let kind = match (self.enemies.has(to), self.cities.has(to)) {
                (true, true) => 4,
                (false, true) => 3,
                (true, false) => 2,
                (false, false) => 1,
            };
            (kind << 16) - army.min(0xFFFF)
        })
    }

    /// Ground that an army of this size may walk on: all that is not known to stop it. Fog is
    /// hoped to be open, but for structures in it.
    #[inline(always)]
    pub(super) fn ground(&self, army: i32) -> Plane<K> {
        let obstacles = self.view.mountains()
            | self.view.fog_structures()
            | self.view.allies()
            | (self.neutral & self.cities);
        let strong = self.enemies & self.view.movable();
        let strong = Plane::of(strong.tiles().filter(|&tile| self.army(tile) >= army - 1));
        self.shape.board.without(obstacles).without(strong)
    }

    /// The shortest ways from a tile over this ground.
    #[inline(always)]
    pub(super) fn way(
        &self,
        from: u16,
        goal: &Plane<K>,
        ground: &Plane<K>,
    ) -> Option<ways::Way<K>> {
        ways::way(self.shape, from, goal, ground)
    }
}

//! The columns of one class of games, as slices of one table.

use bevy_ecs::{entity::Entity, query::QueryData};

use crate::{
    components::{
        Armies, Cell, Game, Ledger, Orders, Recording, Setup, Standing, Terrain, Territory, Vision,
    },
    delta::Watch,
    prefetch::prefetch,
    queue::Queues,
    replay::Script,
};

/// How many games ahead a traversal asks the memory for. Four games of 1.6 KB fit the first-level
/// cache beside the game at work; 8 and 16 measured slower.
const AHEAD: usize = 4;

/// The query for every component of a game.
#[derive(QueryData)]
#[query_data(mutable, contiguous(mutable))]
pub struct Row<const K: usize, const P: usize, A: Cell> {
    /// The game's entity.
    pub entity: Entity,
    /// See [`Setup`].
    pub setup: &'static mut Setup<P>,
    /// See [`Standing`].
    pub standing: &'static mut Standing<P>,
    /// See [`Ledger`].
    pub ledger: &'static mut Ledger<P>,
    /// See [`Terrain`].
    pub terrain: &'static mut Terrain<K>,
    /// See [`Territory`].
    pub territory: &'static mut Territory<K, P>,
    /// See [`Armies`].
    pub armies: &'static mut Armies<K, A>,
    /// See [`Vision`].
    pub vision: &'static mut Vision<K, P>,
    /// See [`Orders`].
    pub orders: &'static mut Orders<P>,
    /// The recorded moves of a game that is replayed.
    pub script: Option<&'static mut Script<P>>,
    /// The views that are streamed as deltas.
    pub watch: Option<&'static mut Watch>,
    /// The orders carried out so far.
    pub recording: Option<&'static mut Recording>,
    /// The orders that wait, and the news of the last tick.
    pub queues: Option<&'static mut Queues>,
}

/// One game and what only some games have.
pub struct Components<'a, const K: usize, const P: usize, A: Cell> {
    /// What every game has.
    pub game: Game<'a, K, P, A>,
    /// Its recorded moves, if it is replayed.
    pub script: Option<&'a mut Script<P>>,
    /// Its watched views, if it is streamed.
    pub watch: Option<&'a mut Watch>,
    /// The orders carried out so far, if they are recorded.
    pub recording: Option<&'a mut Recording>,
    /// The orders that wait, if its seats have queues.
    pub queues: Option<&'a mut Queues>,
}

/// A run of games of one table, column by column.
pub struct Columns<'a, const K: usize, const P: usize, A: Cell> {
    /// See [`Setup`].
    pub setup: &'a mut [Setup<P>],
    /// See [`Standing`].
    pub standing: &'a mut [Standing<P>],
    /// See [`Ledger`].
    pub ledger: &'a mut [Ledger<P>],
    /// See [`Terrain`].
    pub terrain: &'a mut [Terrain<K>],
    /// See [`Territory`].
    pub territory: &'a mut [Territory<K, P>],
    /// See [`Armies`].
    pub armies: &'a mut [Armies<K, A>],
    /// See [`Vision`].
    pub vision: &'a mut [Vision<K, P>],
    /// See [`Orders`].
    pub orders: &'a mut [Orders<P>],
    /// Recorded moves, one for each game or for none.
    pub scripts: &'a mut [Script<P>],
    /// Watched views, one entry for each game or for none.
    pub watches: &'a mut [Watch],
    /// Orders carried out so far, one entry for each game or for none.
    pub recordings: &'a mut [Recording],
    /// Orders that wait, one entry for each game or for none.
    pub queues: &'a mut [Queues],
}

impl<'a, const K: usize, const P: usize, A: Cell> Columns<'a, K, P, A> {
    /// The columns of one table of a contiguous query.
    ///
    /// Change detection is bypassed: nobody listens, and its ticks would be written for every game.
    pub fn of(row: &'a mut RowContiguousItem<'_, '_, K, P, A>) -> Self {
        Self {
            setup: row.setup.bypass_change_detection(),
            standing: row.standing.bypass_change_detection(),
            ledger: row.ledger.bypass_change_detection(),
            terrain: row.terrain.bypass_change_detection(),
            territory: row.territory.bypass_change_detection(),
            armies: row.armies.bypass_change_detection(),
            vision: row.vision.bypass_change_detection(),
            orders: row.orders.bypass_change_detection(),
            scripts: row.script.as_mut().map_or(&mut [], |script| script.bypass_change_detection()),
            watches: row.watch.as_mut().map_or(&mut [], |watch| watch.bypass_change_detection()),
            recordings: row
                .recording
                .as_mut()
                .map_or(&mut [], |moves| moves.bypass_change_detection()),
            queues: row.queues.as_mut().map_or(&mut [], |queues| queues.bypass_change_detection()),
        }
    }

    /// Number of games.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.setup.len()
    }

    /// Whether there is no game.
    pub fn is_empty(&self) -> bool {
        self.setup.is_empty()
    }

    /// The first `n` games and the others.
    pub fn split_at(self, n: usize) -> (Self, Self) {
        let (setup, setup_rest) = self.setup.split_at_mut(n);
        let (standing, standing_rest) = self.standing.split_at_mut(n);
        let (ledger, ledger_rest) = self.ledger.split_at_mut(n);
        let (terrain, terrain_rest) = self.terrain.split_at_mut(n);
        let (territory, territory_rest) = self.territory.split_at_mut(n);
        let (armies, armies_rest) = self.armies.split_at_mut(n);
        let (vision, vision_rest) = self.vision.split_at_mut(n);
        let (orders, orders_rest) = self.orders.split_at_mut(n);
        let (scripts, scripts_rest) = self.scripts.split_at_mut(n.min(self.scripts.len()));
        let (watches, watches_rest) = self.watches.split_at_mut(n.min(self.watches.len()));
        let (recordings, recordings_rest) =
            self.recordings.split_at_mut(n.min(self.recordings.len()));
        let (queues, queues_rest) = self.queues.split_at_mut(n.min(self.queues.len()));
        let first = Self {
            setup,
            standing,
            ledger,
            terrain,
            territory,
            armies,
            vision,
            orders,
            scripts,
            watches,
            recordings,
            queues,
        };
        let rest = Self {
            setup: setup_rest,
            standing: standing_rest,
            ledger: ledger_rest,
            terrain: terrain_rest,
            territory: territory_rest,
            armies: armies_rest,
            vision: vision_rest,
            orders: orders_rest,
            scripts: scripts_rest,
            watches: watches_rest,
            recordings: recordings_rest,
            queues: queues_rest,
        };
        (first, rest)
    }

    /// The components of game `i`, below [`Columns::len`].
    #[inline(always)]
    pub fn game(&mut self, i: usize) -> Components<'_, K, P, A> {
        let game = Game {
            setup: &mut self.setup[i],
            standing: &mut self.standing[i],
            ledger: &mut self.ledger[i],
            terrain: &mut self.terrain[i],
            territory: &mut self.territory[i],
            armies: &mut self.armies[i],
            vision: &mut self.vision[i],
            orders: &mut self.orders[i],
        };
        Components {
            game,
            script: self.scripts.get_mut(i),
            watch: self.watches.get_mut(i),
            recording: self.recordings.get_mut(i),
            queues: self.queues.get_mut(i),
        }
    }

    /// Starts loading the game a few places after `i`.
    #[inline(always)]
    pub fn prefetch_after(&self, i: usize) {
        let next = i + AHEAD;
        if next < self.len() {
            prefetch(&self.setup[next]);
            prefetch(&self.standing[next]);
            prefetch(&self.terrain[next]);
            prefetch(&self.territory[next]);
            prefetch(&self.armies[next]);
            prefetch(&self.vision[next]);
            prefetch(&self.orders[next]);
        }
    }
}

impl<const K: usize, const P: usize, A: Cell> RowItem<'_, '_, K, P, A> {
    /// The components of the game.
    pub fn game(&mut self) -> Components<'_, K, P, A> {
        let game = Game {
            setup: &mut self.setup,
            standing: &mut self.standing,
            ledger: &mut self.ledger,
            terrain: &mut self.terrain,
            territory: &mut self.territory,
            armies: &mut self.armies,
            vision: &mut self.vision,
            orders: &mut self.orders,
        };
        Components {
            game,
            script: self.script.as_deref_mut(),
            watch: self.watch.as_deref_mut(),
            recording: self.recording.as_deref_mut(),
            queues: self.queues.as_deref_mut(),
        }
    }
}

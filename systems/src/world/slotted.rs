//! What a vector environment does with its games: they stay where they are stored.

use bevy_ecs::entity::Entity;

use super::{Class, GameId, GameSpec, World, WorldError, class::with_class};
use crate::{
    bundle::{Bundle, borrow, fitted},
    columns::Components,
    components::{Cell, Recording, Setup, Standing, State},
    isa::Isa,
    policies::Policy,
    reset::Renewal,
    row_writer::RowWriter,
    rows::RowBatch,
    slots::{Inbox, SlotTable, Slots},
    start::Start,
    visit::{Context, Ended, Outbox, Outgrown, Phases, Rulebook, Shapes, visit_one},
};

/// A game taken out of its world: its components in the class that holds any game.
#[derive(Clone)]
pub(crate) struct StoredGame {
    width: u16,
    height: u16,
    bundle: Box<Bundle<16, 16, i32>>,
    recording: Option<Recording>,
}

impl StoredGame {
    /// Bytes behind one, beside the record of a game that is recorded.
    pub(crate) const BYTES: usize = size_of::<Bundle<16, 16, i32>>();

    /// The smallest of some classes that stores it exactly.
    pub(crate) fn fits(&self, class: Class) -> bool {
        let (setup, standing, _, _, _, armies, ..) = &*self.bundle;
        let units = standing.army.iter().fold(standing.neutral, |sum, &a| sum.saturating_add(a));
        let is_small = || {
            units <= u16::TOTAL
                && armies.words().iter().flatten().all(|&army| u16::try_from(army).is_ok())
        };
        usize::from(self.width) * usize::from(self.height) <= 64 * usize::from(class.words)
            && setup.players <= class.seats
            && (class.is_wide || is_small())
    }

    /// Who chooses for each seat, the key of its episode, and its tick limit, for a game that
    /// begins in the middle of another.
    pub(crate) fn become_episode(&mut self, key: u64, policies: &[Policy], max_ticks: u32) {
        let setup = &mut self.bundle.0;
        setup.key = key;
        setup.max_ticks = max_ticks;
        for (seat, slot) in setup.policies.iter_mut().enumerate() {
            *slot = policies.get(seat).copied().unwrap_or(Policy::External) as u8;
        }
        self.bundle.1.is_first = true;
        self.bundle.2.notes = [[0; 2]; 16];
        self.bundle.2.worth = [0.0; 16];
    }

    /// Ticks completed.
    pub(crate) fn turn(&self) -> u32 {
        self.bundle.1.turn
    }
}

/// What [`World::visit_alone`] reads and writes for the agents of one game.
pub(crate) struct Errand<'a> {
    pub(crate) phases: Phases,
    pub(crate) batch: &'a mut RowBatch,
    pub(crate) seats: u16,
    /// Nothing for a game that is only looked at.
    pub(crate) actions: &'a [i32],
    pub(crate) refused: &'a mut [u8],
}

impl World {
    /// The slots of its games.
    pub(crate) fn slots(&mut self) -> &mut Option<SlotTable> {
        &mut self.ecs.resource_mut::<Slots>().into_inner().0
    }

    /// Whether some game may have outgrown its cells since this was asked last. Only a world with
    /// slots has to be asked: others move such games themselves.
    pub(crate) fn take_outgrown(&mut self) -> bool {
        *self.ecs.resource_mut::<Outgrown>().0.get_mut()
    }

    /// Says that all games fit their cells again.
    pub(crate) fn forget_outgrown(&mut self) {
        *self.ecs.resource_mut::<Outgrown>().0.get_mut() = false;
    }

    /// Changes who chooses for a seat, from the next step on.
    ///
    /// # Errors
    ///
    /// Unknown games and seats.
    pub fn set_policy(
        &mut self,
        id: GameId,
        seat: usize,
        policy: Policy,
    ) -> Result<(), WorldError> {
        with_class!(self.class(id)?, |_K, P, _A| {
            let mut setup = self
                .ecs
                .get_mut::<Setup<P>>(id.0)
                .expect("a game has every component of its class");
            let players = usize::from(setup.players);
            if seat >= players {
                return Err(WorldError::Seat { seat, players });
            }
            setup.policies[seat] = policy as u8;
        });
        Ok(())
    }

    /// Copies a game out of the world.
    pub(crate) fn stored(&self, id: GameId) -> Result<StoredGame, WorldError> {
        let class = self.class(id)?;
        let (bundle, (width, height)) = with_class!(class, |K, P, A| {
            let bundle = self.bundle_of::<K, P, A>(id.0);
            let shape = &self.ecs.resource::<Shapes<K>>().0[usize::from(bundle.0.shape)];
            (fitted::<K, P, A, 16, 16, i32>(&bundle, 0), (shape.width, shape.height))
        });
        let recording = self.ecs.get::<Recording>(id.0).cloned();
        Ok(StoredGame { width, height, bundle: Box::new(bundle), recording })
    }

    /// Puts a game in the place of another, whose class it must fit.
    pub(crate) fn put(
        &mut self,
        id: GameId,
        game: &StoredGame,
        rules: u8,
    ) -> Result<(), WorldError> {
        let class = self.class(id)?;
        if !game.fits(class) {
            return Err(WorldError::OtherSize(id));
        }
        let sized = Start { width: game.width, height: game.height, ..Start::default() };
        with_class!(class, |K, P, A| {
            let shape = self.shape::<K>(&sized);
            let mut bundle = fitted::<16, 16, i32, K, P, A>(&game.bundle, shape);
            bundle.0.id = id.0.to_bits();
            bundle.0.rules = rules;
            self.ecs.entity_mut(id.0).insert(bundle);
        });
        if let Some(mut recording) = self.ecs.get_mut::<Recording>(id.0) {
            *recording = game.recording.clone().unwrap_or_default();
        }
        Ok(())
    }

    /// Adds a game that advances only by [`World::visit_alone`].
    pub(crate) fn put_aside(&mut self, game: &StoredGame, rules: u8) -> Result<GameId, WorldError> {
        let sized = Start {
            width: 1,
            height: 1,
            teams: vec![0, 1],
            generals: vec![None; 2],
            ..Start::default()
        };
        let spec = GameSpec {
            is_live: true,
            is_recorded: game.recording.is_some(),
            ..GameSpec::new(&sized, rules)
        };
        let id = self.create_as(&spec, Class::WIDE)?;
        self.put(id, game, rules)?;
        Ok(id)
    }

    /// Ends a game without a trace: it plays no tick and writes no row until it is reset.
    pub(crate) fn silence(&mut self, id: GameId) -> Result<(), WorldError> {
        with_class!(self.class(id)?, |_K, P, _A| {
            let mut standing = self
                .ecs
                .get_mut::<Standing<P>>(id.0)
                .expect("a game has every component of its class");
            standing.state = State::Over;
            standing.active = 0;
            standing.army = [0; P];
            standing.neutral = 0;
        });
        Ok(())
    }

    /// Takes one game through some phases, apart from all others, and writes its rows to the
    /// batch, agent by agent.
    pub(crate) fn visit_alone(&mut self, id: GameId, errand: Errand<'_>) -> Result<(), WorldError> {
        let class = self.class(id)?;
        with_class!(class, |K, P, A| {
            let mut bundle = self.bundle_of::<K, P, A>(id.0);
            let mut recording = self.take_log(id.0);
            let (shapes, outbox) =
                (self.ecs.resource::<Shapes<K>>(), self.ecs.resource::<Outbox>());
            let context = Context {
                shapes: &shapes.0,
                rules: &self.ecs.resource::<Rulebook>().0,
                renewal: &Renewal::Never,
                outbox,
                outgrown: &self.ecs.resource::<Outgrown>().0,
                ended: &self.ecs.resource::<Ended>().0,
            };
            let components = Components {
                game: borrow(&mut bundle),
                script: None,
                watch: None,
                recording: recording.as_mut(),
                queues: None,
            };
            let inbox = Inbox {
                seats: if errand.actions.is_empty() { 0 } else { errand.seats },
                actions: errand.actions,
                refused: errand.refused,
            };
            let mut rows = RowWriter::in_slots(errand.batch, errand.seats);
            visit_one::<K, P, A>(
                errand.phases,
                components,
                &context,
                Isa::Portable,
                Some(&mut rows),
                Some(inbox),
            );
            let mut entity = self.ecs.entity_mut(id.0);
            entity.insert(bundle);
            if let (Some(log), Some(mut slot)) = (recording, entity.get_mut::<Recording>()) {
                *slot = log;
            }
        });
        Ok(())
    }

    fn take_log(&mut self, entity: Entity) -> Option<Recording> {
        self.ecs.get_mut::<Recording>(entity).map(|mut log| std::mem::take(&mut *log))
    }

    /// Whether a game's armies may outgrow their cells in the next tick.
    pub(crate) fn is_outgrown(&self, id: GameId) -> Result<bool, WorldError> {
        let class = self.class(id)?;
        let units = with_class!(class, |K, P, A| {
            let (_, standing, ..) = self.bundle_of::<K, P, A>(id.0);
            standing.army.iter().fold(standing.neutral, |sum, &army| sum.saturating_add(army))
        });
        Ok(!class.is_wide && units > u16::TOTAL)
    }
}

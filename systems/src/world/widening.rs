//! Games whose armies outgrow 16 bits move to the class that stores 32.

use bevy_ecs::entity::Entity;

use super::{Class, World, class::with_class};
use crate::{
    bundle::{Bundle, fitted},
    components::{Armies, Cell, Ledger, Orders, Setup, Standing, Terrain, Territory, Vision},
    replay::Script,
    start::Start,
    visit::Shapes,
};

impl World {
    /// Moves the games whose armies may outgrow 16 bits to the class that stores 32.
    #[cold]
    pub(super) fn widen(&mut self) {
        let entities: Vec<(Entity, Class)> =
            self.ecs.query::<(Entity, &Class)>().iter(&self.ecs).map(|(e, c)| (e, *c)).collect();
        for (entity, class) in entities.into_iter().filter(|(_, class)| !class.is_wide) {
            with_class!(class, |K, P, A| self.widen_one::<K, P, A>(entity));
        }
    }

    fn widen_one<const K: usize, const P: usize, A: Cell>(&mut self, entity: Entity) {
        let bundle = self.bundle_of::<K, P, A>(entity);
        let total =
            bundle.1.army.iter().fold(bundle.1.neutral, |sum, &army| sum.saturating_add(army));
        if total <= A::TOTAL {
            return;
        }
        let shape = self.ecs.resource::<Shapes<K>>().0[usize::from(bundle.0.shape)].clone();
        let sized = Start { width: shape.width, height: shape.height, ..Start::default() };
        let wide_shape = self.shape::<16>(&sized);
        let wide = fitted::<K, P, A, 16, 16, i32>(&bundle, wide_shape);
        let script = self.ecs.get::<Script<P>>(entity).map(Script::widened::<16>);
        let mut entity = self.ecs.entity_mut(entity);
        entity.remove::<(Bundle<K, P, A>, Script<P>)>();
        entity.insert((wide, Class::WIDE));
        if let Some(script) = script {
            entity.insert(script);
        }
    }

    /// Copies of a game's components.
    pub(super) fn bundle_of<const K: usize, const P: usize, A: Cell>(
        &self,
        entity: Entity,
    ) -> Bundle<K, P, A> {
        let game = self.ecs.entity(entity);
        let (setup, standing, ledger, terrain, territory, armies, vision, orders) = game
            .components::<(
                &Setup<P>,
                &Standing<P>,
                &Ledger<P>,
                &Terrain<K>,
                &Territory<K, P>,
                &Armies<K, A>,
                &Vision<K, P>,
                &Orders<P>,
            )>();
        (*setup, *standing, *ledger, *terrain, *territory, *armies, *vision, *orders)
    }
}

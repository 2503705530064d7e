//! Games that do not fit the table of the slots: huge armies, mostly.
//!
//! Their environments keep their slots, in which nothing happens, and the games are taken through
//! each step one by one. They are few, and they cost the others nothing.

use super::{EnvError, Frame, VectorEnv};
use crate::visit::Phases;

impl VectorEnv {
    /// Takes the games that lie elsewhere through the step that the others have made.
    pub(super) fn advance_aside(&mut self, frame: &mut Frame) -> Result<(), EnvError> {
        if !std::mem::take(&mut self.has_aside) {
            return Ok(());
        }
        let agents = self.seats.len();
        for env in 0..self.envs.len() {
            if self.envs[env].aside.is_none() {
                continue;
            }
            self.has_aside = true;
            let mut actions = [-1; 16];
            actions[..agents].copy_from_slice(&self.slots().actions[env * agents..][..agents]);
            self.visit_alone(env, Phases::ALL, &actions[..agents], frame)?;
        }
        Ok(())
    }

    /// Moves the games that may outgrow their cells in the next tick.
    #[cold]
    pub(super) fn set_outgrown_aside(&mut self) -> Result<(), EnvError> {
        self.world.forget_outgrown();
        for env in 0..self.envs.len() {
            let home = self.envs[env].home;
            if self.envs[env].aside.is_none() && self.world.is_outgrown(home)? {
                let game = self.world.stored(home)?;
                self.place(env, &game)?;
            }
        }
        Ok(())
    }
}

//! Going back to an earlier moment, and going on from one moment many times.

use super::{EnvError, Frame, VectorEnv, vector::EnvState};
use crate::{rows::RowFormat, world::slotted::StoredGame};

/// Some environments at one moment: their games, their episodes and their rows.
pub struct Snapshot {
    format: RowFormat,
    seats: Vec<u8>,
    envs: Vec<(EnvState, StoredGame)>,
    rows: Frame,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot of {} environments", self.envs.len())
    }
}

impl Snapshot {
    /// Number of environments.
    pub fn len(&self) -> usize {
        self.envs.len()
    }

    /// Whether it is of none.
    pub fn is_empty(&self) -> bool {
        self.envs.is_empty()
    }
}

/// What has to be equal for a snapshot to be taken over.
fn form(format: RowFormat, seats: &[u8]) -> String {
    let RowFormat { height, width, has_builds, has_owners } = format;
    format!("{height}x{width} boards, seats {seats:?}, builds {has_builds}, owners {has_owners}")
}

impl VectorEnv {
    /// Keeps some environments as they are, in the order given.
    ///
    /// # Errors
    ///
    /// Environments that do not exist.
    pub fn snapshot(&self, envs: &[usize]) -> Result<Snapshot, EnvError> {
        let kept = envs.iter().map(|&env| {
            let env = self.env(env)?;
            Ok((env.state.clone(), self.world.stored(env.id())?))
        });
        Ok(Snapshot {
            format: self.format,
            seats: self.seats.clone(),
            envs: kept.collect::<Result<_, EnvError>>()?,
            rows: self.frame.gathered(envs),
        })
    }

    /// Makes environments what those of a snapshot were: entry `i` of `envs` becomes number `i` of
    /// the snapshot, and goes on exactly as that one would. Rows are those of the snapshot.
    ///
    /// # Errors
    ///
    /// Environments that do not exist, a snapshot of another number of them, or of environments
    /// with other observations or seats. Nothing is changed then.
    pub fn restore(&mut self, snapshot: &Snapshot, envs: &[usize]) -> Result<(), EnvError> {
        if snapshot.envs.len() != envs.len() {
            let (given, wanted) = (envs.len(), snapshot.envs.len());
            return Err(EnvError::Length { what: "environments to restore", given, wanted });
        }
        if (snapshot.format, &snapshot.seats) != (self.format, &self.seats) {
            return Err(EnvError::OtherForm {
                taken: form(snapshot.format, &snapshot.seats),
                wanted: form(self.format, &self.seats),
            });
        }
        envs.iter().try_for_each(|&env| self.env(env).map(|_| ()))?;
        let rulesets = snapshot.envs.iter().map(|(state, _)| &state.spec.ruleset);
        let rules: Vec<u8> =
            rulesets.map(|ruleset| self.world.add_ruleset(ruleset)).collect::<Result<_, _>>()?;
        let mut frame = self.writable();
        for (i, (&env, (state, game))) in envs.iter().zip(&snapshot.envs).enumerate() {
            let rules = rules[i];
            self.envs[env].state = EnvState { rules, ..state.clone() };
            self.place(env, game)?;
            frame.copy_envs(env, &snapshot.rows, i, 1);
        }
        self.publish(frame);
        Ok(())
    }

    /// Makes environments copies of others: entry `i` of `to` becomes what entry `i` of `from` is.
    ///
    /// # Errors
    ///
    /// Environments that do not exist, or lists of different lengths. Nothing is changed then.
    pub fn copy(&mut self, from: &[usize], to: &[usize]) -> Result<(), EnvError> {
        let snapshot = self.snapshot(from)?;
        self.restore(&snapshot, to)
    }
}

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

    /// Bytes of its memory, to within a few of each environment.
    pub fn bytes(&self) -> u64 {
        bytes(self.envs.len(), self.format, self.seats.len())
    }
}

fn bytes(envs: usize, format: RowFormat, agents: usize) -> u64 {
    let game = size_of::<(EnvState, StoredGame)>() + StoredGame::BYTES;
    (envs * (game + agents * format.row_bytes())) as u64
}

/// What has to be equal for a snapshot to be taken over.
fn form(format: RowFormat, seats: &[u8]) -> String {
    let RowFormat { height, width, has_builds, has_owners } = format;
    format!("{height}x{width} boards, seats {seats:?}, builds {has_builds}, owners {has_owners}")
}

impl VectorEnv {
    /// Bytes that a snapshot of so many environments would take; see [`Snapshot::bytes`].
    pub fn snapshot_bytes(&self, envs: usize) -> u64 {
        bytes(envs, self.format, self.seats.len())
    }

    /// Keeps some environments as they are, in the order given.
    ///
    /// # Errors
    ///
    /// Environments that do not exist, or that are named twice: a list of numbers is short where
    /// the games that it stands for are not.
    pub fn snapshot(&self, envs: &[usize]) -> Result<Snapshot, EnvError> {
        self.check_distinct(envs)?;
        self.kept(envs)
    }

    /// Checks that environments exist and are named once each.
    fn check_distinct(&self, envs: &[usize]) -> Result<(), EnvError> {
        let mut named = vec![false; self.envs.len()];
        envs.iter().try_for_each(|&env| {
            self.env(env)?;
            if std::mem::replace(&mut named[env], true) {
                Err(EnvError::Twice { env })
            } else {
                Ok(())
            }
        })
    }

    fn kept(&self, envs: &[usize]) -> Result<Snapshot, EnvError> {
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
    /// Environments that do not exist or are named twice, a snapshot of another number of them, or
    /// of environments with other observations or seats. Nothing is changed then.
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
        self.check_distinct(envs)?;
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
        self.is_new = false;
        Ok(())
    }

    /// Makes environments copies of others: entry `i` of `to` becomes what entry `i` of `from` is.
    /// One may be copied to many.
    ///
    /// # Errors
    ///
    /// Environments that do not exist, lists of different lengths, and copies to one environment
    /// twice. Nothing is changed then.
    pub fn copy(&mut self, from: &[usize], to: &[usize]) -> Result<(), EnvError> {
        if from.len() != to.len() {
            let (given, wanted) = (to.len(), from.len());
            return Err(EnvError::Length { what: "environments to copy to", given, wanted });
        }
        // Before anything is copied, so that a copy is never of more than there are.
        self.check_distinct(to)?;
        let snapshot = self.kept(from)?;
        self.restore(&snapshot, to)
    }
}

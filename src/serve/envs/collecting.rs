//! Rows of remote environments on their way into the ring.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use arrow::array::{ArrayRef, AsArray};
use datasets::collected_envs::CollectedEnvs;
use systems::{envs::VectorEnv, rows::RowFormat};

use super::opening::Opening;
use crate::serve::{
    ServeError,
    fields::malformed,
    log::{Log, Wait},
};

/// What rows of all sessions go to.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Collection {
    /// The ring.
    pub(in crate::serve) log: Arc<Log>,
    /// The form of its rows.
    pub(in crate::serve) format: RowFormat,
    /// The names of the policies of its rows.
    pub(in crate::serve) policies: ArrayRef,
}

/// The rows of one session, group by group.
#[derive(Debug)]
pub(super) struct Collecting {
    log: Arc<Log>,
    groups: Vec<CollectedEnvs>,
}

impl Collecting {
    /// Begins to collect what a session plays, if it asks for that.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for rows of another form than those of the server and for unknown
    /// policies, [`ServeError::Finished`] if no more rows are taken.
    pub(super) fn begin(
        collection: &Collection,
        opening: &Opening,
        groups: &[VectorEnv],
    ) -> Result<Option<Self>, ServeError> {
        let (Some(name), Some(first)) = (&opening.collect, groups.first()) else { return Ok(None) };
        let Collection { log, format, policies } = collection;
        let found = first.format();
        if found != *format {
            return Err(malformed(
                "collect",
                format!(
                    "the rows of these environments have {}, those of the server {}: open them with \
                     the size, players and ruleset that the server simulates",
                    shown(found),
                    shown(*format)
                ),
            ));
        }
        let names = policies.as_string::<i32>();
        let policy = names.iter().position(|known| known == Some(name)).ok_or_else(|| {
            let known = names.iter().flatten().collect::<Vec<_>>().join(", ");
            let reason = format!("{name:?} is not known: there is {known}; add it with --learners");
            malformed("collect", reason)
        })?;
        let policy = i32::try_from(policy).unwrap_or(0);
        log.begin_session()?;
        let collected = |envs: &VectorEnv| {
            // The random numbers of the system: no two groups have episodes of one id.
            let salt = RandomState::new().build_hasher().finish();
            let (seats, ruleset) = (envs.seats().to_vec(), opening.ruleset());
            let mut group =
                CollectedEnvs::new(format, seats, (policies.clone(), policy), ruleset, salt);
            // The starts of the first episodes; nothing is told of them yet.
            let _no_rows = group.advance(envs.frame(), None);
            group
        };
        Ok(Some(Self { log: log.clone(), groups: groups.iter().map(collected).collect() }))
    }

    /// Publishes what a group's new frame tells. Waits as simulated games do, while somebody reads.
    ///
    /// # Errors
    ///
    /// Rows that do not fit the columns, which would be an error of the server.
    pub(super) fn advance(&mut self, group: usize, envs: &VectorEnv) -> Result<(), ServeError> {
        if let Some(rows) = self.groups.get_mut(group) {
            for batch in rows.advance(envs.frame(), envs.finals())? {
                self.log.publish(batch, Wait::ForReaders);
            }
        }
        Ok(())
    }

    /// Leaves the present episodes of some environments alone.
    pub(super) fn cut(&mut self, group: usize, envs: &[usize]) {
        if let Some(rows) = self.groups.get_mut(group) {
            rows.cut(envs);
        }
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        self.log.end_session();
    }
}

fn shown(format: RowFormat) -> String {
    let RowFormat { height, width, has_builds, has_owners } = format;
    let builds = if has_builds { "with builds" } else { "without builds" };
    let players = if has_owners { "more than two players" } else { "two players" };
    format!("boards of {height}x{width} for {players}, {builds}")
}

//! What sessions hold of the server: environments, and the memory of snapshots.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::serve::ServeError;

/// What all sessions hold, together and by owner.
#[derive(Debug)]
pub(super) struct Budget {
    held: Mutex<BTreeMap<String, Amount>>,
    /// Environments of all sessions together.
    envs: usize,
    /// Bytes of the snapshots of all sessions together.
    snapshot_bytes: u64,
    /// Steps that were played, and their rows.
    steps: AtomicU64,
    rows: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    envs: usize,
    snapshot_bytes: u64,
}

/// What one session holds. It is given back when dropped, however the session ends.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    owner: String,
    amount: Amount,
}

impl Budget {
    /// Holds so many environments and bytes of snapshots at most.
    pub(super) fn new(envs: usize, snapshot_bytes: u64) -> Arc<Self> {
        let (steps, rows) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { held: Mutex::default(), envs, snapshot_bytes, steps, rows })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Amount>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Environments that are held, also by sessions that are being opened.
    pub(super) fn envs(&self) -> usize {
        self.lock().values().map(|amount| amount.envs).sum()
    }

    /// Steps that were played in all sessions there ever were, and rows of these.
    pub(super) fn played(&self) -> (u64, u64) {
        (self.steps.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed))
    }

    /// Holds environments for a session of an owner, who may have `most`.
    ///
    /// # Errors
    ///
    /// [`ServeError::Limit`] for more than there may be.
    pub(super) fn hold(
        self: &Arc<Self>,
        owner: &str,
        envs: usize,
        most: usize,
    ) -> Result<Held, ServeError> {
        let mut held = self.lock();
        let of_all: usize = held.values().map(|amount| amount.envs).sum();
        let of_owner = held.get(owner).copied().unwrap_or_default();
        if of_owner.envs.saturating_add(envs) > most {
            return Err(ServeError::Limit {
                what: "environments of one token",
                most: most as u64,
                fix: "ask for fewer, close a session, or raise its max-envs",
            });
        }
        if of_all.saturating_add(envs) > self.envs {
            return Err(ServeError::Limit {
                what: "environments of all sessions",
                most: self.envs as u64,
                fix: "ask for fewer, close a session, or raise --max-envs",
            });
        }
        held.entry(owner.to_owned()).or_default().envs += envs;
        let amount = Amount { envs, snapshot_bytes: 0 };
        Ok(Held { budget: self.clone(), owner: owner.to_owned(), amount })
    }
}

impl Held {
    /// Counts a step of so many rows.
    pub(super) fn stepped(&self, rows: usize) {
        self.budget.steps.fetch_add(1, Ordering::Relaxed);
        self.budget.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Holds the memory of a snapshot.
    ///
    /// # Errors
    ///
    /// [`ServeError::Limit`] for more bytes than all snapshots may have, and for more than half of
    /// that with one owner.
    pub(super) fn add_snapshot(&mut self, bytes: u64) -> Result<(), ServeError> {
        let mut held = self.budget.lock();
        let of_all: u64 = held.values().map(|amount| amount.snapshot_bytes).sum();
        let of_owner = held.entry(self.owner.clone()).or_default();
        let refuse = |what, most| {
            let fix = "let go of one with \"forget\", or keep fewer environments";
            Err(ServeError::Limit { what, most, fix })
        };
        // One owner leaves something to the others.
        let most = self.budget.snapshot_bytes / 2;
        if of_owner.snapshot_bytes.saturating_add(bytes) > most {
            return refuse("bytes of the snapshots of one token", most);
        }
        if of_all.saturating_add(bytes) > self.budget.snapshot_bytes {
            return refuse("bytes of all snapshots", self.budget.snapshot_bytes);
        }
        of_owner.snapshot_bytes += bytes;
        self.amount.snapshot_bytes += bytes;
        Ok(())
    }

    /// Gives the memory of a snapshot back.
    pub(super) fn drop_snapshot(&mut self, bytes: u64) {
        self.amount.snapshot_bytes -= bytes;
        if let Some(of_owner) = self.budget.lock().get_mut(&self.owner) {
            of_owner.snapshot_bytes -= bytes;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.budget.lock();
        let Some(of_owner) = held.get_mut(&self.owner) else { return };
        of_owner.envs -= self.amount.envs;
        of_owner.snapshot_bytes -= self.amount.snapshot_bytes;
        if of_owner.envs == 0 {
            held.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_count_from_the_moment_that_they_are_asked_for() {
        let budget = Budget::new(5000, 0);
        // Six openings of 2000 at once are six calls before any session is there.
        let first = budget.hold("one", 2000, 2000).unwrap();
        for _ in 0..5 {
            let error = budget.hold("one", 2000, 2000).unwrap_err();
            assert!(matches!(error, ServeError::Limit { most: 2000, .. }), "{error}");
        }
        let _other = budget.hold("two", 2000, 9000).unwrap();
        let error = budget.hold("two", 2000, 9000).unwrap_err();
        assert!(matches!(error, ServeError::Limit { most: 5000, .. }), "{error}");
        drop(first);
        let _again = budget.hold("one", 2000, 2000).unwrap();
    }

    #[test]
    fn a_session_that_panics_gives_everything_back() {
        let budget = Budget::new(10, 100);
        let panicked = std::panic::catch_unwind(|| {
            let mut held = budget.hold("one", 10, 10).unwrap();
            held.add_snapshot(50).unwrap();
            panic!("as a session that cannot be made would");
        });
        assert!(panicked.is_err());
        assert_eq!(budget.envs(), 0);
        assert!(budget.lock().is_empty());
    }

    #[test]
    fn memory_of_snapshots_is_limited_by_owner_and_in_all() {
        let budget = Budget::new(10, 100);
        let [mut one, mut same] = ["one"; 2].map(|owner| budget.hold(owner, 1, 9).unwrap());
        let [mut two, mut three] = ["two", "three"].map(|name| budget.hold(name, 1, 9).unwrap());
        one.add_snapshot(30).unwrap();
        assert!(matches!(same.add_snapshot(21), Err(ServeError::Limit { most: 50, .. })));
        two.add_snapshot(50).unwrap();
        assert!(matches!(three.add_snapshot(21), Err(ServeError::Limit { most: 100, .. })));
        two.drop_snapshot(50);
        three.add_snapshot(21).unwrap();
        drop(one);
        same.add_snapshot(50).unwrap();
    }
}

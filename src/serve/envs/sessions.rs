//! All sessions of a server: which there are, who is connected, and when one is given up.
//!
//! A session whose connection broke is kept for a grace time, in which its client can come back
//! with its name. One that was closed is freed at once.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tracing::info;

use super::{collecting::Collection, opening::Opening, session::Session};
use crate::serve::ServeError;

/// The sessions of a server, and how much they may be.
pub(in crate::serve) struct Sessions {
    open: Mutex<Open>,
    limits: Limits,
    /// Whether the server ends.
    stopped: watch::Receiver<bool>,
    /// Where rows go that are collected.
    collection: Collection,
}

/// How much sessions may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Limits {
    /// Environments of all sessions together.
    pub(in crate::serve) envs: usize,
    /// How long a session waits for a client whose connection broke.
    pub(in crate::serve) grace: Duration,
}

#[derive(Default)]
struct Open {
    by_name: BTreeMap<String, Entry>,
    envs: usize,
}

struct Entry {
    session: Arc<Mutex<Session>>,
    envs: usize,
    /// The name of the token that it was opened with.
    owner: String,
    /// Counts connections, so that one that was replaced does not end what another began.
    connection: u64,
    /// Since when nobody is connected.
    alone_since: Option<Instant>,
}

/// A connection's hold on a session. Dropped, it leaves the session for the grace time.
pub(super) struct Attached {
    sessions: Arc<Sessions>,
    name: String,
    pub(super) connection: u64,
    pub(super) session: Arc<Mutex<Session>>,
}

impl Sessions {
    /// No sessions yet.
    pub(in crate::serve) fn new(
        limits: Limits,
        stopped: watch::Receiver<bool>,
        collection: Collection,
    ) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), limits, stopped, collection })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server ends.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // A server that was dropped is to stop as well.
        let _is_alive = stopped.wait_for(|&is_stopped| is_stopped).await.is_ok();
    }

    /// Sessions and environments that there are.
    pub(in crate::serve) fn counts(&self) -> (usize, usize) {
        self.give_up_late();
        let open = self.lock();
        (open.by_name.len(), open.envs)
    }

    /// Opens a session. Its environments are made by the calling thread.
    ///
    /// # Errors
    ///
    /// Environments beyond the limit, and what cannot be played. `owner` is the name of a token,
    /// and how many environments all its sessions may have.
    pub(super) fn open(
        self: &Arc<Self>,
        opening: &Opening,
        (owner, most): (String, usize),
    ) -> Result<Attached, ServeError> {
        self.give_up_late();
        let envs = opening.num_envs * opening.groups;
        self.reserve(envs, &owner, most)?;
        let name = unguessable();
        let session = match Session::open(name.clone(), opening, &self.collection) {
            Ok(session) => Arc::new(Mutex::new(session)),
            Err(error) => {
                self.lock().envs -= envs;
                return Err(error);
            }
        };
        let entry =
            Entry { session: session.clone(), envs, owner, connection: 0, alone_since: None };
        // Its name opens it, as a token does, so it is logged by what it is.
        info!(envs, token = entry.owner, "session opened");
        self.lock().by_name.insert(name.clone(), entry);
        Ok(Attached { sessions: self.clone(), name, connection: 0, session })
    }

    fn reserve(&self, envs: usize, owner: &str, most: usize) -> Result<(), ServeError> {
        let mut open = self.lock();
        let of_owner = open.by_name.values().filter(|entry| entry.owner == owner);
        if of_owner.map(|entry| entry.envs).sum::<usize>().saturating_add(envs) > most {
            return Err(ServeError::Limit {
                what: "environments of one token",
                most: most as u64,
                fix: "ask for fewer, close a session, or raise its max-envs",
            });
        }
        if open.envs + envs > self.limits.envs {
            return Err(ServeError::Limit {
                what: "environments of all sessions",
                most: self.limits.envs as u64,
                fix: "ask for fewer, close a session, or raise --max-envs",
            });
        }
        open.envs += envs;
        Ok(())
    }

    /// Takes a session over, from a connection that broke or is about to.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unknown`] for sessions that were closed or given up.
    pub(super) fn attach(
        self: &Arc<Self>,
        name: &str,
        owner: &str,
    ) -> Result<Attached, ServeError> {
        self.give_up_late();
        let mut open = self.lock();
        let Some(entry) = open.by_name.get_mut(name).filter(|e| e.owner == owner) else {
            let grace = self.limits.grace.as_secs();
            return Err(ServeError::Unknown {
                what: "session",
                name: name.to_owned(),
                known: format!("none of this name, or not any more: they are kept for {grace} s"),
            });
        };
        entry.connection += 1;
        entry.alone_since = None;
        let (connection, session) = (entry.connection, entry.session.clone());
        Ok(Attached { sessions: self.clone(), name: name.to_owned(), connection, session })
    }

    /// Frees the sessions whose clients did not come back in time.
    pub(in crate::serve) fn give_up_late(&self) {
        let now = Instant::now();
        let mut open = self.lock();
        let open = &mut *open;
        open.by_name.retain(|_, entry| {
            let is_late = entry.alone_since.is_some_and(|since| now - since >= self.limits.grace);
            if is_late {
                info!(envs = entry.envs, token = entry.owner, "session given up");
                open.envs -= entry.envs;
            }
            !is_late
        });
    }

    fn leave(&self, name: &str, connection: u64, is_over: bool) {
        let mut open = self.lock();
        let open = &mut *open;
        let Some(entry) = open.by_name.get_mut(name).filter(|e| e.connection == connection) else {
            return;
        };
        entry.alone_since = Some(Instant::now());
        if is_over {
            info!(envs = entry.envs, token = entry.owner, "session closed");
            open.envs -= entry.envs;
            open.by_name.remove(name);
        }
    }
}

impl Attached {
    /// Frees the session: its client wants nothing more of it.
    pub(super) fn end(self) {
        self.sessions.leave(&self.name, self.connection, true);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.sessions.leave(&self.name, self.connection, false);
    }
}

/// A name from the random numbers of the system, which a client shows to get its session back.
fn unguessable() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

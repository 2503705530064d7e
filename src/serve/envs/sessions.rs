//! All sessions of a server: which there are, who is connected, and when one is given up.
//!
//! A session whose connection broke is kept for a grace time, in which its client can come back
//! with its name. One that was closed is freed at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tracing::info;

use super::{budget::Budget, collecting::Collection, opening::Opening, session::Session};
use crate::serve::{
    ServeError,
    stats::{EnvStats, SessionStats},
};

/// The sessions of a server, and how much they may be.
pub(in crate::serve) struct Sessions {
    open: Mutex<BTreeMap<String, Entry>>,
    next_id: AtomicU64,
    limits: Limits,
    budget: Arc<Budget>,
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
    /// Bytes of the snapshots of all sessions together; half of them for one token.
    pub(in crate::serve) snapshot_bytes: u64,
    /// How long a session waits for a client whose connection broke.
    pub(in crate::serve) grace: Duration,
}

struct Entry {
    /// The number by which administrators know it.
    id: u64,
    /// Tells its connection that it is ended.
    cancelled: watch::Sender<bool>,
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
    cancelled: watch::Receiver<bool>,
}

impl Sessions {
    /// No sessions yet.
    pub(in crate::serve) fn new(
        limits: Limits,
        stopped: watch::Receiver<bool>,
        collection: Collection,
    ) -> Arc<Self> {
        let budget = Budget::new(limits.envs, limits.snapshot_bytes);
        Arc::new(Self {
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
            limits,
            budget,
            stopped,
            collection,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server ends.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // A server that was dropped is to stop as well.
        let _is_alive = stopped.wait_for(|&is_stopped| is_stopped).await.is_ok();
    }

    /// Sessions and environments that there are, and what was played in them.
    pub(in crate::serve) fn stats(&self) -> EnvStats {
        self.give_up_late();
        let of_entry = |entry: &Entry| SessionStats {
            id: entry.id,
            token: entry.owner.clone(),
            envs: entry.envs as u64,
            is_connected: entry.alone_since.is_none(),
        };
        let mut sessions: Vec<_> = self.lock().values().map(of_entry).collect();
        sessions.sort_unstable_by_key(|session| session.id);
        let (steps, rows) = self.budget.played();
        EnvStats { envs: self.budget.envs() as u64, steps, rows, sessions }
    }

    /// Ends a session; says whether there is one of this number.
    pub(in crate::serve) fn cancel(&self, id: u64) -> bool {
        let mut open = self.lock();
        let Some(name) =
            open.iter().find(|(_, entry)| entry.id == id).map(|(name, _)| name.clone())
        else {
            return false;
        };
        if let Some(entry) = open.remove(&name) {
            info!(envs = entry.envs, token = entry.owner, "session cancelled");
            entry.cancelled.send_replace(true);
        }
        true
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
        // Held before they are made, so that openings at the same time count each other's.
        let held = self.budget.hold(&owner, envs, most)?;
        let name = unguessable()?;
        let session = Session::open(name.clone(), opening, &self.collection, held)?;
        let session = Arc::new(Mutex::new(session));
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, cancelled) = watch::channel(false);
        let entry = Entry {
            id,
            cancelled: sender,
            session: session.clone(),
            envs,
            owner,
            connection: 0,
            alone_since: None,
        };
        // Its name opens it, as a token does, so it is logged by what it is.
        info!(session = id, envs, token = entry.owner, "session opened");
        self.lock().insert(name.clone(), entry);
        Ok(Attached { sessions: self.clone(), name, connection: 0, session, cancelled })
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
        let Some(entry) = open.get_mut(name).filter(|e| e.owner == owner) else {
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
        let (sessions, name) = (self.clone(), name.to_owned());
        let cancelled = entry.cancelled.subscribe();
        Ok(Attached { sessions, name, connection, session, cancelled })
    }

    /// Frees the sessions whose clients did not come back in time.
    pub(in crate::serve) fn give_up_late(&self) {
        let now = Instant::now();
        let mut open = self.lock();
        open.retain(|_, entry| {
            let is_late = entry.alone_since.is_some_and(|since| now - since >= self.limits.grace);
            if is_late {
                info!(envs = entry.envs, token = entry.owner, "session given up");
            }
            !is_late
        });
    }

    fn leave(&self, name: &str, connection: u64, is_over: bool) {
        let mut open = self.lock();
        let Some(entry) = open.get_mut(name).filter(|e| e.connection == connection) else {
            return;
        };
        entry.alone_since = Some(Instant::now());
        if is_over {
            info!(envs = entry.envs, token = entry.owner, "session closed");
            open.remove(name);
        }
    }
}

impl Attached {
    /// Waits until an administrator ends the session.
    pub(super) async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|&is_cancelled| is_cancelled).await.is_err() {
            // Nobody can end a session that is not there any more.
            std::future::pending::<()>().await;
        }
    }

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
fn unguessable() -> Result<String, ServeError> {
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|_error| ServeError::NoRandomNumbers)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(number)))
}

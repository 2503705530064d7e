//! The updates that wait for one stream: bounded, and never in the way of the game.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use tokio::sync::mpsc;
use tokio_stream::Stream;

use super::{arena::Notice, update::Update};

/// What goes through all mailboxes of an arena.
#[derive(Debug, Default)]
pub struct Traffic {
    waiting: AtomicU64,
    sent: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// Updates that wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// Updates that were sent, and their bytes.
    pub fn sent(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.bytes.load(Relaxed))
    }
}

/// What the arena puts updates into and a stream takes them from.
#[derive(Debug)]
pub struct Mailbox {
    state: Mutex<State>,
    capacity: usize,
    traffic: Arc<Traffic>,
}

#[derive(Debug, Default)]
struct State {
    updates: VecDeque<Arc<Update>>,
    /// Whether nothing more will come.
    is_closed: bool,
    /// The stream that waits.
    waker: Option<Waker>,
}

impl Mailbox {
    /// An empty mailbox for so many updates.
    pub(super) fn new(capacity: usize, traffic: Arc<Traffic>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), capacity, traffic })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an update and returns how many wait now. If there is no room, what waited is thrown
    /// away: the reader has to be sent a whole view.
    pub(super) fn push(&self, update: Arc<Update>) -> Option<usize> {
        let mut state = self.lock();
        if state.updates.len() >= self.capacity {
            self.traffic.waiting.fetch_sub(state.updates.len() as u64, Relaxed);
            state.updates = VecDeque::new();
            return None;
        }
        state.updates.push_back(update);
        self.traffic.waiting.fetch_add(1, Relaxed);
        let waiting = state.updates.len();
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(waiting)
    }

    /// Says that nothing more will come. What waits is still read.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let waiting = self.lock().updates.len() as u64;
        self.traffic.waiting.fetch_sub(waiting, Relaxed);
    }
}

/// An open stream: the reading end of a mailbox. Dropping it tells the arena.
#[derive(Debug)]
pub struct Watching {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) stream: u64,
    pub(super) game: u64,
    pub(super) notices: mpsc::UnboundedSender<Notice>,
}

impl Watching {
    /// Counts an update of so many bytes that was handed to the network.
    pub fn sent(&self, bytes: usize) {
        self.mailbox.traffic.sent.fetch_add(1, Relaxed);
        self.mailbox.traffic.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Asks for a whole view as the next update.
    pub fn refresh(&self) {
        // An arena that has ended has closed the mailbox.
        let _is_sent = self.notices.send(Notice::Refresh { game: self.game, stream: self.stream });
    }
}

impl Stream for Watching {
    type Item = Arc<Update>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.mailbox.lock();
        if let Some(update) = state.updates.pop_front() {
            self.mailbox.traffic.waiting.fetch_sub(1, Relaxed);
            return Poll::Ready(Some(update));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // An arena that has ended has no streams.
        let _is_sent = self.notices.send(Notice::Gone { game: self.game, stream: self.stream });
    }
}

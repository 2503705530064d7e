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

use super::{LiveError, arena::Notice, update::Update};

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

/// Why nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The game is over, or the player has left it: all was told.
    Over,
    /// The server stops while the game goes on.
    Stopping,
}

#[derive(Debug, Default)]
struct State {
    updates: VecDeque<Arc<Update>>,
    /// Set when nothing more will come.
    end: Option<End>,
    /// Whether a whole view was asked for and is not there yet.
    is_refreshing: bool,
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

    /// Adds an update and returns how many wait now; nothing if there is no room, where a whole view
    /// has to [replace](Self::replace) what waits.
    pub(super) fn push(&self, update: Arc<Update>) -> Option<usize> {
        let mut state = self.lock();
        if state.updates.len() >= self.capacity {
            return None;
        }
        state.updates.push_back(update);
        self.traffic.waiting.fetch_add(1, Relaxed);
        let waiting = state.updates.len();
        wake(state);
        Some(waiting)
    }

    /// Puts a whole view in the place of what waits. It tells of all that happened in the updates it
    /// replaces, and in `last`, which found no room.
    pub(super) fn replace(&self, view: Update, last: Option<&Update>) {
        let mut state = self.lock();
        let replaced = std::mem::take(&mut state.updates);
        let earlier = replaced.iter().map(Arc::as_ref).chain(last);
        state.updates.push_back(Arc::new(view.in_place_of(earlier)));
        state.is_refreshing = false;
        self.traffic.waiting.fetch_add(1, Relaxed);
        self.traffic.waiting.fetch_sub(replaced.len() as u64, Relaxed);
        wake(state);
    }

    /// Says that nothing more will come. What waits is still read.
    pub(super) fn close(&self, end: End) {
        let mut state = self.lock();
        state.end = Some(end);
        wake(state);
    }
}

/// Wakes the stream that waits, after the lock is free.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
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

    /// Asks for a whole view in the place of what waits. Asking again before it is there does
    /// nothing: however often a client asks, the arena hears of each stream once.
    pub fn refresh(&self) {
        if std::mem::replace(&mut self.mailbox.lock().is_refreshing, true) {
            return;
        }
        // An arena that has ended has closed the mailbox.
        let _is_sent = self.notices.send(Notice::Refresh { game: self.game, stream: self.stream });
    }
}

impl Stream for Watching {
    /// [`LiveError::Stopping`] is the last item where the game has not ended.
    type Item = Result<Arc<Update>, LiveError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.mailbox.lock();
        if let Some(update) = state.updates.pop_front() {
            self.mailbox.traffic.waiting.fetch_sub(1, Relaxed);
            return Poll::Ready(Some(Ok(update)));
        }
        match state.end {
            Some(End::Over) => Poll::Ready(None),
            Some(End::Stopping) => {
                // Said once.
                state.end = Some(End::Over);
                Poll::Ready(Some(Err(LiveError::Stopping)))
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // An arena that has ended has no streams.
        let _is_sent = self.notices.send(Notice::Gone { game: self.game, stream: self.stream });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{game::Phase, update::Event};

    fn update(seq: u64, events: Vec<Event>) -> Update {
        Update {
            seq,
            tick: 1,
            phase: Phase::Running,
            board: None,
            scoreboard: None,
            events,
            skipped: Vec::new(),
            queued: 0,
            players: Vec::new(),
        }
    }

    fn next(watching: &mut Watching) -> Poll<Option<Result<Arc<Update>, LiveError>>> {
        Pin::new(watching).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn watched() -> (Arc<Mailbox>, Watching, mpsc::UnboundedReceiver<Notice>) {
        let mailbox = Mailbox::new(2, Arc::default());
        let (notices, heard) = mpsc::unbounded_channel();
        (mailbox.clone(), Watching { mailbox, stream: 3, game: 5, notices }, heard)
    }

    #[test]
    fn a_view_takes_the_place_of_what_waits_and_tells_what_happened() {
        let (mailbox, mut watching, _heard) = watched();
        let news = [1, 2, 3].map(|seat| update(seat.into(), vec![Event::Left { seat }]));
        assert_eq!(mailbox.push(Arc::new(news[0].clone())), Some(1));
        assert_eq!(mailbox.push(Arc::new(news[1].clone())), Some(2));
        assert_eq!(mailbox.push(Arc::new(news[2].clone())), None, "it is full");
        mailbox.replace(update(3, vec![]), Some(&news[2]));
        assert_eq!(mailbox.traffic.waiting(), 1);
        let events = [1, 2, 3].map(|seat| Event::Left { seat });
        let view = Arc::new(update(3, events.to_vec()));
        assert_eq!(next(&mut watching), Poll::Ready(Some(Ok(view))));
        assert_eq!((next(&mut watching), mailbox.traffic.waiting()), (Poll::Pending, 0));
    }

    #[test]
    fn a_view_that_is_asked_for_often_is_asked_for_once_until_it_is_there() {
        let (mailbox, watching, mut heard) = watched();
        for _ in 0..2 {
            (0..1000).for_each(|_| watching.refresh());
            assert_eq!(heard.len(), 1);
            heard.try_recv().unwrap();
            mailbox.replace(update(1, vec![]), None);
        }
    }

    #[test]
    fn a_stream_ends_after_what_waits_and_says_if_the_game_has_not_ended() {
        for end in [End::Over, End::Stopping] {
            let (mailbox, mut watching, _heard) = watched();
            let last = Arc::new(update(1, vec![]));
            mailbox.push(last.clone());
            mailbox.close(end);
            assert_eq!(next(&mut watching), Poll::Ready(Some(Ok(last))));
            if end == End::Stopping {
                assert_eq!(next(&mut watching), Poll::Ready(Some(Err(LiveError::Stopping))));
            }
            assert_eq!(next(&mut watching), Poll::Ready(None));
        }
    }
}

//! Every deadline of every live game, in one hashed wheel: O(1) to set, to move and to fire.

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::time::{DelayQueue, delay_queue::Key};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The game's phase has to go on: the lobby closes, a tick is played, an ended game goes.
    Phase,
    /// The game is looked at, whether anybody still plays it.
    Idle,
    /// A player who was disconnected has not come back.
    Grace(u8),
}

/// A deadline that fired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fired {
    pub(super) game: u64,
    pub(super) due: Due,
    pub(super) deadline: Instant,
}

/// A deadline that was set. It is gone once it fired or was cancelled.
#[derive(Debug)]
pub(super) struct Timer {
    key: Key,
    /// As it was asked for: the wheel rounds up to milliseconds, which would add up.
    deadline: Instant,
}

impl Timer {
    /// The time that is left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The wheel holds times up to 2 years ahead; nothing here waits as long as this.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// All deadlines. It belongs to a thread with a clock of tokio.
#[derive(Debug, Default)]
pub(super) struct Timers(DelayQueue<(u64, Due)>);

impl Timers {
    /// Sets a deadline.
    pub(super) fn set(&mut self, game: u64, due: Due, deadline: Instant) -> Timer {
        let at = deadline.min(Instant::now() + LONGEST);
        Timer { key: self.0.insert_at((game, due), at), deadline }
    }

    /// Takes a deadline back.
    pub(super) fn cancel(&mut self, timer: Timer) {
        // Whoever holds a timer drops it when it fires, so it is still there.
        let _fired = self.0.try_remove(&timer.key);
    }

    /// The next deadline that has passed, if there is one.
    pub(super) fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<Fired> {
        match self.0.poll_expired(context) {
            Poll::Ready(Some(expired)) => {
                let (deadline, (game, due)) = (expired.deadline(), expired.into_inner());
                Poll::Ready(Fired { game, due, deadline })
            }
            // An empty wheel is looked at again when something was put in.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next deadline that has passed, without waiting for one.
    pub(super) fn take_fired(&mut self) -> Option<Fired> {
        match self.poll_fired(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(fired) => Some(fired),
            Poll::Pending => None,
        }
    }

    /// Waits for the next deadline.
    pub(super) async fn fired(&mut self) -> Fired {
        poll_fn(|context| self.poll_fired(context)).await
    }

    /// Deadlines that are set.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

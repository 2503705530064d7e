//! Where readers are, and what their rows are kept for.

use tokio::time::Instant;

use crate::serve::{
    ServeError,
    ticket::{Form, Slow},
};

/// Where a reader is.
#[derive(Debug)]
pub(super) struct Place {
    /// The number of the next row it reads.
    pub(super) next: u64,
    /// The number of the first row that its client may not have got. What is sent is on its way for
    /// a while, and is lost if the client or the connection is.
    pub(super) held: u64,
    pub(super) slow: Slow,
    /// What the stream carries, by which a client that comes back is known.
    pub(super) form: Form,
    /// Why the stream has to end before its rows do.
    pub(super) fate: Option<Fate>,
    /// Since when no client is connected; the rows are kept for it for a while.
    pub(super) left: Option<Instant>,
    /// Rows and bytes that it was sent.
    pub(super) sent: (u64, u64),
    /// Rows that it missed.
    pub(super) dropped: u64,
}

/// Why a stream has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The world lost patience with it.
    Stuck,
    /// An administrator ended it.
    Cancelled,
    /// Its rows on disk are more than there may be, or the disk takes no more.
    SpillFull(String),
    /// Its rows cannot be written to disk.
    SpillFailed(String),
}

impl Place {
    pub(super) fn new(next: u64, slow: Slow, form: &Form) -> Self {
        let (form, sent) = (form.clone(), (0, 0));
        Self { next, held: next, slow, form, fate: None, left: None, sent, dropped: 0 }
    }

    /// Whether a client is connected.
    pub(super) fn is_attached(&self) -> bool {
        self.left.is_none()
    }

    /// Whether the world waits until this reader has passed a row.
    pub(super) fn blocks(&self, end: u64) -> bool {
        self.slow == Slow::Block && self.fate.is_none() && self.next < end
    }

    /// Whether rows go to disk for this reader.
    pub(super) fn spills(&self) -> bool {
        self.slow == Slow::Spill && self.fate.is_none()
    }

    /// What the client is told of why its stream ends.
    pub(super) fn error(&self, patience: std::time::Duration) -> Option<ServeError> {
        let seq = self.next;
        Some(match self.fate.clone()? {
            Fate::Stuck => ServeError::Stuck { seconds: patience.as_secs(), seq },
            Fate::Cancelled => ServeError::Cancelled { seq },
            Fate::SpillFull(reason) => ServeError::SpillFull { reason, seq },
            Fate::SpillFailed(reason) => ServeError::SpillFailed { reason, seq },
        })
    }
}

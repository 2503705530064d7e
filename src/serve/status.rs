//! The one place where errors become codes of gRPC.

use tonic::{Code, Status, metadata::MetadataValue};
use tracing::{debug, error, warn};

use super::ServeError;
use crate::live::{LiveError, Reason};

/// The code of an error.
pub(super) fn code(error: &ServeError) -> Code {
    match error {
        ServeError::Malformed { .. } | ServeError::Env(_) => Code::InvalidArgument,
        ServeError::Unknown { .. } => Code::NotFound,
        ServeError::Unauthenticated(_) => Code::Unauthenticated,
        ServeError::Forbidden { .. } => Code::PermissionDenied,
        ServeError::Cancelled { .. } | ServeError::SessionCancelled => Code::Cancelled,
        ServeError::Finished | ServeError::NoSpill => Code::FailedPrecondition,
        ServeError::NotOffered(_) => Code::Unimplemented,
        ServeError::TooManyStreams { .. }
        | ServeError::Limit { .. }
        | ServeError::SpillFull { .. } => Code::ResourceExhausted,
        ServeError::Stuck { .. } | ServeError::TakenOver => Code::Aborted,
        ServeError::Data(_) | ServeError::Damaged { .. } => Code::DataLoss,
        ServeError::Stopping | ServeError::Listen { .. } | ServeError::Transport(_) => {
            Code::Unavailable
        }
        ServeError::Tls(_)
        | ServeError::Exposed { .. }
        | ServeError::ExposedMetrics { .. }
        | ServeError::Thread { .. }
        | ServeError::Reflection(_)
        | ServeError::World(_)
        | ServeError::Arrow(_)
        | ServeError::Archive(_)
        | ServeError::SpillFailed { .. }
        | ServeError::NoRandomNumbers
        | ServeError::Panicked(_) => Code::Internal,
    }
}

impl From<ServeError> for Status {
    fn from(error: ServeError) -> Self {
        let code = code(&error);
        log(code, &error);
        Self::new(code, text(&error))
    }
}

/// Whether a message could not be read since it is larger than the server takes: tonic reads it before
/// any service sees it, and says that it is out of range.
pub(super) fn is_too_large(status: &Status) -> bool {
    status.code() == Code::OutOfRange
}

/// The code with which an answer is sent, where it has one of tonic's own that says too little.
pub(super) fn corrected(code: &[u8]) -> Option<i32> {
    let is_too_large = code == (Code::OutOfRange as i32).to_string().as_bytes();
    is_too_large.then_some(Code::ResourceExhausted as i32)
}

/// Characters of what a client is told at most.
const MOST_TEXT: usize = 1000;

/// What a client is told of an error. It travels in a header, of which clients take a few KiB.
pub(super) fn text(error: &ServeError) -> String {
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(MOST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A refusal of a request about live games before it was looked at. Those have a reason in one word,
/// whoever refuses them.
pub(super) fn at_the_gate(error: ServeError) -> Status {
    let reason = match &error {
        ServeError::Unauthenticated(_) => Reason::BadToken,
        ServeError::Forbidden { .. } => Reason::NotAllowed,
        ServeError::Limit { .. } => Reason::TooManyRequests,
        _ => Reason::Unavailable,
    };
    let mut status = Status::from(error);
    status.metadata_mut().insert(REASON, MetadataValue::from_static(reason.name()));
    status
}

/// Logs a refused request. The name of a session opens it, as a token does, and is not told.
fn log(code: Code, error: &ServeError) {
    let named = matches!(error, ServeError::Unknown { what: "session", .. });
    let reason = if named { "no such session".to_owned() } else { error.to_string() };
    match code {
        Code::Internal | Code::DataLoss => error!(?code, reason, "request failed"),
        Code::Unauthenticated | Code::PermissionDenied => warn!(?code, reason, "request refused"),
        _ => debug!(?code, reason, "request refused"),
    }
}

/// The name of the metadata that has a refusal's reason.
const REASON: &str = "bivouac-reason";

impl From<LiveError> for Status {
    fn from(error: LiveError) -> Self {
        let reason = error.reason();
        let code = match reason {
            Reason::BadCoordinates
            | Reason::NotAdjacent
            | Reason::BadPlayer
            | Reason::InvalidArgument => Code::InvalidArgument,
            Reason::NotOwned
            | Reason::ArmyTooSmall
            | Reason::TargetIsMountain
            | Reason::CannotBuild
            | Reason::GameOver
            | Reason::Eliminated
            | Reason::WrongTick
            | Reason::WrongPhase => Code::FailedPrecondition,
            Reason::GameNotFound => Code::NotFound,
            Reason::GameFull
            | Reason::QueueFull
            | Reason::TooManyGames
            | Reason::TooManyStreams
            | Reason::TooManyRequests
            | Reason::NoPauses => Code::ResourceExhausted,
            Reason::AlreadyJoined | Reason::KeyReused => Code::AlreadyExists,
            Reason::BadToken => Code::Unauthenticated,
            Reason::NotAllowed => Code::PermissionDenied,
            Reason::Unavailable | Reason::Stopping => Code::Unavailable,
        };
        // What was asked for may have been a token in the wrong place, so the word alone is logged.
        debug!(?code, reason = reason.name(), "request refused");
        let mut status = Self::new(code, error.to_string());
        status.metadata_mut().insert(REASON, MetadataValue::from_static(reason.name()));
        status
    }
}

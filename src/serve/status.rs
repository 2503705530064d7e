//! The one place where errors become codes of gRPC.

use tonic::{Code, Status, metadata::MetadataValue};

use super::ServeError;
use crate::live::{LiveError, Reason};

/// The code of an error.
pub(super) fn code(error: &ServeError) -> Code {
    match error {
        ServeError::Malformed { .. } | ServeError::Env(_) => Code::InvalidArgument,
        ServeError::Unknown { .. } => Code::NotFound,
        ServeError::Unauthenticated(_) => Code::Unauthenticated,
        ServeError::Forbidden { .. } => Code::PermissionDenied,
        ServeError::Cancelled { .. } => Code::Cancelled,
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
        | ServeError::World(_)
        | ServeError::Arrow(_)
        | ServeError::Archive(_)
        | ServeError::SpillFailed { .. }
        | ServeError::Panicked(_) => Code::Internal,
    }
}

impl From<ServeError> for Status {
    fn from(error: ServeError) -> Self {
        Self::new(code(&error), error.to_string())
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
            | Reason::TooManyRequests => Code::ResourceExhausted,
            Reason::AlreadyJoined | Reason::KeyReused => Code::AlreadyExists,
            Reason::BadToken => Code::Unauthenticated,
            Reason::NotAllowed => Code::PermissionDenied,
            Reason::Unavailable => Code::Unavailable,
        };
        let mut status = Self::new(code, error.to_string());
        status.metadata_mut().insert(REASON, MetadataValue::from_static(reason.name()));
        status
    }
}

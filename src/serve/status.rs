//! The one place where errors become codes of gRPC.

use tonic::{Code, Status, metadata::MetadataValue};

use super::ServeError;
use crate::live::{LiveError, Reason};

impl From<ServeError> for Status {
    fn from(error: ServeError) -> Self {
        let code = match &error {
            ServeError::Malformed { .. } => Code::InvalidArgument,
            ServeError::Unknown { .. } => Code::NotFound,
            ServeError::NotOffered(_) => Code::Unimplemented,
            ServeError::TooManyStreams { .. } => Code::ResourceExhausted,
            ServeError::Stuck { .. } => Code::Aborted,
            ServeError::Listen { .. } | ServeError::Transport(_) => Code::Unavailable,
            ServeError::Thread { .. }
            | ServeError::World(_)
            | ServeError::Arrow(_)
            | ServeError::Archive(_)
            | ServeError::Panicked(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
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

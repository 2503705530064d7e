//! The one place where errors become codes of gRPC.

use tonic::{Code, Status};

use super::ServeError;

/// The code of an error.
pub(super) fn code(error: &ServeError) -> Code {
    match error {
        ServeError::Malformed { .. } | ServeError::Env(_) => Code::InvalidArgument,
        ServeError::Unknown { .. } => Code::NotFound,
        ServeError::Unauthenticated(_) => Code::Unauthenticated,
        ServeError::Forbidden { .. } => Code::PermissionDenied,
        ServeError::Cancelled { .. } => Code::Cancelled,
        ServeError::Finished => Code::FailedPrecondition,
        ServeError::NotOffered(_) => Code::Unimplemented,
        ServeError::TooManyStreams { .. } | ServeError::Limit { .. } => Code::ResourceExhausted,
        ServeError::Stuck { .. } | ServeError::TakenOver => Code::Aborted,
        ServeError::Data(_) => Code::DataLoss,
        ServeError::Stopping | ServeError::Listen { .. } | ServeError::Transport(_) => {
            Code::Unavailable
        }
        ServeError::Tls(_)
        | ServeError::Exposed { .. }
        | ServeError::ExposedMetrics { .. }
        | ServeError::Thread { .. }
        | ServeError::World(_)
        | ServeError::Arrow(_)
        | ServeError::Panicked(_) => Code::Internal,
    }
}

impl From<ServeError> for Status {
    fn from(error: ServeError) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

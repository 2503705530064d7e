//! The one place where errors become codes of gRPC.

use tonic::{Code, Status};

use super::ServeError;

impl From<ServeError> for Status {
    fn from(error: ServeError) -> Self {
        let code = match &error {
            ServeError::Malformed { .. } => Code::InvalidArgument,
            ServeError::Unknown { .. } => Code::NotFound,
            ServeError::NotOffered(_) => Code::Unimplemented,
            ServeError::TooManyStreams { .. } => Code::ResourceExhausted,
            ServeError::Stuck { .. } => Code::Aborted,
            ServeError::Data(_) => Code::DataLoss,
            ServeError::Listen { .. } | ServeError::Transport(_) => Code::Unavailable,
            ServeError::Thread { .. }
            | ServeError::World(_)
            | ServeError::Arrow(_)
            | ServeError::Panicked(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

//! What can go wrong between a player and a game.

use std::io;

use thiserror::Error;

/// Why a game cannot be played, or not any longer.
#[derive(Debug, Error)]
pub enum PlayError {
    /// The address is none.
    #[error("--server {uri:?} is no address: write it as grpc://127.0.0.1:50051 ({reason})")]
    BadAddress {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {uri}: {reason}: is `bivouac serve` running there?")]
    Unreachable {
        /// The address.
        uri: String,
        /// What the connection said.
        reason: String,
    },
    /// The server said no.
    #[error("the server refuses: {message} ({reason})")]
    Refused {
        /// In one word.
        reason: String,
        /// In a sentence.
        message: String,
    },
    /// The server sent what cannot be.
    #[error("the server sent an update that cannot be: {0}: it may be of another version")]
    BadUpdate(String),
    /// The terminal could not be read or drawn to.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
}

impl From<tonic::Status> for PlayError {
    fn from(status: tonic::Status) -> Self {
        let told = status.metadata().get("bivouac-reason").and_then(|reason| reason.to_str().ok());
        let reason = told.map_or_else(|| format!("{:?}", status.code()), str::to_owned);
        Self::Refused { reason, message: status.message().to_owned() }
    }
}

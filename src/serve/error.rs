//! What can go wrong with the server and with what it is asked.

use std::net::SocketAddr;

use arrow::error::ArrowError;
use datasets::error::DataError;
use systems::{envs::EnvError, world::WorldError};
use thiserror::Error;

/// Why the server could not start, or what is wrong with a request.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}: name another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or its runtime could not be started.
    #[error("cannot start the {name} thread: {source}")]
    Thread {
        /// Which thread.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The network failed as a whole.
    #[error("the server stopped: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// Descriptors that reflection cannot tell of.
    #[error("the services cannot be described: {0}: this is a defect of bivouac")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Games that cannot be played.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Rows that do not become messages.
    #[error("rows could not be encoded: {0}")]
    Arrow(#[from] ArrowError),
    /// Finished games that could not be written.
    #[error("finished games cannot be kept: {0}")]
    Archive(DataError),
    /// A closed dataset that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A thread panicked.
    #[error("the {0} thread ended in a panic: this is a defect of bivouac")]
    Panicked(&'static str),
    /// A ticket or descriptor is no JSON, or a field of it has the wrong type.
    #[error("{what}: {reason}")]
    Malformed {
        /// What was read: the ticket, or a field of it.
        what: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Nothing has this descriptor or name.
    #[error("{what} {name:?} does not exist: there is {known}")]
    Unknown {
        /// What was asked for: a flight, an action.
        what: &'static str,
        /// Its name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A method of Flight that this server does not have.
    #[error("{0} is not offered by this server")]
    NotOffered(&'static str),
    /// Environments that cannot be made.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// Something is more than the server allows.
    #[error("{what} can be {most} at most: {fix}")]
    Limit {
        /// What there would be too much of.
        what: &'static str,
        /// How much there can be.
        most: u64,
        /// What to do instead.
        fix: &'static str,
    },
    /// A request without a token, or with one that is not known.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// A token that may not do this.
    #[error("token {name:?} has not the scope {scope:?} that this needs")]
    Forbidden {
        /// Name of the token.
        name: String,
        /// The scope.
        scope: &'static str,
    },
    /// Certificates or keys that cannot be used.
    #[error("cannot use the certificate: {0}: give PEM files that belong together")]
    Tls(tonic::transport::Error),
    /// An address that strangers can reach, without TLS and tokens.
    #[error(
        "{address} can be reached from other machines: give --tls-cert, --tls-key and tokens, \
         or --insecure if the network is trusted"
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// An administrator ended the stream.
    #[error("an administrator ended this stream after row {seq}")]
    Cancelled {
        /// The rows it was sent.
        seq: u64,
    },
    /// An administrator ended the session.
    #[error("an administrator ended this session: its environments are freed")]
    SessionCancelled,
    /// The system has no random numbers, which names that open something are made of.
    #[error("the system gives no random numbers")]
    NoRandomNumbers,
    /// All games are over, and the streams have ended.
    #[error("all games of this server are over, and its streams take no more rows")]
    Finished,
    /// Metrics that strangers could read.
    #[error(
        "metrics at {address} could be read from other machines, without a token: name a loopback \
         address, or give --insecure if the network is trusted"
    )]
    ExposedMetrics {
        /// The address.
        address: SocketAddr,
    },
    /// The server was told to stop.
    #[error("the server is ending")]
    Stopping,
    /// Another connection goes on with this session.
    #[error("another connection took this session over: only one can play it")]
    TakenOver,
    /// As many streams are open as the server allows.
    #[error("{open} streams are open, the most that --max-streams allows: close one first")]
    TooManyStreams {
        /// Streams that are open.
        open: usize,
    },
    /// A stream wants to spill, and there is no folder for it.
    #[error(
        "slow: this server has no folder for \"spill\": start it with --spill FOLDER, or use \"block\""
    )]
    NoSpill,
    /// Rows of a slow stream have no room on disk.
    #[error(
        "{reason}: this stream is too far behind and ends; open it again with \"after\": {seq} to be \
         told what it missed, read faster, or give --spill-mib more"
    )]
    SpillFull {
        /// What is full.
        reason: String,
        /// The rows the stream was sent.
        seq: u64,
    },
    /// Rows of a slow stream cannot be written to disk.
    #[error(
        "rows of this stream could not be spilled: {reason}: open it again with \"after\": {seq} to \
         be told what it missed"
    )]
    SpillFailed {
        /// What went wrong.
        reason: String,
        /// The rows the stream was sent.
        seq: u64,
    },
    /// Rows that were spilled are not as they were written.
    #[error("{source}: open the stream again with \"after\": {seq} to go on after them")]
    Damaged {
        /// The segment, and what is wrong with it.
        source: DataError,
        /// The number after that of its last row.
        seq: u64,
    },
    /// A blocking stream took nothing for so long that the world would stand still for it.
    #[error(
        "this stream took no rows for {seconds} s while the world waited for it: \
         open it again with \"after\": {seq}, or with \"slow\": \"drop_oldest\""
    )]
    Stuck {
        /// Seconds it took nothing.
        seconds: u64,
        /// The rows it was sent.
        seq: u64,
    },
}

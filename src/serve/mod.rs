//! The server: one world on a thread of its own, and its rows as streams of Arrow Flight.
//!
//! ```text
//! simulation thread                                     network thread
//! world ──▶ RowPool ──▶ LiveRows ──▶ Log ══════════▶ Reader ──▶ Share ──▶ DoGet stream
//!                          │  a ring of batches,       │  filter,  │ one encoding
//!                          │  bounded in bytes         │  slow     │ for all streams
//!                          └──────◀ waits only for ◀───┘  policy   │ of one form
//!                                   `block` streams
//! ```
//!
//! The world publishes each batch once. Rows are numbered in the order in which they leave it; a
//! stream is a place in that order, a [`ticket::Ticket`] and nothing that the simulation knows of.

pub mod access;
mod actions;
mod capped;
mod collect;
mod consolidated;
mod datasets;
mod envs;
pub mod error;
mod exposition;
mod fields;
pub mod filter;
mod flights;
mod game_stats;
pub mod games;
mod health;
pub mod log;
mod message;
mod metrics;
mod network;
mod put;
mod put_games;
mod put_rows;
mod put_turns;
mod scatter;
mod server;
mod service;
mod share;
mod simulation;
mod snapshot;
mod sources;
mod spill;
pub mod stats;
mod status;
mod stream;
pub mod ticket;
mod unpacked;

pub use error::ServeError;
pub use server::{Server, ServerConfig, Tls};
pub use simulation::Simulated;
pub use spill::SpillConfig;

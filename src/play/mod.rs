//! A game in the terminal: one player's seat, drawn and played by keys.
//!
//! ```text
//! keys ──▶ Command ──▶ Session ──▶ Orders ──▶ PlayRequest ──▶ link ──▶ server
//! screen ◀── draw ◀── Session ◀── Board ◀──── PlayResponse ◀─ link ◀──┘
//! ```
//!
//! It is a client like any other: all it knows of a game is what the `Play` stream of its seat says,
//! so nothing that fog hides can be drawn. The server may be one in the same process.

pub mod board;
pub mod draw;
mod error;
pub mod keys;
mod link;
pub mod orders;
pub mod palette;
mod run;
pub mod screen;
pub mod session;

pub use self::{
    error::PlayError,
    link::{Seat, Server},
    run::{Outcome, play},
};

//! Live games: people, bots and evaluators play timed games in the same world as the simulated ones.
//!
//! ```text
//! service (network thread)                        arena (the thread that owns the world)
//! Request ──▶ bounded channel ─────────────▶ lobby · orders · streams · listing
//!    ◀────────── oneshot answer ◀──────────┘            │
//!                                     Timers ──▶ due ──▶ World::step_due ──▶ after each tick
//! stream ◀── Mailbox (bounded, one per stream) ◀── Update, made once per view ◀────┘
//! ```
//!
//! A game costs its bytes in the world, a `game::Game` here and one entry in `timers`; it has no
//! thread, task or lock. The arena never waits for the network: an answer or an update that nobody
//! takes is dropped. Nothing here knows gRPC; `serve` translates.

pub mod archive;
pub mod arena;
pub mod collect;
mod delayed;
pub mod error;
pub mod game;
mod held;
mod listing;
pub mod lobby;
pub mod mailbox;
mod orders;
pub mod request;
pub mod settings;
pub mod stats;
mod streams;
mod ticks;
mod timers;
pub mod token;
pub mod update;

pub use arena::{Arena, LiveHandle};
pub use error::{LiveError, Reason};
pub use settings::{GameSettings, LiveConfig};

//! Live games as players meet them: clients of gRPC over a socket.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

#[path = "live/client.rs"]
mod client;
#[path = "live/clocks.rs"]
mod clocks;
#[path = "live/defects.rs"]
mod defects;
#[path = "live/errors.rs"]
mod errors;
#[path = "live/fog.rs"]
mod fog;
#[path = "live/games.rs"]
mod games;
#[path = "live/limits.rs"]
mod limits;
#[path = "live/sight.rs"]
mod sight;
#[path = "live/streams.rs"]
mod streams;

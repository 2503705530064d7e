//! The server as those meet it who run it: its log, its health, what it tells of itself.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "operations/health.rs"]
mod health;
#[path = "operations/logs.rs"]
mod logs;
#[path = "operations/process.rs"]
mod process;
#[path = "operations/reflection.rs"]
mod reflection;

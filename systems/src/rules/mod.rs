//! The rules as plain functions over plain values: no I/O, no time, no threads, no randomness.
//!
//! [`tick::tick`] is one tick of one game. [`view::View`] is what one player may know of it.

pub mod chase_first;
pub mod combat;
pub mod departure;
pub mod digest;
pub mod growth;
pub mod legality;
pub mod order;
pub mod plane;
pub mod ranking;
pub mod refusal;
pub mod ruleset;
pub mod shape;
pub mod tick;
pub mod trade;
pub mod view;

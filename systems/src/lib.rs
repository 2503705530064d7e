//! The game: every match is one entity of one Bevy world, and six systems run over all of them.
//!
//! Start with [`components`] (what a game is made of), [`schedule`] (what happens in which order)
//! and [`world::World`] (creating, stepping and reading games). [`rules`] are plain functions that
//! the systems call. Nothing here knows files, sockets, clocks or column names.

pub mod act;
mod bundle;
pub mod columns;
pub mod components;
pub mod delta;
pub mod dice;
pub mod envs;
pub mod experience;
pub mod fog;
pub mod isa;
pub mod mapgen;
pub mod owned;
pub mod policies;
mod prefetch;
pub mod queue;
pub mod record;
pub mod replay;
pub mod reset;
pub mod reward;
pub mod rollout;
mod row_slices;
mod row_writer;
pub mod rows;
pub mod rules;
pub mod schedule;
mod slots;
pub mod start;
pub mod streaming;
pub mod turn;
pub mod visit;
pub mod world;

//! Datasets of games: replays read and written, games stored as moves, experiences in Parquet.
//!
//! ```text
//! simulation ──┐                       ┌──▶ games table: one row per game, with its moves
//!              ├──▶ GameRecord ────────┤
//! .gior files ─┘                       └──▶ expander ──▶ experiences: one row per agent and step
//! ```
//!
//! [`pipeline::write`] takes a [`produce::Producer`] of games to a folder of Parquet files. The
//! columns are those of [`schema`], the moves are encoded by [`moves`], and a folder looks as
//! [`folder`] says. [`gior`] knows the replay files of generals.io, and [`import`] how they become
//! games.

pub mod analytics;
mod batch_columns;
mod block;
pub mod ceiling;
pub mod checksum;
pub mod collected_envs;
pub mod env_rows;
pub mod error;
mod expand;
pub mod export;
pub mod folder;
pub mod games;
pub mod gior;
pub mod import;
pub mod info;
pub mod inspect;
pub mod layouts;
pub mod live;
pub mod merge;
pub mod minari;
pub mod moves;
mod overlap;
mod parquet_files;
mod parquet_input;
pub mod parts;
pub mod pipeline;
pub mod played;
pub mod produce;
pub mod reader;
pub mod replayed_rows;
mod resume;
pub mod schema;
pub mod seats;
pub mod spill;
pub mod stopwatch;
mod storage;
pub mod stored_rows;
mod table;
mod threads;
pub mod totals;
pub mod verify;
mod wide_column;

pub use error::DataError;
pub use parquet_files::Encodings;
pub use table::Kind;

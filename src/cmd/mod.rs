//! One file for each subcommand, and what some of them share.

pub(crate) mod arena;
pub(crate) mod bench;
pub(crate) mod config;
mod dataset_run;
pub(crate) mod expand;
pub(crate) mod export;
mod export_minari;
mod game_options;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod inspect;
mod live_options;
pub(crate) mod logging;
pub(crate) mod merge;
pub(crate) mod play;
mod progress;
mod reference;
pub(crate) mod replay;
pub(crate) mod serve;
mod summary;
mod tokens;
pub(crate) mod verify;

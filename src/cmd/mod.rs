//! One file for each subcommand, and what some of them share.

pub(crate) mod bench;
mod dataset_run;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod import;
mod progress;
pub(crate) mod replay;
mod summary;

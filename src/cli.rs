//! The command line: which subcommands there are.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cmd;

/// Batched simulation of a fog-of-war strategy game for reinforcement learning.
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 an error, named on stderr; 2 wrong arguments; \
3 done in part (some input was skipped, or the run was stopped with Ctrl-C; what is written is complete).";

#[derive(Subcommand)]
enum Command {
    /// Simulate games and write a dataset
    Generate(cmd::generate::Args),
    /// Turn games stored as moves into experiences
    Expand(cmd::expand::Args),
    /// Turn .gior replays into a dataset
    Import(cmd::import::Args),
    /// Put shards or other datasets with the same columns together
    Merge(cmd::merge::Args),
    /// Write a dataset in the form of another tool
    Export(cmd::export::Args),
    /// Show what is in a dataset, or a position of one of its games
    Inspect(cmd::inspect::Args),
    /// Check a dataset: bytes, rows, order, and its games played again
    Verify(cmd::verify::Args),
    /// Play a replay, print its result, draw or trace it
    Replay(cmd::replay::Args),
    /// Simulate games and stream their rows to trainers over Arrow Flight
    Serve(Box<cmd::serve::Args>),
    /// Play a game yourself, in the terminal
    Play(cmd::play::Args),
    /// Let policies and programs play each other, and rate them
    Arena(cmd::arena::Args),
    /// Measure how fast the engine is on this machine
    Bench(cmd::bench::Args),
}

/// Reads the command line, with what the environment and a file add to it, and runs the subcommand.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let arguments = cmd::config::layered(&Cli::command(), std::env::args_os())?;
    Cli::parse_from(arguments).run()
}

impl Cli {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Generate(args) => cmd::generate::run(args),
            Command::Expand(args) => cmd::expand::run(args),
            Command::Import(args) => cmd::import::run(args),
            Command::Merge(args) => cmd::merge::run(args),
            Command::Export(args) => cmd::export::run(args),
            Command::Inspect(args) => cmd::inspect::run(args),
            Command::Verify(args) => cmd::verify::run(args),
            Command::Replay(args) => cmd::replay::run(args),
            Command::Serve(args) => cmd::serve::run(*args),
            Command::Play(args) => cmd::play::run(args),
            Command::Arena(args) => cmd::arena::run(args),
            Command::Bench(args) => cmd::bench::run(args),
        }
    }
}

/// Prints an error and what led to it, on one line.
#[expect(clippy::print_stderr, reason = "the one place where the binary reports an error")]
pub(crate) fn report_error(error: &anyhow::Error) {
    eprintln!("error: {}", chain(error));
}

/// An error and what led to it. Some errors, ours among them, tell their cause themselves, for who
/// prints only them; it is not told again.
fn chain(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use datasets::DataError;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let source = io::Error::other(io::Error::other("the disk is full"));
        let error = DataError::File { path: PathBuf::from("a/b"), doing: "write", source };
        let error = anyhow::Error::from(error);
        assert_eq!(chain(&error), "a/b: cannot write: the disk is full");
        assert_eq!(
            chain(&error.context("--out a")),
            "--out a: a/b: cannot write: the disk is full"
        );
    }
}

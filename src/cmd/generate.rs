//! `bivouac generate`.

use std::process::ExitCode;

/// Arguments of `bivouac generate`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the subcommand.
pub(crate) fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not written yet")
}

//! `bivouac export`: a dataset in the forms of other tools.

use std::process::ExitCode;

use super::export_minari;

/// Arguments of `bivouac export`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    form: Form,
}

#[derive(clap::Subcommand)]
enum Form {
    /// Experiences as a Minari dataset, an episode for each agent
    Minari(export_minari::Args),
}

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.form {
        Form::Minari(args) => export_minari::run(args),
    }
}

//! `bivouac merge`: put parts of a dataset together.

use std::{path::PathBuf, process::ExitCode};

use datasets::merge;
use serde_json::json;

use super::progress::bytes;

/// Arguments of `bivouac merge`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folders of complete datasets, in the order their rows are to have
    #[arg(required = true, value_name = "DIR")]
    parts: Vec<PathBuf>,
    /// Folder of the dataset, which must be new or empty, or `s3://bucket/prefix`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the dataset in the folder
    #[arg(long)]
    force: bool,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bivouac merge part-0 part-1 part-2 --out whole
  bivouac merge shards/* --out whole --force

Data files are linked where the file system can and copied elsewhere, so the parts may be removed
afterwards. Folders side by side are a dataset too: read shards/*/data/**/*.parquet.";

/// Runs the subcommand.
#[expect(clippy::print_stdout, reason = "the summary is the command's output")]
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let totals = merge::merge(&args.parts, &args.out, args.force)?;
    if args.json {
        let summary = json!({
            "out": args.out,
            "parts": args.parts.len(),
            "games": totals.games,
            "rows": totals.rows,
            "episodes": totals.episodes,
            "bytes": totals.bytes,
            "files": totals.files,
            "row_groups": totals.row_groups,
        });
        println!("{summary}");
    } else if !args.quiet {
        println!(
            "{} games, {} rows of {} datasets in {} ({} in {} files)",
            totals.games,
            totals.rows,
            args.parts.len(),
            args.out.display(),
            bytes(totals.bytes),
            totals.files,
        );
    }
    Ok(ExitCode::SUCCESS)
}

//! `bivouac export minari`: experiences as a Minari dataset.

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use datasets::minari;
use serde_json::json;

/// Arguments of `bivouac export minari`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a dataset of experiences
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// Where Minari looks for datasets [default: $`MINARI_DATASETS_PATH`, or ~/.minari/datasets]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Id of the new dataset: (namespace/)name-vN
    #[arg(long, default_value = "bivouac/games-v0", value_name = "ID")]
    id: String,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bivouac export minari selfplay-rows
  bivouac export minari selfplay-rows --id bivouac/hunter-v0 --out minari
  python -c 'import minari; print(minari.load_dataset(\"bivouac/games-v0\"))'

Minari keeps a file for each episode, so this is for datasets of thousands of games, not millions.

Exit codes: 0 done; 1 an error, named on stderr; 2 wrong arguments.";

/// Runs the subcommand.
#[expect(clippy::print_stdout, reason = "the result is the command's output")]
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        is_id(&args.id),
        "--id {:?}: write (namespace/)name-vN, as in bivouac/games-v0",
        args.id
    );
    let root = match &args.out {
        Some(out) => out.clone(),
        None => datasets_path().context("no home folder is known: pass --out")?,
    };
    let done = minari::export(&args.from, &root, &args.id)?;
    if args.json {
        let (episodes, steps) = (done.episodes, done.steps);
        let told = json!({
            "id": args.id, "folder": done.folder, "episodes": episodes, "steps": steps,
        });
        println!("{told}");
    } else if !args.quiet {
        println!("{} episodes, {} steps in {}", done.episodes, done.steps, done.folder.display());
        println!("\nimport minari; minari.load_dataset({:?})", args.id);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where Minari looks by itself.
fn datasets_path() -> Option<PathBuf> {
    env::var_os("MINARI_DATASETS_PATH")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".minari/datasets")))
}

/// Whether Minari takes a text for the id of a dataset.
fn is_id(id: &str) -> bool {
    let word = |part: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !part.is_empty() && part.chars().all(fine)
    };
    let version = |(_, version): (&str, &str)| version.parse::<u32>().is_ok();
    id.split('/').all(word) && id.rsplit_once("-v").is_some_and(version)
}

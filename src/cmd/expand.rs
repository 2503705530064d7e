//! `bivouac expand`: turn games stored as moves into experiences.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::ensure;
use datasets::{
    Kind,
    info::{Info, StoredInfo},
    layouts::Layout,
    pipeline::Plan,
    produce::{Archive, Producer},
    seats::Seats,
};
use systems::rows::RowFormat;

use super::{
    dataset_run::{self, Canvas, Output},
    game_options,
};

/// Arguments of `bivouac expand`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Datasets of games (folders, or their Parquet files)
    #[arg(required = true, value_name = "GAMES")]
    paths: Vec<PathBuf>,
    /// Reward: sparse, shaped, potential, or a .toml file of weights
    #[arg(long, default_value = "sparse", value_name = "NAME|FILE")]
    reward: String,
    /// Seats whose rows are wanted [default: all]
    #[arg(long, value_name = "I,J")]
    players: Option<Seats>,
    /// Pad observations to this size [default: the largest board]
    #[arg(long, value_name = "HxW")]
    canvas: Option<Canvas>,
    /// Dense float32 observations (durbin9, generals-bots, memory) [default: compact planes]
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  bivouac expand selfplay --out rows
  bivouac expand selfplay --reward shaped --players 0 --out first-seat
  bivouac expand selfplay --layout durbin9 --out dense
  bivouac expand a/data/chunk-000/file-000.parquet b --canvas 32x32 --out both

Games are played again, a few at a time on each thread. With the reward and canvas of a
`generate --kind experiences`, the data files have the same bytes as those it writes. A game that
ends otherwise than its row says is an error that names it.

Exit codes: 0 done; 1 an error, named on stderr; 2 wrong arguments; 3 stopped with Ctrl-C (what is
written is complete).";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reward = game_options::reward(&args.reward)?;
    let seats = args.players.unwrap_or(Seats::ALL);
    let archive = Archive::open_all(args.paths.iter().map(PathBuf::as_path))?;
    ensure!(archive.games() > 0, "there is no game in {}", dataset_run::shown(&args.paths));
    let bounds = archive.bounds();
    ensure!(
        !seats.within(bounds.players).is_empty(),
        "--players {seats}: the games have seats 0 to {}",
        bounds.players.saturating_sub(1)
    );
    let largest = Canvas { height: bounds.height, width: bounds.width };
    let Canvas { height, width } = args.canvas.unwrap_or(largest);
    let has_owners = bounds.players > 2;
    let format = RowFormat { height, width, has_builds: archive.has_builds(), has_owners };
    let (seed, rulesets) = origin(&args.paths)?;
    let info = Info {
        command: command(&args) + &args.output.command(),
        seed,
        rulesets,
        reward: serde_json::to_value(reward)?,
        git_revision: dataset_run::git_revision(),
        ..Info::default()
    };
    let kind = Kind::Experiences { format, reward, seats, layout: args.layout };
    let plan = Plan { kind, info, folder: args.output.folder() };
    dataset_run::run(&archive.with_seats(seats), plan, &args.output)
}

/// The datasets of games that the arguments name.
pub(super) fn paths(args: &Args) -> &[PathBuf] {
    &args.paths
}

/// The seed of the first dataset, and the rulesets of all.
fn origin(paths: &[PathBuf]) -> anyhow::Result<(u64, BTreeMap<String, String>)> {
    let (mut seed, mut rulesets) = (None, BTreeMap::new());
    for root in paths.iter().filter(|path| path.is_dir()) {
        if let Some(info) = StoredInfo::read(Path::new(root))? {
            seed.get_or_insert(info.seed);
            rulesets.extend(info.rulesets);
        }
    }
    Ok((seed.unwrap_or(0), rulesets))
}

/// The command that makes the same dataset.
fn command(args: &Args) -> String {
    let mut words = vec![format!("bivouac expand {}", dataset_run::shown(&args.paths))];
    words.push(format!("--reward {}", dataset_run::quoted(&args.reward)));
    words.extend(args.players.map(|seats| format!("--players {seats}")));
    words.extend(args.canvas.map(|canvas| format!("--canvas {canvas}")));
    words.extend(args.layout.map(|layout| format!("--layout {layout}")));
    words.join(" ")
}

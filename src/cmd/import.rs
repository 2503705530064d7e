//! `bivouac import`: turn replays into a dataset.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use datasets::{
    Kind,
    import::{Filter, Numbers},
    info::Info,
    layouts::Layout,
    pipeline::Plan,
    produce::{ReplayOptions, Replays},
    seats::Seats,
};
use systems::rows::RowFormat;

use super::{
    dataset_run::{self, Canvas, KindName, Output, shown},
    game_options,
    progress::say,
};

/// Arguments of `bivouac import`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Replay files, and folders that are searched for *.gior
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Rows for learners, or games as moves
    #[arg(long, value_enum, default_value_t = KindName::Experiences)]
    kind: KindName,
    /// Reward: sparse, shaped, potential, or a .toml file of weights
    #[arg(long, default_value = "sparse", value_name = "NAME|FILE")]
    reward: String,
    /// Dense float32 observations (durbin9, generals-bots, memory) [default: compact planes]
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
    /// Pad observations to this size [default: the largest board among the replays]
    #[arg(long, value_name = "HxW")]
    canvas: Option<Canvas>,
    /// Keep the names of players (--kind games), which are dropped otherwise
    #[arg(long)]
    keep_names: bool,
    /// Import files with the bytes of an earlier one too, which are left out otherwise
    #[arg(long)]
    keep_duplicates: bool,
    /// Only games of at least this many ticks (two are a second)
    #[arg(long, default_value_t = 0, value_name = "N")]
    min_ticks: u32,
    /// Only these versions of the replay format: 15, 15..18 (both included), 16.., or a list
    #[arg(id = "versions", long = "version", value_name = "RANGE")]
    versions: Option<Numbers>,
    /// Only games of so many players: 8, 2..4, or a list
    #[arg(long, value_name = "RANGE")]
    players: Option<Numbers>,
    /// Seed that names the episodes
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  bivouac import replays/ --out human
  bivouac import a.gior b.gior --kind games --keep-names
  bivouac import replays/ --kind games --version 15.. --players 8 --min-ticks 300
  bivouac import replays/ --reward shaped --canvas 32x32 --json
  bivouac import replays/ --layout durbin9 --out dense

Replays of version 5 and later, boards of up to 32x32 and up to 16 players are played again by their
own rules. A file that cannot be imported is named with the reason and left out; the exit code is
then 3. Copies and what a filter leaves out are counted, and do not change the exit code. Ratings
are kept; names of players and chat are not, unless --keep-names asks for the names.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let reward = game_options::reward(&args.reward)?;
    let replays = replays(&args, usize::MAX)?;
    let kind = dataset_run::table(args.kind, args.layout, &args.reward, || {
        let bounds = replays.bounds();
        let largest = Canvas { height: bounds.height.max(1), width: bounds.width.max(1) };
        let Canvas { height, width } = args.canvas.unwrap_or(largest);
        let has_owners = bounds.players > 2;
        let format = RowFormat { height, width, has_builds: false, has_owners };
        Kind::Experiences { format, reward, seats: Seats::ALL, layout: args.layout }
    })?;
    let info = Info {
        command: command(&args),
        seed: args.seed,
        rulesets: BTreeMap::new(),
        reward: serde_json::to_value(reward)?,
        git_revision: dataset_run::git_revision(),
        ..Info::default()
    };
    let plan = Plan { kind, info, folder: args.output.folder() };
    let code = dataset_run::run(&replays, plan, &args.output)?;
    let strangers = replays.strangers();
    if strangers > 0 {
        let what = "moves and departures of seats that their games do not have";
        say(&format!("left out {strangers} {what}"));
    }
    Ok(code)
}

/// The replays that the arguments name, if they are no more than so many.
pub(crate) fn replays(args: &Args, most: usize) -> anyhow::Result<Replays> {
    let files = files(&args.paths, most)?;
    ensure!(!files.is_empty(), "no .gior files were found in {}", shown(&args.paths));
    let filter = Filter {
        min_ticks: args.min_ticks,
        versions: args.versions.clone(),
        players: args.players.clone(),
    };
    let options = ReplayOptions {
        seed: args.seed,
        keeps_names: args.keep_names,
        keeps_duplicates: args.keep_duplicates,
        filter,
    };
    Ok(Replays::new(files, options))
}

/// The command that makes the same dataset: what differs from the defaults.
fn command(args: &Args) -> String {
    let mut command = format!("bivouac import {} --kind {}", shown(&args.paths), args.kind.name());
    let is_rows = args.kind == KindName::Experiences;
    let given = |is_given: bool, value: &dyn ToString| is_given.then(|| value.to_string());
    let options = [
        ("reward", given(is_rows, &dataset_run::quoted(&args.reward))),
        ("layout", args.layout.map(|layout| layout.to_string())),
        ("canvas", args.canvas.filter(|_| is_rows).map(|canvas| canvas.to_string())),
        ("seed", given(args.seed != 0, &args.seed)),
        ("min-ticks", given(args.min_ticks != 0, &args.min_ticks)),
        ("version", args.versions.as_ref().map(ToString::to_string)),
        ("players", args.players.as_ref().map(ToString::to_string)),
        ("keep-names", given(args.keep_names, &"")),
        ("keep-duplicates", given(args.keep_duplicates, &"")),
    ];
    for (name, value) in options {
        let Some(value) = value else { continue };
        for part in [" --", name, if value.is_empty() { "" } else { " " }, &value] {
            command.push_str(part);
        }
    }
    command + &args.output.command()
}

/// The replay files of paths, in an order that does not depend on the file system.
fn files(paths: &[PathBuf], most: usize) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
        if metadata.is_dir() {
            search(path, &mut files, most)?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Adds the replays in a folder and the folders in it. Links to folders are not followed, so a
/// circle of them does no harm.
fn search(root: &Path, files: &mut Vec<PathBuf>, most: usize) -> anyhow::Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        ensure!(files.len() <= most, "there are more than {most} replays now: pass --games");
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let path = entry.path();
            let is_replay = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gior"));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if is_replay && fs::metadata(&path).map_or(true, |m| m.is_file()) {
                // Pipes and devices would be read for ever; what cannot be looked at is reported.
                files.push(path);
            }
        }
    }
    Ok(())
}

//! `bivouac export`: games of a dataset in the forms of other tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use datasets::{
    export::{self, ReplayError},
    games::{ArchivedGame, GamesFile},
};
use serde_json::json;

use super::{export_minari, progress::say};

/// Exit code of a run that did a part: some games cannot be written in the form.
const IN_PART: u8 = 3;
/// Games left out that are named; the rest are counted.
const NAMED: usize = 20;

/// Arguments of `bivouac export`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    form: Form,
}

#[derive(clap::Subcommand)]
enum Form {
    /// Replays as generals.io stores them, a file for each game
    Gior(Gior),
    /// Experiences as a Minari dataset, an episode for each agent
    Minari(export_minari::Args),
}

const EXAMPLES: &str = "\
Examples:
  bivouac export gior data/archive --out replays
  bivouac export gior data/archive --out replays --game 8724659135012334212";

const GIOR_EXAMPLES: &str = "\
Examples:
  bivouac export gior data/archive --out replays
  bivouac export gior data/archive --out replays --game 8724659135012334212
  bivouac replay replays/8724659135012334212.gior

A file is named after the game's episode_id. A game that a replay cannot say - one with builds, without
fog, cut off at a tick limit, or by rules of no replay version - is named with the reason and left
out; the exit code is then 3. Imported again, a game has the same start, moves, rules and end.";

/// Arguments of `bivouac export gior`.
#[derive(clap::Args)]
#[command(after_help = GIOR_EXAMPLES)]
struct Gior {
    /// Dataset of games, or one of its Parquet files
    games: PathBuf,
    /// Folder for the replays, made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only the game with this id, as in the column of episodes; may be given several times
    #[arg(long = "game", value_name = "ID")]
    ids: Vec<u64>,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.form {
        Form::Gior(args) => gior(&args),
        Form::Minari(args) => export_minari::run(args),
    }
}

/// A game that was left out.
struct Refused {
    id: u64,
    reason: ReplayError,
}

fn gior(args: &Gior) -> anyhow::Result<ExitCode> {
    let files = GamesFile::paths(&args.games)?;
    ensure!(!files.is_empty(), "{}: no games are in the folder", args.games.display());
    fs::create_dir_all(&args.out)
        .with_context(|| format!("{}: cannot create the folder", args.out.display()))?;
    let mut wanted: BTreeSet<u64> = args.ids.iter().copied().collect();
    let is_chosen = !wanted.is_empty();
    let (mut written, mut refused) = (0_u64, Vec::new());
    for game in files.iter().map(|path| GamesFile::open(path)).flat_map(flatten) {
        let game = game?;
        let id = game.record.episode_id();
        if is_chosen && !wanted.remove(&id) {
            continue;
        }
        match export::replay(&game) {
            Ok(replay) => {
                write(&args.out.join(format!("{id}.gior")), &replay.encode(), args.force)?;
                written += 1;
            }
            Err(reason) => refused.push(Refused { id, reason }),
        }
        if is_chosen && wanted.is_empty() {
            break;
        }
    }
    if let Some(id) = wanted.first() {
        bail!(
            "--game {id}: {} has no game with this episode_id; see its column episode_id",
            args.games.display()
        );
    }
    tell(args, written, &refused)?;
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(IN_PART) })
}

/// The games of a file, or why it cannot be opened.
fn flatten(
    file: Result<GamesFile, datasets::DataError>,
) -> impl Iterator<Item = Result<ArchivedGame, datasets::DataError>> {
    let (games, fault) = match file {
        Ok(games) => (Some(games), None),
        Err(fault) => (None, Some(Err(fault))),
    };
    fault.into_iter().chain(games.into_iter().flatten())
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8], replaces: bool) -> anyhow::Result<()> {
    let name = path.display();
    ensure!(
        replaces || !path.exists(),
        "{name}: the file is there already: name another folder, or pass --force to replace it"
    );
    let part = path.with_extension("gior.part");
    fs::write(&part, bytes).with_context(|| format!("{}: cannot be written", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("{name}: cannot be written"))
}

#[expect(clippy::print_stdout, reason = "the summary is the command's output")]
fn tell(args: &Gior, written: u64, refused: &[Refused]) -> anyhow::Result<()> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for game in refused {
        *reasons.entry(game.reason.kind()).or_default() += 1;
    }
    if args.json {
        let skipped: Vec<_> = refused
            .iter()
            .map(|game| json!({"episode_id": game.id, "reason": game.reason.to_string()}))
            .collect();
        let summary = json!({
            "out": args.out,
            "written": written,
            "skipped": skipped,
            "skipped_by_reason": reasons,
        });
        println!("{}", serde_json::to_string(&summary)?);
    } else if !args.quiet {
        for game in refused.iter().take(NAMED) {
            say(&format!("skipped game {}: {}", game.id, game.reason));
        }
        if refused.len() > NAMED {
            say(&format!("... and {} more", refused.len() - NAMED));
        }
        println!("{written} replays in {}", args.out.display());
        for (reason, games) in reasons {
            println!("skipped, {reason}: {games}");
        }
    }
    Ok(())
}

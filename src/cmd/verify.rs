//! `bivouac verify`: whether a dataset is what it says.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, anyhow};
use clap::Parser;
use datasets::{
    DataError,
    info::StoredInfo,
    produce::{Archive, Producer, Replays, Simulation},
    verify::{Verified, verify},
};
use serde_json::json;

use super::{
    expand, generate, import,
    progress::{count, float, say},
};

/// Arguments of `bivouac verify`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a dataset, or one of its data files
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Dataset of the games that experiences were made of [default: what meta/info.json says]
    #[arg(long, value_name = "DIR")]
    games: Option<PathBuf>,
    /// Do not play the games of experiences again
    #[arg(long, conflicts_with = "games")]
    no_replay: bool,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print nothing but faults
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bivouac verify selfplay
  bivouac verify human-rows --games human
  bivouac verify data/chunk-000/file-000.parquet --json

Looks at the checksum of every file, at the counts in meta/info.json, and then
  games:        plays every game again and compares the outcome, the digest of the final board, and
                for games of policies every order
  experiences:  order, whole episodes, flags, meta/episodes; and compares every column of every row
                with the games, made again by the command in meta/info.json

The first game that differs is named first.

Exit codes: 0 everything that was looked at holds (what was not looked at is named); 1 something does
not hold, or the dataset cannot be read; 2 wrong arguments.";

/// Where the games of experiences are taken from.
enum Reference {
    Simulation(Box<Simulation>),
    Archive(Archive),
    Replays(Replays),
}

impl Reference {
    /// What the games are read from.
    fn inputs(&self) -> Result<Option<String>, DataError> {
        match self {
            Self::Simulation(games) => games.inputs(),
            Self::Archive(games) => games.inputs(),
            Self::Replays(games) => games.inputs(),
        }
    }
}

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let threads = args
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let since = Instant::now();
    let mut note = None;
    let reference = if let Some(games) = &args.games {
        Some(Reference::Archive(Archive::open(games).context("--games")?))
    } else if args.no_replay {
        None
    } else {
        told(&args.path)?.unwrap_or_else(|reason| {
            note = Some(format!("the games were not played again: {reason}"));
            None
        })
    };
    let mut found = match &reference {
        Some(Reference::Simulation(games)) => verify(&args.path, Some(&**games), threads)?,
        Some(Reference::Archive(games)) => verify(&args.path, Some(games), threads)?,
        Some(Reference::Replays(games)) => verify(&args.path, Some(games), threads)?,
        None => verify::<Archive>(&args.path, None, threads)?,
    };
    found.notes.extend(note);
    let seconds = since.elapsed().as_secs_f64().max(1e-6);
    if args.json {
        print_json(&args.path, &found, seconds)?;
    } else {
        print(&args.path, &found, seconds, args.quiet);
    }
    Ok(if found.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line of `meta/info.json` as it would be typed.
#[derive(Parser)]
enum Line {
    /// See [`generate`].
    Generate(Box<generate::Args>),
    /// See [`expand`].
    Expand(Box<expand::Args>),
    /// See [`import`].
    Import(Box<import::Args>),
}

/// The games that the dataset says it was made of; or why they cannot be made again.
fn told(root: &Path) -> anyhow::Result<Result<Option<Reference>, String>> {
    let Some(info) = StoredInfo::read(root)? else {
        return Ok(Err("there is no meta/info.json: pass --games".to_owned()));
    };
    if info.kind == "games" {
        // They are in the dataset itself.
        return Ok(Ok(None));
    }
    let words = shlex::split(&info.command).unwrap_or_default();
    let Ok(line) = Line::try_parse_from(words) else {
        return Ok(Err(format!("pass --games for a dataset made by `{}`", info.command)));
    };
    let reference = match line {
        Line::Generate(args) => generate::simulation(&args)
            .map(|(simulation, ..)| Reference::Simulation(Box::new(simulation))),
        Line::Expand(args) => {
            let paths = expand::paths(&args).iter().map(PathBuf::as_path);
            let archive = Archive::open_all(paths).map_err(Into::into);
            let seats = info.players.clone().map(datasets::seats::Seats::of);
            archive.map(|archive: Archive| {
                Reference::Archive(match seats {
                    Some(seats) => archive.with_seats(seats),
                    None => archive,
                })
            })
        }
        Line::Import(args) => import::replays(&args).map(Reference::Replays),
    };
    let reason = |error: anyhow::Error| format!("{error:#} (from `{}`)", info.command);
    let reference = match reference {
        Ok(reference) => reference,
        Err(error) => return Ok(Err(reason(error))),
    };
    if reference.inputs()? != info.inputs {
        let changed = "what it was made of has changed since, or was moved: pass --games";
        return Ok(Err(reason(anyhow!(changed))));
    }
    Ok(Ok(Some(reference)))
}

#[expect(clippy::print_stdout, reason = "the result is the command's output")]
fn print(path: &Path, found: &Verified, seconds: f64, quiet: bool) {
    if let Some(fault) = found.first_game() {
        say(&format!("first game that differs: {fault}"));
    }
    for fault in &found.faults {
        say(&format!("fault: {fault}"));
    }
    if quiet {
        return;
    }
    let totals = &found.totals;
    println!(
        "{}: {} games, {} rows in {} row groups of {} files",
        path.display(),
        totals.games,
        totals.rows,
        totals.row_groups,
        totals.files
    );
    println!(
        "{} checksums compared, {} games played again, {} rows compared with them in {seconds:.1} s \
         ({} rows/s)",
        found.checksums,
        found.games_played,
        found.rows_compared,
        count(float(found.rows_compared) / seconds),
    );
    for note in &found.notes {
        println!("note: {note}");
    }
    match found.faults.len() {
        0 => println!("sound"),
        n => println!("{n} faults"),
    }
}

#[expect(clippy::print_stdout, reason = "the result is the command's output")]
fn print_json(path: &Path, found: &Verified, seconds: f64) -> anyhow::Result<()> {
    let mut value = serde_json::to_value(found)?;
    value["path"] = json!(path);
    value["is_sound"] = json!(found.is_sound());
    value["first_game"] = json!(found.first_game());
    value["seconds"] = json!(seconds);
    println!("{}", serde_json::to_string(&value)?);
    Ok(())
}

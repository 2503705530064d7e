//! `bivouac verify`: whether a dataset is what it says.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::Context;
use datasets::{
    produce::Archive,
    verify::{Verified, verify},
};
use serde_json::json;

use super::{
    progress::{count, float, say},
    reference::{self, Reference},
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
                with the games, made again by the command in meta/info.json; if that cannot be,
                the last line says so

The first game that differs is named first.

Exit codes: 0 everything that was looked at holds (what was not looked at is named); 1 something does
not hold, or the dataset cannot be read; 2 wrong arguments.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let threads = args
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let since = Instant::now();
    let mut reason = None;
    let reference = if let Some(games) = &args.games {
        Some(Reference::Archive(Archive::open(games).context("--games")?))
    } else if args.no_replay {
        reason = Some("--no-replay was given".to_owned());
        None
    } else {
        reference::told(&args.path)?.unwrap_or_else(|why| {
            reason = Some(why);
            None
        })
    };
    let mut found = verify(&args.path, reference.as_ref(), threads)?;
    // Games are in their dataset themselves and are always played again.
    if let Some(reason) = reason.filter(|_| found.kind != "games") {
        found.notes.push(format!("the games were not played again: {reason}"));
        found.not_compared = Some(reason);
    }
    let seconds = since.elapsed().as_secs_f64().max(1e-6);
    if args.json {
        print_json(&args.path, &found, seconds)?;
    } else {
        print(&args.path, &found, seconds, args.quiet);
    }
    Ok(if found.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
        0 => match &found.not_compared {
            None => println!("sound"),
            Some(reason) => println!(
                "sound as far as checked: no row was compared with its game, because {reason}"
            ),
        },
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

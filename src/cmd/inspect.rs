//! `bivouac inspect`: what is in a dataset.

mod histogram;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use datasets::inspect::{self, Summary, View};
use serde_json::{Value, json};
use systems::{
    record::GameRecord,
    world::{World, WorldConfig},
};

use super::{
    progress::{bytes, float},
    replay::{Drawing, style},
};
use histogram::Histogram;

/// Arguments of `bivouac inspect`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of a dataset, or one file of games
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Draw this game (its index, as in the column `game`)
    #[arg(long, value_name = "G")]
    game: Option<u64>,
    /// Draw the position after this many ticks [default: 0, the start]
    #[arg(long, value_name = "T", requires = "game")]
    tick: Option<u32>,
    /// Draw what this player saw [default: the whole board; player 0 for experiences]
    #[arg(long, value_name = "P", requires = "game")]
    player: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Draw without colours, also in a terminal (as the environment variable `NO_COLOR` does)
    #[arg(long)]
    no_color: bool,
}

const EXAMPLES: &str = "\
Examples:
  bivouac inspect selfplay                              columns, counts, win rates, histograms
  bivouac inspect selfplay --game 7 --tick 120          the whole board of a stored game
  bivouac inspect rows --game 7 --tick 120 --player 1   what the rows hold of player 1's view
  bivouac inspect rows --json

Exit codes: 0 done; 1 an error, named on stderr; 2 wrong arguments.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let summary = inspect::summary(&args.path)?;
    let drawing = match args.game {
        Some(game) => Some(draw(&args, &summary, game)?),
        None => None,
    };
    let text = if args.json {
        format!("{}\n", json(&summary, drawing.as_ref())?)
    } else if let Some((drawing, names)) = &drawing {
        drawing.text(names, style(args.no_color))
    } else {
        text(&args.path, &summary)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as `head`, is no error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The board of a game, and the names of its policies.
fn draw(args: &Args, summary: &Summary, game: u64) -> anyhow::Result<(Drawing, Vec<String>)> {
    let tick = args.tick.unwrap_or(0);
    if summary.kind == "experiences" {
        let player = args.player.unwrap_or(0);
        let view = inspect::view(&args.path, game, tick, player)?.with_context(|| {
            format!("there is no row of --game {game}, --tick {tick}, --player {player}")
        })?;
        let names = vec![String::new(); view.scores.len()];
        return Ok((of_view(view), names));
    }
    let found = inspect::game(&args.path, game)?;
    let record = found.with_context(|| format!("--game {game} is not in the dataset"))?.record;
    Ok((of_record(&record, tick, args.player)?, record.policies))
}

/// A game's position, played again up to a tick.
fn of_record(record: &GameRecord, tick: u32, player: Option<usize>) -> anyhow::Result<Drawing> {
    let last = record.outcome.ticks;
    ensure!(tick <= last, "--tick {tick} is not in this game: give 0 to {last}");
    let players = record.players();
    if let Some(player) = player.filter(|&player| player >= players) {
        bail!("--player {player} is not in this game: give 0 to {}", players.saturating_sub(1));
    }
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
    let id = record.replay_in(&mut world)?;
    for _ in 0..=tick {
        world.step();
    }
    let seen = player.map(|player| Ok::<_, anyhow::Error>((player, world.seen(id, player)?.tiles)));
    Ok(Drawing::at(&world.position(id)?, seen.transpose()?))
}

fn of_view(view: View) -> Drawing {
    let score = |of: fn((u32, u32)) -> u32| view.scores.iter().map(move |s| s.map_or(0, of));
    Drawing {
        tick: view.tick,
        width: usize::from(view.width),
        player: Some(view.player),
        land: score(|score| score.0).collect(),
        army: score(|score| score.1).collect(),
        alive: view.scores.iter().map(Option::is_some).collect(),
        tiles: view.tiles,
    }
}

fn text(path: &Path, summary: &Summary) -> String {
    let totals = &summary.totals;
    let mut lines = vec![format!(
        "{}: {}, {} games, {} rows, {} in {} files of {} row groups",
        path.display(),
        summary.kind,
        totals.games,
        totals.rows,
        bytes(totals.bytes),
        totals.files,
        totals.row_groups,
    )];
    if !summary.command.is_empty() {
        lines.push(format!("made by {}", summary.command));
    }
    lines.push(String::new());
    for column in &summary.columns {
        lines.push(format!("{:<16} {:<26} {}", column.name, column.data_type, column.shape));
    }
    lines.push(String::new());
    for (policy, fared) in &summary.policies {
        lines.push(format!(
            "{policy:<12} won {:>5.1} % of {}, lost {}, drawn {}, cut off {}",
            100.0 * float(fared.won) / float(fared.played.max(1)),
            fared.played,
            fared.lost,
            fared.drawn,
            fared.truncated,
        ));
    }
    for (name, values) in [("length in ticks", &summary.lengths), ("return", &summary.returns)] {
        if let Some(histogram) = Histogram::of(values) {
            lines.push(format!("\n{name}\n{}", histogram.text()));
        }
    }
    lines.join("\n") + "\n"
}

fn json(summary: &Summary, drawing: Option<&(Drawing, Vec<String>)>) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(summary)?;
    value["length"] = json!(Histogram::of(&summary.lengths));
    value["return"] = json!(Histogram::of(&summary.returns));
    value["position"] = json!(drawing.map(|(drawing, _)| drawing.json()));
    Ok(value)
}

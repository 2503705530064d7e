//! `bivouac replay`: plays a recorded game, prints its result, traces it and draws it.

mod draw;
mod playback;
mod report;
mod trace;

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use datasets::gior::Replay;

pub(super) use draw::Drawing;
use draw::Style;
use playback::Playback;
use report::Report;
use trace::Trace;

const EXAMPLES: &str = "Examples:
  bivouac replay game.gior                          the result and what led to it
  bivouac replay game.gior --tick 200               the whole board after 200 ticks
  bivouac replay game.gior --tick 200 --player 0    the same as player 0 saw it
  bivouac replay game.gior --trace game.jsonl       every tick, for comparison with other engines
  bivouac replay game.gior --json                   the result for scripts

A tick is half of what players call a turn. Players are numbered from 0.
A trace is JSON lines: land, army and the order of moves for every tick; the board, what is
visible and what shows as a structure in fog for every 25th tick and the last; the final result.";

/// Arguments of `bivouac replay`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The replay, as generals.io stores it
    #[arg(value_name = "FILE.gior")]
    file: PathBuf,
    /// Write what happened in every tick to this file, as JSON lines
    #[arg(long, value_name = "OUT.jsonl")]
    trace: Option<PathBuf>,
    /// Draw the position after this many ticks (0: the start)
    #[arg(long, value_name = "N")]
    tick: Option<u32>,
    /// Draw what this player sees instead of the whole board (without --tick: at the end)
    #[arg(long, value_name = "P")]
    player: Option<usize>,
    /// Print the result, and the position asked for, as one JSON object
    #[arg(long)]
    json: bool,
    /// Draw without colours, also in a terminal (as the environment variable `NO_COLOR` does)
    #[arg(long)]
    no_color: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = args.file.display();
    let text = play(&args).with_context(|| file.to_string())?;
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Plays the game to its end and returns what is to be printed.
fn play(args: &Args) -> anyhow::Result<String> {
    let bytes = std::fs::read(&args.file).context("cannot be read")?;
    let replay = Replay::decode(&bytes).context("is not a replay that can be read")?;
    let mut playback = Playback::new(&replay).context("cannot be played")?;
    let players = playback.players();
    if let Some(player) = args.player.filter(|&player| player >= players) {
        bail!("--player {player} is not in this game: give 0 to {}", players.saturating_sub(1));
    }
    let mut trace = args.trace.as_deref().map(create).transpose()?;
    let mut drawing = None;
    loop {
        if args.tick == Some(playback.turn()) {
            drawing = Some(Drawing::of(&playback, args.player)?);
        }
        if let Some((path, trace)) = &mut trace {
            trace.tick(&playback).with_context(|| cannot_write(path))?;
        }
        if playback.has_ended() {
            break;
        }
        playback.step()?;
    }
    if let Some((path, trace)) = trace {
        trace.finish(&playback).with_context(|| cannot_write(path))?;
    }
    match args.tick {
        Some(tick) if drawing.is_none() => {
            bail!("--tick {tick} is not in this game: give 0 to {}", playback.turn())
        }
        None if args.player.is_some() => drawing = Some(Drawing::of(&playback, args.player)?),
        _ => {}
    }
    let report = Report::of(&replay, &playback);
    if args.json {
        return Ok(report.json(drawing.as_ref()));
    }
    let style = style(args.no_color);
    let drawn = drawing.map_or_else(String::new, |d| d.text(&report.names, style) + "\n");
    Ok(drawn + &report.text(&file_name(&args.file)))
}

fn create(path: &Path) -> anyhow::Result<(&Path, Trace<BufWriter<File>>)> {
    let file = File::create(path).with_context(|| cannot_write(path))?;
    Ok((path, Trace::new(BufWriter::new(file))))
}

fn cannot_write(path: &Path) -> String {
    format!("the trace {} cannot be written", path.display())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Colours where a person looks at a terminal and has not asked for none (<https://no-color.org>).
pub(super) fn style(no_color: bool) -> Style {
    let unwanted = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if !unwanted && io::stdout().is_terminal() { Style::Coloured } else { Style::Plain }
}

/// Prints the text. A reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("standard output"),
    }
}

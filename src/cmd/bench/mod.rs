//! `bivouac bench`: how fast the engine is on this machine.

mod report;
mod roster;
mod run;

use std::process::ExitCode;

use anyhow::Context as _;
use systems::schedule::Phase;

use run::{Case, Measured};

/// Arguments of `bivouac bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Games in the world; several sizes are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4096, 100_000])]
    games: Vec<usize>,
    /// Board size, HEIGHTxWIDTH
    #[arg(long, default_value = "20x20")]
    size: String,
    /// Players in each game, 2 to 16
    #[arg(long, default_value_t = 2)]
    players: usize,
    /// Threads; several numbers are measured one after the other
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// Ruleset: generals, generals-classic, generals-bots, competition, or a .toml file
    #[arg(long, default_value = "generals")]
    ruleset: String,
    /// Policy of all seats
    #[arg(long, default_value = "random")]
    policy: String,
    /// Phases to run, of reset,act,turn,fog,delta,experience; default all
    #[arg(long, value_delimiter = ',')]
    phases: Vec<String>,
    /// Seconds that each measurement takes, and takes again: the best of three counts
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Measure map generation only
    #[arg(long)]
    maps: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  bivouac bench                                        the headline figures
  bivouac bench --games 1000000 --threads 2            a million live games
  bivouac bench --games 4096 --phases turn             the turn phase alone
  bivouac bench --size 28x28 --players 8 --games 512   eight players
  bivouac bench --maps                                 maps per second";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let threads = if args.threads.is_empty() { default_threads() } else { args.threads.clone() };
    let roster = roster::Roster::new(&args)?;
    let phases = phases(&args.phases)?;
    let mut results: Vec<Measured> = Vec::new();
    for &games in &args.games {
        for &threads in &threads {
            let case = Case { games, threads, phases, seconds: args.seconds };
            let measured = run::measure(&roster, &case).context("cannot measure")?;
            report::line(&measured, args.json);
            results.push(measured);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn default_threads() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    if all == 1 { vec![1] } else { vec![1, all] }
}

/// The phases named, in their order; all of them if none is.
fn phases(names: &[String]) -> anyhow::Result<&'static [Phase]> {
    if names.is_empty() {
        return Ok(&Phase::ALL);
    }
    for name in names {
        let known = Phase::ALL.iter().any(|phase| phase.name() == name);
        anyhow::ensure!(
            known,
            "--phases {name}: the phases are reset, act, turn, fog, delta, experience"
        );
    }
    let chosen: Vec<Phase> = Phase::ALL
        .into_iter()
        .filter(|phase| names.iter().any(|name| name == phase.name()))
        .collect();
    Ok(chosen.leak())
}

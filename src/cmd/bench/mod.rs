//! `bivouac bench`: how fast the engine is on this machine.

mod bandwidth;
mod flight;
mod jax;
mod live;
mod maps;
mod measure;
mod mixed;
mod report;
mod roster;
mod self_play;
mod write;

use std::process::ExitCode;

use anyhow::Context as _;
use systems::{isa::Isa, schedule::Phase};

use measure::Case;
use report::Report;

/// Arguments of `bivouac bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// Games in the world; several numbers are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4096, 100_000])]
    games: Vec<usize>,
    /// Board size, `HEIGHTxWIDTH`
    #[arg(long, default_value = "20x20")]
    size: String,
    /// Players in each game, 2 to 16
    #[arg(long, default_value_t = 2)]
    players: usize,
    /// Threads; several numbers are measured one after the other [default: 1 and all]
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// Ruleset: generals, generals-classic, generals-bots, competition, or a .toml file
    #[arg(long, default_value = "generals")]
    ruleset: String,
    /// Policy of all seats
    #[arg(long, default_value = "random")]
    policy: String,
    /// Time these phases alone, of reset,act,turn,fog,delta,experience [default: whole steps]
    #[arg(long, value_delimiter = ',')]
    phases: Vec<String>,
    /// Instructions: auto (the widest this machine has) or portable
    #[arg(long, default_value = "auto", value_parser = ["auto", "portable"])]
    isa: String,
    /// Seconds of each measurement; the best of three counts
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Measure map generation only, of every kind of map, at the size
    #[arg(long, conflicts_with_all = ["games", "players", "threads", "ruleset", "policy", "phases"])]
    maps: bool,
    /// Measure another simulator at the same work and print the ratios: the JAX simulator
    /// generals-bots, playing its own rules, random against random on a square board
    #[arg(long, conflicts_with_all = ["games", "players", "threads", "ruleset", "policy", "phases", "maps", "write"])]
    vs: Option<Rival>,
    /// Python that has generals-bots and JAX, for --vs jax, or pyarrow, for --flight
    #[arg(long, default_value = "python3")]
    python: String,
    /// Games of the other simulator; of several numbers its best counts
    #[arg(long, value_delimiter = ',', default_values_t = [256, 512, 1024], requires = "vs")]
    vs_envs: Vec<usize>,
    /// Measure how datasets of the first number of games are written, and other encodings
    #[arg(long, conflicts_with_all = ["maps", "phases"])]
    write: bool,
    /// Measure the server over Arrow Flight, beside what Flight allows; --python names a Python
    /// with pyarrow
    #[arg(long, conflicts_with_all = ["games", "players", "threads", "ruleset", "policy", "phases", "maps", "write", "vs"])]
    flight: bool,
    /// Measure a server of live games over loopback: five loads, and a sixth that is everything at
    /// once with players who lose their connections, each for ten times --seconds
    #[arg(long, conflicts_with_all = ["games", "size", "players", "threads", "ruleset", "policy", "phases", "maps", "write", "vs", "flight"])]
    live: bool,
    /// Size of the loads of --live, in percent
    #[arg(long, default_value_t = 100, requires = "live", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=100))]
    live_percent: u16,
    /// Of the loads of --live the sixth alone
    #[arg(long, requires = "live")]
    mixed: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A simulator to compare with.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Rival {
    Jax,
}

const EXAMPLES: &str = "Examples:
  bivouac bench                                        the headline figures
  bivouac bench --games 1000000 --threads 2            a million live games
  bivouac bench --games 4096 --phases act,turn,fog,experience
                                                       what each phase costs
  bivouac bench --size 28x28 --players 8 --games 1024  eight players
  bivouac bench --maps                                 maps per second
  bivouac bench --vs jax --python venv/bin/python      against the JAX simulator in that Python
  bivouac bench --write --games 500                    rows written, against what Parquet allows
  bivouac bench --flight --python venv/bin/python      streams and remote environments
  bivouac bench --live                                 live games: lateness, CPU, updates
  bivouac bench --live --mixed --seconds 6             a minute of everything, each game's end checked
  bivouac bench --isa portable                         without this machine's widest instructions";

/// Runs the subcommand.
pub(crate) fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.seconds > 0.0, "--seconds {}: give more than 0", args.seconds);
    let has_games = !args.games.is_empty() && args.games.iter().all(|&n| n > 0);
    anyhow::ensure!(has_games, "--games 0: give at least 1");
    anyhow::ensure!(args.threads.iter().all(|&n| n > 0), "--threads 0: give at least 1");
    let isa = isa(&args.isa)?;
    if let Some(Rival::Jax) = args.vs {
        jax::RULESET.clone_into(&mut args.ruleset);
        jax::run(&args, isa)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.live {
        return live(&args);
    }
    if args.flight {
        flight(&args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let size = roster::size(&args.size)?;
    let phases = phases(&args.phases)?;
    if args.maps {
        let made = maps::measure(args.seconds, size)?;
        let mut report = Report::begin(&args, isa);
        for made in made {
            report.map(made);
        }
        report.end();
        return Ok(ExitCode::SUCCESS);
    }
    let threads = if args.threads.is_empty() { default_threads() } else { args.threads.clone() };
    let roster = roster::Roster::new(&args)?;
    let mut report = Report::begin(&args, isa);
    if args.write {
        let case = write::Case::new(&args, &roster, args.games[0])?;
        for &threads in &threads {
            report.written(case.measure(threads)?);
        }
        report.encoded(case.encodings()?);
        report.end();
        return Ok(ExitCode::SUCCESS);
    }
    for &games in &args.games {
        for &threads in &threads {
            let case = Case { games, threads, isa, seconds: args.seconds };
            let measured = if phases.is_empty() {
                measure::steps(&roster, &case)
            } else {
                measure::phases(&roster, &case, &phases)
            };
            report
                .measured(measured.with_context(|| format!("{games} games on {threads} threads"))?);
        }
    }
    report.end();
    Ok(ExitCode::SUCCESS)
}

/// Exit code of a bench that found something wrong, or over its limit.
const WRONG: u8 = 1;

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn live(args: &Args) -> anyhow::Result<ExitCode> {
    let (seconds, percent) = (10.0 * args.seconds, args.live_percent.into());
    let lived = if args.mixed { Vec::new() } else { live::measure(seconds, percent)? };
    let mixed = mixed::measure(seconds, percent)?;
    if args.json {
        println!("{}", serde_json::json!({ "loads": lived, "mixed": mixed }));
    } else {
        live::print(&lived);
        mixed::print(&mixed);
    }
    let is_right = lived.iter().all(live::Lived::is_right) && mixed.is_right();
    // Limits are those of the loads at their full size.
    let is_within = percent < 100 || lived.iter().all(live::Lived::is_within_limits);
    Ok(if is_right && is_within { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

#[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
fn flight(args: &Args) -> anyhow::Result<()> {
    let found = flight::measure(&args.python, args.seconds)?;
    if args.json {
        println!("{found}");
    } else {
        for line in flight::lines(&found) {
            println!("{line}");
        }
    }
    Ok(())
}

fn default_threads() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    if all == 1 { vec![1] } else { vec![1, all] }
}

fn isa(name: &str) -> anyhow::Result<Isa> {
    match name {
        "auto" => Ok(Isa::detect()),
        "portable" => Ok(Isa::Portable),
        _ => anyhow::bail!("--isa {name}: use auto or portable"),
    }
}

/// The phases named, in their order.
fn phases(names: &[String]) -> anyhow::Result<Vec<Phase>> {
    for name in names {
        let known = Phase::ALL.iter().any(|phase| phase.name() == name);
        anyhow::ensure!(
            known,
            "--phases {name}: the phases are reset, act, turn, fog, delta, experience"
        );
    }
    Ok(Phase::ALL
        .into_iter()
        .filter(|phase| names.iter().any(|name| name == phase.name()))
        .collect())
}

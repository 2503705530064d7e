//! `bivouac arena`: policies and programs play each other, and are rated.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::ensure;
use bivouac::tournament::{BotLimits, Contestant, Standings, Tournament};
use datasets::{Kind, folder::FolderOptions, info::Info, pipeline::Plan};
use systems::rollout::RolloutSpec;

use super::{
    dataset_run::{self, IN_PART, quoted},
    game_options::{self, GameOptions},
};

/// Tick at which a game is cut off where neither an option nor the ruleset says so.
const MAX_TICKS: u32 = 1200;

/// Arguments of `bivouac arena`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// Who plays: built-in policies, python:FILE:CLASS for subclasses of bivouac.Bot, or commands of
    /// programs with the competition's stdio protocol
    #[arg(required = true, num_args = 2.., value_name = "A B")]
    contestants: Vec<String>,
    /// Games of each pair
    #[arg(long, default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    games: u64,
    /// Play each map twice, with the seats swapped
    #[arg(long)]
    swap_sides: bool,
    /// Ruleset: generals, generals-classic, generals-bots, competition, or a .toml file
    #[arg(long, default_value = "generals", value_name = "NAME|FILE")]
    ruleset: String,
    /// Board, as rows x columns, or `random` for sizes as in the real game [default: 20x20, and
    /// random for competition]
    #[arg(long, value_name = "HxW|random")]
    size: Option<String>,
    /// Map file on which every game is played, instead of generated maps
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    map: Option<PathBuf>,
    /// Tick at which a game is cut off, which is a draw [default: 1200, or as the ruleset has it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_ticks: Option<u32>,
    /// Seed of the maps and of the policies
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Milliseconds a program may take for an answer
    #[arg(long, default_value_t = 500, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(1..=600_000))]
    turn_ms: u32,
    /// Milliseconds a program may take for its first answer, starting included
    #[arg(long, default_value_t = 10_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(1..=600_000))]
    first_ms: u32,
    /// Memory of a program, in MiB; 0: without limit
    #[arg(long, default_value_t = 2048, value_name = "MIB")]
    memory: u32,
    /// Seconds of a processor that each process of a program may use in a game; 0: without limit
    #[arg(long, default_value_t = 600, value_name = "S")]
    cpu: u32,
    /// Python that runs bots; it needs the package with its extra `live`
    #[arg(long, default_value = "python3", value_name = "PYTHON")]
    python: String,
    /// Folder of the dataset of all games, which must be new or empty
    #[arg(long, default_value = "bivouac-arena", value_name = "DIR")]
    out: PathBuf,
    /// Replace the dataset in the folder
    #[arg(long)]
    force: bool,
    /// Games that are played at a time [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bivouac arena hunter expander --games 200 --swap-sides
  bivouac arena hunter expander random --ruleset generals-bots --size random
  bivouac arena hunter 'python3 my_bot.py' --ruleset competition --games 20 --swap-sides
  bivouac arena hunter python:my_bots.py:First --games 20 --swap-sides

A program is told `PLAYER HEIGHT WIDTH` once and a frame each tick, and answers `KIND ROW COLUMN
DIRECTION HALF` (kinds: 0 march, 1 pass, 2 build; directions: up, down, left, right). Time-outs and
answers that are no orders are passes, and the third loses the game; so does a crash, which is
reported with the end of what the program wrote to stderr. Each game has a process of its own, which
the shell starts, and which ends with the game and with all that it started. A bot in Python is run so
too, by `python -m bivouac.live.stdio`, within the same limits; what it raises is reported and is a
pass. The games are a dataset: bivouac inspect, verify, expand and export read it. Built-in policies
give the same games for the same arguments; programs may not. The exit code is 3 if the tournament was
stopped, or if a program lost every one of its games by crashes, time-outs or wrong answers.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let tournament = tournament(&args)?;
    let shows = !args.quiet && !args.json;
    let ruleset = &tournament.games.ruleset;
    let info = Info {
        command: command(&args, &tournament.games),
        seed: args.seed,
        rulesets: BTreeMap::from([(ruleset.name.clone(), ruleset.to_toml())]),
        ..Info::default()
    };
    let folder = FolderOptions { replaces: args.force, ..FolderOptions::default() };
    let plan = Plan { kind: Kind::Games, info, folder };
    let written = dataset_run::write(&tournament, plan, &args.out, args.threads, shows)?;
    let standings = Standings::of(tournament.contestants.len(), &tournament.played());
    if args.json {
        print_json(&tournament, &standings)?;
    } else if shows {
        print(&args, &tournament, &standings);
    }
    let has_failed = (0..standings.games.len()).any(|contestant| standings.has_failed(contestant));
    let in_part = written.report.was_stopped || has_failed;
    Ok(if in_part { ExitCode::from(IN_PART) } else { ExitCode::SUCCESS })
}

fn tournament(args: &Args) -> anyhow::Result<Tournament> {
    let named = |name: &String| Contestant::named(name, &args.python);
    let contestants: Vec<_> = args.contestants.iter().map(named).collect::<Result<_, _>>()?;
    for (i, contestant) in contestants.iter().enumerate() {
        let name = contestant.name();
        ensure!(!name.trim().is_empty(), "contestant {}: name a policy or a program", i + 1);
        ensure!(!contestants[..i].contains(contestant), "{name:?} is named twice: once is enough");
    }
    let options = GameOptions {
        size: args.size.clone(),
        players: args.map.is_none().then_some(2),
        teams: None,
        ruleset: args.ruleset.clone(),
        map: args.map.clone(),
        policies: Vec::new(),
        max_ticks: args.max_ticks,
        seed: args.seed,
        reward: "sparse".to_owned(),
        canvas: None,
    };
    let (mut games, _) = options.rollout(args.games)?;
    if args.max_ticks.is_none() {
        games.max_ticks = games.ruleset.max_ticks_or(MAX_TICKS);
    }
    let players = games.start(0).players();
    ensure!(players == 2, "--map has {players} players: contestants meet two at a time");
    let limits = BotLimits {
        turn: Duration::from_millis(args.turn_ms.into()),
        first: Duration::from_millis(args.first_ms.into()),
        memory_mib: args.memory.into(),
        cpu: Duration::from_secs(args.cpu.into()),
        ..BotLimits::default()
    };
    Ok(Tournament::new(contestants, games, args.swap_sides, limits))
}

/// The command that plays the same games.
fn command(args: &Args, games: &RolloutSpec) -> String {
    let names: Vec<_> = args.contestants.iter().map(|name| quoted(name)).collect();
    let board = match &args.map {
        Some(map) => format!("--map {}", quoted(&map.to_string_lossy())),
        None => format!(
            "--size {}",
            args.size.clone().unwrap_or_else(|| game_options::usual_size(&games.ruleset))
        ),
    };
    format!(
        "bivouac arena {} --games {}{} --ruleset {} {board} --max-ticks {} --seed {}",
        names.join(" "),
        args.games,
        if args.swap_sides { " --swap-sides" } else { "" },
        quoted(&args.ruleset),
        games.max_ticks,
        args.seed,
    )
}

#[expect(clippy::print_stdout, reason = "the table is the command's output")]
fn print(args: &Args, tournament: &Tournament, standings: &Standings) {
    let name = |contestant: usize| tournament.contestants[contestant].name();
    let widest = (0..tournament.contestants.len()).map(|i| name(i).chars().count()).max();
    let w = widest.unwrap_or(0).max(10);
    let mut order: Vec<usize> = (0..standings.elo.len()).collect();
    order.sort_by(|&a, &b| standings.elo[b].total_cmp(&standings.elo[a]));
    println!(
        "{:w$}  {:>6}  {:>12}  {:>13}  {:>8}  {:>7}  {:>6}",
        "contestant", "Elo", "95 %", "OpenSkill", "points", "games", "faulty"
    );
    for i in order {
        let ([low, high], [skill, deviation]) = (standings.elo_interval[i], standings.openskill[i]);
        println!(
            "{:w$}  {:>6.0}  {low:>4.0} to {high:>4.0}  {skill:>5.1} ± {deviation:>5.1}  {:>8.1}  {:>7}  {:>6}",
            name(i),
            standings.elo[i],
            standings.points[i],
            standings.games[i],
            standings.faulty[i]
        );
    }
    println!();
    println!(
        "{:w$}  {:w$}  {:>6}  {:>6}  {:>6}  {:>7}  {:>15}  {:>6}",
        "first", "second", "wins", "losses", "draws", "rate", "95 %", "ticks"
    );
    for pairing in &standings.pairings {
        let [low, high] = pairing.interval.map(|rate| 100.0 * rate);
        println!(
            "{:w$}  {:w$}  {:>6}  {:>6}  {:>6}  {:>5.1} %  {:>5.1} to {:>5.1}  {:>6.0}",
            name(pairing.contestants[0]),
            name(pairing.contestants[1]),
            pairing.wins,
            pairing.losses,
            pairing.draws,
            100.0 * pairing.rate,
            low,
            high,
            pairing.ticks
        );
    }
    for (contestant, what, times) in faults(tournament) {
        println!("{}: {what} ({times} games)", name(contestant));
    }
    println!("games in {}", args.out.display());
}

/// What went wrong with programs, the first of each game without its tick, and how often.
fn faults(tournament: &Tournament) -> Vec<(usize, String, u64)> {
    let mut counted = BTreeMap::new();
    for game in tournament.played() {
        for (seat, faults) in game.faults.iter().enumerate() {
            let Some(first) = faults.first() else { continue };
            let what = first.split_once(": ").map_or(first.as_str(), |(_, what)| what);
            *counted.entry((game.seats[seat], what.to_owned())).or_insert(0) += 1;
        }
    }
    counted.into_iter().map(|((who, what), times)| (who, what, times)).take(20).collect()
}

#[expect(clippy::print_stdout, reason = "the object is the command's output")]
fn print_json(tournament: &Tournament, standings: &Standings) -> anyhow::Result<()> {
    let names: Vec<_> = tournament.contestants.iter().map(Contestant::name).collect();
    let faults: Vec<_> = faults(tournament)
        .into_iter()
        .map(|(contestant, what, games)| {
            serde_json::json!({ "contestant": contestant, "what": what, "games": games })
        })
        .collect();
    let mut told = serde_json::to_value(standings)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("contestants".to_owned(), serde_json::json!(names));
        told.insert("faults".to_owned(), serde_json::json!(faults));
    }
    println!("{told}");
    Ok(())
}

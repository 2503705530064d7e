//! `bivouac generate`: simulate games and write a dataset.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use datasets::{Kind, info::Info, pipeline::Plan, produce::Simulation, seats::Seats};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    start::Start,
};

use super::dataset_run::{self, Canvas, KindName, Output};

/// Arguments of `bivouac generate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Number of games
    #[arg(long, default_value_t = 500, value_name = "N")]
    games: u64,
    /// Board, as rows x columns, or `random` for sizes as in the real game
    #[arg(long, default_value = "20x20", value_name = "HxW|random")]
    size: String,
    /// Number of players, each for himself unless --teams says otherwise
    #[arg(long, value_name = "N")]
    players: Option<usize>,
    /// Team of each seat (0,0,1,1), or sizes of teams (2v2)
    #[arg(long, value_name = "TEAMS")]
    teams: Option<String>,
    /// Ruleset: generals, generals-classic, generals-bots, competition, or a .toml file
    #[arg(long, default_value = "generals", value_name = "NAME|FILE")]
    ruleset: String,
    /// Map file (text or .json) on which every game is played, instead of generated maps
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "players", "teams"])]
    map: Option<PathBuf>,
    /// Built-in policies that take the seats in turn [default: all of them]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    policies: Vec<String>,
    /// Tick at which a game is cut off
    #[arg(long, default_value_t = 500, value_name = "N")]
    max_ticks: u32,
    /// Seed of everything
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Reward: sparse, shaped, potential, or a .toml file of weights
    #[arg(long, default_value = "sparse", value_name = "NAME|FILE")]
    reward: String,
    /// Rows for learners, or games as moves
    #[arg(long, value_enum, default_value_t = KindName::Experiences)]
    kind: KindName,
    /// Pad observations to this size [default: the largest board]
    #[arg(long, value_name = "HxW")]
    canvas: Option<Canvas>,
    /// Play only part I (from 0) of N: all parts together are the whole run, see `bivouac merge`
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    output: Output,
}

/// A part of a run: number `index` of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The first of its games, and their number. Games of a part follow one another.
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of games")]
    fn games(self, games: u64) -> (u64, u64) {
        let cut =
            |index: u64| (u128::from(games) * u128::from(index) / u128::from(self.count)) as u64;
        let first = cut(self.index);
        (first, cut(self.index + 1) - first)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)))
            .filter(|(index, count)| index < count)
            .map(|(index, count)| Self { index, count })
            .ok_or_else(|| "write I/N with I from 0 to N - 1, as in 0/4".to_owned())
    }
}

const EXAMPLES: &str = "\
Examples:
  bivouac generate
  bivouac generate --games 10000 --policies hunter,expander --kind games --out selfplay
  bivouac generate --players 8 --size random --reward shaped --out ffa
  bivouac generate --teams 2v2 --size 24x24 --max-ticks 800
  bivouac generate --games 1000000 --out big --resume     go on where this command was ended
  bivouac generate --games 1000000 --shard 0/8 --out part-0
  bivouac generate --out s3://bucket/selfplay             with AWS_ACCESS_KEY_ID and the like

A seat s of game g is played by policy number (s + g) modulo the number of policies.
The same arguments and seed give the same bytes, whatever --threads.";

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (simulation, kind, info) = simulation(&args)?;
    let plan = Plan { kind, info, folder: args.output.folder() };
    dataset_run::run(&simulation, plan, &args.output)
}

/// The games that the arguments ask for, and what is to be written of them.
pub(super) fn simulation(args: &Args) -> anyhow::Result<(Simulation, Kind, Info)> {
    let ruleset = Arc::new(ruleset(&args.ruleset)?);
    ensure!(args.games > 0, "--games 0 makes no dataset: ask for at least 1");
    ensure!(args.max_ticks > 0, "--max-ticks 0 leaves nothing to play: allow at least 1");
    let (first_game, games) = args.shard.map_or((0, args.games), |shard| shard.games(args.games));
    if let Some(shard) = args.shard {
        let most = args.games;
        ensure!(games > 0, "--shard {shard} of --games {most} is empty: use at most {most} shards");
    }
    let policies = policies(&args.policies)?;
    let (maps, largest, players) = maps(args, &ruleset)?;
    let canvas = args.canvas.unwrap_or(largest);
    let reward = reward(&args.reward)?;
    let kind = match args.kind {
        KindName::Games => Kind::Games,
        KindName::Experiences => {
            let Canvas { height, width } = canvas;
            let has_owners = players > 2;
            let format = RowFormat { height, width, has_builds: ruleset.builds(), has_owners };
            Kind::Experiences { format, reward, seats: Seats::ALL }
        }
    };
    let info = Info {
        command: command(args, &policies),
        seed: args.seed,
        rulesets: BTreeMap::from([(ruleset.name.clone(), ruleset.to_toml())]),
        reward: serde_json::to_value(reward)?,
        ..Info::default()
    };
    let spec = RolloutSpec {
        seed: args.seed,
        first_game,
        games,
        maps,
        ruleset,
        max_ticks: args.max_ticks,
        policies,
        has_fog: true,
    };
    Ok((Simulation::new(spec), kind, info))
}

/// A ruleset by name, or from a file.
fn ruleset(name: &str) -> anyhow::Result<Ruleset> {
    if !is_toml(name) {
        return Ok(Ruleset::named(name)?);
    }
    let text = fs::read_to_string(name).with_context(|| format!("--ruleset {name}"))?;
    Ruleset::from_toml(&text).with_context(|| format!("--ruleset {name}"))
}

/// A reward by name, or from a file.
pub(super) fn reward(name: &str) -> anyhow::Result<Reward> {
    if !is_toml(name) {
        return Ok(Reward::named(name)?);
    }
    let text = fs::read_to_string(name).with_context(|| format!("--reward {name}"))?;
    Reward::from_toml(&text).with_context(|| format!("--reward {name}"))
}

fn is_toml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// The policies of these names, or all that are built in.
fn policies(names: &[String]) -> anyhow::Result<Vec<Policy>> {
    let known = || Policy::ALL.iter().filter(|(policy, _)| *policy != Policy::External);
    if names.is_empty() {
        return Ok(known().map(|(policy, _)| *policy).collect());
    }
    let find = |wanted: &String| {
        known().find(|(_, name)| name == wanted).map(|(policy, _)| *policy).with_context(|| {
            let built_in: Vec<&str> = known().map(|(_, name)| *name).collect();
            format!("--policies: {wanted:?} is not built in: use {}", built_in.join(", "))
        })
    };
    names.iter().map(find).collect()
}

/// Where games start, the largest board, and the number of players.
fn maps(args: &Args, ruleset: &Ruleset) -> anyhow::Result<(Maps, Canvas, usize)> {
    if let Some(path) = &args.map {
        let start = Arc::new(map_file(path)?);
        let (height, width, players) = (start.height, start.width, start.players());
        return Ok((Maps::Fixed(start), Canvas { height, width }, players));
    }
    let teams = teams(args)?;
    let players = teams.len();
    let size = match args.size.as_str() {
        "random" => Size::Random,
        text => {
            let Canvas { height, width } =
                text.parse().map_err(|e| anyhow::anyhow!("--size {text}: {e}, or `random`"))?;
            Size::Fixed { width, height }
        }
    };
    let spec = MapSpec { size, teams, ..MapSpec::free_for_all(ruleset.map.kind, players) };
    spec.check()?;
    let largest = match size {
        Size::Fixed { width, height } => Canvas { height, width },
        Size::Random => largest(&spec, args),
    };
    Ok((Maps::Generated(spec), largest, players))
}

/// The largest sides among the maps of a run, found by making them all: a second or two for a
/// million games, and rows that are no larger than they must be.
fn largest(spec: &MapSpec, args: &Args) -> Canvas {
    let mut largest = Canvas { height: 1, width: 1 };
    let mut start = Start::default();
    for game in 0..args.games {
        // A canvas that is given, or that holds any board, needs no search.
        if args.canvas.is_some() || (largest.height, largest.width) == (32, 32) {
            break;
        }
        spec.generate_into(systems::dice::episode_key(args.seed, game, 0), &mut start);
        largest.height = largest.height.max(start.height);
        largest.width = largest.width.max(start.width);
    }
    largest
}

fn map_file(path: &Path) -> anyhow::Result<Start> {
    let shown = || format!("--map {}", path.display());
    let text = fs::read_to_string(path).with_context(shown)?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let start = if is_json { Start::from_json(&text) } else { Start::from_text(&text) };
    start.with_context(shown)
}

/// The team of each seat.
fn teams(args: &Args) -> anyhow::Result<Vec<u8>> {
    let Some(text) = &args.teams else {
        let players = args.players.unwrap_or(2);
        ensure!((1..=16).contains(&players), "--players {players}: games have 1 to 16 players");
        return Ok(Start::free_for_all(players));
    };
    let number = |part: &str| {
        part.trim()
            .parse::<u8>()
            .with_context(|| format!("--teams {text}: {part:?} is no number: write 0,0,1,1 or 2v2"))
    };
    let teams: Vec<u8> = if text.contains('v') {
        let mut teams = Vec::new();
        for (team, part) in (0_u8..).zip(text.split('v')) {
            teams.extend(std::iter::repeat_n(team, usize::from(number(part)?)));
        }
        teams
    } else {
        text.split(',').map(number).collect::<anyhow::Result<_>>()?
    };
    match args.players {
        Some(players) if players != teams.len() => {
            bail!("--teams {text} has {} seats and --players is {players}", teams.len())
        }
        _ => Ok(teams),
    }
}

/// The command that makes the same dataset. Nothing in it changes only how it is made.
fn command(args: &Args, policies: &[Policy]) -> String {
    use std::fmt::Write as _;
    let policies: Vec<&str> = policies.iter().map(|policy| policy.name()).collect();
    let mut command = format!("bivouac generate --games {}", args.games);
    let mut add = |flag: &str, value: &dyn std::fmt::Display| {
        // Writing to a string cannot fail.
        let _infallible = write!(command, " {flag} {value}");
    };
    if let Some(map) = &args.map {
        add("--map", &map.display());
    } else {
        add("--size", &args.size);
        match (&args.teams, args.players) {
            (Some(teams), _) => add("--teams", teams),
            (None, players) => add("--players", &players.unwrap_or(2)),
        }
    }
    add("--ruleset", &args.ruleset);
    add("--policies", &policies.join(","));
    add("--max-ticks", &args.max_ticks);
    add("--seed", &args.seed);
    add("--kind", &args.kind.name());
    if args.kind == KindName::Experiences {
        add("--reward", &args.reward);
        if let Some(canvas) = args.canvas {
            add("--canvas", &canvas);
        }
    }
    if let Some(shard) = args.shard {
        add("--shard", &shard);
    }
    command + &args.output.command()
}

//! `bivouac generate`: simulate games and write a dataset.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::ensure;
use datasets::{
    Kind, info::Info, layouts::Layout, pipeline::Plan, produce::Simulation, seats::Seats,
};
use systems::rollout::RolloutSpec;

use super::{
    dataset_run::{self, KindName, Output, quoted},
    game_options::{self, GameOptions},
};

/// Arguments of `bivouac generate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Number of games
    #[arg(long, default_value_t = 500, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    games: u64,
    #[command(flatten)]
    options: GameOptions,
    /// Rows for learners, or games as moves
    #[arg(long, value_enum, default_value_t = KindName::Experiences)]
    kind: KindName,
    /// Dense float32 observations (durbin9, generals-bots, memory) [default: compact planes]
    #[arg(long, value_name = "NAME")]
    layout: Option<Layout>,
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
  bivouac generate --games 100 --layout durbin9 --out dense
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
    let (first_game, games) = args.shard.map_or((0, args.games), |shard| shard.games(args.games));
    if let Some(shard) = args.shard {
        let most = args.games;
        ensure!(games > 0, "--shard {shard} of --games {most} is empty: use at most {most} shards");
    }
    let (spec, format) = args.options.rollout(args.games)?;
    let reward = game_options::reward(&args.options.reward)?;
    let layout = args.layout;
    let rows = || Kind::Experiences { format, reward, seats: Seats::ALL, layout };
    let kind = dataset_run::table(args.kind, layout, &args.options.reward, rows)?;
    let info = Info {
        command: command(args, &spec),
        seed: spec.seed,
        rulesets: BTreeMap::from([(spec.ruleset.name.clone(), spec.ruleset.to_toml())]),
        reward: serde_json::to_value(reward)?,
        git_revision: dataset_run::git_revision(),
        ..Info::default()
    };
    Ok((Simulation::new(RolloutSpec { first_game, games, ..spec }), kind, info))
}

/// The command that makes the same dataset. Nothing in it changes only how it is made.
fn command(args: &Args, spec: &RolloutSpec) -> String {
    use std::fmt::Write as _;
    let options = &args.options;
    let policies: Vec<&str> = spec.policies.iter().map(|policy| policy.name()).collect();
    let mut command = format!("bivouac generate --games {}", args.games);
    let mut add = |flag: &str, value: &dyn std::fmt::Display| {
        // Writing to a string cannot fail.
        let _infallible = write!(command, " {flag} {value}");
    };
    if let Some(map) = &options.map {
        add("--map", &quoted(&map.to_string_lossy()));
    } else {
        let usual = || game_options::usual_size(&spec.ruleset);
        add("--size", &options.size.clone().unwrap_or_else(usual));
        match (&options.teams, options.players) {
            (Some(teams), _) => add("--teams", teams),
            (None, players) => add("--players", &players.unwrap_or(2)),
        }
    }
    add("--ruleset", &quoted(&options.ruleset));
    add("--policies", &policies.join(","));
    add("--max-ticks", &spec.max_ticks);
    add("--seed", &options.seed);
    add("--kind", &args.kind.name());
    if args.kind == KindName::Experiences {
        add("--reward", &quoted(&options.reward));
        if let Some(canvas) = options.canvas {
            add("--canvas", &canvas);
        }
        if let Some(layout) = args.layout {
            add("--layout", &layout);
        }
    }
    if let Some(shard) = args.shard {
        add("--shard", &shard);
    }
    command + &args.output.command()
}

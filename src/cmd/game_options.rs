//! The options that say which games are played, for every command that plays games.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    start::Start,
};

use super::dataset_run::Canvas;

/// Which games are played, and what their rows look like.
#[derive(clap::Args, Clone)]
pub(super) struct GameOptions {
    /// Board, as rows x columns, or `random` for sizes as in the real game
    #[arg(long, default_value = "20x20", value_name = "HxW|random")]
    pub(super) size: String,
    /// Number of players, each for himself unless --teams says otherwise
    #[arg(long, value_name = "N")]
    pub(super) players: Option<usize>,
    /// Team of each seat (0,0,1,1), or sizes of teams (2v2)
    #[arg(long, value_name = "TEAMS")]
    pub(super) teams: Option<String>,
    /// Ruleset: generals, generals-classic, generals-bots, competition, or a .toml file
    #[arg(long, default_value = "generals", value_name = "NAME|FILE")]
    pub(super) ruleset: String,
    /// Map file (text or .json) on which every game is played, instead of generated maps
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "players", "teams"])]
    pub(super) map: Option<PathBuf>,
    /// Built-in policies that take the seats in turn [default: all of them]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(super) policies: Vec<String>,
    /// Tick at which a game is cut off
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub(super) max_ticks: u32,
    /// Seed of everything
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) seed: u64,
    /// Reward: sparse, shaped, potential, or a .toml file of weights
    #[arg(long, default_value = "sparse", value_name = "NAME|FILE")]
    pub(super) reward: String,
    /// Pad observations to this size [default: the largest board]
    #[arg(long, value_name = "HxW")]
    pub(super) canvas: Option<Canvas>,
}

impl GameOptions {
    /// The first `games` games, and a form that all their rows fit.
    pub(super) fn rollout(&self, games: u64) -> anyhow::Result<(RolloutSpec, RowFormat)> {
        let ruleset = Arc::new(ruleset(&self.ruleset)?);
        ensure!(self.max_ticks > 0, "--max-ticks 0 leaves nothing to play: allow at least 1");
        let policies = policies(&self.policies)?;
        let (maps, largest, players) = maps(self, &ruleset, games)?;
        let Canvas { height, width } = self.canvas.unwrap_or(largest);
        let has_owners = players > 2;
        let format = RowFormat { height, width, has_builds: ruleset.builds(), has_owners };
        let spec = RolloutSpec {
            seed: self.seed,
            first_game: 0,
            games,
            maps,
            ruleset,
            max_ticks: self.max_ticks,
            policies,
            has_fog: true,
        };
        Ok((spec, format))
    }
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
fn maps(
    options: &GameOptions,
    ruleset: &Ruleset,
    games: u64,
) -> anyhow::Result<(Maps, Canvas, usize)> {
    if let Some(path) = &options.map {
        let start = Arc::new(map_file(path)?);
        let (height, width, players) = (start.height, start.width, start.players());
        return Ok((Maps::Fixed(start), Canvas { height, width }, players));
    }
    let teams = teams(options)?;
    let players = teams.len();
    let size = match options.size.as_str() {
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
        Size::Random => largest(&spec, options, games),
    };
    Ok((Maps::Generated(spec), largest, players))
}

/// The largest sides among the maps of a run, found by making them all: a second or two for a
/// million games, and rows that are no larger than they must be.
fn largest(spec: &MapSpec, options: &GameOptions, games: u64) -> Canvas {
    let mut largest = Canvas { height: 1, width: 1 };
    let mut start = Start::default();
    for game in 0..games {
        // A canvas that is given, or that holds any board, needs no search.
        if options.canvas.is_some() || (largest.height, largest.width) == (32, 32) {
            break;
        }
        spec.generate_into(systems::dice::episode_key(options.seed, game, 0), &mut start);
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
fn teams(options: &GameOptions) -> anyhow::Result<Vec<u8>> {
    let Some(text) = &options.teams else {
        let players = options.players.unwrap_or(2);
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
    match options.players {
        Some(players) if players != teams.len() => {
            bail!("--teams {text} has {} seats and --players is {players}", teams.len())
        }
        _ => Ok(teams),
    }
}

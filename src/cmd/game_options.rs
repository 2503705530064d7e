//! The options that say which games are played, for every command that plays games.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    start::{MAX_PLAYERS, Start},
};

use super::dataset_run::Canvas;

/// Tick at which a game is cut off where neither an option nor the ruleset says so.
const MAX_TICKS: u32 = 500;

/// The reward where no other is named.
pub(super) const REWARD: &str = "sparse";

/// Which games are played, and what their rows look like.
#[derive(clap::Args, Clone)]
pub(super) struct GameOptions {
    /// Board, as rows x columns, or `random` for sizes as in the real game [default: 20x20, and
    /// random for competition]
    #[arg(long, value_name = "HxW|random", value_parser = size)]
    pub(super) size: Option<String>,
    /// Number of players, each for himself unless --teams says otherwise
    #[arg(long, value_name = "N", value_parser = players)]
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
    #[arg(long, value_delimiter = ',', value_name = "A,B", value_parser = policy)]
    pub(super) policies: Vec<String>,
    /// Tick at which a game is cut off [default: 500, and 1200 for competition]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_ticks: Option<u32>,
    /// Seed of everything
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) seed: u64,
    /// Reward: sparse, shaped, potential, or a .toml file of weights
    #[arg(long, default_value = REWARD, value_name = "NAME|FILE")]
    pub(super) reward: String,
    /// Pad observations to this size [default: the largest board that there can be]
    #[arg(long, value_name = "HxW")]
    pub(super) canvas: Option<Canvas>,
}

impl GameOptions {
    /// The first `games` games, and a form that all their rows fit.
    pub(super) fn rollout(&self, games: u64) -> anyhow::Result<(RolloutSpec, RowFormat)> {
        let ruleset = Arc::new(ruleset(&self.ruleset)?);
        let max_ticks = self.max_ticks.unwrap_or_else(|| ruleset.max_ticks_or(MAX_TICKS));
        let policies = policies(&self.policies);
        let (maps, largest, players) = maps(self, &ruleset)?;
        let Canvas { height, width } = self.canvas.unwrap_or(largest);
        let has_owners = players > 2;
        let format = RowFormat { height, width, has_builds: ruleset.builds(), has_owners };
        let spec = RolloutSpec {
            seed: self.seed,
            first_game: 0,
            games,
            maps,
            ruleset,
            max_ticks,
            policies,
            has_fog: true,
        };
        Ok((spec, format))
    }
}

/// The size of boards that a ruleset has, as in `--size`.
pub(super) fn usual_size(ruleset: &Ruleset) -> String {
    match ruleset.map.usual_size() {
        Size::Random => "random".to_owned(),
        Size::Fixed { width, height } => Canvas { height, width }.to_string(),
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

/// The policies of these names, which are known, or all that are built in.
fn policies(names: &[String]) -> Vec<Policy> {
    if names.is_empty() {
        return built_in().map(|(policy, _)| policy).collect();
    }
    let find =
        |name: &String| built_in().find(|(_, known)| known == name).map(|(policy, _)| policy);
    names.iter().filter_map(find).collect()
}

fn built_in() -> impl Iterator<Item = (Policy, &'static str)> {
    Policy::ALL.iter().copied().filter(|(policy, _)| *policy != Policy::External)
}

/// A name of `--policies`.
fn policy(name: &str) -> Result<String, String> {
    if built_in().any(|(_, known)| known == name) {
        return Ok(name.to_owned());
    }
    let known: Vec<&str> = built_in().map(|(_, name)| name).collect();
    Err(format!("it is not built in: use {}", known.join(", ")))
}

/// A `--size`.
fn size(text: &str) -> Result<String, String> {
    match text {
        "random" => Ok(text.to_owned()),
        _ => match text.parse::<Canvas>() {
            Ok(_) => Ok(text.to_owned()),
            Err(fix) => Err(format!("{fix}, or `random`")),
        },
    }
}

/// A number of `--players`.
fn players(text: &str) -> Result<usize, String> {
    let players = text.parse().ok().filter(|players| (1..=MAX_PLAYERS).contains(players));
    players.ok_or_else(|| format!("games have 1 to {MAX_PLAYERS} players"))
}

/// Where games start, the largest board, and the number of players.
fn maps(options: &GameOptions, ruleset: &Ruleset) -> anyhow::Result<(Maps, Canvas, usize)> {
    if let Some(path) = &options.map {
        let start = Arc::new(map_file(path)?);
        let (height, width, players) = (start.height, start.width, start.players());
        return Ok((Maps::Fixed(start), Canvas { height, width }, players));
    }
    let teams = teams(options)?;
    let players = teams.len();
    let size = match options.size.as_deref() {
        None => ruleset.map.usual_size(),
        Some("random") => Size::Random,
        Some(text) => {
            let Canvas { height, width } =
                text.parse().map_err(|e| anyhow::anyhow!("--size {text}: {e}, or `random`"))?;
            Size::Fixed { width, height }
        }
    };
    let spec = MapSpec { size, teams, ..MapSpec::free_for_all(ruleset.map.kind, players) };
    spec.check()?;
    let (width, height) = spec.largest_sides();
    Ok((Maps::Generated(spec), Canvas { height, width }, players))
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
        return Ok(Start::free_for_all(options.players.unwrap_or(2)));
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

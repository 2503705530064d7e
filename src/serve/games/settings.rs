//! From a request to a game that can be played.

use std::{sync::Arc, time::Duration};

use proto::v1::{self, map_choice::Map};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    rules::ruleset::Ruleset,
    start::{MAX_PLAYERS, Start},
};

use crate::live::{
    LiveError,
    request::Joining,
    settings::{Board, GameSettings, Pace},
};

/// Milliseconds of a turn, where nothing is said: timed, and in lockstep.
const TURN_MS: (u32, u32) = (500, 60_000);

/// Ticks of a game, where neither the request nor the ruleset says so.
const MAX_TICKS: u32 = 10_000;

/// The rulesets built in, read once.
pub(super) struct Rulesets(Vec<Arc<Ruleset>>);

impl Rulesets {
    /// All that are built in.
    pub(super) fn built_in() -> Self {
        let named = Ruleset::NAMES.iter().map(|name| Ruleset::named(name));
        Self(named.map(|ruleset| Arc::new(ruleset.expect("it is built in"))).collect())
    }

    /// The ruleset of this name, or of this text.
    fn find(&self, text: &str) -> Result<Arc<Ruleset>, LiveError> {
        let name = if text.is_empty() { Ruleset::NAMES[0] } else { text };
        if let Some(known) = self.0.iter().find(|ruleset| ruleset.name == name) {
            return Ok(known.clone());
        }
        let is_name = !name.contains(['=', '\n']);
        let ruleset = if is_name { Ruleset::named(name) } else { Ruleset::from_toml(name) };
        Ok(Arc::new(ruleset?))
    }

    /// The game that is asked for.
    ///
    /// # Errors
    ///
    /// [`LiveError::Invalid`] that names the field at fault.
    pub(super) fn settings(
        &self,
        request: v1::CreateGameRequest,
    ) -> Result<GameSettings, LiveError> {
        let ruleset = self.find(&request.ruleset)?;
        let pace = pace(&request)?;
        let board = board(&request, &ruleset)?;
        let players = match &board {
            Board::Generated(spec) => spec.teams.len(),
            Board::Fixed(start) => start.players(),
        };
        let policies = policies(&request.policies, players)?;
        let settings = GameSettings {
            board,
            ruleset,
            policies,
            has_fog: !request.without_fog,
            pace,
            max_ticks,
            seed: request.seed.map_or_else(random_seed, Ok)?,
            is_private: request.is_private,
        let max_ticks = match request.max_ticks {
            0 => ruleset.max_ticks_or(MAX_TICKS),
            ticks => ticks,
        };
            spectators: request.allow_spectators.then_some(request.spectator_delay),
            is_recorded: !request.without_record,
            is_collected: request.collect_experiences,
        };
        settings.check()?;
        Ok(settings)
    }
}

/// How the creator joins the game, if it is to.
///
/// # Errors
///
/// [`LiveError::Invalid`] for a seat that nobody is to take.
pub(super) fn joining(request: &mut v1::CreateGameRequest) -> Result<Option<Joining>, LiveError> {
    match (request.join_as.take(), request.join_seat) {
        (Some(name), seat) => Ok(Some(Joining { name, seat })),
        (None, None) => Ok(None),
        (None, Some(seat)) => {
            let reason = format!("nobody takes seat {seat}: give a name as join_as");
            Err(LiveError::invalid("join_seat", reason))
        }
    }
}

fn pace(request: &v1::CreateGameRequest) -> Result<Pace, LiveError> {
    let pace = v1::Pace::try_from(request.pace).map_err(|_unknown| {
        LiveError::invalid("pace", format!("{} is none: use 0 to 3", request.pace))
    })?;
    let turn = |default| {
        let ms = if request.turn_ms == 0 { default } else { request.turn_ms };
        Duration::from_millis(ms.into())
    };
    Ok(match pace {
        v1::Pace::Unspecified | v1::Pace::Timed => Pace::Timed(turn(TURN_MS.0)),
        v1::Pace::Lockstep => Pace::Lockstep(turn(TURN_MS.1)),
        v1::Pace::Free => Pace::Free,
    })
}

fn board(request: &v1::CreateGameRequest, ruleset: &Ruleset) -> Result<Board, LiveError> {
    let size = match request.map.as_ref().and_then(|choice| choice.map.as_ref()) {
        None => ruleset.map.usual_size(),
        Some(Map::Size(size)) => {
            let tiles = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
            Size::Fixed { width: tiles(size.width), height: tiles(size.height) }
        }
        Some(Map::Text(text)) => return fixed(request, Start::from_text(text)?),
        Some(Map::Json(text)) => return fixed(request, Start::from_json(text)?),
    };
    let players = match (request.players, request.teams.len()) {
        (0, 0) => 2,
        (0, teams) => teams,
        (players, _) => usize::try_from(players).unwrap_or(usize::MAX),
    };
    if !(2..=MAX_PLAYERS).contains(&players) {
        let reason = format!("{players} are no game: use 2 to {MAX_PLAYERS}");
        return Err(LiveError::invalid("players", reason));
    }
    let teams = match teams(request)? {
        teams if teams.is_empty() => Start::free_for_all(players),
        teams if teams.len() == players => teams,
        teams => {
            let reason = format!("{} teams for {players} players", teams.len());
            return Err(LiveError::invalid("teams", reason));
        }
    };
    let spec = MapSpec { size, teams, ..MapSpec::free_for_all(ruleset.map.kind, players) };
    spec.check()?;
    Ok(Board::Generated(spec))
}

/// A board that was given, whose players and teams may be said otherwise.
fn fixed(request: &v1::CreateGameRequest, mut start: Start) -> Result<Board, LiveError> {
    let teams = teams(request)?;
    if !teams.is_empty() {
        start.teams = teams;
    }
    start.check()?;
    if request.players != 0 && usize::try_from(request.players) != Ok(start.players()) {
        let reason = format!("{} but the map has {}", request.players, start.players());
        return Err(LiveError::invalid("players", reason));
    }
    Ok(Board::Fixed(Arc::new(start)))
}

fn teams(request: &v1::CreateGameRequest) -> Result<Vec<u8>, LiveError> {
    let team = |&team: &u32| {
        let reason = || LiveError::invalid("teams", format!("{team} is no team: use 0 to 255"));
        u8::try_from(team).map_err(|_range| reason())
    };
    request.teams.iter().map(team).collect()
}

/// Who plays each seat: players first, policies last.
fn policies(names: &[String], players: usize) -> Result<Vec<Policy>, LiveError> {
    let Some(free) = players.checked_sub(names.len()) else {
        let reason = format!("{} policies for {players} seats", names.len());
        return Err(LiveError::invalid("policies", reason));
    };
    let mut policies = vec![Policy::External; free];
    for name in names {
        match Policy::named(name)? {
            Policy::External => {
                let reason = "\"external\" is a player who joins: leave it out";
                return Err(LiveError::invalid("policies", reason));
            }
            policy => policies.push(policy),
        }
    }
    Ok(policies)
}

fn random_seed() -> Result<u64, LiveError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| LiveError::World(format!("no randomness: {error}")))?;
    Ok(u64::from_le_bytes(bytes))
}

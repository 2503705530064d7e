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
        if is_name {
            return Ok(Arc::new(Ruleset::named(name)?));
        }
        let written = Ruleset::from_toml(name)?;
        let plays_alike = |known: &&Arc<Ruleset>| {
            Ruleset { name: known.name.clone(), ..written.clone() } == ***known
        };
        if let Some(known) = self.0.iter().find(plays_alike) {
            return Ok(known.clone());
        }
        Ok(Arc::new(Ruleset { name: name_of(&written)?, ..written }))
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
        let max_ticks = match request.max_ticks {
            0 => ruleset.max_ticks_or(MAX_TICKS),
            ticks => ticks,
        };
        let settings = GameSettings {
            board,
            ruleset,
            policies,
            has_fog: !request.without_fog,
            pace,
            max_ticks,
            seed: request.seed.map_or_else(random_seed, Ok)?,
            is_seed_chosen: request.seed.is_some(),
            is_private: request.is_private,
            spectators: request.allow_spectators.then_some(request.spectator_delay),
            is_recorded: !request.without_record,
            is_collected: request.collect_experiences,
        };
        settings.check()?;
        Ok(settings)
    }
}

/// Characters of the name that a client gives its rules.
const RULESET_NAME: usize = 32;

/// The name of rules that a client wrote: its own, and a digest of the rules. So nobody takes them for
/// those built in, nor for those that another client calls the same.
fn name_of(written: &Ruleset) -> Result<String, LiveError> {
    let name = written.name.as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(1..=RULESET_NAME).contains(&name.len()) || !name.chars().all(is_plain) {
        let reason = format!(
            "its name has to be 1 to {RULESET_NAME} letters, digits, '-', '_' and '.', without others"
        );
        return Err(LiveError::invalid("ruleset", reason));
    }
    let rules = Ruleset { name: String::new(), ..written.clone() };
    let digest = blake3::hash(rules.to_toml().as_bytes()).to_hex();
    Ok(format!("{name}+{}", &digest[..8]))
}

/// Who joins the game at once: its creator, if it is to, and then others.
///
/// # Errors
///
/// [`LiveError::Invalid`] for a seat that nobody is to take.
pub(super) fn joining(request: &mut v1::CreateGameRequest) -> Result<Vec<Joining>, LiveError> {
    let first = match (request.join_as.take(), request.join_seat) {
        (Some(name), seat) => Some(Joining { name, seat }),
        (None, None) => None,
        (None, Some(seat)) => {
            let reason = format!("nobody takes seat {seat}: give a name as join_as");
            return Err(LiveError::invalid("join_seat", reason));
        }
    };
    let further = std::mem::take(&mut request.further_players);
    let further = further.into_iter().map(|name| Joining { name, seat: None });
    Ok(first.into_iter().chain(further).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Arc<Ruleset>, LiveError> {
        Rulesets::built_in().find(text)
    }

    #[test]
    fn rules_that_a_client_wrote_are_not_named_as_those_built_in() {
        let slow = found("extends = \"generals\"\n[growth]\nland_every = 60\n").unwrap();
        assert!(slow.name.starts_with("generals+") && slow.name.len() == "generals+".len() + 8);
        let slower = found("extends = \"generals\"\n[growth]\nland_every = 61\n").unwrap();
        assert_ne!(slow.name, slower.name, "other rules have another name");
        let same = found("extends = \"generals\"\n\n[growth]\nland_every = 60 # as above").unwrap();
        assert_eq!(same, slow);
        let named = found("extends = \"generals\"\nname = \"slow\"\n[growth]\nland_every = 60\n");
        assert_eq!(named.unwrap().name.split_once('+').unwrap().0, "slow");
    }

    #[test]
    fn rules_that_are_those_built_in_have_their_name() {
        for name in Ruleset::NAMES {
            let text = format!("extends = \"{name}\"\nname = \"mine\"\n");
            assert_eq!(found(&text).unwrap(), found(name).unwrap());
        }
        assert_eq!(found("").unwrap().name, Ruleset::NAMES[0]);
    }

    #[test]
    fn where_the_request_says_nothing_the_ruleset_says_how_long_and_how_large() {
        let settings = |ruleset: &str, max_ticks| {
            let ruleset = ruleset.to_owned();
            let request = v1::CreateGameRequest { ruleset, max_ticks, ..Default::default() };
            Rulesets::built_in().settings(request).unwrap()
        };
        let generals = settings("", 0);
        assert_eq!((generals.max_ticks, generals.size()), (10_000, (20, 20)));
        let competition = settings("competition", 0);
        // Its sides are drawn when the game starts.
        assert_eq!((competition.max_ticks, competition.size()), (1200, (0, 0)));
        assert_eq!(settings("competition", 30).max_ticks, 30);
    }

    #[test]
    fn names_that_would_not_print_are_refused() {
        for name in ["", "a b", "a\\nb", "a+b", "\u{e4}", &"a".repeat(33)] {
            let text =
                format!("extends = \"generals\"\nname = \"{name}\"\n[growth]\nland_every = 60\n");
            let error = found(&text).unwrap_err();
            assert!(
                matches!(error, LiveError::Invalid { field: "ruleset", .. }),
                "{name:?}: {error}"
            );
        }
    }
}

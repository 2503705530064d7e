//! `.gior` replays as games: start, ruleset, moves, and the outcome found by playing them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::Read,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rayon::prelude::*;
use serde_json::Value;
use systems::{
    components::Order,
    record::{GameRecord, Outcome},
    replay::{ScriptMoves, ScriptedOrder},
    rules::{ruleset::Ruleset, shape::MAX_SIDE},
    start::{MAX_PLAYERS, Start, StartError},
    world::{GameSpec, World, WorldConfig, WorldError},
};

use crate::{
    error::ImportError,
    games::{ArchivedGame, ReplaySource},
    gior::{AfkEvent, Replay},
};

pub use duplicates::duplicates;
pub use filter::{Filter, Numbers, NumbersError};

mod duplicates;
mod filter;

/// Name of whoever chose the moves of an imported game.
pub const HUMAN: &str = "human";

/// Bytes of a replay file that are read at most. Real ones have some ten thousand.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The modifiers by number, with their names (rules, section 17).
const MODIFIERS: [&str; 11] = [
    "Leapfrog",
    "City-State",
    "Misty Veil",
    "Crystal Clear",
    "Silent War",
    "Defenseless",
    "Watchtower",
    "Torus",
    "Fading Smog",
    "Defection",
    "Slippery",
];

/// Free cities beside the generals; the start position says all there is to it.
pub(crate) const CITY_STATE: u32 = 1;

/// Reads a replay file.
///
/// # Errors
///
/// Files that cannot be read, are too large, or hold no replay.
pub fn read(path: &Path) -> Result<Replay, ImportError> {
    let mut file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    if size > FILE_BYTES_MAX {
        return Err(ImportError::TooLarge { size, limit: FILE_BYTES_MAX });
    }
    let mut bytes = Vec::new();
    file.by_ref().take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Replay::decode(&bytes)?)
}

/// What a replay is played from: its start, its moves and its ruleset.
///
/// # Errors
///
/// As [`start`] and [`ruleset`].
pub fn playable(replay: &Replay) -> Result<(Start, ScriptMoves, Ruleset), ImportError> {
    Ok((start(replay)?, script(replay), ruleset(replay.version, speed(replay)?)?))
}

/// The rules of a replay of this version and game speed.
///
/// The limits on time are given in real time, so at twice the speed a game may be idle for twice
/// as many ticks (rules, section 16.3).
///
/// # Errors
///
/// Versions whose rules are not known.
pub fn ruleset(version: u32, speed: f64) -> Result<Ruleset, ImportError> {
    let mut ruleset = Ruleset::of_replay(version)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter passes a limit when it passes its whole part; speeds are 0.1 to 16"
    )]
    let scaled = |ticks: u32| (f64::from(ticks) * speed) as u32;
    let end = &mut ruleset.end;
    end.idle_ticks = scaled(end.idle_ticks);
    end.last_turn = scaled(end.last_turn);
    end.surrender_countdown = scaled(end.surrender_countdown);
    Ok(ruleset)
}

/// The game speed: the first of the settings, 1 where a replay says nothing. Null and 0, at which
/// no game would go on, say nothing.
///
/// # Errors
///
/// [`ImportError::Speed`] for anything but a number from 0.1 to 16.
pub fn speed(replay: &Replay) -> Result<f64, ImportError> {
    match replay.settings.get(0) {
        None if is_empty(&replay.settings) => Ok(1.0),
        Some(speed) if speed.is_null() || speed.as_f64() == Some(0.0) => Ok(1.0),
        found => {
            found.and_then(Value::as_f64).filter(|speed| SPEEDS.contains(speed)).ok_or_else(|| {
                ImportError::Speed {
                    speed: shortened(&found.unwrap_or(&replay.settings).to_string()),
                }
            })
        }
    }
}

/// Game speeds. The bounds keep a game's length within reason.
pub(crate) const SPEEDS: RangeInclusive<f64> = 0.1..=16.0;

/// The beginning of a text that a hostile file may have made long.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Whether a raw slot says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// The start position of a replay. Where several things are placed on one tile, the order of
/// placement decides (rules, section 2): see `placed`.
///
/// # Errors
///
/// Modifiers and tiles whose rules are not supported, boards over 32x32, more than 16 players,
/// and positions that [`Start::check`] refuses.
pub fn start(replay: &Replay) -> Result<Start, ImportError> {
    supported(replay)?;
    let (width, height) = (narrow(replay.width), narrow(replay.height));
    if usize::from(width).max(usize::from(height)) > MAX_SIDE {
        return Err(StartError::Size { width, height }.into());
    }
    if replay.generals.len() > MAX_PLAYERS {
        return Err(StartError::Players(replay.generals.len()).into());
    }
    let start = Start { width, height, teams: teams(replay), ..placed(replay) };
    start.check()?;
    Ok(start)
}

/// Mountains, cities, generals and neutral armies, each tile with what was placed on it last, in
/// this order and within a list in that of the list. A neutral army on a city is its garrison; on
/// what is neither plain nor a city it has no place.
fn placed(replay: &Replay) -> Start {
    fn last<T>(
        placed: impl DoubleEndedIterator<Item = (u16, T)>,
        taken: &mut BTreeSet<u16>,
    ) -> Vec<(u16, T)> {
        let mut kept: Vec<_> = placed.rev().filter(|&(tile, _)| taken.insert(tile)).collect();
        kept.reverse();
        kept
    }
    let tiles = |tiles: &[u32]| tiles.iter().map(|&tile| narrow(tile)).collect::<Vec<_>>();
    let (cities, neutrals) = (tiles(&replay.cities), tiles(&replay.neutrals));
    let generals: Vec<_> = replay.generals.iter().map(|general| general.map(narrow)).collect();
    let mut taken = generals.iter().flatten().copied().collect();
    let cities = cities.into_iter().zip(replay.city_armies.iter().copied());
    let mut cities = last(cities, &mut taken);
    let mountains = tiles(&replay.mountains).into_iter().map(|tile| (tile, ()));
    let mountains = last(mountains, &mut taken).into_iter().map(|(tile, ())| tile).collect();
    let neutrals = neutrals.into_iter().zip(replay.neutral_armies.iter().copied());
    let mut neutrals = last(neutrals, &mut BTreeSet::new());
    neutrals.retain(|(tile, army)| {
        if let Some(city) = cities.iter_mut().find(|city| city.0 == *tile) {
            city.1 = *army;
        }
        !taken.contains(tile)
    });
    Start { mountains, cities, generals, neutrals, ..Start::default() }
}

/// The recorded moves of a replay. Moves between tiles that are no neighbours can never be legal,
/// and illegal moves are skipped by the rules without a trace, so they are left out, and so is what
/// belongs to no seat of the game. A move or an event that lies before an earlier one of its list
/// waits for it, since the list is worked off from its beginning (rules, section 4).
#[must_use]
pub fn script(replay: &Replay) -> ScriptMoves {
    let players = replay.generals.len();
    let mut orders = vec![Vec::new(); players];
    let (width, height) = (replay.width, replay.height);
    let mut turn = 0;
    for step in &replay.moves {
        turn = step.turn.max(turn);
        let Some(list) = orders.get_mut(step.player as usize) else { continue };
        if let Some(direction) = direction(step.from, step.to, width, height) {
            let order = Order::step(narrow(step.from), direction, step.half);
            list.push(ScriptedOrder { turn, order });
        }
    }
    let mut turn = 0;
    let departure = |event: &AfkEvent| {
        turn = event.turn.max(turn);
        let seat = u8::try_from(event.player).ok()?;
        (usize::from(seat) < players).then_some((turn, seat))
    };
    let departures = replay.afk.iter().filter_map(departure).collect();
    ScriptMoves { orders, departures }
}

/// Number of recorded moves and events of seats that the game does not have: [`script`] leaves
/// them out.
#[must_use]
pub fn strangers(replay: &Replay) -> usize {
    let players = replay.generals.len();
    let movers = replay.moves.iter().map(|step| step.player);
    let leavers = replay.afk.iter().map(|event| event.player);
    movers.chain(leavers).filter(|&player| player as usize >= players).count()
}

/// What the replay says beside the game.
#[must_use]
pub fn source(replay: &Replay, keeps_names: bool) -> ReplaySource {
    #[expect(clippy::cast_possible_truncation, reason = "ratings are below 1000")]
    let ratings = replay.stars.iter().map(|stars| stars.map(|stars| stars as f32)).collect();
    ReplaySource {
        id: replay.id.clone(),
        version: replay.version,
        map_name: replay.map_name.clone(),
        modifiers: replay.modifiers.clone(),
        ratings,
        names: keeps_names.then(|| replay.names.clone()),
    }
}

fn supported(replay: &Replay) -> Result<(), ImportError> {
    if let Some(&id) = replay.modifiers.iter().find(|&&id| id != CITY_STATE) {
        let name = MODIFIERS.get(id as usize).copied().unwrap_or("unknown");
        return Err(ImportError::Modifier { id, name });
    }
    // In a shape that nobody has seen they are refused as well, as one.
    let count = |value: &Value| match value {
        Value::Array(items) => items.len(),
        Value::Object(entries) => entries.len(),
        value => usize::from(!is_empty(value)),
    };
    let special = [
        ("swamps", replay.swamps.len()),
        ("observatories", replay.observatories.len()),
        ("lookouts", replay.lookouts.len()),
        ("deserts", replay.deserts.len()),
        ("tunnels", count(&replay.tunnels)),
        ("strongholds", count(&replay.strongholds)),
        ("lights", count(&replay.lights)),
    ];
    match special.into_iter().find(|(_, count)| *count > 0) {
        Some((what, count)) => Err(ImportError::Tiles { what, count }),
        None => Ok(()),
    }
}

/// Team ids of any value as numbers from 0, in the order in which they first appear.
fn teams(replay: &Replay) -> Vec<u8> {
    let Some(teams) = &replay.teams else {
        return Start::free_for_all(replay.generals.len());
    };
    let mut numbers = BTreeMap::new();
    let mut number = |id| {
        let next = u8::try_from(numbers.len()).unwrap_or(u8::MAX);
        *numbers.entry(id).or_insert(next)
    };
    teams.iter().map(|&id| number(id)).collect()
}

/// The direction of a step between neighbours: 0 up, 1 down, 2 left, 3 right.
fn direction(from: u32, to: u32, width: u32, height: u32) -> Option<u8> {
    let tiles = width.checked_mul(height)?;
    if from >= tiles || to >= tiles {
        return None;
    }
    let (row, column) = (from / width, from % width);
    let steps = [
        (row > 0, from.wrapping_sub(width)),
        (row + 1 < height, from.wrapping_add(width)),
        (column > 0, from.wrapping_sub(1)),
        (column + 1 < width, from.wrapping_add(1)),
    ];
    let found = steps.iter().position(|&(is_inside, target)| is_inside && target == to);
    found.and_then(|direction| u8::try_from(direction).ok())
}

/// Tiles and sides beyond 16 bits stay too large for any board.
fn narrow(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// The rulesets of replay versions and game speeds, each read once.
#[derive(Debug, Default)]
pub struct ReplayRules(Mutex<BTreeMap<(u32, u64), Arc<Ruleset>>>);

impl ReplayRules {
    /// The ruleset of a replay.
    ///
    /// # Errors
    ///
    /// See [`ruleset`] and [`speed`].
    pub fn of(&self, replay: &Replay) -> Result<Arc<Ruleset>, ImportError> {
        let speed = speed(replay)?;
        let key = (replay.version, speed.to_bits());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ruleset) = known.get(&key) {
            return Ok(ruleset.clone());
        }
        let ruleset = ruleset(replay.version, speed)?;
        // Versions that play alike share one ruleset, and so one number in a world.
        let shared = known.values().find(|other| ***other == ruleset).cloned();
        let ruleset = shared.unwrap_or_else(|| Arc::new(ruleset));
        // A hostile folder must not fill the memory with version numbers.
        if known.len() < 256 {
            known.insert(key, ruleset.clone());
        }
        Ok(ruleset)
    }
}

/// A replay with the number it has among those imported together.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Its number, which names its episode.
    pub game: u64,
    /// The replay.
    pub replay: Replay,
}

/// Plays replays side by side and returns their games, in the order given. Of each replay only
/// what is played is kept, so the memory is that of the games.
///
/// A game ends when the rules end it; where the recorded moves stop earlier, the idle rule does.
///
/// # Errors
///
/// Without a world nothing can be played. What is wrong with one replay is in its place.
pub fn games(
    replays: impl Iterator<Item = Result<Numbered, ImportError>>,
    seed: u64,
    rules: &ReplayRules,
    keeps_names: bool,
) -> Result<Vec<Result<ArchivedGame, ImportError>>, WorldError> {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
    let mut playing = HashMap::new();
    let mut games: Vec<Result<ArchivedGame, ImportError>> = Vec::new();
    for replay in replays {
        let prepared = replay.and_then(|Numbered { game, replay }| {
            let game = prepare(&replay, seed, game, rules, keeps_names)?;
            let record = &game.record;
            let number = world.add_ruleset(&record.ruleset)?;
            let script = Some(record.moves.clone());
            let id = world.create(&GameSpec {
                seed,
                game: record.game,
                script,
                ..GameSpec::new(&record.start, number)
            })?;
            playing.insert(id, games.len());
            Ok(game)
        });
        games.push(prepared);
    }
    while !playing.is_empty() {
        world.step();
        for id in world.take_ended() {
            let Some(index) = playing.remove(&id) else { continue };
            if let Ok(game) = &mut games[index] {
                match world.position(id) {
                    Ok(end) => game.record.outcome = Outcome::of(&end, &game.record.start.teams),
                    Err(error) => games[index] = Err(error.into()),
                }
            }
            world.remove(id)?;
        }
    }
    Ok(games)
}

/// The game of a replay before its outcome is known.
fn prepare(
    replay: &Replay,
    seed: u64,
    game: u64,
    rules: &ReplayRules,
    keeps_names: bool,
) -> Result<ArchivedGame, ImportError> {
    let start = start(replay)?;
    let ruleset = rules.of(replay)?;
    let outcome = Outcome {
        ticks: 0,
        is_truncated: false,
        winners: Vec::new(),
        ranking: Vec::new(),
        captures: Vec::new(),
        land: Vec::new(),
        army: Vec::new(),
        digest: 0,
    };
    let record = GameRecord {
        seed,
        game,
        episode: 0,
        ruleset,
        has_fog: true,
        max_ticks: u32::MAX,
        policies: vec![HUMAN.to_owned(); start.players()],
        start: Arc::new(start),
        moves: Arc::new(script(replay)),
        outcome,
    };
    Ok(ArchivedGame { record, source: Some(source(replay, keeps_names)) })
}

/// What the boards of some replays need of the rows of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Most rows of a board.
    pub height: u16,
    /// Most columns of a board.
    pub width: u16,
    /// Most players of a game.
    pub players: usize,
}

impl Bounds {
    /// The bounds of the replays among these files that can be imported and pass the filter, as
    /// far as it can tell before they are played. All zero if none can.
    #[must_use]
    pub fn of(files: &[PathBuf], filter: &Filter) -> Self {
        let of_file = |path: &PathBuf| {
            let replay = read(path).ok()?;
            filter.check(&replay).ok()?;
            let start = start(&replay).ok()?;
            Some(Self { height: start.height, width: start.width, players: start.players() })
        };
        files.par_iter().filter_map(of_file).reduce(Self::default, Self::max)
    }

    /// What both need.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            height: self.height.max(other.height),
            width: self.width.max(other.width),
            players: self.players.max(other.players),
        }
    }
}

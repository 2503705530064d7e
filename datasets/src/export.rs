//! Games as `.gior` replays, so that tools made for those can show them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use systems::{
    components::Command,
    rules::ruleset::{MoveOrder, Ruleset},
    start::Start,
};
use thiserror::Error;

use crate::{
    games::{ArchivedGame, ReplaySource},
    gior::{AfkEvent, GiorError, Replay, ReplayMove},
    import::{self, CITY_STATE, HUMAN},
};

/// Why a game cannot be a replay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// No version of the format means these rules.
    #[error("its ruleset {name:?} is that of no replay version: {field} is {value}")]
    Ruleset {
        /// The ruleset's name.
        name: String,
        /// The field that no version has so.
        field: String,
        /// Its value.
        value: String,
    },
    /// A replay goes on until the rules end it.
    #[error("it was cut off at tick {ticks}, and a replay has no tick limit")]
    CutOff {
        /// Ticks played.
        ticks: u32,
    },
    /// Games without fog need a modifier that is not supported.
    #[error("it was played without fog, for which replays have the modifier Crystal Clear only")]
    NoFog,
    /// The game has a modifier that is not supported.
    #[error("modifier {0} is not supported")]
    Modifier(u32),
    /// Replays have marches only.
    #[error("seat {seat} has a {what} at turn {turn}, and a replay has marches only")]
    Order {
        /// The seat.
        seat: usize,
        /// Turn from which the order waits.
        turn: u32,
        /// "build" or "pass".
        what: &'static str,
    },
    /// The parts do not fit together.
    #[error(transparent)]
    Gior(#[from] GiorError),
}

impl ReplayError {
    /// The kind of reason, for counts in a summary.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ruleset { .. } => "ruleset of no replay version",
            Self::CutOff { .. } => "cut off at its tick limit",
            Self::NoFog => "without fog",
            Self::Modifier(_) => "unsupported modifier",
            Self::Order { .. } => "orders that are no marches",
            Self::Gior(_) => "not a valid replay",
        }
    }
}

/// The game as a replay. Imported again it has the same start, moves, rules and end.
///
/// The moves of a turn stand in the order of the seats: the order in a file has no influence
/// (rules, section 5). Marches that leave the board are left out, as they can never be legal. A
/// seat without a known name is called by its policy. Chat, colours and pings are empty.
///
/// # Errors
///
/// What a replay cannot say; see [`ReplayError`].
pub fn replay(game: &ArchivedGame) -> Result<Replay, ReplayError> {
    let record = &game.record;
    if record.outcome.is_truncated {
        return Err(ReplayError::CutOff { ticks: record.outcome.ticks });
    }
    if !record.has_fog {
        return Err(ReplayError::NoFog);
    }
    let source = game.source.clone().unwrap_or_else(|| ReplaySource {
        id: record.episode_id().to_string(),
        ..ReplaySource::default()
    });
    if let Some(&id) = source.modifiers.iter().find(|&&id| id != CITY_STATE) {
        return Err(ReplayError::Modifier(id));
    }
    let (version, speed) = format(&record.ruleset, source.version)?;
    let start = &*record.start;
    let unzip =
        |armies: &[(u16, i32)]| armies.iter().map(|&(t, army)| (u32::from(t), army)).unzip();
    let (cities, city_armies) = unzip(&start.cities);
    let (neutrals, neutral_armies) = unzip(&start.neutrals);
    let departures = record.moves.departures.iter();
    let is_normal = (speed - 1.0).abs() < f64::EPSILON;
    let replay = Replay {
        version,
        id: source.id,
        width: start.width.into(),
        height: start.height.into(),
        names: source.names.unwrap_or_else(|| names(&record.policies)),
        stars: source.ratings.iter().map(|stars| stars.map(f64::from)).collect(),
        cities,
        city_armies,
        generals: start.generals.iter().map(|general| general.map(u32::from)).collect(),
        mountains: start.mountains.iter().map(|&tile| tile.into()).collect(),
        moves: moves(game)?,
        afk: departures.map(|&(turn, seat)| AfkEvent { player: seat.into(), turn }).collect(),
        teams: start.has_teams().then(|| start.teams.iter().map(|&team| team.into()).collect()),
        map_name: source.map_name,
        neutrals,
        neutral_armies,
        modifiers: source.modifiers,
        settings: if is_normal { json!([]) } else { json!([speed]) },
        ..Replay::default()
    };
    replay.check()?;
    Ok(replay)
}

fn names(policies: &[String]) -> Vec<String> {
    let name = |(seat, policy): (usize, &String)| match policy.as_str() {
        HUMAN => format!("player {seat}"),
        policy => format!("{policy} {seat}"),
    };
    policies.iter().enumerate().map(name).collect()
}

fn moves(game: &ArchivedGame) -> Result<Vec<ReplayMove>, ReplayError> {
    let record = &game.record;
    let mut moves = Vec::with_capacity(record.n_moves());
    for (seat, orders) in record.moves.orders.iter().enumerate() {
        for scripted in orders {
            let turn = scripted.turn;
            let (from, direction, half) = match scripted.order.command() {
                Command::Step { from, direction, half } => (from, direction, half),
                Command::Build { .. } => {
                    return Err(ReplayError::Order { seat, turn, what: "build" });
                }
                Command::Pass => return Err(ReplayError::Order { seat, turn, what: "pass" }),
            };
            if let Some(to) = target(&record.start, from, direction) {
                let player = u32::try_from(seat).unwrap_or(u32::MAX);
                moves.push(ReplayMove { player, from: from.into(), to, half, turn });
            }
        }
    }
    moves.sort_by_key(|step| step.turn);
    Ok(moves)
}

/// The tile that a march enters, if it is on the board.
fn target(start: &Start, from: u16, direction: u8) -> Option<u32> {
    let (width, height) = (start.width, start.height);
    let (row, column) = (from / width, from % width);
    let (row, column) = match direction {
        0 => (row.checked_sub(1)?, column),
        1 => (row + 1, column),
        2 => (row, column.checked_sub(1)?),
        _ => (row, column + 1),
    };
    let is_inside = from < start.tiles() && row < height && column < width;
    is_inside.then(|| u32::from(row * width + column))
}

/// The replay version and game speed that mean a ruleset, the version given if it does.
fn format(ruleset: &Ruleset, version: u32) -> Result<(u32, f64), ReplayError> {
    let last_turn = f64::from(ruleset.end.last_turn);
    // The limit on turns tells the speed to its whole part; half a turn more is below the next.
    let speeds = [1.0, last_turn / 50_000.0, (last_turn + 0.5) / 50_000.0];
    for version in [version, 18, 15, 14, 5] {
        for speed in speeds.into_iter().filter(|speed| import::SPEEDS.contains(speed)) {
            if import::ruleset(version, speed)
                .is_ok_and(|rules| difference(&rules, ruleset).is_none())
            {
                return Ok((version, speed));
            }
        }
    }
    let nearest = match ruleset.moves.order {
        MoveOrder::SeatAlternating => 14,
        _ => 18,
    };
    let speed = Some(last_turn / 50_000.0).filter(|speed| import::SPEEDS.contains(speed));
    let nearest = import::ruleset(nearest, speed.unwrap_or(1.0));
    let found = nearest.ok().and_then(|nearest| difference(&nearest, ruleset));
    let (field, value) = found.unwrap_or_default();
    Err(ReplayError::Ruleset { name: ruleset.name.clone(), field, value })
}

/// The first field that tells two rulesets apart in a game that is replayed, and its value in the
/// second. Names, generated maps and what follows a surrender on a server play no part in it.
fn difference(known: &Ruleset, other: &Ruleset) -> Option<(String, String)> {
    let fields = |ruleset: &Ruleset| {
        let mut ruleset = ruleset.clone();
        ruleset.name.clear();
        ruleset.map = known.map;
        ruleset.end.surrender_countdown = 0;
        let mut fields = BTreeMap::new();
        if let Ok(value) = serde_json::to_value(&ruleset) {
            flatten("", &value, &mut fields);
        }
        fields
    };
    let (known, other) = (fields(known), fields(other));
    other.into_iter().find(|(field, value)| known.get(field) != Some(value))
}

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{key}"), value, fields);
            }
        }
        value => {
            fields.insert(path.to_owned(), value.to_string().trim_matches('"').to_owned());
        }
    }
}

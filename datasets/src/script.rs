//! What the engine plays of a replay file: a start, a script of moves, and the ruleset.
//!
//! ```
//! use datasets::{gior::{Replay, ReplayMove}, script};
//!
//! let step = ReplayMove { player: 0, from: 0, to: 1, half: false, turn: 3 };
//! let nowhere = ReplayMove { from: 0, to: 3, ..step };
//! let replay = Replay {
//!     version: 15,
//!     width: 2,
//!     height: 2,
//!     generals: vec![Some(0), Some(3)],
//!     moves: vec![step, nowhere],
//!     ..Replay::default()
//! };
//! let (start, moves, ruleset) = script::script(&replay)?;
//! assert_eq!((start.players(), ruleset.name.as_str()), (2, "generals"));
//! assert_eq!(moves.orders[0].len(), 1, "0 and 3 are no neighbours on a board of 2x2");
//! # Ok::<(), script::ScriptError>(())
//! ```

use serde_json::Value;
use systems::{
    components::Order,
    replay::{ScriptMoves, ScriptedOrder},
    rules::{
        ruleset::{Ruleset, RulesetError},
        shape::{MAX_SIDE, Shape},
    },
    start::{MAX_PLAYERS, Start, StartError},
};
use thiserror::Error;

use crate::gior::{Replay, ReplayMove};

/// Names of the modifiers by id (rules, section 17).
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

/// City-State only changes the start position, which the file spells out.
const CITY_STATE: u32 = 1;

/// Why a replay cannot be played.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The rules of its version are not known.
    #[error(transparent)]
    Version(#[from] RulesetError),
    /// It has a modifier that changes the rules.
    #[error("modifier {name} ({id}) is not supported")]
    Modifier {
        /// Id, as in the file.
        id: u32,
        /// Name of the modifier.
        name: &'static str,
    },
    /// It has tiles that follow rules of their own.
    #[error("{n} {what} on the board: such tiles are not supported")]
    Tiles {
        /// "swamps", "deserts", and so on.
        what: &'static str,
        /// How many.
        n: usize,
    },
    /// The board is too large.
    #[error(
        "a board of {width}x{height} (width x height) is not supported: each side is 1 to {MAX_SIDE}"
    )]
    Board {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// There are too many players.
    #[error("{0} players are not supported: 1 to {MAX_PLAYERS} are")]
    Players(usize),
    /// The start position cannot be played.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The start position of a replay, its moves and departures, and the rules of its version.
///
/// A recorded move between tiles that are no neighbours is legal on no board and is left out.
///
/// # Errors
///
/// What the engine cannot play, in the order the variants of [`ScriptError`] are listed.
pub fn script(replay: &Replay) -> Result<(Start, ScriptMoves, Ruleset), ScriptError> {
    let ruleset = ruleset(replay)?;
    check_features(replay)?;
    let players = replay.generals.len();
    let side = |n: u32| u16::try_from(n).ok().filter(|&n| (1..=MAX_SIDE).contains(&n.into()));
    let (Some(width), Some(height)) = (side(replay.width), side(replay.height)) else {
        return Err(ScriptError::Board { width: replay.width, height: replay.height });
    };
    if players > MAX_PLAYERS {
        return Err(ScriptError::Players(players));
    }
    let start = Start {
        width,
        height,
        teams: teams(replay),
        mountains: replay.mountains.iter().map(|&t| tile(t)).collect(),
        cities: garrisons(&replay.cities, &replay.city_armies),
        generals: replay.generals.iter().map(|general| general.map(tile)).collect(),
        neutrals: garrisons(&replay.neutrals, &replay.neutral_armies),
    };
    start.check()?;
    let shape = Shape::<16>::new(width, height);
    let mut orders = vec![Vec::new(); players];
    for step in &replay.moves {
        let seat: Option<&mut Vec<_>> = orders.get_mut(step.player as usize);
        if let (Some(seat), Some(order)) = (seat, order(step, &shape)) {
            seat.push(ScriptedOrder { turn: step.turn, order });
        }
    }
    let departures = replay.afk.iter().filter_map(|event| {
        let seat = u8::try_from(event.player).ok().filter(|&seat| usize::from(seat) < players)?;
        Some((event.turn, seat))
    });
    let moves = ScriptMoves { orders, departures: departures.collect() };
    Ok((start, moves, ruleset))
}

/// The rules of the version. The limits on time are in seconds, so a faster game has more ticks.
fn ruleset(replay: &Replay) -> Result<Ruleset, ScriptError> {
    let mut ruleset = Ruleset::of_replay(replay.version)?;
    let speed = replay.settings.get(0).and_then(Value::as_f64).unwrap_or(1.0);
    if (0.01..=100.0).contains(&speed) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a limit of at most 50000 ticks times 100, and positive"
        )]
        let scaled = |ticks: u32| (f64::from(ticks) * speed) as u32;
        ruleset.end.idle_ticks = scaled(ruleset.end.idle_ticks);
        ruleset.end.last_turn = scaled(ruleset.end.last_turn);
    }
    Ok(ruleset)
}

fn check_features(replay: &Replay) -> Result<(), ScriptError> {
    if let Some(&id) = replay.modifiers.iter().find(|&&id| id != CITY_STATE) {
        let name = MODIFIERS.get(id as usize).copied().unwrap_or("of an unknown name");
        return Err(ScriptError::Modifier { id, name });
    }
    let listed = |value: &Value| value.as_array().map_or(usize::from(!value.is_null()), Vec::len);
    let tiles = [
        ("swamps", replay.swamps.len()),
        ("deserts", replay.deserts.len()),
        ("lookouts", replay.lookouts.len()),
        ("observatories", replay.observatories.len()),
        ("lights", listed(&replay.lights)),
        ("tunnels", listed(&replay.tunnels)),
        ("strongholds", listed(&replay.strongholds)),
    ];
    match tiles.into_iter().find(|&(_, n)| n > 0) {
        Some((what, n)) => Err(ScriptError::Tiles { what, n }),
        None => Ok(()),
    }
}

/// A tile of the file, which may be any number, as one of the engine's.
fn tile(tile: u32) -> u16 {
    u16::try_from(tile).unwrap_or(u16::MAX)
}

fn garrisons(tiles: &[u32], armies: &[i32]) -> Vec<(u16, i32)> {
    tiles.iter().zip(armies).map(|(&t, &army)| (tile(t), army)).collect()
}

/// Team ids may be any numbers; the engine's are those of the first seat of each team.
fn teams(replay: &Replay) -> Vec<u8> {
    let players = replay.generals.len();
    let Some(teams) = replay.teams.as_ref().filter(|teams| teams.len() == players) else {
        return Start::free_for_all(players);
    };
    let first = |team: &i64| teams.iter().position(|other| other == team).unwrap_or(0);
    teams.iter().map(|team| u8::try_from(first(team)).unwrap_or(u8::MAX)).collect()
}

fn order(step: &ReplayMove, shape: &Shape<16>) -> Option<Order> {
    let (from, to) = (u16::try_from(step.from).ok()?, u16::try_from(step.to).ok()?);
    let direction = shape.direction(from, to)?;
    Some(Order::step(from, direction as u8, step.half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gior::AfkEvent;

    fn small() -> Replay {
        Replay {
            version: 18,
            width: 3,
            height: 2,
            generals: vec![Some(0), Some(5), None],
            mountains: vec![1],
            cities: vec![2],
            city_armies: vec![-1],
            ..Replay::default()
        }
    }

    #[test]
    fn start_and_departures_are_those_of_the_file() {
        let mut replay = small();
        replay.afk = vec![AfkEvent { player: 1, turn: 7 }, AfkEvent { player: 1, turn: 57 }];
        replay.teams = Some(vec![900, -3, 900]);
        replay.modifiers = vec![CITY_STATE];
        let (start, moves, ruleset) = script(&replay).unwrap();
        assert_eq!(start.teams, [0, 1, 0]);
        assert_eq!(start.cities, [(2, -1)]);
        assert_eq!(start.generals, [Some(0), Some(5), None]);
        assert_eq!(moves.departures, [(7, 1), (57, 1)]);
        assert!(ruleset.moves.general_trades);
    }

    #[test]
    fn moves_that_no_board_allows_are_left_out() {
        let mut replay = small();
        let step = |from, to| ReplayMove { player: 0, from, to, half: true, turn: 2 };
        // Over the edge to the next row, diagonally, on the spot, off the board, far off the board.
        replay.moves = [(2, 3), (0, 4), (0, 0), (5, 8), (u32::MAX, 0), (0, 3)]
            .map(|(from, to)| step(from, to))
            .to_vec();
        let orders = script(&replay).unwrap().1.orders;
        assert_eq!(orders[0], [ScriptedOrder { turn: 2, order: Order::step(0, 1, true) }]);
        assert_eq!(orders.len(), 3);
    }

    #[test]
    fn limits_of_time_grow_with_the_speed_of_the_game() {
        let mut replay = small();
        replay.settings = serde_json::json!([2.0, 0.5]);
        assert_eq!(script(&replay).unwrap().2.end.idle_ticks, 4000);
        replay.settings = serde_json::json!([0.0]);
        assert_eq!(script(&replay).unwrap().2.end.idle_ticks, 2000);
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        let refuse = |change: &dyn Fn(&mut Replay)| {
            let mut replay = small();
            change(&mut replay);
            script(&replay).unwrap_err().to_string()
        };
        assert!(refuse(&|r| r.version = 4).contains("versions 5 and later"));
        assert!(refuse(&|r| r.modifiers = vec![1, 7]).contains("Torus (7)"));
        assert!(refuse(&|r| r.modifiers = vec![99]).contains("99"));
        assert!(refuse(&|r| r.swamps = vec![3]).contains("1 swamps"));
        assert!(refuse(&|r| r.deserts = vec![3, 4]).contains("2 deserts"));
        assert!(refuse(&|r| r.lookouts = vec![3]).contains("lookouts"));
        assert!(refuse(&|r| r.observatories = vec![3]).contains("observatories"));
        assert!(refuse(&|r| r.lights = serde_json::json!([3])).contains("lights"));
        assert!(refuse(&|r| r.tunnels = serde_json::json!([[3, 4]])).contains("tunnels"));
        assert!(refuse(&|r| r.strongholds = serde_json::json!([3])).contains("strongholds"));
        assert!(refuse(&|r| r.width = 33).contains("33x2"));
        assert!(refuse(&|r| r.width = 70_000).contains("70000x2"));
        assert!(refuse(&|r| r.generals = vec![None; 17]).contains("17 players"));
        assert!(refuse(&|r| r.mountains = vec![0]).contains("tile 0"));
    }
}

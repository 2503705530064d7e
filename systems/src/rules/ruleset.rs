//! Named sets of rules as data: what a game may be played by.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::mapgen::{MapKind, Size};

/// Which of the moves of one tick is carried out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveOrder {
    /// Defence before attack, generals last, larger armies first, chasers before the chased
    /// (rules, section 8.1 and 8.2).
    LargestFirst,
    /// By seat, ascending on even turns, descending on odd ones (rules, section 8.3).
    SeatAlternating,
    /// Chasers, then reinforcements, then the smaller army (competition, "Which move goes first").
    ChaseFirst,
}

/// The part of an odd army that a half move sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HalfSends {
    /// 7 sends 3.
    Smaller,
    /// 7 sends 4.
    Larger,
}

/// When the owner of a captured general loses the land.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureTime {
    /// Inside the move that takes the general.
    AtOnce,
    /// When all moves of the tick are done.
    AfterMoves,
}

/// What the captor inherits of each army.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inherits {
    /// Half, rounded up.
    Half,
    /// All of it.
    All,
}

/// Who wins when both generals of a two-player game fall in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutual {
    /// The later capture decides.
    Last,
    /// Nobody.
    Draw,
}

/// How moves are ordered and carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveRules {
    /// Which move of a tick goes first.
    pub order: MoveOrder,
    /// Whether two players who take each other's general exchange everything (rules, section 9).
    pub general_trades: bool,
    /// The part of an odd army that a half move sends.
    pub half_sends: HalfSends,
}

/// When armies grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthRules {
    /// Ticks between two growths of generals and owned cities, at least 1.
    pub structures_every: u32,
    /// Ticks between two growths of every owned tile, at least 1.
    pub land_every: u32,
    /// Neutral cities below this army grow like owned ones; 0: never.
    pub neutral_cities_below: u16,
}

/// What follows the capture of a general.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureRules {
    /// When the land changes hands.
    pub when: CaptureTime,
    /// How much of each army the captor gets.
    pub inherits: Inherits,
    /// Whether the general's tile is a city from then on.
    pub general_becomes_city: bool,
    /// Whether armies grow in a tick with a capture.
    pub growth: bool,
    /// Who wins when both generals fall in one tick (`after_moves` only).
    pub mutual: Mutual,
}

/// How a game ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRules {
    /// Ticks without a move after which the strongest wins (rules, section 16.3); 0: never.
    pub idle_ticks: u32,
    /// The last turn that is played before the strongest wins; 0: no limit.
    pub last_turn: u32,
    /// First turn at which an attack on a general decides the game; 0: never.
    pub deathtouch_from: u32,
    /// Ticks between a surrender and the neutralisation of the land.
    pub surrender_countdown: u32,
    /// Tick at which a game is cut off where nobody says otherwise; 0: the rules name none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_ticks: u32,
}

/// What a city costs (competition, "Building").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRules {
    /// Price far from every own structure; 0: cities cannot be built.
    pub price: u32,
    /// What an own structure at distance 0 would add.
    pub near_price: u32,
    /// By how much less each step of distance adds.
    pub near_step: u32,
}

/// The map that is generated when none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapRules {
    /// The generator.
    pub kind: MapKind,
    /// Whether the sides of each board are drawn where nobody says how large it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub random_size: bool,
}

impl MapRules {
    /// How large boards are where nobody says otherwise: 20x20 unless the rules have them drawn.
    pub fn usual_size(&self) -> Size {
        if self.random_size { Size::Random } else { Size::Fixed { width: 20, height: 20 } }
    }
}

/// Fields that came later are left out where they say nothing, so that rulesets keep their text.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A named, versioned set of rules.
///
/// The four built in are the files of `systems/rulesets/`; [`Ruleset::from_toml`] reads a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruleset {
    /// Name, as on the command line and in datasets.
    pub name: String,
    /// Raised when the same start and moves would play out differently.
    pub version: u32,
    /// Order and execution of moves.
    pub moves: MoveRules,
    /// Growth.
    pub growth: GrowthRules,
    /// Captures.
    pub capture: CaptureRules,
    /// The end of a game.
    pub end: EndRules,
    /// Building of cities.
    pub build: BuildRules,
    /// Generated maps.
    pub map: MapRules,
}

/// Why a ruleset cannot be used.
#[derive(Debug, Error)]
pub enum RulesetError {
    /// No ruleset has this name.
    #[error(
        "ruleset {0:?} is not known: use generals, generals-classic, generals-bots, competition, or a .toml file"
    )]
    Unknown(String),
    /// The text is not TOML, or a field is missing, unknown or of the wrong type.
    #[error("ruleset file: {0}")]
    Text(String),
    /// A number is outside what the rules can mean.
    #[error("ruleset {name:?}: {field} is {value}, but {need}")]
    Value {
        /// The ruleset's name.
        name: String,
        /// The field, as in the file.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        need: &'static str,
    },
}

impl Ruleset {
    /// The names of the rulesets built in.
    pub const NAMES: [&'static str; 4] =
        ["generals", "generals-classic", "generals-bots", "competition"];

    /// The ruleset built in under this name.
    ///
    /// # Errors
    ///
    /// [`RulesetError::Unknown`] for any other name.
    pub fn named(name: &str) -> Result<Self, RulesetError> {
        Self::from_toml(source(name)?)
    }

    /// Reads a ruleset, whole or as `extends = "NAME"` and the fields that differ.
    ///
    /// # Errors
    ///
    /// Text that is not TOML, unknown fields, and numbers that no game could be played by.
    pub fn from_toml(text: &str) -> Result<Self, RulesetError> {
        let text_error =
            |e: toml::de::Error| RulesetError::Text(e.to_string().trim_end().to_owned());
        let mut table: toml::Table = text.parse().map_err(text_error)?;
        if let Some(base) = table.remove("extends") {
            let name = base
                .as_str()
                .ok_or_else(|| RulesetError::Text("extends is not a string".to_owned()))?;
            let mut whole: toml::Table = source(name)?.parse().map_err(text_error)?;
            overlay(&mut whole, table);
            table = whole;
        }
        let ruleset: Self = table.try_into().map_err(text_error)?;
        ruleset.check()?;
        Ok(ruleset)
    }

    /// The ruleset as a file that [`Ruleset::from_toml`] reads back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field has a TOML form")
    }

    /// The rules of a `.gior` replay of this version (rules, section 19.3).
    ///
    /// # Errors
    ///
    /// Versions below 5, whose rules are not known well enough.
    pub fn of_replay(version: u32) -> Result<Self, RulesetError> {
        let mut ruleset = match version {
            0..5 => {
                return Err(RulesetError::Value {
                    name: "generals-classic".to_owned(),
                    field: "replay version",
                    value: version.to_string(),
                    need: "versions 5 and later are supported",
                });
            }
            5..15 => Self::named("generals-classic")?,
            _ => Self::named("generals")?,
        };
        if version <= 5 {
            ruleset.growth.neutral_cities_below = 40;
        }
        ruleset.moves.general_trades = version >= 16;
        Ok(ruleset)
    }

    /// Whether cities can be built, which adds actions after pass.
    pub fn builds(&self) -> bool {
        self.build.price > 0
    }

    /// Tick at which a game is cut off where nobody says otherwise: that of the rules, or else the
    /// `usual` one of whoever plays it.
    pub fn max_ticks_or(&self, usual: u32) -> u32 {
        if self.end.max_ticks > 0 { self.end.max_ticks } else { usual }
    }

    fn check(&self) -> Result<(), RulesetError> {
        let value = |field, value: &dyn ToString, need| {
            Err(RulesetError::Value {
                name: self.name.clone(),
                field,
                value: value.to_string(),
                need,
            })
        };
        if self.growth.structures_every == 0 {
            return value("growth.structures_every", &0, "at least 1 is needed");
        }
        if self.growth.land_every == 0 {
            return value("growth.land_every", &0, "at least 1 is needed");
        }
        let chase = self.moves.order == MoveOrder::ChaseFirst;
        if chase != (self.capture.when == CaptureTime::AfterMoves) {
            return value(
                "capture.when",
                &if chase { "at_once" } else { "after_moves" },
                "the order chase_first goes with after_moves, the others with at_once",
            );
        }
        if chase == self.capture.general_becomes_city {
            return value(
                "capture.general_becomes_city",
                &self.capture.general_becomes_city,
                "a captured general stays one with after_moves, and becomes a city with at_once",
            );
        }
        if !chase && !self.capture.growth {
            return value("capture.growth", &false, "with at_once armies always grow");
        }
        if chase && self.moves.general_trades {
            return value("moves.general_trades", &true, "the order chase_first has no trades");
        }
        if !chase && (self.build.price > 0 || self.end.deathtouch_from > 0) {
            return value(
                "moves.order",
                &"not chase_first",
                "builds and deathtouch are defined for the order chase_first only",
            );
        }
        Ok(())
    }
}

fn source(name: &str) -> Result<&'static str, RulesetError> {
    Ok(match name {
        "generals" => include_str!("../../rulesets/generals.toml"),
        "generals-classic" => include_str!("../../rulesets/generals-classic.toml"),
        "generals-bots" => include_str!("../../rulesets/generals-bots.toml"),
        "competition" => include_str!("../../rulesets/competition.toml"),
        _ => return Err(RulesetError::Unknown(name.to_owned())),
    })
}

/// Puts the values of `over` in the place of those of `base`, table by table.
fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => overlay(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Whether a turn is a multiple of a fixed interval, by one multiplication.
///
/// For a divisor d, `n * (2^64 / d + 1)` wraps below `2^64 / d + 1` exactly when d divides n
/// (Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019). A division by a number
/// that is only known at run time would cost every game two of them in every tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(u64);

impl Interval {
    /// Every `ticks` ticks, at least 1.
    #[must_use]
    pub fn every(ticks: u32) -> Self {
        Self((u64::MAX / u64::from(ticks.max(1))).wrapping_add(1))
    }

    /// Whether `turn` is a multiple.
    #[inline(always)]
    pub fn divides(self, turn: u32) -> bool {
        u64::from(turn).wrapping_mul(self.0) <= self.0.wrapping_sub(1)
    }
}

/// The numbers of a [`Ruleset`] in the form that a tick reads them.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the ruleset file")]
pub struct Rules {
    /// Growth of generals and cities.
    pub structures: Interval,
    /// Growth of every owned tile.
    pub land: Interval,
    /// See [`GrowthRules::neutral_cities_below`].
    pub neutral_cities_below: u16,
    /// See [`MoveRules::order`].
    pub order: MoveOrder,
    /// See [`MoveRules::general_trades`].
    pub general_trades: bool,
    /// Whether a half move sends the larger part of an odd army.
    pub half_sends_larger: bool,
    /// Whether the captor inherits half of each army instead of all.
    pub inherits_half: bool,
    /// See [`CaptureRules::general_becomes_city`].
    pub general_becomes_city: bool,
    /// See [`CaptureRules::growth`].
    pub growth_after_capture: bool,
    /// Whether two generals taken in one tick make a draw.
    pub mutual_is_draw: bool,
    /// Idle ticks that end the game; `u32::MAX`: never.
    pub idle_ticks: u32,
    /// Last turn that is played; `u32::MAX`: no limit.
    pub last_turn: u32,
    /// First turn with deathtouch; `u32::MAX`: never.
    pub deathtouch_from: u32,
    /// See [`EndRules::surrender_countdown`].
    pub surrender_countdown: u32,
    /// See [`BuildRules`].
    pub build: BuildRules,
}

impl From<&Ruleset> for Rules {
    fn from(ruleset: &Ruleset) -> Self {
        let limit = |n: u32| if n == 0 { u32::MAX } else { n };
        Self {
            structures: Interval::every(ruleset.growth.structures_every),
            land: Interval::every(ruleset.growth.land_every),
            neutral_cities_below: ruleset.growth.neutral_cities_below,
            order: ruleset.moves.order,
            general_trades: ruleset.moves.general_trades,
            half_sends_larger: ruleset.moves.half_sends == HalfSends::Larger,
            inherits_half: ruleset.capture.inherits == Inherits::Half,
            general_becomes_city: ruleset.capture.general_becomes_city,
            growth_after_capture: ruleset.capture.growth,
            mutual_is_draw: ruleset.capture.mutual == Mutual::Draw,
            idle_ticks: limit(ruleset.end.idle_ticks),
            last_turn: limit(ruleset.end.last_turn),
            deathtouch_from: limit(ruleset.end.deathtouch_from),
            surrender_countdown: ruleset.end.surrender_countdown,
            build: ruleset.build,
        }
    }
}

#[cfg(test)]
mod tests;

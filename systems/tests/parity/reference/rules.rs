//! What the rulesets differ in, as plain data.

/// Which player's move is carried out first when several move in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Sorted moves, inward first. Source: rules, sections 8.1 and 8.2.
    Modern,
    /// Seats ascending on even turns, descending on odd ones. Source: rules, section 8.3.
    SeatAlternating,
    /// Chasers, then reinforcers, then the smaller army; two players only. Spoils are given after
    /// both moves. Source: competition, "Which move goes first".
    ChaseFirst,
}

/// One ruleset: every switch in which the two families of rules differ.
///
/// All fields are public and any combination may be built, but only the five constructors are
/// specified; `general_trades` means nothing outside [`Order::Modern`], and `builds`,
/// `deathtouch_turn` and `mutual_capture_is_draw` nothing outside [`Order::ChaseFirst`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each switch is a fact of its own about a ruleset, not a state"
)]
pub struct Rules {
    /// Who moves first within a tick.
    pub order: Order,
    /// Two players who take each other's general in one tick exchange everything. Source: rules,
    /// section 9.
    pub general_trades: bool,
    /// Neutral cities below 40 gain 1 on even turns. Source: rules, section 10.
    pub city_regen: bool,
    /// Players may pay armies to turn a tile into a castle. Source: competition, "Building".
    pub builds: bool,
    /// In ticks that start at this turn or later, a move onto the enemy general wins. Source:
    /// competition, "Deathtouch".
    pub deathtouch_turn: Option<u32>,
    /// Both generals taken in one tick: a draw if true, else the later captor wins.
    pub mutual_capture_is_draw: bool,
    /// Armies inherited from a captured player are halved, rounding up. Source: rules, section 11.
    pub halve_on_capture: bool,
    /// Growth happens in a tick in which a general was taken.
    pub growth_on_capture_tick: bool,
    /// A captured general is lost and its tile becomes a city. Source: rules, section 11. If
    /// false the tile stays the general it was (competition: "castles stay as they are").
    pub captured_general_becomes_city: bool,
    /// Illegal entries at the front of a queue are skipped until a legal one is found. Source:
    /// rules, section 5. If false each tick uses up exactly one entry (competition: a lost turn).
    pub skips_illegal: bool,
    /// This many ticks in a row without an executed move end the game. Source: rules, section 16.3.
    pub idle_limit: Option<u32>,
    /// A tick played at a turn greater than this ends the game. Source: rules, section 16.3.
    pub turn_limit: Option<u32>,
    /// The game can end at all. False only for the one-tick cases, which treat every position as
    /// undecided. Source: rules, section 23.
    pub ends: bool,
}

impl Rules {
    /// Replays of version 16 and later: modern order with general trades.
    pub fn modern() -> Self {
        Self {
            order: Order::Modern,
            general_trades: true,
            city_regen: false,
            builds: false,
            deathtouch_turn: None,
            mutual_capture_is_draw: false,
            halve_on_capture: true,
            growth_on_capture_tick: true,
            captured_general_becomes_city: true,
            skips_illegal: true,
            idle_limit: Some(2001),
            turn_limit: Some(50_000),
            ends: true,
        }
    }

    /// Replays of version 15: modern order, no general trades.
    pub fn modern_v15() -> Self {
        Self { general_trades: false, ..Self::modern() }
    }

    /// Replays of version 5 to 14; `city_regen` for version 5.
    pub fn classic(city_regen: bool) -> Self {
        Self { order: Order::SeatAlternating, general_trades: false, city_regen, ..Self::modern() }
    }

    /// The ruleset `generals-bots`, called `base` in the recorded games.
    pub fn generals_bots() -> Self {
        Self {
            order: Order::ChaseFirst,
            general_trades: false,
            city_regen: false,
            builds: false,
            deathtouch_turn: None,
            mutual_capture_is_draw: false,
            halve_on_capture: false,
            growth_on_capture_tick: false,
            captured_general_becomes_city: false,
            skips_illegal: false,
            idle_limit: None,
            turn_limit: None,
            ends: true,
        }
    }

    /// The ruleset `competition`. Its cap of 1200 ticks is the caller's: the recorded games say
    /// `done: false` there, so it is a truncation and not an end.
    pub fn competition() -> Self {
        Self {
            builds: true,
            deathtouch_turn: Some(800),
            mutual_capture_is_draw: true,
            ..Self::generals_bots()
        }
    }
}

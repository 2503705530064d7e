//! Who a game is, for who creates it.

use std::sync::Arc;

use crate::{policies::Policy, replay::ScriptMoves, rows::RowBlock, start::Start};

/// Who a game is and how it is played.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of few things that games differ in")]
pub struct GameSpec<'a> {
    /// The start position.
    pub start: &'a Start,
    /// Index of the ruleset, from [`World::add_ruleset`](super::World::add_ruleset).
    pub rules: u8,
    /// Seed of all games it belongs to.
    pub seed: u64,
    /// Its index among them.
    pub game: u64,
    /// What its rows tell as its index, where games are not numbered by their seed.
    pub label: Option<u64>,
    /// Its episode.
    pub episode: u32,
    /// Tick at which it is cut off.
    pub max_ticks: u32,
    /// Who chooses for each seat; seats not listed are [`Policy::External`].
    pub policies: &'a [Policy],
    /// Whether players see only what is near their land.
    pub has_fog: bool,
    /// Recorded moves, for a replay.
    pub script: Option<Arc<ScriptMoves>>,
    /// Where a replay's rows lie in the sink's batch; none: behind those of the other games.
    pub block: Option<RowBlock>,
    /// Whether it advances only when it is due.
    pub is_live: bool,
    /// Whether the orders carried out are kept for its record.
    pub is_recorded: bool,
    /// Whether orders wait in a queue for each seat, and each tick's news are kept. The end of such
    /// a game is not listed by [`World::take_ended`](super::World::take_ended).
    pub has_queues: bool,
    /// Whether rows are written for it, where the world writes rows. A game without them plays its
    /// first tick in its first step.
    pub has_rows: bool,
}

impl<'a> GameSpec<'a> {
    /// A batch game with fog, orders from outside and no tick limit.
    #[must_use]
    pub fn new(start: &'a Start, rules: u8) -> Self {
        Self {
            start,
            rules,
            seed: 0,
            game: 0,
            label: None,
            episode: 0,
            max_ticks: u32::MAX,
            policies: &[],
            has_fog: true,
            script: None,
            block: None,
            is_live: false,
            is_recorded: false,
            has_queues: false,
            has_rows: true,
        }
    }
}

//! What a run has made so far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::games::ArchivedGame;

/// How a policy fared, one count per game and seat it played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Games and seats played.
    pub played: u64,
    /// Won.
    pub won: u64,
    /// Lost: the rules ended the game for somebody else.
    pub lost: u64,
    /// The rules ended the game for nobody.
    pub drawn: u64,
    /// The tick limit ended the game.
    pub truncated: u64,
}

/// What a run has made so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Games written.
    pub games: u64,
    /// Ticks of those games.
    pub ticks: u64,
    /// Orders carried out in them.
    pub moves: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Agents' episodes: one for each game and seat with rows.
    pub episodes: u64,
    /// Bytes of the data files.
    pub bytes: u64,
    /// Bytes of the columns before encoding.
    pub raw_bytes: u64,
    /// Data files.
    pub files: u64,
    /// Row groups.
    pub row_groups: u64,
    /// Games played so far, written or not.
    #[serde(skip)]
    pub games_played: u64,
    /// Ticks played so far, written or not.
    #[serde(skip)]
    pub ticks_played: u64,
    /// How each policy fared.
    pub policies: BTreeMap<String, Record>,
    /// How many games had each length, in ticks.
    pub lengths: BTreeMap<u32, u64>,
}

impl Totals {
    /// Counts a game that is written.
    pub(crate) fn add(&mut self, game: &ArchivedGame) {
        let record = &game.record;
        let outcome = &record.outcome;
        self.games += 1;
        self.ticks += u64::from(outcome.ticks);
        self.moves += record.n_moves() as u64;
        *self.lengths.entry(outcome.ticks).or_default() += 1;
        for (seat, policy) in record.policies.iter().enumerate() {
            let fared = self.policies.entry(policy.clone()).or_default();
            fared.played += 1;
            let has_won = outcome.winners.iter().any(|&winner| usize::from(winner) == seat);
            match (outcome.is_truncated, has_won, outcome.winners.is_empty()) {
                (true, ..) => fared.truncated += 1,
                (_, true, _) => fared.won += 1,
                (_, _, true) => fared.drawn += 1,
                _ => fared.lost += 1,
            }
        }
    }

    /// Counts what another dataset holds.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.games += other.games;
        self.ticks += other.ticks;
        self.moves += other.moves;
        self.rows += other.rows;
        self.episodes += other.episodes;
        self.bytes += other.bytes;
        self.raw_bytes += other.raw_bytes;
        self.files += other.files;
        self.row_groups += other.row_groups;
        self.games_played += other.games_played;
        self.ticks_played += other.ticks_played;
        for (policy, more) in &other.policies {
            let fared = self.policies.entry(policy.clone()).or_default();
            fared.played += more.played;
            fared.won += more.won;
            fared.lost += more.lost;
            fared.drawn += more.drawn;
            fared.truncated += more.truncated;
        }
        for (&length, games) in &other.lengths {
            *self.lengths.entry(length).or_default() += games;
        }
    }

    /// The length below which a share of the games are, in ticks; 0 without games.
    pub fn length_at(&self, share: f64) -> u32 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among far fewer than 2^53 games"
        )]
        let rank = (share * self.games.saturating_sub(1) as f64).round() as u64;
        let mut seen = 0;
        for (&length, &games) in &self.lengths {
            seen += games;
            if seen > rank {
                return length;
            }
        }
        0
    }
}

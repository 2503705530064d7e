//! How policies and players fare, seat by seat, as one record batch.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use systems::record::Outcome;

use crate::schema::column;

/// What a policy did in one seat of many games.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Games played to their end.
    pub games: u64,
    /// Those that its side won.
    pub wins: u64,
    /// Those that the rules ended without a winner.
    pub draws: u64,
    /// Those that the tick limit ended.
    pub truncated: u64,
    /// Generals taken.
    pub captures: u64,
    /// Ticks of all games.
    pub ticks: u64,
    /// Ticks of the shortest game.
    pub ticks_min: u32,
    /// Ticks of the longest game.
    pub ticks_max: u32,
    /// Tiles at the end, over all games.
    pub land: u64,
}

impl Tally {
    /// Counts a game in which it had this seat.
    pub fn add(&mut self, outcome: &Outcome, seat: usize) {
        let is_won = outcome.winners.iter().any(|&winner| usize::from(winner) == seat);
        let is_drawn = outcome.winners.is_empty() && !outcome.is_truncated;
        self.ticks_min =
            if self.games == 0 { outcome.ticks } else { self.ticks_min.min(outcome.ticks) };
        self.ticks_max = self.ticks_max.max(outcome.ticks);
        self.games += 1;
        self.wins += u64::from(is_won);
        self.draws += u64::from(is_drawn);
        self.truncated += u64::from(outcome.is_truncated);
        self.captures += outcome.captures.get(seat).map_or(0, |&captures| captures.into());
        self.ticks += u64::from(outcome.ticks);
        self.land += outcome.land.get(seat).map_or(0, |&land| land.into());
    }

    /// A sum over all games as that of one.
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no last digit")]
    fn mean(&self, sum: u64) -> f64 {
        sum as f64 / self.games.max(1) as f64
    }
}

/// A row: who played where, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatTally {
    /// What kind of games they were: `simulated` or `live`.
    pub source: &'static str,
    /// Name of the ruleset.
    pub ruleset: String,
    /// Name of the policy; that of players from outside is `external`.
    pub policy: String,
    /// The seat, from 0.
    pub seat: u8,
    /// What came of it.
    pub tally: Tally,
}

/// The columns: `source`, `ruleset` and `policy` (utf8), `agent_id` (uint8); `games`, `wins`,
/// `draws`, `truncated` and `captures` (uint64, counts); `win_rate` (float64, 0 to 1); `length_mean`
/// (float64), `length_min` and `length_max` (uint32) in ticks; `land_mean` (float64) in tiles.
#[must_use]
pub fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("source", DataType::Utf8),
        field("ruleset", DataType::Utf8),
        field(column::POLICY, DataType::Utf8),
        field(column::AGENT_ID, DataType::UInt8),
        field("games", DataType::UInt64),
        field("wins", DataType::UInt64),
        field("draws", DataType::UInt64),
        field(column::TRUNCATED, DataType::UInt64),
        field("captures", DataType::UInt64),
        field("win_rate", DataType::Float64),
        field("length_mean", DataType::Float64),
        field("length_min", DataType::UInt32),
        field("length_max", DataType::UInt32),
        field("land_mean", DataType::Float64),
    ]))
}

/// Rows with the columns of [`schema`].
///
/// # Errors
///
/// Arrays that do not fit the columns, which would be an error of this module.
pub fn batch(rows: &[SeatTally]) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&SeatTally) -> &str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let count = |of: fn(&Tally) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(&row.tally)).collect::<UInt64Array>())
    };
    let mean = |of: fn(&Tally) -> u64| -> ArrayRef {
        let mean = |row: &SeatTally| row.tally.mean(of(&row.tally));
        Arc::new(rows.iter().map(mean).collect::<Float64Array>())
    };
    let ticks = |of: fn(&Tally) -> u32| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(&row.tally)).collect::<UInt32Array>())
    };
    let columns = vec![
        text(|row| row.source),
        text(|row| &row.ruleset),
        text(|row| &row.policy),
        Arc::new(rows.iter().map(|row| row.seat).collect::<UInt8Array>()),
        count(|tally| tally.games),
        count(|tally| tally.wins),
        count(|tally| tally.draws),
        count(|tally| tally.truncated),
        count(|tally| tally.captures),
        mean(|tally| tally.wins),
        mean(|tally| tally.ticks),
        ticks(|tally| tally.ticks_min),
        ticks(|tally| tally.ticks_max),
        mean(|tally| tally.land),
    ];
    RecordBatch::try_new(schema(), columns)
}

#[cfg(test)]
mod tests {
    use arrow::{array::AsArray, datatypes::Float64Type};

    use super::*;

    fn outcome(ticks: u32, winners: Vec<u8>, is_truncated: bool) -> Outcome {
        Outcome {
            ticks,
            is_truncated,
            winners,
            ranking: vec![0, 1],
            captures: vec![1, 0],
            land: vec![30, 10],
            army: vec![50, 10],
            digest: 0,
        }
    }

    #[test]
    fn wins_draws_and_cut_games_are_counted_apart() {
        let mut tally = Tally::default();
        for (seat, outcome) in [
            (0, outcome(100, vec![0], false)),
            (1, outcome(60, vec![0], false)),
            (0, outcome(80, vec![], false)),
            (0, outcome(400, vec![], true)),
        ] {
            tally.add(&outcome, seat);
        }
        let Tally { games, wins, draws, truncated, captures, .. } = tally;
        assert_eq!((games, wins, draws, truncated, captures), (4, 1, 1, 1, 3));
        assert_eq!((tally.ticks_min, tally.ticks_max, tally.ticks), (60, 400, 640));
        let (ruleset, policy) = ("generals".to_owned(), "hunter".to_owned());
        let row = SeatTally { source: "live", ruleset, policy, seat: 0, tally };
        let batch = batch(&[row]).unwrap();
        let value = |name: &str| batch[name].as_primitive::<Float64Type>().value(0).to_bits();
        assert_eq!(value("win_rate"), 0.25_f64.to_bits());
        assert_eq!(value("length_mean"), 160.0_f64.to_bits());
        assert_eq!(value("land_mean"), 25.0_f64.to_bits());
    }

    #[test]
    fn no_games_are_no_rows() {
        assert_eq!(batch(&[]).unwrap().num_rows(), 0);
    }
}

//! What the rows that are kept say of single games.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::AsArray,
    datatypes::{Float32Type, UInt8Type},
};
use datasets::schema::column;
use serde::Serialize;
use serde_json::Value;

use super::{
    ServeError,
    fields::{list, unsigned, wrong},
    log::Entry,
};

/// Games that an answer tells of at most.
const MOST: usize = 10_000;

/// Which games are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All that have rows: the first of them, if they are too many.
    All,
    /// These, by index.
    Games(BTreeSet<u64>),
}

impl Wanted {
    /// Reads the field `games`: a list of indices, or `"all"`.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for anything else.
    pub(super) fn read(value: &Value) -> Result<Self, ServeError> {
        match value {
            Value::String(text) if text == "all" => Ok(Self::All),
            Value::Array(_) => {
                Ok(Self::Games(list("games", value, unsigned)?.into_iter().collect()))
            }
            _ => Err(wrong("games", value, "a list of games, as in [0, 1], or \"all\"")),
        }
    }

    fn has(&self, game: u64) -> bool {
        match self {
            Self::All => true,
            Self::Games(games) => games.contains(&game),
        }
    }
}

/// A game, by the rows of it that are kept.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct GameStats {
    /// Its index; that of rows played elsewhere is their episode with the highest bit set.
    game: u64,
    /// Rows that are kept.
    rows: u64,
    /// The number of the oldest of them, in the order of all rows.
    oldest: u64,
    /// The number of the newest.
    newest: u64,
    /// Its seats.
    players: BTreeMap<u8, PlayerStats>,
}

/// A seat of a game, by the rows of it that are kept.
#[derive(Debug, Default, PartialEq, Serialize)]
struct PlayerStats {
    rows: u64,
    reward_mean: f64,
    reward_min: f32,
    reward_max: f32,
    #[serde(skip)]
    reward_sum: f64,
}

impl PlayerStats {
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no last digit")]
    fn add(&mut self, reward: f32) {
        let is_first = self.rows == 0;
        self.reward_min = if is_first { reward } else { self.reward_min.min(reward) };
        self.reward_max = if is_first { reward } else { self.reward_max.max(reward) };
        self.rows += 1;
        self.reward_sum += f64::from(reward);
        self.reward_mean = self.reward_sum / self.rows as f64;
    }
}

/// The games that are asked for and have rows among these, and how many more there are.
pub(super) fn of_games<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    wanted: &Wanted,
) -> (Vec<GameStats>, usize) {
    let mut games: BTreeMap<u64, GameStats> = BTreeMap::new();
    for entry in entries {
        let rows = &entry.batch.rows;
        let agents = rows[column::AGENT_ID].as_primitive::<UInt8Type>().values();
        let rewards = rows[column::REWARD].as_primitive::<Float32Type>().values();
        let each = entry.batch.games.values().iter().zip(agents).zip(rewards);
        for (number, ((&game, &agent), &reward)) in (entry.first..).zip(each) {
            if !wanted.has(game) {
                continue;
            }
            let players = BTreeMap::new();
            let blank = GameStats { game, rows: 0, oldest: number, newest: number, players };
            let stats = games.entry(game).or_insert(blank);
            stats.rows += 1;
            stats.newest = number;
            stats.players.entry(agent).or_default().add(reward);
        }
    }
    let left_out = games.len().saturating_sub(MOST);
    (games.into_values().take(MOST).collect(), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_are_summed_up() {
        let mut player = PlayerStats::default();
        for reward in [-1.0, 0.5, 2.0] {
            player.add(reward);
        }
        let PlayerStats { rows, reward_mean, reward_min, reward_max, .. } = player;
        assert_eq!(rows, 3);
        assert_eq!([reward_mean.to_bits(), 0.5_f64.to_bits()], [0.5_f64.to_bits(); 2]);
        assert_eq!(
            [reward_min.to_bits(), reward_max.to_bits()],
            [(-1.0_f32), 2.0].map(f32::to_bits)
        );
    }

    #[test]
    fn games_are_a_list_or_all() {
        let read = |text: &str| Wanted::read(&serde_json::from_str(text).unwrap());
        assert_eq!(read("\"all\"").unwrap(), Wanted::All);
        assert_eq!(read("[3, 1, 3]").unwrap(), Wanted::Games([1, 3].into()));
        for text in ["\"every\"", "3", "[-1]", "[]", "null"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("games: "), "{text}: {error}");
        }
    }
}

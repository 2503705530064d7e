//! Games as rows: start, moves and outcome, from which everything else can be played again.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Float32Builder, ListBuilder, PrimitiveBuilder,
        RecordBatch, StringArray, StringBuilder, UInt8Array, UInt32Array, UInt64Array,
    },
    datatypes::{ArrowPrimitiveType, Int32Type, UInt8Type, UInt16Type, UInt32Type},
};
use systems::record::GameRecord;

use crate::{
    error::DataError,
    moves::{self, Board},
};

pub use read::{GamesFile, of_record_batch};

mod read;
#[cfg(test)]
mod tests;

/// A game of a dataset: its record, and where it was imported from.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedGame {
    /// Everything the engine needs to play it again.
    pub record: GameRecord,
    /// What the replay says beside the game, if it was imported.
    pub source: Option<ReplaySource>,
}

/// What a replay says beside the game.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplaySource {
    /// Id of the replay on the server; empty if unknown.
    pub id: String,
    /// Version of the replay's format.
    pub version: u32,
    /// Name of the custom map.
    pub map_name: Option<String>,
    /// Modifiers in force, by number.
    pub modifiers: Vec<u32>,
    /// Rating of each seat, in stars; may be shorter than the seats.
    pub ratings: Vec<Option<f32>>,
    /// User name of each seat, if names were kept.
    pub names: Option<Vec<String>>,
}

impl From<GameRecord> for ArchivedGame {
    fn from(record: GameRecord) -> Self {
        Self { record, source: None }
    }
}

/// Games as one record batch with the columns of [`crate::schema::games`].
///
/// # Errors
///
/// Arrow's, if the columns were not those of the schema; they are.
pub fn record_batch(games: &[ArchivedGame]) -> Result<RecordBatch, DataError> {
    Ok(RecordBatch::try_new(crate::schema::games(), arrays(games))?)
}

/// The rows of games, in the order of [`crate::schema::games`].
pub(crate) fn arrays(games: &[ArchivedGame]) -> Vec<ArrayRef> {
    let mut arrays = identity(games);
    arrays.extend(start(games));
    arrays.extend(play(games));
    arrays.extend(outcome(games));
    arrays.extend(source(games));
    arrays
}

fn identity(games: &[ArchivedGame]) -> Vec<ArrayRef> {
    let tomls = tomls(games);
    vec![
        u64s(games, GameRecord::episode_id),
        u64s(games, |g| g.seed),
        u64s(games, |g| g.game),
        u32s(games, |g| g.episode),
        strings(games.iter().map(|g| g.record.ruleset.name.as_str())),
        strings(tomls.iter().map(|toml| &**toml)),
        bools(games, |g| g.has_fog),
        u32s(games, |g| g.max_ticks),
    ]
}

/// The text of each game's ruleset; games that share a ruleset share its text.
fn tomls(games: &[ArchivedGame]) -> Vec<Arc<str>> {
    let mut last: Option<(&GameRecord, Arc<str>)> = None;
    let text = |game: &ArchivedGame| game.record.ruleset.to_toml().into();
    let mut texts = Vec::with_capacity(games.len());
    for game in games {
        let toml = match &last {
            Some((known, toml)) if known.ruleset == game.record.ruleset => toml.clone(),
            _ => text(game),
        };
        last = Some((&game.record, toml.clone()));
        texts.push(toml);
    }
    texts
}

#[expect(clippy::cast_possible_truncation, reason = "at most 32 tiles a side and 16 seats")]
fn start(games: &[ArchivedGame]) -> Vec<ArrayRef> {
    vec![
        u8s(games, |g| g.start.height as u8),
        u8s(games, |g| g.start.width as u8),
        u8s(games, |g| g.players() as u8),
        lists::<UInt8Type, _>(games, |g| g.start.teams.iter().map(|&n| Some(n))),
        names(games.iter().map(|g| Some(&g.record.policies))),
        generals(games),
        lists::<UInt16Type, _>(games, |g| g.start.mountains.iter().map(|&n| Some(n))),
        lists::<UInt16Type, _>(games, |g| g.start.cities.iter().map(|c| Some(c.0))),
        lists::<Int32Type, _>(games, |g| g.start.cities.iter().map(|c| Some(c.1))),
        lists::<UInt16Type, _>(games, |g| g.start.neutrals.iter().map(|c| Some(c.0))),
        lists::<Int32Type, _>(games, |g| g.start.neutrals.iter().map(|c| Some(c.1))),
    ]
}

fn play(games: &[ArchivedGame]) -> Vec<ArrayRef> {
    let bytes = games.iter().map(|g| {
        let start = &g.record.start;
        moves::encode(&g.record.moves, Board { width: start.width, height: start.height })
    });
    vec![
        Arc::new(BinaryArray::from_iter_values(bytes)),
        u32s(games, |g| u32::try_from(g.n_moves()).unwrap_or(u32::MAX)),
        lists::<UInt32Type, _>(games, |g| g.moves.departures.iter().map(|d| Some(d.0))),
        lists::<UInt8Type, _>(games, |g| g.moves.departures.iter().map(|d| Some(d.1))),
    ]
}

fn outcome(games: &[ArchivedGame]) -> Vec<ArrayRef> {
    vec![
        u32s(games, |g| g.outcome.ticks),
        bools(games, |g| g.outcome.is_truncated),
        lists::<UInt8Type, _>(games, |g| g.outcome.winners.iter().map(|&n| Some(n))),
        lists::<UInt8Type, _>(games, |g| g.outcome.ranking.iter().map(|&n| Some(n))),
        lists::<UInt8Type, _>(games, |g| g.outcome.captures.iter().map(|&n| Some(n))),
        lists::<UInt32Type, _>(games, |g| g.outcome.land.iter().map(|&n| Some(n))),
        lists::<UInt32Type, _>(games, |g| g.outcome.army.iter().map(|&n| Some(n))),
        u64s(games, |g| g.outcome.digest),
    ]
}

fn source(games: &[ArchivedGame]) -> Vec<ArrayRef> {
    let sources = || games.iter().map(|game| game.source.as_ref());
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let ids: StringArray = sources().map(|s| s.and_then(|s| known(&s.id))).collect();
    let versions: UInt32Array = sources().map(|s| s.map(|s| s.version)).collect();
    let maps: StringArray = sources().map(|s| s.and_then(|s| s.map_name.clone())).collect();
    let mut modifiers = list_builder::<UInt32Type>(false);
    let item = arrow::datatypes::Field::new_list_field(arrow::datatypes::DataType::Float32, true);
    let mut ratings = ListBuilder::new(Float32Builder::new()).with_field(item);
    for source in sources() {
        modifiers.append_option(source.map(|s| s.modifiers.iter().map(|&id| Some(id))));
        ratings.append_option(source.map(|s| s.ratings.iter().copied()));
    }
    vec![
        Arc::new(ids),
        Arc::new(versions),
        Arc::new(maps),
        Arc::new(modifiers.finish()),
        Arc::new(ratings.finish()),
        names(sources().map(|s| s.and_then(|s| s.names.as_ref()))),
    ]
}

fn u8s(games: &[ArchivedGame], of: impl Fn(&GameRecord) -> u8) -> ArrayRef {
    Arc::new(UInt8Array::from_iter_values(games.iter().map(|game| of(&game.record))))
}

fn u32s(games: &[ArchivedGame], of: impl Fn(&GameRecord) -> u32) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(games.iter().map(|game| of(&game.record))))
}

fn u64s(games: &[ArchivedGame], of: impl Fn(&GameRecord) -> u64) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(games.iter().map(|game| of(&game.record))))
}

fn bools(games: &[ArchivedGame], of: impl Fn(&GameRecord) -> bool) -> ArrayRef {
    let values: BooleanArray = games.iter().map(|game| Some(of(&game.record))).collect();
    Arc::new(values)
}

fn strings<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn list_builder<T: ArrowPrimitiveType>(has_nulls: bool) -> ListBuilder<PrimitiveBuilder<T>> {
    let item = arrow::datatypes::Field::new_list_field(T::DATA_TYPE, has_nulls);
    ListBuilder::new(PrimitiveBuilder::new()).with_field(item)
}

/// The generals' tiles, null where a seat has none.
fn generals(games: &[ArchivedGame]) -> ArrayRef {
    let mut builder = list_builder::<UInt16Type>(true);
    for game in games {
        builder.append_value(game.record.start.generals.iter().copied());
    }
    Arc::new(builder.finish())
}

/// One list for each game, no item missing.
fn lists<'a, T: ArrowPrimitiveType, I: Iterator<Item = Option<T::Native>>>(
    games: &'a [ArchivedGame],
    of: impl Fn(&'a GameRecord) -> I,
) -> ArrayRef {
    let mut builder = list_builder::<T>(false);
    for game in games {
        builder.append_value(of(&game.record));
    }
    Arc::new(builder.finish())
}

fn names<'a>(lists: impl Iterator<Item = Option<&'a Vec<String>>>) -> ArrayRef {
    let item = arrow::datatypes::Field::new_list_field(arrow::datatypes::DataType::Utf8, false);
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(item);
    for list in lists {
        builder.append_option(list.map(|list| list.iter().map(Some)));
    }
    Arc::new(builder.finish())
}

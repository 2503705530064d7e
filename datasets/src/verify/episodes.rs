//! `meta/episodes` beside the rows it tells of.

use std::{collections::HashMap, path::Path};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Float64Type, Int32Type, UInt8Type, UInt32Type, UInt64Type},
};
use systems::start::MAX_PLAYERS;

use super::{
    DataFile, Fault, FaultKind, Verified, builder,
    rows::{self, RowGroup, Run},
    told_of,
};
use crate::{
    error::DataError,
    schema::{self, column, episode},
    table::EpisodeRow,
};

/// One row of `meta/episodes`.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) seed: u64,
    pub(crate) game: u64,
    pub(crate) row_group: usize,
    /// First row within the file.
    pub(crate) row: u64,
    pub(crate) length: u32,
    pub(crate) ticks: u32,
    pub(crate) has_won: bool,
    pub(crate) place: u8,
    pub(crate) end: String,
    pub(crate) file: String,
    pub(crate) run: Run,
}

/// Which game an episode is, as far as `meta/episodes` has told.
#[derive(Default)]
pub(super) struct Names(HashMap<u64, u64>);

impl Names {
    pub(super) fn learn(&mut self, told: &[Told]) {
        self.0.extend(told.iter().map(|told| (told.run.episode_id, told.game)));
    }

    pub(super) fn game(&self, episode_id: u64) -> Option<u64> {
        self.0.get(&episode_id).copied()
    }

    pub(super) fn name(&self, fault: Fault) -> Fault {
        match fault.episode_id {
            Some(id) => fault.of(self.game(id), id),
            None => fault,
        }
    }
}

/// What `meta/episodes` tells of a data file; nothing, with a fault or a note, if it cannot be read.
pub(super) fn read(root: &Path, number: usize, file: &DataFile, found: &mut Verified) -> Vec<Told> {
    let DataFile { path, name } = told_of(root, file);
    if !path.is_file() {
        if root.is_dir() && root.join("meta/info.json").is_file() {
            let text = format!("there is no {name} that tells of its episodes");
            found.add([Fault::new(FaultKind::Episodes, text).in_file(&file.name)]);
        } else if number == 0 {
            found.notes.push("there is no meta/episodes to compare with".to_owned());
        }
        return Vec::new();
    }
    read_file(&path).unwrap_or_else(|error| {
        found.add([Fault::new(FaultKind::Unreadable, error.to_string()).in_file(&name)]);
        Vec::new()
    })
}

/// The rows of a file of `meta/episodes`.
pub(crate) fn read_file(path: &Path) -> Result<Vec<Told>, DataError> {
    let row_groups = builder(path)?.metadata().num_row_groups();
    let mut all = Vec::new();
    for row_group in 0..row_groups {
        let batch = rows::read(path, row_group, None)?;
        let other = || DataError::Column {
            path: path.to_owned(),
            column: episode::GAME.to_owned(),
            expected: "episodes".to_owned(),
        };
        all.extend(rows_of(&batch).ok_or_else(other)?);
    }
    Ok(all)
}

fn rows_of(batch: &RecordBatch) -> Option<Vec<Told>> {
    if schema::episodes().fields() != batch.schema().fields() {
        return None;
    }
    let u8s = |name| batch.column_by_name(name)?.as_primitive_opt::<UInt8Type>();
    let u32s = |name| batch.column_by_name(name)?.as_primitive_opt::<UInt32Type>();
    let u64s = |name| batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>();
    let texts = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
    let (ids, seeds, games, rows) = (
        u64s(column::EPISODE_ID)?,
        u64s(episode::SEED)?,
        u64s(episode::GAME)?,
        u64s(episode::ROW)?,
    );
    let (agents, heights, widths, places) =
        (u8s(column::AGENT_ID)?, u8s(column::HEIGHT)?, u8s(column::WIDTH)?, u8s(episode::PLACE)?);
    let (lengths, ticks, counts, groups) = (
        u32s(episode::LENGTH)?,
        u32s(episode::TICKS)?,
        u32s(episode::ROWS)?,
        u32s(episode::ROW_GROUP)?,
    );
    let won = batch.column_by_name(episode::WON)?.as_boolean_opt()?;
    let (ends, files) = (texts(episode::END)?, texts(episode::FILE)?);
    let policies = batch.column_by_name(column::POLICY)?.as_dictionary_opt::<Int32Type>()?;
    let names = policies.values().as_string_opt::<i32>()?;
    let returns = batch.column_by_name(episode::RETURN)?.as_primitive_opt::<Float64Type>()?;
    let told = (0..batch.num_rows()).map(|i| {
        Some(Told {
            seed: seeds.value(i),
            game: games.value(i),
            row_group: groups.value(i) as usize,
            row: rows.value(i),
            length: lengths.value(i),
            ticks: ticks.value(i),
            has_won: won.value(i),
            place: places.value(i),
            end: ends.value(i).to_owned(),
            file: files.value(i).to_owned(),
            run: Run {
                episode_id: ids.value(i),
                agent_id: agents.value(i),
                policy: names.value(policies.key(i)?).to_owned(),
                height: heights.value(i),
                width: widths.value(i),
                row: 0,
                rows: counts.value(i) as usize,
                sum_of_rewards: returns.value(i),
                was_truncated: ends.value(i) == "truncated",
            },
        })
    });
    told.collect()
}

/// Compares a file's rows with what is told of them, in order.
pub(super) fn compare(told: &[Told], groups: &[RowGroup], file: &str, found: &mut Verified) {
    if told.is_empty() {
        return;
    }
    let mut before = 0;
    let mut rest = told.iter();
    let mut last: Option<&Told> = None;
    for told in told {
        if let Some(text) = contradiction(told) {
            let fault = Fault::new(FaultKind::Episodes, text);
            found.add([fault.of(Some(told.game), told.run.episode_id).in_file(file)]);
        }
    }
    let strange = told.windows(2).filter(|pair| {
        let game = |told: &Told| (told.seed, told.game, told.ticks);
        pair[0].run.episode_id == pair[1].run.episode_id && game(&pair[0]) != game(&pair[1])
    });
    let strange: Vec<Fault> = strange
        .map(|pair| {
            let text = "meta/episodes says another seed, game or ticks of each of its players";
            let fault = Fault::new(FaultKind::Episodes, text.to_owned());
            fault.of(Some(pair[1].game), pair[1].run.episode_id).in_file(file)
        })
        .collect();
    found.add(strange);
    for (number, group) in groups.iter().enumerate() {
        for run in &group.runs {
            let Some(told) = rest.next() else {
                let text = format!("player {} is not in meta/episodes", run.agent_id);
                found.add([Fault::new(FaultKind::Episodes, text)
                    .of(None, run.episode_id)
                    .in_file(file)]);
                return;
            };
            let place = |told: &Told| (told.game, told.run.agent_id);
            // A game may have several episodes, and the players of each begin anew.
            let is_next =
                |last: &Told| last.game == told.game && last.run.episode_id != told.run.episode_id;
            if let Some(last) = last.filter(|last| last.seed == told.seed && !is_next(last))
                && place(last) >= place(told)
            {
                let (game, player) = place(last);
                let agent = told.run.agent_id;
                let text = format!("player {agent} comes after player {player} of game {game}");
                found.add([Fault::new(FaultKind::Order, text)
                    .of(Some(told.game), told.run.episode_id)
                    .in_file(file)]);
            }
            last = Some(told);
            let run = Run { row: before + run.row, ..run.clone() };
            if let Some(text) = difference(told, &run, number, file) {
                let fault = Fault::new(FaultKind::Episodes, text);
                found.add([fault.of(Some(told.game), told.run.episode_id).in_file(file)]);
                // What follows is moved against what is told, and differs too.
                return;
            }
        }
        before += group.runs.iter().map(|run| run.rows).sum::<usize>();
    }
    if let Some(told) = rest.next() {
        let text = format!("meta/episodes tells of player {}, who has no rows", told.run.agent_id);
        found.add([Fault::new(FaultKind::Episodes, text)
            .of(Some(told.game), told.run.episode_id)
            .in_file(file)]);
    }
}

fn difference(told: &Told, run: &Run, row_group: usize, file: &str) -> Option<String> {
    let pairs = [
        ("episode_id", told.run.episode_id.to_string(), run.episode_id.to_string()),
        ("agent_id", told.run.agent_id.to_string(), run.agent_id.to_string()),
        ("file", told.file.clone(), file.to_owned()),
        ("row_group", told.row_group.to_string(), row_group.to_string()),
        ("row", told.row.to_string(), run.row.to_string()),
        ("rows", told.run.rows.to_string(), run.rows.to_string()),
        ("length", told.length.to_string(), run.rows.saturating_sub(1).to_string()),
        ("policy", told.run.policy.clone(), run.policy.clone()),
        ("height", told.run.height.to_string(), run.height.to_string()),
        ("width", told.run.width.to_string(), run.width.to_string()),
        ("return", told.run.sum_of_rewards.to_string(), run.sum_of_rewards.to_string()),
        ("truncated", told.run.was_truncated.to_string(), run.was_truncated.to_string()),
    ];
    let difference = pairs.into_iter().find(|(_, told, found)| told != found);
    difference.map(|(name, told, found)| {
        format!("meta/episodes says {name} {told} of player {}, the rows say {found}", run.agent_id)
    })
}

/// What one row of `meta/episodes` says that cannot be, whatever the rows are.
fn contradiction(told: &Told) -> Option<String> {
    let Told { end, has_won, place, ticks, length, .. } = told;
    let agent = told.run.agent_id;
    let ends_with_game = ["won", "draw", "truncated"].contains(&end.as_str());
    let text = match () {
        () if !["won", "lost", "draw", "truncated"].contains(&end.as_str()) => {
            format!("end {end:?}, which means nothing")
        }
        () if *has_won != (end == "won") => format!("won {has_won} and end {end:?}"),
        () if !(1..=MAX_PLAYERS).contains(&usize::from(*place)) => format!("place {place}"),
        () if length > ticks => format!("length {length} in a game of {ticks} ticks"),
        () if ends_with_game && length < ticks => {
            format!("end {end:?} after {length} of the game's {ticks} ticks")
        }
        () => return None,
    };
    Some(format!("meta/episodes says of player {agent}: {text}"))
}

/// The first thing in which a row of `meta/episodes` is not what the game played again gives.
pub(super) fn unlike_game(told: &Told, played: &EpisodeRow) -> Option<String> {
    let pairs = [
        ("seed", told.seed.to_string(), played.seed.to_string()),
        ("game", told.game.to_string(), played.game.to_string()),
        ("ticks", told.ticks.to_string(), played.ticks.to_string()),
        ("won", told.has_won.to_string(), played.has_won.to_string()),
        ("place", told.place.to_string(), played.place.to_string()),
        ("end", told.end.clone(), played.end.to_owned()),
    ];
    let (name, told, found) = pairs.into_iter().find(|(_, told, found)| told != found)?;
    let agent = played.agent_id;
    Some(format!("meta/episodes says {name} {told} of player {agent}, played again it is {found}"))
}

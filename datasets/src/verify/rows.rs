//! Experiences looked at row by row: whole episodes, steps in order, flags where they belong.

use std::path::Path;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Float32Type, Int32Type, Schema, UInt8Type, UInt32Type, UInt64Type},
};
use parquet::{arrow::ProjectionMask, errors::ParquetError, file::metadata::RowGroupMetaData};
use rayon::prelude::*;

use super::{DataFile, Fault, FaultKind, Ids, Verified, builder, episodes, replayed};
use crate::{
    error::{self, DataError},
    info::StoredInfo,
    parquet_input::guarded,
    produce::Producer,
    schema::{self, column},
};

/// The rows of one agent's episode in a row group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) episode_id: u64,
    pub(crate) agent_id: u8,
    pub(crate) policy: String,
    pub(crate) height: u8,
    pub(crate) width: u8,
    /// First row within the row group.
    pub(crate) row: usize,
    pub(crate) rows: usize,
    pub(crate) sum_of_rewards: f64,
    pub(crate) was_truncated: bool,
}

/// What a row group holds.
#[derive(Default)]
pub(super) struct RowGroup {
    pub(super) runs: Vec<Run>,
    faults: Vec<Fault>,
}

/// Columns that are looked at without playing a game.
const NARROW: [&str; 12] = [
    column::EPISODE_ID,
    column::AGENT_ID,
    column::STEP,
    column::ACTION,
    column::REWARD,
    column::TERMINATED,
    column::TRUNCATED,
    column::IS_FIRST,
    column::IS_LAST,
    column::POLICY,
    column::HEIGHT,
    column::WIDTH,
];

/// Looks at all rows, at `meta/episodes`, and at the games played again.
pub(super) fn verify<P: Producer>(
    root: &Path,
    files: &[DataFile],
    info: Option<&StoredInfo>,
    reference: Option<&P>,
    found: &mut Verified,
) -> Result<(), DataError> {
    let mut ids = Ids::default();
    let mut games = Ids::default();
    let mut names = episodes::Names::default();
    let mut replay = match reference {
        Some(reference) => replayed::Replay::begin(reference, files, info, found),
        None => None,
    };
    for (number, file) in files.iter().enumerate() {
        let row_groups = match row_groups(file) {
            Ok(row_groups) => row_groups,
            Err(fault) => {
                found.add([fault.in_file(&file.name)]);
                replay = None;
                continue;
            }
        };
        let told = episodes::read(root, number, file, found);
        names.learn(&told);
        found.totals.row_groups += row_groups.len() as u64;
        for RowGroup { runs, faults } in &row_groups {
            for run in runs {
                found.totals.rows += run.rows as u64;
                found.totals.episodes += 1;
                found.totals.games += u64::from(games.is_new(run.episode_id));
                if !ids.is_new((run.episode_id, run.agent_id)) {
                    let text = format!("player {} has two places in the data", run.agent_id);
                    found.add([Fault::new(FaultKind::Count, text)
                        .of(names.game(run.episode_id), run.episode_id)
                        .in_file(&file.name)]);
                }
            }
            let faults = faults.iter().cloned();
            found.add(faults.map(|fault| names.name(fault).in_file(&file.name)));
        }
        episodes::compare(&told, &row_groups, &file.name, found);
        if let Some(replay) = &mut replay {
            replay.compare(file, &row_groups, &told, &names, found)?;
        }
        if found.has_enough() {
            return Ok(());
        }
    }
    if let Some(replay) = replay {
        replay.finish(info, found)?;
    }
    Ok(())
}

/// What the row groups of a file hold, or why it cannot be read.
fn row_groups(file: &DataFile) -> Result<Vec<RowGroup>, Fault> {
    let unreadable = |error: DataError| Fault::new(FaultKind::Unreadable, error.to_string());
    let builder = builder(&file.path).map_err(unreadable)?;
    check_columns(builder.schema()).map_err(|text| Fault::new(FaultKind::Columns, text))?;
    let row_groups = builder.metadata().num_row_groups();
    let groups: Vec<_> = (0..row_groups)
        .into_par_iter()
        .map(|number| match read(&file.path, number, Some(&NARROW)) {
            Ok(batch) => runs(&batch),
            Err(error) => RowGroup { runs: Vec::new(), faults: vec![unreadable(error)] },
        })
        .collect();
    Ok(groups)
}

/// Holds columns against those of experiences: names, types, sizes, and what their metadata say.
pub(crate) fn check_columns(found: &Schema) -> Result<(), String> {
    let format = schema::format_of(found)
        .ok_or_else(|| "its columns are not those of experiences".to_owned())?;
    let expected = match schema::layout_of(found) {
        Some(layout) => schema::dense_experiences(&format, layout),
        None => schema::experiences(&format),
    };
    let pairs = expected.fields().iter().zip(found.fields());
    if let Some((expected, found)) = pairs.clone().find(|(expected, found)| expected != found) {
        return Err(format!(
            "column {:?} is not as version {} has it: it is {} with {:?}",
            expected.name(),
            schema::VERSION,
            found.data_type(),
            found.metadata()
        ));
    }
    let (found, expected) = (found.fields().len(), expected.fields().len());
    if found == expected {
        return Ok(());
    }
    Err(format!("it has {found} columns, experiences have {expected}"))
}

/// Refuses a file whose rows are not experiences as this version has them, before bytes of theirs
/// are taken for planes.
pub(crate) fn refuse_others(path: &Path, found: &Schema) -> Result<(), DataError> {
    if let Some(kind) = found.metadata().get(schema::KIND).filter(|kind| *kind != "experiences") {
        let (path, found) = (path.to_owned(), kind.clone());
        return Err(DataError::WrongKind { path, found, wanted: "experiences" });
    }
    check_columns(found).map_err(|problem| DataError::Damaged { path: path.to_owned(), problem })
}

/// The rows of a row group, all columns of it or some.
pub(crate) fn read(
    path: &Path,
    row_group: usize,
    columns: Option<&[&str]>,
) -> Result<RecordBatch, DataError> {
    let builder = builder(path)?;
    let groups = builder.metadata().row_groups();
    let Some(rows) = groups.get(row_group).map(RowGroupMetaData::num_rows) else {
        let problem = format!("it has {} row groups, there is no number {row_group}", groups.len());
        return Err(DataError::Damaged { path: path.to_owned(), problem });
    };
    let rows = usize::try_from(rows).unwrap_or(0);
    let mask = match columns {
        Some(names) => ProjectionMask::columns(builder.parquet_schema(), names.iter().copied()),
        None => ProjectionMask::all(),
    };
    let builder = builder.with_row_groups(vec![row_group]).with_projection(mask);
    guarded(path, || {
        let mut reader =
            builder.with_batch_size(rows.max(1)).build().map_err(error::parquet(path))?;
        let batch = reader.next().transpose();
        let batch = batch.map_err(|e| error::parquet(path)(ParquetError::from(e)))?;
        let short = || ParquetError::General(format!("row group {row_group} is not whole"));
        batch
            .filter(|batch| batch.num_rows() == rows)
            .ok_or_else(|| DataError::Parquet { path: path.to_owned(), source: short() })
    })
}

/// The columns of a batch whose types were checked.
struct Columns<'a> {
    ids: &'a [u64],
    agents: &'a [u8],
    steps: &'a [u32],
    actions: &'a [i32],
    rewards: &'a [f32],
    flags: [&'a arrow::array::BooleanArray; 4],
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let flag = |name| batch.column_by_name(name)?.as_boolean_opt();
        Some(Self {
            ids: batch
                .column_by_name(column::EPISODE_ID)?
                .as_primitive_opt::<UInt64Type>()?
                .values(),
            agents: batch
                .column_by_name(column::AGENT_ID)?
                .as_primitive_opt::<UInt8Type>()?
                .values(),
            steps: batch.column_by_name(column::STEP)?.as_primitive_opt::<UInt32Type>()?.values(),
            actions: batch
                .column_by_name(column::ACTION)?
                .as_primitive_opt::<Int32Type>()?
                .values(),
            rewards: batch
                .column_by_name(column::REWARD)?
                .as_primitive_opt::<Float32Type>()?
                .values(),
            flags: [
                flag(column::TERMINATED)?,
                flag(column::TRUNCATED)?,
                flag(column::IS_FIRST)?,
                flag(column::IS_LAST)?,
            ],
        })
    }

    fn key(&self, row: usize) -> (u64, u8) {
        (self.ids[row], self.agents[row])
    }

    /// What is wrong with a run of rows, first fault first.
    fn fault(&self, row: usize, rows: usize) -> Option<(FaultKind, String)> {
        (row..row + rows).enumerate().find_map(|(step, at)| {
            let is_last = step + 1 == rows;
            let [terminated, truncated, first, last] = self.flags.map(|flag| flag.value(at));
            let said = |text: &str| Some((FaultKind::Flags, format!("step {step}: {text}")));
            if self.steps[at] as usize != step {
                let text = format!("the row of step {step} has step {}", self.steps[at]);
                return Some((FaultKind::Order, text));
            }
            match () {
                () if first != (step == 0) => said("is_first belongs to step 0 alone"),
                () if last != is_last => {
                    said("is_last belongs to the last row of an episode alone")
                }
                () if (self.actions[at] < 0) != is_last => said(
                    "every row but the last one has an action of 0 or more, the last one has -1",
                ),
                () if is_last && self.rewards[at] != 0.0 => said("the last row has no reward"),
                () if (terminated ^ truncated) != (step + 2 == rows) || terminated && truncated => {
                    said("the last action, and no other, has one of terminated and truncated")
                }
                () => None,
            }
        })
    }
}

/// The agents' episodes of a batch.
pub(crate) fn runs_of(batch: &RecordBatch) -> Vec<Run> {
    runs(batch).runs
}

/// The agents' episodes of a batch, and what is wrong with them.
fn runs(batch: &RecordBatch) -> RowGroup {
    let mut group = RowGroup::default();
    let Some(columns) = Columns::of(batch) else { return group };
    let text = |name: &str, row: usize| -> String {
        let column = batch.column_by_name(name).and_then(|c| c.as_dictionary_opt::<Int32Type>());
        let value = column.and_then(|column| {
            let values = column.values().as_string_opt::<i32>()?;
            Some(values.value(column.key(row)?).to_owned())
        });
        value.unwrap_or_default()
    };
    let side = |name: &str, row: usize| -> u8 {
        let column = batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<UInt8Type>());
        column.map_or(0, |column| column.value(row))
    };
    let mut row = 0;
    while row < columns.ids.len() {
        let key = columns.key(row);
        let rows = (row..columns.ids.len()).take_while(|&at| columns.key(at) == key).count();
        if let Some((kind, text)) = columns.fault(row, rows) {
            let text = format!("player {}: {text}", key.1);
            group.faults.push(Fault::new(kind, text).of(None, key.0));
        }
        let rewards = &columns.rewards[row..row + rows];
        group.runs.push(Run {
            episode_id: key.0,
            agent_id: key.1,
            policy: text(column::POLICY, row),
            height: side(column::HEIGHT, row),
            width: side(column::WIDTH, row),
            row,
            rows,
            sum_of_rewards: rewards.iter().fold(0.0, |sum, &reward| sum + f64::from(reward)),
            was_truncated: rows > 1 && columns.flags[1].value(row + rows - 2),
        });
        row += rows;
    }
    group
}

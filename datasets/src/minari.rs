//! Experiences as a Minari dataset: a Parquet file and a JSON file for each agent's episode.
//!
//! The layout is the one that Minari 0.4 to 0.5 reads with `data_format` `parquet`. An episode of T
//! actions has T + 1 rows there too, the last of which holds the terminal observation alone.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, FixedSizeListArray, Int8Array, Int64Array, PrimitiveArray,
        RecordBatch, StructArray, UInt16Array,
    },
    datatypes::{ArrowPrimitiveType, Field, FieldRef, Int32Type, Schema},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
};
use rayon::prelude::*;
use serde_json::{Value, json};
use systems::rows::{PLANES, RowFormat};

use crate::{
    error::{self, DataError},
    games::GamesFile,
    schema::{self, column},
    verify::{Run, read, refuse_others, runs_of},
};

/// Version of Minari that reads what is written here, and every later one that names it.
const MINARI_VERSION: &str = "0.5.4";

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Agents' episodes.
    pub episodes: u64,
    /// Actions in them.
    pub steps: u64,
    /// The folder that Minari finds under the dataset's id.
    pub folder: PathBuf,
}

/// Writes the experiences of a folder below `root` as the Minari dataset `id`, which must not be
/// there yet. It gets its name when it is whole.
///
/// An observation is a dictionary of `army` (uint16 `[height, width]`), `planes` (bits
/// `[9, height, width]`) and `action_mask` (bits `[actions]`).
///
/// # Errors
///
/// Files that cannot be read or written, and columns that are not those of experiences.
pub fn export(from: &Path, root: &Path, id: &str) -> Result<Exported, DataError> {
    let folder = root.join(id);
    let (whole, part) = (folder.join("data"), folder.join(".data.tmp"));
    if whole.exists() {
        let doing = "write over the dataset that has this id: pass another --id";
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(DataError::File { path: whole, doing, source });
    }
    let files = GamesFile::paths(from)?;
    let Some(format) = files.first().map(|path| format_of(path)).transpose()? else {
        let problem = "there are no Parquet files in data/".to_owned();
        return Err(DataError::Info { path: from.to_owned(), problem });
    };
    let format = format.1;
    if part.exists() {
        fs::remove_dir_all(&part).map_err(error::file(&part, "remove the folder"))?;
    }
    fs::create_dir_all(&part).map_err(error::file(&part, "create the folder"))?;
    let exported = write(&files, format, &part, id).and_then(|exported| {
        fs::rename(&part, &whole).map_err(error::file(&whole, "rename the finished folder"))?;
        Ok(Exported { folder, ..exported })
    });
    if exported.is_err() {
        // What is not whole must not stay; the error that led here is the one to tell.
        drop(fs::remove_dir_all(&part));
    }
    exported
}

/// Writes all that belongs to the dataset into a folder.
fn write(
    files: &[PathBuf],
    format: RowFormat,
    part: &Path,
    id: &str,
) -> Result<Exported, DataError> {
    let mut exported = Exported::default();
    let mut policies = BTreeSet::new();
    for path in files {
        let (row_groups, of_file) = format_of(path)?;
        if of_file != format {
            let problem = "its canvas is not that of the first file: export them apart".to_owned();
            return Err(DataError::Info { path: path.clone(), problem });
        }
        for row_group in 0..row_groups {
            let batch = read(path, row_group, None)?;
            let runs = runs_of(&batch);
            let first = exported.episodes;
            (first..)
                .zip(&runs)
                .collect::<Vec<_>>()
                .into_par_iter()
                .try_for_each(|(number, run)| episode(part, number, run, &batch, format, path))?;
            exported.episodes += runs.len() as u64;
            exported.steps += runs.iter().map(|run| run.rows as u64 - 1).sum::<u64>();
            policies.extend(runs.into_iter().map(|run| run.policy));
        }
    }
    let metadata = metadata(id, &exported, format, &policies);
    write_json(&part.join("metadata.json"), &metadata)?;
    Ok(exported)
}

/// Row groups of a data file, and the form of its rows.
fn format_of(path: &Path) -> Result<(usize, RowFormat), DataError> {
    let builder = crate::verify::builder(path)?;
    let missing = || DataError::Damaged {
        path: path.to_owned(),
        problem: "its columns do not tell their shape".to_owned(),
    };
    refuse_others(path, builder.schema())?;
    let format = schema::format_of(builder.schema()).ok_or_else(missing)?;
    if let Some(layout) = schema::layout_of(builder.schema()) {
        return Err(DataError::Dense { path: path.to_owned(), layout });
    }
    Ok((builder.metadata().num_row_groups(), format))
}

/// Actions of a format: eight a tile, pass, and building where there is.
fn n_actions(format: RowFormat) -> usize {
    8 * format.tiles() + 1 + if format.has_builds { format.tiles() } else { 0 }
}

fn metadata(id: &str, done: &Exported, format: RowFormat, policies: &BTreeSet<String>) -> Value {
    let (height, width) = (usize::from(format.height), usize::from(format.width));
    let board = |value: u32| vec![vec![value; width]; height];
    let observation = json!({"type": "Dict", "subspaces": {
        "army": {
            "type": "Box",
            "dtype": "uint16",
            "shape": [height, width],
            "low": board(0),
            "high": board(u32::from(u16::MAX)),
        },
        "planes": {"type": "MultiBinary", "n": [PLANES.len(), height, width]},
        "action_mask": {"type": "MultiBinary", "n": n_actions(format)},
    }});
    let action = json!({"type": "Discrete", "dtype": "int64", "start": 0, "n": n_actions(format)});
    let names: Vec<&str> = policies.iter().map(String::as_str).collect();
    json!({
        "dataset_id": id,
        "minari_version": MINARI_VERSION,
        "data_format": "parquet",
        "jpeg_encoding": false,
        "total_episodes": done.episodes,
        "total_steps": done.steps,
        "observation_space": observation.to_string(),
        "action_space": action.to_string(),
        "algorithm_name": names.join(", "),
        "description": format!(
            "One episode for each agent of a fog-of-war game. Planes: {}. Written by Bivouac {}.",
            PLANES.join(", "),
            env!("CARGO_PKG_VERSION")
        ),
    })
}

/// Writes an agent's episode.
fn episode(
    folder: &Path,
    number: u64,
    run: &Run,
    batch: &RecordBatch,
    format: RowFormat,
    path: &Path,
) -> Result<(), DataError> {
    let folder = folder.join(number.to_string());
    fs::create_dir_all(&folder).map_err(error::file(&folder, "create the folder"))?;
    let rows = batch.slice(run.row, run.rows);
    let missing = || DataError::Column {
        path: path.to_owned(),
        column: column::PLANES.to_owned(),
        expected: "fixed_size_binary".to_owned(),
    };
    let rows = columns(&rows, format).ok_or_else(missing)?;
    let path = folder.join("part-0.parquet");
    let file = File::create(&path).map_err(error::file(&path, "create the file"))?;
    let codec = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    // Bits are numbers here, thousands in a row. A dictionary takes a third of the time and makes the
    // file a tenth of plain numbers; statistics of bits tell nobody anything.
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties))
        .map_err(error::parquet(&path))?;
    writer.write(&rows).map_err(error::parquet(&path))?;
    writer.close().map_err(error::parquet(&path))?;
    let about = json!({
        "id": number,
        "total_steps": run.rows - 1,
        "options": {"episode_id": run.episode_id.to_string(), "agent_id": run.agent_id},
        "policy": run.policy,
    });
    write_json(&folder.join("metadata.json"), &about)
}

fn write_json(path: &Path, value: &Value) -> Result<(), DataError> {
    fs::write(path, value.to_string()).map_err(error::file(path, "write the file"))
}

/// An episode's rows in the columns of Minari.
fn columns(rows: &RecordBatch, format: RowFormat) -> Option<RecordBatch> {
    let wide = |name| rows.column_by_name(name)?.as_fixed_size_binary_opt();
    let (army, planes) = (wide(column::ARMY)?, wide(column::PLANES)?);
    let mask = wide(column::ACTION_MASK)?;
    let (tiles, n) = (format.tiles(), rows.num_rows());
    let units = (0..n).flat_map(|row| army.value(row).chunks_exact(2));
    let units =
        UInt16Array::from_iter_values(units.map(|two| u16::from_le_bytes([two[0], two[1]])));
    let (mut bits, mut legal) =
        (Vec::with_capacity(n * PLANES.len() * tiles), Vec::with_capacity(n * n_actions(format)));
    for row in 0..n {
        let (planes, mask) = (planes.value(row), mask.value(row));
        for plane in planes.chunks_exact(format.words() * 8) {
            bits.extend((0..tiles).map(|tile| bit(plane, tile)));
        }
        push_legal(&mut legal, mask, format);
    }
    let (bits, legal) = (Int8Array::from(bits), Int8Array::from(legal));
    let observations = StructArray::from(vec![
        named("army", list(units, tiles)),
        named("planes", list(bits, PLANES.len() * tiles)),
        named("action_mask", list(legal, n_actions(format))),
    ]);
    // The last row has no action; a space has no number for that, and readers drop it.
    let actions = rows.column_by_name(column::ACTION)?.as_primitive_opt::<Int32Type>()?;
    let actions =
        Int64Array::from_iter_values(actions.values().iter().map(|&a| i64::from(a.max(0))));
    let column = |name| rows.column_by_name(name).cloned();
    let columns: [(&str, ArrayRef); 5] = [
        ("observations", Arc::new(observations)),
        ("actions", Arc::new(actions)),
        ("rewards", column(column::REWARD)?),
        ("terminations", column(column::TERMINATED)?),
        ("truncations", column(column::TRUNCATED)?),
    ];
    let field = |(name, array): &(&str, ArrayRef)| {
        Field::new(*name, array.data_type().clone(), array.is_nullable())
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect())
        .ok()
}

fn named(name: &str, array: FixedSizeListArray) -> (FieldRef, ArrayRef) {
    (Arc::new(Field::new(name, array.data_type().clone(), false)), Arc::new(array))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "under 16,384")]
fn list<T: ArrowPrimitiveType>(values: PrimitiveArray<T>, length: usize) -> FixedSizeListArray {
    let item = Arc::new(Field::new_list_field(T::DATA_TYPE, false));
    FixedSizeListArray::new(item, length as i32, Arc::new(values), None)
}

fn bit(plane: &[u8], tile: usize) -> i8 {
    i8::from(plane[tile / 8] >> (tile % 8) & 1 != 0)
}

/// Adds whether each action is legal by the mask of a row.
fn push_legal(legal: &mut Vec<i8>, mask: &[u8], format: RowFormat) {
    let plane = |number: usize| &mask[number * format.words() * 8..][..format.words() * 8];
    let steps = [0, 1, 2, 3].map(plane);
    for tile in 0..format.tiles() {
        for step in steps {
            // All of an army and half of it may march alike.
            legal.extend([bit(step, tile); 2]);
        }
    }
    legal.push(1);
    if format.has_builds {
        let builds = plane(4);
        legal.extend((0..format.tiles()).map(|tile| bit(builds, tile)));
    }
}

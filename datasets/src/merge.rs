//! Parts of a dataset put together: shards of one run, or runs with the same columns.
//!
//! Data files are taken as they are, linked where the file system can and copied elsewhere. What is
//! told of them is written anew.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{SchemaRef, UInt64Type},
};
use parquet::arrow::ProjectionMask;
use serde_json::Value;

use crate::{
    error::{self, DataError},
    folder::{self, FolderOptions, INFO, name_of},
    info::{Info, Told},
    overlap,
    parquet_input::guarded,
    resume,
    schema::{self, column, episode},
    seats::Seats,
    storage::Storage,
    totals::Totals,
    verify::builder,
};

/// A complete dataset that becomes a part of another.
struct Part {
    root: PathBuf,
    info: Value,
    totals: Totals,
    /// Inputs that were skipped when it was made, by reason.
    skipped: resume::Reasons,
}

/// Puts datasets together in a new one, with their rows in the order given, and returns what it
/// holds. All have to be complete folders on this machine, of one kind and with the same columns,
/// and no episode may be in two of them. `out` is a folder or `s3://bucket/prefix`.
///
/// # Errors
///
/// Parts that are incomplete, do not fit together or share an episode; an output that is not empty;
/// files that cannot be read or written.
pub fn merge(parts: &[PathBuf], out: &Path, replaces: bool) -> Result<Totals, DataError> {
    overlap::refuse(out, parts.iter().map(PathBuf::as_path))?;
    let parts = parts.iter().map(|root| Part::open(root)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else { return Ok(Totals::default()) };
    for part in &parts[1..] {
        if let Some(difference) = resume::unlike(&first.info, &part.info) {
            return Err(DataError::Unlike { path: part.root.clone(), difference });
        }
    }
    refuse_twice(&parts)?;
    let schema = first.schema()?;
    let mut totals = Totals::default();
    for part in &parts {
        totals.merge(&part.totals);
    }
    let (info, options) = (told_of(&parts), first.options());
    let kind = if first.has_episodes() { "experiences" } else { "games" };
    let players = first.players();
    let nothing = Totals::default();
    let (info, schema, options) = (&info, &schema, &options);
    let mut skipped = resume::Reasons::new();
    for (reason, inputs) in parts.iter().flat_map(|part| &part.skipped) {
        *skipped.entry(reason.clone()).or_default() += inputs;
    }
    let (none, skipped) = (&resume::Reasons::new(), &skipped);
    let told = |totals, checkpoint: Option<_>| {
        let skipped = if checkpoint.is_some() { none } else { skipped };
        Told { info, kind, players, schema, options, totals, skipped, checkpoint }
    };
    let storage = Storage::open(out)?;
    let checkpoint = resume::Checkpoint::default();
    folder::claim(&storage, replaces, &told(&nothing, Some(&checkpoint)).info())?;
    let mut number = 0;
    for part in &parts {
        for file in 0..part.totals.files {
            storage.copy(&part.root.join(name_of("data", file)), &name_of("data", number))?;
            if part.has_episodes() {
                copy_episodes(&part.root.join(name_of("meta/episodes", file)), &storage, number)?;
            }
            number += 1;
        }
    }
    folder::write_meta(&storage, &told(&totals, None))?;
    Ok(totals)
}

impl Part {
    fn open(root: &Path) -> Result<Self, DataError> {
        let path = root.join(INFO);
        let bad = |problem: String| DataError::Info { path: path.clone(), problem };
        let text = std::fs::read(&path).map_err(error::file(&path, "read"))?;
        let info: Value = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        if info["is_complete"] != true {
            let fix =
                "the dataset is not complete: go on with it first, with its command and --resume";
            return Err(bad(fix.to_owned()));
        }
        let checkpoint = Told::read(&info).map_err(|e| bad(e.to_string()))?;
        let resume::Checkpoint { totals, skipped, .. } = checkpoint;
        Ok(Self { root: root.to_owned(), info, totals, skipped })
    }

    fn has_episodes(&self) -> bool {
        self.info["kind"] == "experiences"
    }

    /// The seats whose rows it has, unless all.
    fn players(&self) -> Option<Seats> {
        let seats = self.info["players"].as_array()?.iter().filter_map(Value::as_u64);
        Some(Seats::of(seats.filter_map(|seat| usize::try_from(seat).ok())))
    }

    /// How the part was laid out.
    fn options(&self) -> FolderOptions {
        let usual = FolderOptions::default();
        let of = |name: &str| self.info["layout"][name].as_u64();
        let group_bytes = of("group_bytes").and_then(|bytes| usize::try_from(bytes).ok());
        FolderOptions {
            file_bytes: of("file_bytes").unwrap_or(usual.file_bytes),
            group_bytes: group_bytes.unwrap_or(usual.group_bytes),
            ..usual
        }
    }

    fn schema(&self) -> Result<SchemaRef, DataError> {
        Ok(builder(&self.root.join(name_of("data", 0)))?.schema().clone())
    }

    /// Adds the ids of the part's episodes, none of which may be there.
    fn add_episodes(&self, seen: &mut HashSet<u64>) -> Result<(), DataError> {
        let folder = if self.has_episodes() { "meta/episodes" } else { "data" };
        let mut mine = HashSet::new();
        for file in 0..self.totals.files {
            let path = self.root.join(name_of(folder, file));
            for batch in batches(&path, Some(column::EPISODE_ID))? {
                let ids = batch.column(0).as_primitive_opt::<UInt64Type>();
                let ids = ids.ok_or_else(|| column_error(&path, column::EPISODE_ID))?;
                mine.extend(ids.values());
            }
        }
        if let Some(&episode) = mine.iter().filter(|id| seen.contains(id)).min() {
            return Err(DataError::Twice { path: self.root.clone(), episode });
        }
        seen.extend(mine);
        Ok(())
    }
}

fn refuse_twice(parts: &[Part]) -> Result<(), DataError> {
    let mut seen = HashSet::new();
    parts.iter().try_for_each(|part| part.add_episodes(&mut seen))
}

/// How the merged dataset came to be: the commands of its parts, and the one that merged them.
fn told_of(parts: &[Part]) -> Info {
    let commands = parts.iter().enumerate().map(|(number, part)| {
        let command = part.info["command"].as_str().unwrap_or_default();
        format!("{command} --out part-{number}\n")
    });
    let names: Vec<String> = (0..parts.len()).map(|number| format!("part-{number}")).collect();
    let merge = format!("bivouac merge {}", names.join(" "));
    let rulesets = parts.iter().filter_map(|part| part.info["rulesets"].as_object()).flatten();
    let rulesets =
        rulesets.map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned()));
    let first = &parts[0].info;
    // Rows with several rewards have none that could be told.
    let is_alone = parts.iter().all(|part| part.info["reward"] == first["reward"]);
    let reward = if is_alone { first["reward"].clone() } else { Value::Null };
    let inputs: Vec<&str> = parts.iter().filter_map(|part| part.info["inputs"].as_str()).collect();
    Info {
        command: commands.collect::<String>() + &merge,
        seed: first["seed"].as_u64().unwrap_or_default(),
        rulesets: rulesets.collect::<BTreeMap<_, _>>(),
        reward,
        inputs: (!inputs.is_empty()).then(|| inputs.join("; ")),
        git_revision: first["git_revision"].as_str().map(str::to_owned),
    }
}

/// Writes a file of episodes with the name that their data file has now.
fn copy_episodes(from: &Path, storage: &Storage, number: u64) -> Result<(), DataError> {
    let schema = schema::episodes();
    let at = schema.index_of(episode::FILE)?;
    let name = name_of("data", number);
    let mut rows = Vec::new();
    for batch in batches(from, None)? {
        let names = StringArray::from_iter_values((0..batch.num_rows()).map(|_| &name));
        let mut arrays: Vec<ArrayRef> = batch.columns().to_vec();
        *arrays.get_mut(at).ok_or_else(|| column_error(from, episode::FILE))? = Arc::new(names);
        // Checks the types too.
        rows.push(RecordBatch::try_new(schema.clone(), arrays)?.columns().to_vec());
    }
    folder::write_episodes(storage, number, rows)
}

/// The batches of a file, or of one of its columns.
fn batches(path: &Path, column: Option<&str>) -> Result<Vec<RecordBatch>, DataError> {
    let mut reader = builder(path)?;
    if let Some(column) = column {
        let mask = ProjectionMask::columns(reader.parquet_schema(), [column]);
        reader = reader.with_projection(mask);
    }
    guarded(path, || {
        let batches = reader.build().map_err(error::parquet(path))?;
        Ok(batches.collect::<Result<_, _>>()?)
    })
}

fn column_error(path: &Path, column: &str) -> DataError {
    let (path, column) = (path.to_owned(), column.to_owned());
    DataError::Column { path, column, expected: "that of this version's datasets".to_owned() }
}

//! `meta/info.json` as it lies in a dataset's folder.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{self, DataError},
    schema,
};

/// Largest `meta/info.json` that is read, in bytes: rulesets, policies and columns are a few kB.
const MAX_BYTES: u64 = 16 << 20;

/// What a dataset says of itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StoredInfo {
    /// `bivouac-dataset`.
    pub format: String,
    /// Version of the columns.
    pub schema_version: u32,
    /// Version of Bivouac that wrote it.
    #[serde(default)]
    pub engine_version: String,
    /// `games` or `experiences`.
    pub kind: String,
    /// Whether the run did all it was asked to.
    #[serde(default)]
    pub is_complete: bool,
    /// The command that makes the same dataset.
    #[serde(default)]
    pub command: String,
    /// What its games were read from: a count and a digest; none where the command says it all.
    #[serde(default)]
    pub inputs: Option<String>,
    /// Seed of everything.
    #[serde(default)]
    pub seed: u64,
    /// Weights of the reward, for experiences.
    #[serde(default)]
    pub reward: Value,
    /// Seats whose rows there are; none where there are all.
    #[serde(default)]
    pub players: Option<Vec<usize>>,
    /// Names of the rulesets, with every number as TOML.
    #[serde(default)]
    pub rulesets: BTreeMap<String, String>,
    /// What is in the data files.
    #[serde(default)]
    pub totals: StoredTotals,
}

/// Counts over all data files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredTotals {
    /// Games.
    pub games: u64,
    /// Ticks of those games.
    pub ticks: u64,
    /// Orders in them.
    pub moves: u64,
    /// Agents' episodes, for experiences.
    pub episodes: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Data files.
    pub files: u64,
    /// Row groups.
    pub row_groups: u64,
    /// Bytes of the data files.
    pub bytes: u64,
}

impl StoredInfo {
    /// Reads `meta/info.json` of a dataset's folder; none if the folder has no such file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is not what Bivouac writes, or is of another version.
    pub fn read(root: &Path) -> Result<Option<Self>, DataError> {
        let path = root.join("meta/info.json");
        let wrong = |problem: String| DataError::Info { path: path.clone(), problem };
        match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(wrong(format!("{} bytes are too many: it has a few kB", found.len())));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error::file(&path, "read the file")(error)),
        }
        let bytes = fs::read(&path).map_err(error::file(&path, "read the file"))?;
        let info: Self = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if info.format != "bivouac-dataset" {
            return Err(wrong(format!("format {:?} is not \"bivouac-dataset\"", info.format)));
        }
        if info.schema_version != schema::VERSION {
            let (found, known) = (info.schema_version, schema::VERSION);
            return Err(wrong(format!("schema version {found} is not known, only {known} is")));
        }
        Ok(Some(info))
    }
}

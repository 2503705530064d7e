//! What a dataset says of itself: `meta/info.json` and the card in `README.md`.

use std::{collections::BTreeMap, fmt::Write as _};

use arrow::datatypes::{Field, Schema};
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use crate::{
    folder::{self, FolderOptions},
    layouts::Layout,
    resume::{Checkpoint, Place, Reasons},
    schema,
    seats::Seats,
    totals::{Record, Totals},
};

pub use read::{StoredInfo, StoredTotals};

mod read;

/// How a dataset came to be. It holds nothing that differs between two runs that write the same
/// rows: no time, no thread count, no folder.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// The command that makes the same dataset.
    pub command: String,
    /// Seed of everything.
    pub seed: u64,
    /// Names of the rulesets, with every number as TOML.
    pub rulesets: BTreeMap<String, String>,
    /// Weights of the reward, for experiences.
    pub reward: Value,
    /// What the games are read from, if they are not simulated: a count and a digest.
    pub inputs: Option<String>,
    /// Commit that the program was built from, where that is known.
    pub git_revision: Option<String>,
}

#[derive(Serialize)]
struct File<'a> {
    format: &'static str,
    schema_version: u32,
    engine_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_revision: Option<&'a str>,
    kind: &'static str,
    is_complete: bool,
    command: &'a str,
    seed: u64,
    inputs: Option<&'a str>,
    reward: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    players: Option<Seats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observation_layout: Option<&'static str>,
    rulesets: &'a BTreeMap<String, String>,
    layout: Value,
    totals: Value,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    skipped: &'a Reasons,
    policies: &'a BTreeMap<String, Record>,
    lengths: &'a BTreeMap<u32, u64>,
    data_path: &'static str,
    episodes_path: Option<&'static str>,
    /// What follows has the names that readers of `LeRobot`'s datasets look for.
    codebase_version: &'static str,
    total_episodes: u64,
    total_frames: u64,
    chunks_size: u64,
    fps: u32,
    splits: BTreeMap<&'static str, String>,
    features: BTreeMap<&'a str, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<&'a Checkpoint>,
}

/// Everything that `meta/info.json` and the card are made from.
pub(crate) struct Told<'a> {
    pub(crate) info: &'a Info,
    /// Name of the table.
    pub(crate) kind: &'static str,
    /// The seats whose rows it has, unless all.
    pub(crate) players: Option<Seats>,
    pub(crate) schema: &'a Schema,
    pub(crate) options: &'a FolderOptions,
    pub(crate) totals: &'a Totals,
    /// Inputs that were skipped, by reason.
    pub(crate) skipped: &'a Reasons,
    /// Where the run goes on, unless it is complete.
    pub(crate) checkpoint: Option<&'a Checkpoint>,
}

/// Where data files lie, in the notation of other tools.
const DATA_PATH: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
const EPISODES_PATH: &str = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";

/// The version of `LeRobot`'s datasets whose folders ours are shaped like.
const CODEBASE_VERSION: &str = "v3.0";

/// Ticks of a game in a second of its clock, which `LeRobot` calls frames.
const TICKS_PER_SECOND: u32 = 2;

impl Told<'_> {
    /// How far the run came that a `meta/info.json` tells of.
    pub(crate) fn read(info: &Value) -> Result<Checkpoint, serde_json::Error> {
        if let Some(resume) = info.get("resume") {
            return Checkpoint::deserialize(resume);
        }
        let mut totals = info["totals"].clone();
        totals["policies"] = info["policies"].clone();
        totals["lengths"] = info["lengths"].clone();
        let skipped = info.get("skipped").map_or(Ok(Reasons::new()), Reasons::deserialize)?;
        let totals = Totals::deserialize(totals)?;
        Ok(Checkpoint { place: Place::default(), totals, skipped })
    }

    /// The text of `meta/info.json`.
    pub(crate) fn info(&self) -> String {
        let Self { info, kind, totals, .. } = self;
        let episodes = if *kind == "experiences" { totals.episodes } else { totals.games };
        let fields = self.schema.fields().iter();
        let file = File {
            format: "bivouac-dataset",
            schema_version: schema::VERSION,
            engine_version: env!("CARGO_PKG_VERSION"),
            git_revision: info.git_revision.as_deref(),
            kind,
            is_complete: self.checkpoint.is_none(),
            command: &info.command,
            seed: info.seed,
            inputs: info.inputs.as_deref(),
            reward: &info.reward,
            players: self.players,
            observation_layout: schema::layout_of(self.schema).map(Layout::name),
            rulesets: &info.rulesets,
            layout: json!({
                "file_bytes": self.options.file_bytes,
                "group_bytes": self.options.group_bytes,
            }),
            totals: json!({
                "games": totals.games,
                "ticks": totals.ticks,
                "moves": totals.moves,
                "episodes": totals.episodes,
                "rows": totals.rows,
                "files": totals.files,
                "row_groups": totals.row_groups,
                "bytes": totals.bytes,
                "raw_bytes": totals.raw_bytes,
            }),
            skipped: self.skipped,
            policies: &totals.policies,
            lengths: &totals.lengths,
            data_path: DATA_PATH,
            episodes_path: (*kind == "experiences").then_some(EPISODES_PATH),
            codebase_version: CODEBASE_VERSION,
            total_episodes: episodes,
            total_frames: totals.rows,
            chunks_size: folder::FILES_PER_CHUNK,
            fps: TICKS_PER_SECOND,
            splits: BTreeMap::from([("train", format!("0:{episodes}"))]),
            features: fields.map(|f| (f.name().as_str(), feature(f))).collect(),
            resume: self.checkpoint,
        };
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The text of `README.md`: a dataset card.
    pub(crate) fn card(&self) -> String {
        let Self { info, kind, schema, totals, .. } = self;
        let mut card = String::from("---\npretty_name: Bivouac games\ntags:\n");
        card += "- reinforcement-learning\n- offline-rl\n- generals-io\nconfigs:\n";
        card += "- config_name: default\n  default: true\n  data_files:\n  - split: train\n";
        card += "    path: data/*/*.parquet\n";
        if *kind == "experiences" {
            card += "- config_name: episodes\n  data_files:\n  - split: train\n";
            card += "    path: meta/episodes/*/*.parquet\n";
        }
        card += "---\n\n";
        // Writing to a string cannot fail.
        let _infallible = write!(
            card,
            "# {} games, {} rows\n\nMade by Bivouac {} with\n\n\
             ```sh\n{}\n```\n\n",
            totals.games,
            totals.rows,
            env!("CARGO_PKG_VERSION"),
            info.command,
        );
        match schema::layout_of(schema) {
            _ if *kind == "games" => card += GAMES_TEXT,
            Some(layout) => card += &dense_text(layout),
            None => card = card + ROWS_TEXT + COMPACT_TEXT + ACTIONS_TEXT,
        }
        card += "\n| column | type | about |\n|---|---|---|\n";
        for field in schema.fields() {
            let about = field.metadata().iter().filter(|(key, _)| ABOUT.contains(&key.as_str()));
            let mut about: Vec<String> =
                about.map(|(key, value)| format!("{key} {value}")).collect();
            about.sort();
            let _infallible = writeln!(
                card,
                "| `{}` | {} | {} |",
                field.name(),
                field.data_type(),
                about.join("; ")
            );
        }
        card
    }
}

/// Metadata of a field that the card shows.
const ABOUT: [&str; 5] = ["shape", "dtype", "channels", "layout", "scale"];

const ROWS_TEXT: &str = "\
One row per episode, agent and step: what the agent saw, the action it took on it, and what came of
that action. An episode of T actions has T + 1 rows; in the last one (`is_last`) there is no action.
An episode's rows stand together, by agent and step, and episodes follow one another in the order of
their games (`game` in `meta/episodes`); `episode_id` is a hash and does not ascend. No episode of an
agent crosses a row group: `meta/episodes` says which `file` and `row_group` it is in, and its rows are
those from `row` on, counted within the file, so that one can be read alone.

";

const COMPACT_TEXT: &str = "\
```python
import numpy as np, pandas as pd
df = pd.read_parquet(\"data\")
height, width = df.height.max(), df.width.max()  # or the field metadata, if boards differ in size
bits = np.frombuffer(b\"\".join(df.planes), np.uint8).reshape(len(df), 9, -1)
planes = np.unpackbits(bits, axis=-1, bitorder=\"little\")[:, :, : height * width]
army = np.frombuffer(b\"\".join(df.army), \"<u2\").reshape(len(df), height, width)
```

";

const ACTIONS_TEXT: &str = "\
An action is `((row * width + column) * 4 + direction) * 2 + half` with directions up, down, left,
right, and `8 * height * width` passes; height and width are those of the canvas that all boards are
padded to. `action_mask` has one plane for each direction.
";

/// The text of a table whose observations are dense.
fn dense_text(layout: Layout) -> String {
    let (name, scale, channels) = (layout.name(), layout.scale(), layout.channels().len());
    format!(
        "{ROWS_TEXT}Observations are float32 `[{channels}, height, width]` in the layout `{name}` \
         ({scale}), as flat bytes:\n\n\
         ```python\nimport json, numpy as np, pyarrow.parquet as pq\n\
         table = pq.read_table(\"data\")\n\
         shape = json.loads(table.schema.field(\"observation\").metadata[b\"shape\"])\n\
         rows = b\"\".join(table[\"observation\"].to_pylist())\n\
         observation = np.frombuffer(rows, \"<f4\").reshape(-1, *shape)\n```\n\n{ACTIONS_TEXT}"
    )
}

const GAMES_TEXT: &str = "\
One row per game: its start, its moves and its outcome. Everything else can be played again from it,
with any observation and any reward.
";

/// A column in the notation of `meta/info.json`.
fn feature(field: &Field) -> Value {
    let metadata = field.metadata();
    let shape = metadata.get("shape").and_then(|shape| serde_json::from_str(shape).ok());
    let mut feature = json!({
        "dtype": metadata.get("dtype").cloned().unwrap_or_else(|| field.data_type().to_string()),
        "shape": shape.unwrap_or_else(|| json!([1])),
        "storage": field.data_type().to_string(),
        "is_nullable": field.is_nullable(),
    });
    if let Some(channels) = metadata.get("channels") {
        feature["names"] = channels.split(',').collect();
    }
    feature
}

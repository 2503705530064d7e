//! Observations laid out by the server, and the filter of rulesets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Float32Type, UInt8Type, UInt32Type, UInt64Type},
};
use bivouac::serve::ServerConfig;
use datasets::schema::column;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{
    client::{Batch, Rows, config, games, read, rows, stats, with_server},
    common::{done, folder, parquet_files, shown},
};

/// The observation of each row by episode, agent and step.
type Observations = BTreeMap<(u64, u8, u32), Vec<f32>>;

/// A ring that keeps everything.
fn roomy() -> ServerConfig {
    ServerConfig { retain_bytes: 1 << 30, ..config() }
}

/// The dataset that `generate` writes of the games that servers of these tests play.
fn generated(layout: Option<&str>, games: &str) -> PathBuf {
    let out = folder(&format!("flight_layout_{}_{games}", layout.unwrap_or("compact")));
    let mut args = vec!["generate", "--games", games, "--size", "8x8", "--max-ticks", "40"];
    args.extend(["--seed", "5", "--policies", "expander,hunter", "--reward", "shaped", "--quiet"]);
    args.extend(["--out", shown(&out)]);
    if let Some(layout) = layout {
        args.extend(["--layout", layout]);
    }
    done(&args);
    out
}

fn keys(rows: &RecordBatch, row: usize) -> (u64, u8, u32) {
    (
        rows[column::EPISODE_ID].as_primitive::<UInt64Type>().value(row),
        rows[column::AGENT_ID].as_primitive::<UInt8Type>().value(row),
        rows[column::STEP].as_primitive::<UInt32Type>().value(row),
    )
}

/// The observations in the files of a dataset.
fn stored(dataset: &Path) -> Observations {
    let mut found = Observations::new();
    let data = dataset.join("data");
    for name in parquet_files(&data).into_keys() {
        let file = std::fs::File::open(data.join(name)).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        for rows in reader {
            let rows = rows.unwrap();
            let bytes = rows[column::OBSERVATION].as_fixed_size_binary();
            for row in 0..rows.num_rows() {
                let (numbers, _) = bytes.value(row).as_chunks::<4>();
                let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                found.insert(keys(&rows, row), numbers);
            }
        }
    }
    found
}

/// The observations of a stream.
fn streamed(batches: &[Batch]) -> Observations {
    let mut found = Observations::new();
    for Batch { rows, .. } in batches {
        let tensors = rows[column::OBSERVATION].as_fixed_size_list();
        for row in 0..rows.num_rows() {
            let numbers = tensors.value(row).as_primitive::<Float32Type>().values().to_vec();
            assert!(found.insert(keys(rows, row), numbers).is_none());
        }
    }
    found
}

#[test]
fn every_layout_has_the_values_that_generate_writes() {
    with_server(&roomy(), games(12), async |uri| {
        for layout in ["durbin9", "generals-bots", "memory"] {
            let wanted = stored(&generated(Some(layout), "12"));
            let ticket = format!(r#"{{"follow": true, "layout": "{layout}"}}"#);
            let batches = read(&uri, &ticket).await;
            let schema = batches[0].rows.schema();
            let field = schema.field_with_name(column::OBSERVATION).unwrap();
            assert_eq!(field.metadata()["layout"], layout);
            assert_eq!(field.metadata()["ARROW:extension:name"], "arrow.fixed_shape_tensor");
            assert!(field.metadata()["ARROW:extension:metadata"].contains(",8,8]"));
            let found = streamed(&batches);
            assert_eq!(found.len(), wanted.len(), "{layout}");
            assert!(found == wanted, "{layout}");
            // The other columns are as ever.
            let compact = read(&uri, r#"{"follow": true, "layout": "compact"}"#).await;
            assert_eq!(rows(&batches), rows(&compact));
        }
    });
}

#[test]
fn a_layout_goes_with_every_filter() {
    with_server(&roomy(), games(12), async |uri| {
        for layout in ["durbin9", "memory"] {
            let all = read(&uri, &format!(r#"{{"follow": true, "layout": "{layout}"}}"#)).await;
            let mut wanted = streamed(&all);
            wanted.retain(|&(_, agent, step), _| agent == 1 && step >= 7);
            assert!(!wanted.is_empty());
            let ticket = format!(
                r#"{{"follow": true, "layout": "{layout}", "players": [1], "min_step": 7, "batch_rows": 5,
                    "columns": ["observation", "step", "agent_id", "episode_id"]}}"#
            );
            let some = read(&uri, &ticket).await;
            assert!(some.iter().all(|batch| batch.rows.num_columns() == 4));
            // What the agent saw before the first tick wanted is remembered all the same.
            assert!(streamed(&some) == wanted, "{layout}");
        }
    });
}

#[test]
fn streams_of_one_layout_share_their_messages() {
    with_server(&roomy(), games(40), async |uri| {
        let ticket = r#"{"follow": true, "layout": "durbin9"}"#;
        // All rows are there before the streams are opened, so both read the same batches.
        read(&uri, r#"{"follow": true, "columns": ["step"]}"#).await;
        let before = stats(&uri).await["messages_encoded"].as_u64().unwrap();
        let (mut one, mut two) =
            (Rows::open(&uri, ticket).await.unwrap(), Rows::open(&uri, ticket).await.unwrap());
        let mut messages = 0;
        loop {
            let (a, b) = (one.next().await.unwrap(), two.next().await.unwrap());
            let (Some(a), Some(b)) = (a, b) else { break };
            assert_eq!(a.rows, b.rows);
            messages += 2;
        }
        let encoded = stats(&uri).await["messages_encoded"].as_u64().unwrap() - before;
        assert!(encoded < messages, "{encoded} of {messages}");
    });
}

#[test]
fn rulesets_are_filtered_by_name() {
    with_server(&roomy(), games(4), async |uri| {
        let all = rows(&read(&uri, r#"{"follow": true}"#).await);
        let both = r#"{"rulesets": ["competition", "generals"]}"#;
        assert_eq!(rows(&read(&uri, both).await), all);
        assert!(read(&uri, r#"{"rulesets": ["competition"]}"#).await.is_empty());
    });
}

#[test]
fn a_dataset_knows_its_ruleset_and_has_layouts_too() {
    let out = generated(None, "6");
    let mut config = roomy();
    config.datasets.insert("old".to_owned(), out);
    let wanted = stored(&generated(Some("memory"), "6"));
    with_server(&config, games(1), async |uri| {
        let ticket = r#"{"dataset": "old", "layout": "memory", "rulesets": ["generals"]}"#;
        assert!(streamed(&read(&uri, ticket).await) == wanted);
        let other = r#"{"dataset": "old", "rulesets": ["competition"]}"#;
        let refused = Rows::open(&uri, other).await.err().unwrap();
        assert!(refused.message().starts_with("rulesets: "), "{refused}");
        assert!(refused.message().contains("generals"), "{refused}");
    });
}

//! Rows that actors submit: what is refused, and who waits for whom.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
        Float32Array, Int32Array, RecordBatch, StringArray, UInt8Array, UInt32Array,
    },
    datatypes::{Int32Type, Schema, UInt32Type},
    ipc::{CompressionType, writer::IpcWriteOptions},
};
use arrow_flight::{
    FlightData, FlightDescriptor, PutResult,
    encode::{DictionaryHandling, FlightDataEncoderBuilder},
    error::FlightError,
};
use bivouac::serve::{Server, ServerConfig, Simulated};
use datasets::schema::column;
use proptest::{
    collection::vec,
    prelude::{any, prop},
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use systems::rows::RowFormat;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use crate::client::{Batch, assert_whole, config, connect, games, read, rows, run, with_server};

/// Games on boards of 8x8 in rows for larger ones, so that planes have bits outside the board.
fn padded(n: u64) -> Simulated {
    let format = RowFormat { height: 9, width: 10, has_builds: false, has_owners: false };
    Simulated { format, ..games(n) }
}

/// The rows of games that another server played, in several batches.
async fn played(uri: &str) -> Vec<RecordBatch> {
    let batches = read(uri, r#"{"follow": true, "batch_rows": 16}"#).await;
    batches.into_iter().map(|batch| batch.rows).collect()
}

/// Rows of two games.
fn some_rows() -> Vec<RecordBatch> {
    let mut found = Vec::new();
    with_server(&config(), padded(2), async |uri| found = played(&uri).await);
    found
}

async fn messages(path: &[&str], batches: &[RecordBatch]) -> Vec<FlightData> {
    packed(path, batches, None).await
}

/// Messages with batches that are compressed.
async fn packed(
    path: &[&str],
    batches: &[RecordBatch],
    with: Option<CompressionType>,
) -> Vec<FlightData> {
    let options = IpcWriteOptions::default().try_with_compression(with).unwrap();
    let path = path.iter().map(|&part| part.to_owned()).collect();
    let batches = batches.iter().cloned().map(Ok::<_, FlightError>).collect::<Vec<_>>();
    FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(FlightDescriptor::new_path(path)))
        .with_options(options)
        .with_dictionary_handling(DictionaryHandling::Resend)
        .build(tokio_stream::iter(batches))
        .map(Result::unwrap)
        .collect()
        .await
}

/// What became of each batch, up to the end of the stream.
async fn put(uri: &str, messages: Vec<FlightData>) -> Result<Vec<Value>, Status> {
    let answers = connect(uri).await.do_put(tokio_stream::iter(messages)).await?;
    let mut answers = answers.into_inner();
    let mut told = Vec::new();
    while let Some(PutResult { app_metadata }) = answers.message().await? {
        told.push(serde_json::from_slice(&app_metadata).unwrap());
    }
    Ok(told)
}

async fn submit(uri: &str, batches: &[RecordBatch]) -> Result<Vec<Value>, Status> {
    put(uri, messages(&["experiences"], batches).await).await
}

/// The batch with other values in a column.
fn with(batch: &RecordBatch, name: &str, values: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = values;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn bytes(batch: &RecordBatch, name: &str, byte: u8) -> ArrayRef {
    let width = batch[name].as_fixed_size_binary().value_length();
    let row = vec![byte; usize::try_from(width).unwrap()];
    let rows = std::iter::repeat_n(row, batch.num_rows());
    Arc::new(FixedSizeBinaryArray::try_from_iter(rows).unwrap())
}

#[test]
fn rows_that_were_played_are_taken() {
    let sent = some_rows();
    with_server(&config(), padded(0), async |uri| {
        let told = submit(&uri, &sent).await.unwrap();
        assert!(told.iter().all(|told| told["rejected"] == 0), "{told:?}");
        let found = read(&uri, "{}").await;
        assert_whole(&rows(&found), 2);
    });
}

#[test]
fn rows_that_no_game_has_are_refused_by_name() {
    let sent = some_rows();
    let first = sent[0].slice(0, 1);
    let flag = |is_set| -> ArrayRef { Arc::new(BooleanArray::from(vec![is_set])) };
    let int = |value| -> ArrayRef { Arc::new(Int32Array::from(vec![value])) };
    let byte = |value| -> ArrayRef { Arc::new(UInt8Array::from(vec![value])) };
    let exact: ArrayRef = Arc::new(BinaryArray::from(vec![&[1_u8; 9][..]]));
    let step: ArrayRef = Arc::new(UInt32Array::from(vec![5]));
    let reward: ArrayRef = Arc::new(Float32Array::from(vec![f32::NAN]));
    let unmasked = with(&first, column::ACTION_MASK, bytes(&first, column::ACTION_MASK, 0));
    let ended = with(&first, column::TERMINATED, flag(true));
    let last = with(&first, column::IS_LAST, flag(true));
    let cases = [
        ("action: 0 is not legal", with(&unmasked, column::ACTION, int(0))),
        ("action: 721 is none", with(&first, column::ACTION, int(8 * 90 + 1))),
        ("action: -1 is none", with(&first, column::ACTION, int(-1))),
        ("planes: ", with(&first, column::PLANES, bytes(&first, column::PLANES, 255))),
        (
            "action_mask: ",
            with(&first, column::ACTION_MASK, bytes(&first, column::ACTION_MASK, 255)),
        ),
        ("army_exact: ", with(&first, column::ARMY_EXACT, exact)),
        ("agent_id: ", with(&first, column::AGENT_ID, byte(16))),
        ("height: ", with(&first, column::HEIGHT, byte(10))),
        ("height: ", with(&first, column::WIDTH, byte(0))),
        ("reward: ", with(&first, column::REWARD, reward)),
        ("truncated: ", with(&ended, column::TRUNCATED, flag(true))),
        ("is_last: ", with(&last, column::TERMINATED, flag(true))),
        ("action: the last row", last),
        ("is_first: ", with(&first, column::IS_FIRST, flag(false))),
        ("is_first: ", with(&first, column::STEP, step)),
    ];
    with_server(&config(), padded(0), async |uri| {
        for (reason, batch) in cases {
            let told = submit(&uri, &[batch]).await.unwrap();
            assert_eq!((&told[0]["accepted"], &told[0]["rejected"]), (&0.into(), &1.into()));
            let found = told[0]["reasons"][0]["reason"].as_str().unwrap();
            assert!(found.starts_with(reason), "{reason}: {found}");
        }
        assert!(read(&uri, "{}").await.is_empty(), "nothing of it is in the streams");
    });
}

#[test]
fn an_episode_ends_with_the_row_after_its_last_action() {
    let sent = some_rows();
    // The first two rows of one agent.
    let of_first = |batch: &RecordBatch, step: u32| {
        let steps = batch[column::STEP].as_primitive::<UInt32Type>().clone();
        let row = steps.values().iter().position(|&found| found == step)?;
        (batch[column::AGENT_ID].as_primitive::<arrow::datatypes::UInt8Type>().value(row) == 0)
            .then(|| batch.slice(row, 1))
    };
    let find = |step| sent.iter().find_map(|batch| of_first(batch, step)).unwrap();
    let (zero, one) = (find(0), find(1));
    assert_eq!(zero[column::EPISODE_ID].as_ref(), one[column::EPISODE_ID].as_ref());
    let ended: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    let zero = with(&zero, column::TERMINATED, ended);
    with_server(&config(), padded(0), async |uri| {
        let told = submit(&uri, &[zero, one]).await.unwrap();
        assert_eq!((&told[0]["accepted"], &told[1]["rejected"]), (&1.into(), &1.into()));
        let reason = told[1]["reasons"][0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("is_last: "), "{reason}");
    });
}

#[test]
fn an_actor_does_not_wait_for_a_reader_that_is_not_there() {
    let sent = some_rows();
    let all: usize = sent.iter().map(RecordBatch::num_rows).sum();
    // Room for a few rows; the world would wait for somebody to read them.
    let config = ServerConfig { retain_bytes: 10_000, ..config() };
    with_server(&config, padded(0), async |uri| {
        let told = submit(&uri, &sent).await.unwrap();
        let accepted: u64 = told.iter().map(|told| told["accepted"].as_u64().unwrap()).sum();
        assert_eq!(accepted, all as u64);
        let kept: usize = read(&uri, "{}").await.iter().map(|batch| batch.rows.num_rows()).sum();
        assert!(kept < all, "the oldest gave way");
    });
}

#[test]
fn an_actor_that_sends_nothing_does_not_hold_up_the_end() {
    let sent = some_rows();
    let config = ServerConfig { grace: Duration::from_hours(1), ..config() };
    let server = Server::start(&config, padded(0)).unwrap();
    let uri = format!("http://{}", server.address());
    run(async {
        let batch = messages(&["experiences"], &sent[..1]).await;
        let open = tokio_stream::iter(batch).chain(tokio_stream::pending());
        let answers = connect(&uri).await.do_put(open).await.unwrap();
        let mut answers = answers.into_inner();
        answers.message().await.unwrap().unwrap();
        // It would be an hour.
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
        assert_eq!(answers.message().await.unwrap_err().code(), Code::Unavailable);
    });
}

#[test]
fn only_experiences_are_submitted() {
    let sent = some_rows();
    with_server(&config(), padded(0), async |uri| {
        let status = put(&uri, messages(&["dreams", "of"], &sent).await).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status}");
        assert!(status.message().contains("experiences"), "{status}");
    });
}

#[test]
fn errors_do_not_repeat_what_is_long() {
    let sent = some_rows();
    let long = "x".repeat(1 << 20);
    let n = sent[0].num_rows();
    let names: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
    let keys = Int32Array::from(vec![0; n]);
    let policies = DictionaryArray::<Int32Type>::new(keys, names);
    let unknown = with(&sent[0], column::POLICY, Arc::new(policies));
    let column: ArrayRef = Arc::new(Int32Array::from(vec![0]));
    let strange = RecordBatch::try_from_iter([(long.as_str(), column)]).unwrap();
    with_server(&config(), padded(0), async |uri| {
        for batch in [unknown, strange] {
            let status = submit(&uri, &[batch]).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{}", status.message().len());
            assert!(status.message().len() < 2000, "{}", status.message().len());
        }
    });
}

#[test]
fn compressed_batches_are_taken_if_they_become_no_larger_than_others_may_be() {
    let sent = some_rows();
    let path = ["experiences"];
    with_server(&config(), padded(0), async |uri| {
        for with in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
            let told = put(&uri, packed(&path, &sent, Some(with)).await).await.unwrap();
            assert!(told.iter().all(|told| told["rejected"] == 0), "{told:?}");
        }
        assert_whole(&rows(&read(&uri, "{}").await), 2);
        let large: ArrayRef = Arc::new(BinaryArray::from(vec![&vec![0_u8; 17 << 20][..]]));
        let large = RecordBatch::try_from_iter([("army", large)]).unwrap();
        let mut bomb = packed(&path, &[large], Some(CompressionType::ZSTD)).await;
        assert!(bomb.iter().all(|message| message.data_body.len() < 1 << 16));
        let status = put(&uri, bomb.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        // One that says that it becomes more memory than there is.
        for claimed in [i64::MAX, 1 << 44, i64::MIN] {
            for message in &mut bomb {
                let mut body = message.data_body.to_vec();
                let places = body.len().saturating_sub(7);
                for at in (0..places).step_by(64) {
                    body[at..at + 8].copy_from_slice(&claimed.to_le_bytes());
                }
                message.data_body = body.into();
            }
            let status = put(&uri, bomb.clone()).await.unwrap_err();
            let codes = [Code::ResourceExhausted, Code::InvalidArgument];
            assert!(codes.contains(&status.code()), "{status}");
        }
        // The server goes on.
        assert!(!read(&uri, "{}").await.is_empty());
    });
}

#[test]
fn a_batch_that_is_too_large_is_refused_as_such() {
    let large: ArrayRef = Arc::new(BinaryArray::from(vec![&vec![0_u8; 17 << 20][..]]));
    let large = RecordBatch::try_from_iter([("army", large)]).unwrap();
    with_server(&config(), padded(0), async |uri| {
        let status = submit(&uri, &[large]).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("bytes of a message"), "{status}");
    });
}

#[test]
fn rows_of_actors_are_not_those_of_simulated_games() {
    let sent = some_rows();
    let episodes = |batch: &RecordBatch| -> ArrayRef {
        Arc::new(arrow::array::UInt64Array::from(vec![0; batch.num_rows()]))
    };
    // An actor may number its episodes from 0, as simulated games are.
    let one = sent[0].slice(0, 1);
    let renamed = with(&one, column::EPISODE_ID, episodes(&one));
    with_server(&config(), padded(1), async |uri| {
        let simulated = read(&uri, r#"{"follow": true, "games": [0]}"#).await;
        assert_whole(&rows(&simulated), 1);
        // The world has ended, so this server takes no more; another one that goes on does.
        assert!(submit(&uri, std::slice::from_ref(&renamed)).await.is_err());
    });
    with_server(&config(), padded(0), async |uri| {
        submit(&uri, std::slice::from_ref(&renamed)).await.unwrap();
        assert!(read(&uri, r#"{"games": [0]}"#).await.is_empty());
        let found = read(&uri, &format!(r#"{{"games": [{}]}}"#, 1_u64 << 63)).await;
        assert_eq!(found.iter().map(|Batch { rows, .. }| rows.num_rows()).sum::<usize>(), 1);
    });
}

#[test]
fn no_batch_whatever_breaks_the_server() {
    let sent = some_rows();
    // Of an episode of its own, so that rows that pass stand in nobody's way.
    let episodes = arrow::array::UInt64Array::from(vec![7; sent[0].num_rows()]);
    let valid = with(&sent[0], column::EPISODE_ID, Arc::new(episodes));
    let valid = run(messages(&["experiences"], &[valid]));
    let noise = vec((vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..64)), 0..4);
    let flips = vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let server = Server::start(&config(), padded(0)).unwrap();
    let uri = format!("http://{}", server.address());
    runner
        .run(&(noise, flips, any::<bool>()), |(noise, flips, is_body)| {
            run(async {
                let mut damaged = valid.clone();
                let last = damaged.last_mut().unwrap();
                let mut bytes = if is_body { &last.data_body } else { &last.data_header }.to_vec();
                for (at, byte) in &flips {
                    *at.get_mut(&mut bytes) = *byte;
                }
                *if is_body { &mut last.data_body } else { &mut last.data_header } = bytes.into();
                let noise = noise.into_iter().map(|(header, body)| {
                    FlightData::new().with_data_header(header).with_data_body(body)
                });
                damaged.extend(noise);
                if let Err(status) = put(&uri, damaged).await {
                    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
                }
            });
            Ok(())
        })
        .unwrap();
    run(async {
        let told = submit(&uri, &sent).await.unwrap();
        assert!(told.iter().all(|told| told["rejected"] == 0), "{told:?}");
        assert!(Schema::try_from(&valid[0]).is_ok());
    });
    server.stop().unwrap();
}

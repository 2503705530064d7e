use std::{pin::Pin, sync::Arc, task::Context};

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
        FixedSizeListArray, Float32Array, Int32Array, RecordBatch, StringArray,
    },
    buffer::Buffer,
    datatypes::{DataType, Field, Int32Type},
    ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};
use arrow_flight::{decode::FlightRecordBatchStream, error::FlightError};
use http_body::Body as _;
use tokio_stream::{StreamExt as _, iter};

use super::{body::Answer, *};

fn policies() -> ArrayRef {
    Arc::new(StringArray::from(vec!["random", "hunter"]))
}

/// Rows with a column of each type that rows have, wide and narrow, with nulls and without.
fn rows(n: usize) -> RecordBatch {
    let wide: Vec<u8> = (0..=250).cycle().take(n * 800).collect();
    let wide = FixedSizeBinaryArray::new(800, Buffer::from_vec(wide), None);
    let narrow: Int32Array = (0..).take(n).map(|i| (i % 3 > 0).then_some(i)).collect();
    let bits: BooleanArray = (0..n).map(|i| Some(i % 5 == 0)).collect();
    let keys: Int32Array = (0..).take(n).map(|i| Some(i % 2)).collect();
    let names = DictionaryArray::new(keys, policies());
    let bytes = |i: usize| (!i.is_multiple_of(4)).then(|| vec![7; i % 9 * 100]);
    let rare: BinaryArray = (0..n).map(bytes).collect();
    let texts: StringArray = (0..n).map(|i| Some("text".repeat(i % 3))).collect();
    let unseen: BooleanArray = (0..n).map(|i| (i % 7 > 0).then_some(i % 2 == 0)).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values: Float32Array =
        (0_u16..999).cycle().take(n * 300).map(|i| Some(f32::from(i))).collect();
    let dense = FixedSizeListArray::new(item, 300, Arc::new(values), None);
    let columns: [(&str, ArrayRef, bool); 9] = [
        ("wide", Arc::new(wide.clone()), false),
        ("wider", Arc::new(wide), false),
        ("narrow", Arc::new(narrow), true),
        ("bits", Arc::new(bits), false),
        ("name", Arc::new(names), false),
        ("rare", Arc::new(rare), true),
        ("text", Arc::new(texts), false),
        ("unseen", Arc::new(unseen), true),
        ("dense", Arc::new(dense), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn encoder() -> Encoder {
    Encoder::like(&rows(0), None).unwrap()
}

/// What an answer of these messages sends, and with which code it ends.
fn sent(messages: Vec<Result<Scattered, Status>>) -> (Vec<Bytes>, Option<String>) {
    let mut answer = Answer::new(iter(messages));
    let mut context = Context::from_waker(std::task::Waker::noop());
    let (mut pieces, mut code) = (Vec::new(), None);
    while let std::task::Poll::Ready(Some(frame)) = Pin::new(&mut answer).poll_frame(&mut context) {
        match frame.unwrap().into_data() {
            Ok(piece) => pieces.push(piece),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap();
                code = Some(trailers["grpc-status"].to_str().unwrap().to_owned());
            }
        }
    }
    assert!(answer.is_end_stream());
    (pieces, code)
}

/// The same, as tonic sends it.
fn framed(messages: &[Scattered]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let data = FlightData::from(message.clone());
        bytes.push(0);
        bytes.extend_from_slice(&u32::try_from(data.encoded_len()).unwrap().to_be_bytes());
        data.encode(&mut bytes).unwrap();
    }
    bytes
}

fn messages() -> Vec<Scattered> {
    let mut encoder = encoder();
    let mut messages = encoder.preamble().to_vec();
    for n in [100, 1, 0, 7, 1000] {
        let message = encoder.encode(&rows(n)).unwrap();
        messages.push(Scattered { app_metadata: format!("{n} rows").into(), ..message });
    }
    messages.push(Scattered::told("no rows"));
    messages
}

#[test]
fn the_bytes_of_an_answer_are_those_that_tonic_would_send() {
    let messages = messages();
    let (pieces, code) = sent(messages.iter().cloned().map(Ok).collect());
    assert_eq!(pieces.concat(), framed(&messages));
    assert_eq!(code.as_deref(), Some("0"));
}

#[test]
fn an_error_comes_after_all_that_was_sent_before_it() {
    let messages = messages();
    let mut answers: Vec<_> = messages.iter().cloned().map(Ok).collect();
    answers.push(Err(Status::data_loss("rows are gone")));
    answers.push(Ok(Scattered::told("never sent")));
    let (pieces, code) = sent(answers);
    assert_eq!(pieces.concat(), framed(&messages));
    assert_eq!(code.as_deref(), Some("15"));
}

#[test]
fn wide_columns_are_sent_from_where_they_lie() {
    let batch = rows(100);
    let lies_at = batch.column(0).as_fixed_size_binary().value_data().as_ptr();
    let message = encoder().encode(&batch).unwrap();
    let (pieces, _) = sent(vec![Ok(message)]);
    assert!(pieces.iter().any(|piece| piece.as_ptr() == lies_at));
    // Four wide columns, and what is before and between them.
    assert!(pieces.len() <= 8, "{} pieces", pieces.len());
    assert!(pieces.iter().all(|piece| !piece.is_empty()), "clients refuse many empty frames");
}

#[test]
fn small_messages_are_sent_together() {
    let message = encoder().encode(&rows(1)).unwrap();
    let (pieces, _) = sent(vec![Ok(message); 100]);
    assert!(pieces.len() < 20, "{} pieces", pieces.len());
}

/// What a client reads in these messages.
async fn read(messages: Vec<FlightData>) -> Vec<RecordBatch> {
    let messages = iter(messages.into_iter().map(Ok::<_, FlightError>));
    let batches = FlightRecordBatchStream::new_from_flight_data(messages);
    batches.map(Result::unwrap).collect().await
}

#[tokio::test]
async fn rows_read_back_as_they_were_also_from_parts_of_batches() {
    let mut encoder = encoder();
    let whole = rows(1000);
    for (from, n) in [(0, 1000), (0, 0), (3, 500), (997, 3), (8, 16)] {
        let batch = whole.slice(from, n);
        let mut messages = encoder.preamble().to_vec();
        messages.push(encoder.encode(&batch).unwrap());
        let messages = messages.into_iter().map(FlightData::from);
        assert_eq!(read(messages.collect()).await, [batch]);
    }
}

#[test]
fn the_bytes_of_a_batch_are_those_that_arrow_writes() {
    let (generator, options) = (IpcDataGenerator::default(), IpcWriteOptions::default());
    let mut encoder = encoder();
    let whole = rows(1000);
    for (from, n) in [(0, 1000), (0, 1), (0, 0), (3, 500), (997, 3), (8, 16), (64, 64)] {
        let batch = whole.slice(from, n);
        let mut tracker = DictionaryTracker::new(false);
        generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
        let mut context = IpcWriteContext::default();
        let (_, theirs) = generator.encode(&batch, &mut tracker, &options, &mut context).unwrap();
        let ours = FlightData::from(encoder.encode(&batch).unwrap());
        assert_eq!(ours.data_header, theirs.ipc_message, "{n} rows from {from}");
        assert_eq!(ours.data_body, theirs.arrow_data, "{n} rows from {from}");
    }
}

#[test]
fn other_columns_than_those_it_began_with_are_refused() {
    let mut encoder = encoder();
    let mut columns: Vec<_> = (0..9).collect();
    columns.swap(0, 2);
    assert!(encoder.encode(&rows(4).project(&columns).unwrap()).is_err());
    assert!(encoder.encode(&rows(4).project(&columns[..8]).unwrap()).is_err());
    let tree = Arc::new(Field::new("tree", DataType::Struct(Vec::<Field>::new().into()), true));
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![tree]));
    assert!(Encoder::of(schema).is_err());
}

#[test]
fn other_names_than_those_it_began_with_are_refused() {
    let mut encoder = encoder();
    let other: ArrayRef = Arc::new(StringArray::from(vec!["somebody", "else"]));
    let mut columns = rows(4).columns().to_vec();
    let keys = columns[4].as_dictionary::<Int32Type>().keys().clone();
    columns[4] = Arc::new(DictionaryArray::new(keys, other));
    let batch = RecordBatch::try_new(rows(4).schema(), columns).unwrap();
    assert!(matches!(batch.schema().field(4).data_type(), DataType::Dictionary(..)));
    assert!(encoder.encode(&batch).is_err());
}

//! Batches as messages of Flight, encoded once for all streams that carry them.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, new_empty_array},
    datatypes::SchemaRef,
    error::ArrowError,
};
use datasets::schema::column;
use serde::Serialize;

use super::{
    filter::Versions,
    scatter::{self, Scattered},
    ticket::Compression,
};

/// What a batch says of itself, as JSON in `app_metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Metadata<'a> {
    /// The number of rows that the world had made with the last row of this batch.
    seq: u64,
    /// Rows that were given up before this batch, since the last batch of the stream.
    dropped: u64,
    /// The lowest version of a policy in the batch, where policies have versions.
    policy_version_min: Option<u64>,
    /// The highest.
    policy_version_max: Option<u64>,
    /// The run of the server that `seq` is a number of; none for closed datasets, which stay.
    run: Option<&'a str>,
    /// The run of an earlier server, all of whose rows this stream got before those of `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<&'a str>,
}

/// What a batch says of itself besides its place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'a> {
    /// Rows that were given up before it.
    pub(super) dropped: u64,
    /// The run of the server.
    pub(super) run: Option<&'a str>,
    /// The run of an earlier server whose rows all came before.
    pub(super) continues: Option<&'a str>,
}

/// An encoded batch. Copies share its bytes.
#[derive(Clone, Debug)]
pub(super) struct Message {
    data: Scattered,
    /// The lowest and the highest version of a policy, where there are any.
    versions: Versions,
    /// Rows in it.
    pub(super) rows: u64,
    /// The number of the first row that the world made for it, whether or not it passed.
    pub(super) start: u64,
    /// The number after the last.
    pub(super) end: u64,
}

impl Message {
    /// The message for one stream.
    pub(super) fn for_stream(&self, about: About<'_>) -> Scattered {
        let About { dropped, run, continues } = about;
        let (policy_version_min, policy_version_max) = self.versions.unzip();
        let seq = self.end;
        let metadata =
            Metadata { seq, dropped, policy_version_min, policy_version_max, run, continues };
        // Numbers and a name always become JSON.
        let json = serde_json::to_vec(&metadata).unwrap_or_default();
        self.data.clone().saying(json)
    }

    /// Bytes of its header and body.
    pub(super) fn bytes(&self) -> u64 {
        self.data.bytes() as u64
    }
}

/// Encodes batches of one schema.
#[derive(Debug)]
pub(super) struct Encoder {
    encoder: scatter::Encoder,
    /// A batch without rows, with the dictionary of all others.
    empty: RecordBatch,
}

impl Encoder {
    /// `policies` are the values of the dictionary in all batches to come.
    pub(super) fn new(
        schema: &SchemaRef,
        policies: &ArrayRef,
        compression: Option<Compression>,
    ) -> Result<Self, ArrowError> {
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            if field.name() == column::POLICY {
                let keys = Int32Array::from(Vec::<i32>::new());
                Arc::new(DictionaryArray::new(keys, policies.clone()))
            } else {
                new_empty_array(field.data_type())
            }
        });
        let empty = RecordBatch::try_new(schema.clone(), columns.collect())?;
        Ok(Self { encoder: scatter::Encoder::like(&empty, compression)?, empty })
    }

    /// What a stream sends before its first batch.
    pub(super) fn preamble(&self) -> &[Scattered] {
        self.encoder.preamble()
    }

    /// A batch without rows.
    pub(super) fn empty(&self) -> &RecordBatch {
        &self.empty
    }

    /// A batch as a message, with the versions of its policies. Its rows came of those that the world
    /// numbered `span`.
    pub(super) fn encode(
        &mut self,
        batch: &RecordBatch,
        versions: Versions,
        span: Range<u64>,
    ) -> Result<Message, ArrowError> {
        let (data, rows) = (self.encoder.encode(batch)?, batch.num_rows() as u64);
        Ok(Message { data, versions, rows, start: span.start, end: span.end })
    }
}

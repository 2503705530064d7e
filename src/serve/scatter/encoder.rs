//! Batches of rows as messages of Arrow's stream format, with their bodies in pieces.
//!
//! Arrow's own encoder takes every column apart into values of its own, and looks through
//! dictionaries that never change for new names: a sixth of what it took to send rows. This one writes
//! the same bytes, for the types that rows have.

use std::sync::Arc;

use arrow::{
    array::{
        AnyDictionaryArray, Array, ArrayRef, AsArray, GenericByteArray, RecordBatch,
        downcast_primitive_array,
    },
    buffer::{Buffer, NullBuffer},
    datatypes::{ArrowNativeType, ByteArrayType, DataType, SchemaRef},
    error::ArrowError,
    ipc::{
        self, CompressionType, FieldNode, MessageBuilder, MessageHeader, MetadataVersion,
        RecordBatchBuilder,
        writer::{
            DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
        },
    },
};
use bytes::{Bytes, BytesMut};
use flatbuffers::FlatBufferBuilder;

use super::{Scattered, WIDE};
use crate::serve::ticket::Compression;

/// Columns begin at multiples of so many bytes.
const ALIGNMENT: usize = 64;

/// Encodes batches of one schema, with the same dictionaries in all of them.
pub(in crate::serve) struct Encoder {
    schema: SchemaRef,
    /// The values of each column's dictionary.
    names: Vec<Option<ArrayRef>>,
    preamble: Vec<Scattered>,
    compressor: Option<Compressor>,
    header: FlatBufferBuilder<'static>,
    body: Body,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// For batches like this one, which has no rows and the dictionaries of all to come. To compress
    /// them is left to Arrow.
    ///
    /// # Errors
    ///
    /// [`ArrowError`] for columns that cannot be sent.
    pub(in crate::serve) fn like(
        empty: &RecordBatch,
        compression: Option<Compression>,
    ) -> Result<Self, ArrowError> {
        let names = |array: &ArrayRef| Some(array.as_any_dictionary_opt()?.values().clone());
        let (preamble, tracker) = preamble(empty)?;
        let mut encoder = Self {
            schema: empty.schema(),
            names: empty.columns().iter().map(names).collect(),
            preamble,
            compressor: compression.map(|with| Compressor::new(with, tracker)).transpose()?,
            header: FlatBufferBuilder::new(),
            body: Body::default(),
        };
        // What cannot be sent is told before anybody waits for it.
        encoder.encode(empty)?;
        Ok(encoder)
    }

    /// For batches of a schema without dictionaries.
    ///
    /// # Errors
    ///
    /// As [`Encoder::like`].
    pub(in crate::serve) fn of(schema: SchemaRef) -> Result<Self, ArrowError> {
        Self::like(&RecordBatch::new_empty(schema), None)
    }

    /// What a stream sends before its first batch: the schema, and the dictionaries if there are any.
    pub(in crate::serve) fn preamble(&self) -> &[Scattered] {
        &self.preamble
    }

    /// A batch as a message, whose wide columns are shown and not copied.
    ///
    /// # Errors
    ///
    /// [`ArrowError`] for a batch that is not like those that the encoder was made for.
    pub(in crate::serve) fn encode(
        &mut self,
        batch: &RecordBatch,
    ) -> Result<Scattered, ArrowError> {
        self.check(batch)?;
        if let Some(compressor) = &mut self.compressor {
            return compressor.encode(batch);
        }
        self.body.begin();
        for column in batch.columns() {
            self.body.column(column)?;
        }
        let header = self.header(batch.num_rows());
        let (body, body_len) = self.body.end();
        Ok(Scattered { header, app_metadata: Bytes::new(), body, body_len })
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let differs = |reason: &str| Err(ArrowError::IpcError(reason.to_owned()));
        let (now, then) = (batch.schema_ref(), &self.schema);
        let same_types = || {
            let mut pairs = now.fields().iter().zip(then.fields());
            let same_number = now.fields().len() == then.fields().len();
            same_number && pairs.all(|(now, then)| now.data_type() == then.data_type())
        };
        if !Arc::ptr_eq(now, then) && !same_types() {
            return differs("the columns of a batch are not those of its stream");
        }
        for (column, names) in batch.columns().iter().zip(&self.names) {
            let Some(names) = names else { continue };
            let now = column.as_any_dictionary().values();
            if !Arc::ptr_eq(now, names) && now != names {
                return differs("the values of a dictionary changed while streams were open");
            }
        }
        Ok(())
    }

    /// The header of a message of so many rows with the body that was just written.
    fn header(&mut self, rows: usize) -> Bytes {
        let Self { header: builder, body: Body { nodes, buffers, len, .. }, .. } = self;
        builder.reset();
        let (buffers, nodes) = (builder.create_vector(buffers), builder.create_vector(nodes));
        let mut batch = RecordBatchBuilder::new(builder);
        batch.add_length(wire(rows));
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        let batch = batch.finish();
        let mut message = MessageBuilder::new(builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(wire(*len));
        message.add_header(batch.as_union_value());
        let message = message.finish();
        builder.finish(message, None);
        Bytes::copy_from_slice(builder.finished_data())
    }
}

/// Arrow's encoder, which compresses.
struct Compressor {
    options: IpcWriteOptions,
    tracker: DictionaryTracker,
    context: IpcWriteContext,
}

impl Compressor {
    /// `tracker` knows the dictionaries that were sent.
    fn new(compression: Compression, tracker: DictionaryTracker) -> Result<Self, ArrowError> {
        let (codec, level) = match compression {
            Compression::Lz4 => (CompressionType::LZ4_FRAME, None),
            Compression::Zstd => (CompressionType::ZSTD, Some(1)),
        };
        let options = IpcWriteOptions::default().try_with_compression(Some(codec))?;
        let options = options.try_with_compression_level(level)?;
        Ok(Self { options, tracker, context: IpcWriteContext::default() })
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<Scattered, ArrowError> {
        let Self { options, tracker, context } = self;
        // The dictionaries are those that were sent.
        let (_none, rows) = IpcDataGenerator::default().encode(batch, tracker, options, context)?;
        Ok(rows.into())
    }
}

/// The schema, and the dictionaries of a batch without rows; and what keeps an account of them.
fn preamble(empty: &RecordBatch) -> Result<(Vec<Scattered>, DictionaryTracker), ArrowError> {
    let (generator, options) = (IpcDataGenerator::default(), IpcWriteOptions::default());
    let mut tracker = DictionaryTracker::new(true);
    let schema =
        generator.schema_to_bytes_with_dictionary_tracker(&empty.schema(), &mut tracker, &options);
    let (dictionaries, _empty) =
        generator.encode(empty, &mut tracker, &options, &mut IpcWriteContext::default())?;
    let messages = [schema].into_iter().chain(dictionaries).map(Scattered::from).collect();
    Ok((messages, tracker))
}

impl From<EncodedData> for Scattered {
    fn from(data: EncodedData) -> Self {
        let (body_len, body) = (data.arrow_data.len(), Bytes::from(data.arrow_data));
        let pieces = Some(body).filter(|body| !body.is_empty());
        let (header, body) = (data.ipc_message.into(), pieces.into_iter().collect());
        Self { header, app_metadata: Bytes::new(), body, body_len }
    }
}

/// A number of rows or bytes, as headers have them.
#[expect(clippy::cast_possible_wrap, reason = "they are in memory, so there are fewer than 2^63")]
fn wire(count: usize) -> i64 {
    count as i64
}

/// Memory of an array, as [`Bytes`] keep it.
struct Shown(Buffer);

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The body of a message: wide columns as they are, and what lies between them together.
#[derive(Default)]
struct Body {
    /// Rows and nulls of each column, those within others too.
    nodes: Vec<FieldNode>,
    /// Where each buffer begins and ends.
    buffers: Vec<ipc::Buffer>,
    pieces: Vec<Bytes>,
    narrow: BytesMut,
    len: usize,
    /// Bytes of the last message that were not wide: memory that the next will need.
    narrow_bytes: usize,
}

impl Body {
    fn begin(&mut self) {
        self.nodes.clear();
        self.buffers.clear();
        self.pieces.clear();
        self.narrow = BytesMut::with_capacity(self.narrow_bytes);
        (self.len, self.narrow_bytes) = (0, 0);
    }

    /// The pieces and their length.
    fn end(&mut self) -> (Arc<[Bytes]>, usize) {
        self.cut();
        self.narrow = BytesMut::new();
        (self.pieces.drain(..).collect(), self.len)
    }

    fn column(&mut self, array: &dyn Array) -> Result<(), ArrowError> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let null_count = nulls.map_or(0, NullBuffer::null_count);
        self.nodes.push(FieldNode::new(wire(array.len()), wire(null_count)));
        self.add(nulls.map(|nulls| nulls.inner().sliced()).unwrap_or_default());
        downcast_primitive_array!(
            array => self.add(array.values().inner().clone()),
            DataType::Boolean => self.add(array.as_boolean().values().sliced()),
            DataType::FixedSizeBinary(_) => {
                let array = array.as_fixed_size_binary();
                self.add(array.values().slice_with_length(0, array.len() * array.value_size()));
            }
            DataType::Binary => self.strings(array.as_binary::<i32>()),
            DataType::Utf8 => self.strings(array.as_string::<i32>()),
            DataType::Dictionary(..) => self.keys(array.as_any_dictionary())?,
            DataType::FixedSizeList(..) => self.column(array.as_fixed_size_list().values())?,
            other => return Err(ArrowError::NotYetImplemented(format!("to send {other}"))),
        );
        Ok(())
    }

    /// The keys of a dictionary. Its values are sent before all batches.
    fn keys(&mut self, array: &dyn AnyDictionaryArray) -> Result<(), ArrowError> {
        let keys = array.keys();
        downcast_primitive_array!(
            keys => self.add(keys.values().inner().clone()),
            other => return Err(ArrowError::NotYetImplemented(format!("keys of {other}"))),
        );
        Ok(())
    }

    /// Where each text begins and ends, and the texts; of a part of an array that part.
    fn strings<T: ByteArrayType<Offset = i32>>(&mut self, array: &GenericByteArray<T>) {
        let offsets = array.offsets();
        let (first, last) = (offsets[0], offsets[array.len()]);
        self.add(match first {
            0 => offsets.inner().inner().clone(),
            _ => offsets.iter().map(|offset| offset - first).collect(),
        });
        let (first, last) = (first.as_usize(), last.as_usize());
        self.add(array.values().slice_with_length(first, last - first));
    }

    fn add(&mut self, buffer: Buffer) {
        let len = buffer.len();
        self.buffers.push(ipc::Buffer::new(wire(self.len), wire(len)));
        if len < WIDE {
            self.narrow.extend_from_slice(&buffer);
        } else {
            self.cut();
            self.pieces.push(Bytes::from_owner(Shown(buffer)));
        }
        let padding = len.next_multiple_of(ALIGNMENT) - len;
        self.narrow.resize(self.narrow.len() + padding, 0);
        self.len += len + padding;
    }

    /// Makes a piece of what was not wide.
    fn cut(&mut self) {
        if !self.narrow.is_empty() {
            self.narrow_bytes += self.narrow.len();
            self.pieces.push(self.narrow.split().freeze());
        }
    }
}

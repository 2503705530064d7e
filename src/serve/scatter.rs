//! Messages of Flight whose bodies lie where their columns were made.
//!
//! A message of rows is megabytes of columns that are in memory already. To gather them in one place,
//! and that place in another with the frame of gRPC around it, takes two copies of every byte before
//! the connection makes its own. So a body is a list of pieces, and what the connection is given are
//! the columns themselves.

mod body;
mod methods;

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{root_as_message, writer::StreamEncoder},
};
use arrow_flight::FlightData;
use bytes::{BufMut, Bytes, BytesMut};
use prost::{Message, encode_length_delimiter, length_delimiter_len};
use tonic::Status;

pub(super) use self::methods::Methods;

/// Bytes from which on a column is sent from where it lies: to copy fewer costs less than a frame of
/// HTTP/2 of their own.
const WIDE: usize = 8 << 10;

/// What a body begins with: the number of its field in `FlightData`, 1000, and that its length follows.
const BODY_KEY: [u8; 2] = [0xC2, 0x3E];

/// Bytes before each message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A [`FlightData`] whose body is in pieces. Copies share its bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Scattered {
    header: Bytes,
    app_metadata: Bytes,
    body: Arc<[Bytes]>,
    body_len: usize,
}

impl Scattered {
    /// A message that only says something.
    pub(super) fn told(app_metadata: impl Into<Bytes>) -> Self {
        Self { app_metadata: app_metadata.into(), ..Self::default() }
    }

    /// The same message, which says something besides.
    pub(super) fn saying(self, app_metadata: impl Into<Bytes>) -> Self {
        Self { app_metadata: app_metadata.into(), ..self }
    }

    /// Bytes of its header and body.
    pub(super) fn bytes(&self) -> usize {
        self.header.len() + self.body_len
    }

    /// Writes it as gRPC frames it: what is wide becomes a piece of its own, all else is added to
    /// what `gathered` has already, which becomes a piece when a wide one follows.
    fn write(
        &self,
        gathered: &mut BytesMut,
        pieces: &mut impl Extend<Bytes>,
    ) -> Result<(), Status> {
        let head = FlightData {
            data_header: self.header.clone(),
            app_metadata: self.app_metadata.clone(),
            ..FlightData::default()
        };
        let before_body = match self.body_len {
            0 => 0,
            len => BODY_KEY.len() + length_delimiter_len(len),
        };
        let len = head.encoded_len() + before_body + self.body_len;
        let framed = u32::try_from(len).map_err(|_too_long| {
            Status::resource_exhausted(format!(
                "a message of {len} bytes is longer than gRPC allows"
            ))
        })?;
        gathered.reserve(PREFIX + head.encoded_len() + before_body);
        gathered.put_u8(0);
        gathered.put_u32(framed);
        let has_no_room = |error: prost::EncodeError| Status::internal(error.to_string());
        head.encode(gathered).map_err(has_no_room)?;
        if self.body_len > 0 {
            gathered.extend_from_slice(&BODY_KEY);
            encode_length_delimiter(self.body_len, gathered).map_err(has_no_room)?;
        }
        for piece in &*self.body {
            if piece.len() < WIDE {
                gathered.extend_from_slice(piece);
                continue;
            }
            // Clients take empty frames for an attack.
            let before = Some(gathered.split().freeze()).filter(|gathered| !gathered.is_empty());
            pieces.extend(before.into_iter().chain([piece.clone()]));
        }
        Ok(())
    }
}

impl From<FlightData> for Scattered {
    fn from(data: FlightData) -> Self {
        let FlightData { data_header: header, app_metadata, data_body, .. } = data;
        let body_len = data_body.len();
        Self { header, app_metadata, body: [data_body].into(), body_len }
    }
}

impl From<Scattered> for FlightData {
    /// Gathers the body.
    fn from(message: Scattered) -> Self {
        let Scattered { header: data_header, app_metadata, body, body_len } = message;
        let mut data_body = Vec::with_capacity(body_len);
        for piece in &*body {
            data_body.extend_from_slice(piece);
        }
        Self { data_header, app_metadata, data_body: data_body.into(), flight_descriptor: None }
    }
}

/// Memory of an array, as [`Bytes`] keep it.
struct Shown(Buffer);

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Encodes batches of one schema, with the same dictionaries in all of them.
pub(super) struct Encoder {
    encoder: StreamEncoder,
    preamble: Vec<Scattered>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// For batches like this one, which has no rows and the dictionaries of all to come.
    ///
    /// # Errors
    ///
    /// [`ArrowError`] for columns that cannot be sent.
    pub(super) fn like(empty: &RecordBatch) -> Result<Self, ArrowError> {
        let mut encoder = StreamEncoder::try_new(&empty.schema())?;
        let mut preamble = messages(encoder.encode(empty)?)?;
        preamble.pop();
        Ok(Self { encoder, preamble })
    }

    /// For batches of a schema without dictionaries.
    ///
    /// # Errors
    ///
    /// As [`Encoder::like`].
    pub(super) fn of(schema: SchemaRef) -> Result<Self, ArrowError> {
        Self::like(&RecordBatch::new_empty(schema))
    }

    /// What a stream sends before its first batch: the schema, and the dictionaries if there are any.
    pub(super) fn preamble(&self) -> &[Scattered] {
        &self.preamble
    }

    /// A batch as a message, whose wide columns are shown and not copied.
    ///
    /// # Errors
    ///
    /// [`ArrowError`] for a batch that is not like those that the encoder was made for.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<Scattered, ArrowError> {
        let mut messages = messages(self.encoder.encode(batch)?)?;
        let message = messages.pop().filter(|_| messages.is_empty());
        message.ok_or_else(|| {
            let reason = "the values of a dictionary changed while streams were open";
            ArrowError::IpcError(reason.to_owned())
        })
    }
}

/// The messages in what Arrow writes into a stream: of each the mark of its beginning, four bytes,
/// the length of its header, four more, its header and its body, with what fills them up.
fn messages(buffers: Vec<Buffer>) -> Result<Vec<Scattered>, ArrowError> {
    let malformed = |reason: &str| ArrowError::IpcError(format!("an encoded message {reason}"));
    let mut messages = Vec::new();
    // Columns without rows are among them.
    let mut buffers = buffers.into_iter().filter(|buffer| !buffer.is_empty());
    while let Some(prefix) = buffers.next() {
        let len = prefix.get(4..8).and_then(|len| <[u8; 4]>::try_from(len).ok());
        let len = len.ok_or_else(|| malformed("begins in another way"))?;
        let len = u32::from_le_bytes(len) as usize;
        let mut header = Vec::with_capacity(len);
        while header.len() < len {
            header.extend_from_slice(&buffers.next().ok_or_else(|| malformed("has no header"))?);
        }
        let parsed = root_as_message(&header).map_err(|error| malformed(&error.to_string()))?;
        let body_len = usize::try_from(parsed.bodyLength()).unwrap_or(0);
        let body =
            body(&mut buffers, body_len).ok_or_else(|| malformed("is shorter than it says"))?;
        let (header, app_metadata) = (header.into(), Bytes::new());
        messages.push(Scattered { header, app_metadata, body, body_len });
    }
    Ok(messages)
}

/// A body of so many bytes: wide columns as they are, and what lies between them together.
fn body(buffers: &mut impl Iterator<Item = Buffer>, len: usize) -> Option<Arc<[Bytes]>> {
    let (mut pieces, mut narrow, mut left) = (Vec::new(), BytesMut::new(), len);
    while left > 0 {
        let buffer = buffers.next()?;
        left = left.checked_sub(buffer.len())?;
        if buffer.len() < WIDE {
            narrow.extend_from_slice(&buffer);
            continue;
        }
        if !narrow.is_empty() {
            pieces.push(narrow.split().freeze());
        }
        pieces.push(Bytes::from_owner(Shown(buffer)));
    }
    if !narrow.is_empty() {
        pieces.push(narrow.freeze());
    }
    Some(pieces.into())
}

#[cfg(test)]
mod tests;

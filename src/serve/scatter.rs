//! Messages of Flight whose bodies lie where their columns were made.
//!
//! A message of rows is megabytes of columns that are in memory already. To gather them in one place,
//! and that place in another with the frame of gRPC around it, takes two copies of every byte before
//! the connection makes its own. So a body is a list of pieces, and what the connection is given are
//! the columns themselves.

mod body;
mod encoder;
mod methods;

use std::sync::Arc;

use arrow_flight::FlightData;
use bytes::{BufMut, Bytes, BytesMut};
use prost::{Message, encode_length_delimiter, length_delimiter_len};
use tonic::Status;

pub(super) use self::{encoder::Encoder, methods::Methods};

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

#[cfg(test)]
mod tests;

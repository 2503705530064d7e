//! Compressed batches that clients send: how much memory they would become.

use arrow::ipc::{Message, RecordBatch, root_as_message};
use arrow_flight::FlightData;
use tonic::Status;

use super::server::MESSAGE_BYTES;

/// Bytes before each compressed buffer: its length when it is unpacked, or -1 if it is not packed.
const LENGTH: usize = 8;

/// The message, if it does not become larger than one may be that is not compressed.
///
/// # Errors
///
/// As [`check`].
pub(super) fn checked(message: FlightData) -> Result<FlightData, Status> {
    // What cannot be read is told by whoever decodes it.
    if let Ok(header) = root_as_message(&message.data_header) {
        check(header, &message.data_body)?;
    }
    Ok(message)
}

/// Refuses a message that says that it becomes larger than one may be that is not compressed: whoever
/// unpacks it makes room for what it says, whether or not that comes.
///
/// # Errors
///
/// The status that a message has that is too large as it comes.
pub(super) fn check(header: Message<'_>, body: &[u8]) -> Result<(), Status> {
    let dictionary = || header.header_as_dictionary_batch()?.data();
    let Some(batch) = header.header_as_record_batch().or_else(dictionary) else { return Ok(()) };
    if batch.compression().is_none() {
        return Ok(());
    }
    let bytes = unpacked_bytes(batch, body);
    if bytes.is_some_and(|bytes| bytes <= MESSAGE_BYTES) {
        return Ok(());
    }
    Err(Status::out_of_range("an unpacked message is too large"))
}

/// What the buffers say that they become; none for more than there can be, and where they do not say it.
fn unpacked_bytes(batch: RecordBatch<'_>, body: &[u8]) -> Option<usize> {
    let mut sum = 0_usize;
    for buffer in batch.buffers().into_iter().flatten().filter(|buffer| buffer.length() > 0) {
        let from = usize::try_from(buffer.offset()).ok()?;
        let length = from.checked_add(LENGTH).and_then(|to| body.get(from..to));
        let length = i64::from_le_bytes(length?.try_into().ok()?);
        sum = sum.checked_add(usize::try_from(length).unwrap_or(0))?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, BinaryArray, RecordBatch as Rows},
        ipc::{
            CompressionType,
            writer::{
                DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
            },
        },
    };

    use super::*;

    /// A message of one value of so many bytes.
    fn message(len: usize, with: Option<CompressionType>) -> FlightData {
        let value: ArrayRef = Arc::new(BinaryArray::from(vec![&vec![0; len][..]]));
        let rows = Rows::try_from_iter([("value", value)]).unwrap();
        let options = IpcWriteOptions::default().try_with_compression(with).unwrap();
        let (mut tracker, mut context) = (DictionaryTracker::new(true), IpcWriteContext::default());
        let generator = IpcDataGenerator::default();
        let encoded = generator.encode(&rows, &mut tracker, &options, &mut context).unwrap();
        let EncodedData { ipc_message, arrow_data, .. } = encoded.1;
        FlightData {
            data_header: ipc_message.into(),
            data_body: arrow_data.into(),
            ..FlightData::default()
        }
    }

    #[test]
    fn what_a_message_becomes_is_known_before_it_is_unpacked() {
        for with in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
            for len in [0, 1, 100, MESSAGE_BYTES - 64] {
                assert!(checked(message(len, Some(with))).is_ok(), "{len} bytes");
            }
            let large = message(MESSAGE_BYTES + 1, Some(with));
            assert!(large.data_body.len() < MESSAGE_BYTES / 100);
            assert!(checked(large.clone()).is_err());
            let cut = FlightData { data_body: large.data_body.slice(..4), ..large };
            assert!(checked(cut).is_err());
        }
        assert!(checked(message(MESSAGE_BYTES + 1, None)).is_ok(), "it came as it is");
        assert!(checked(FlightData::default()).is_ok());
    }
}

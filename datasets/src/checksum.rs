//! Checksums of data files: every file says what its pages sum up to.
//!
//! Two entries of a file's own metadata hold the CRC-32 of its first bytes (all that comes before
//! the indexes and the footer) and their number. So a file can be checked wherever it was moved,
//! and a single flipped bit in a page is found: CRC-32 finds all of them, and any burst of up to 32
//! bits.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use crc32fast::Hasher;
use parquet::file::metadata::KeyValue;

use crate::error::{self, DataError};

/// Metadata key of the CRC-32, as eight hexadecimal digits.
const CRC: &str = "bivouac.crc32";

/// Metadata key of the number of bytes it is of.
const BYTES: &str = "bivouac.crc32_bytes";

/// The checksum of the first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// CRC-32 (ISO-HDLC, as in zip and PNG).
    pub crc: u32,
    /// Bytes it is of.
    pub bytes: u64,
}

impl Checksum {
    pub(crate) fn entries(self) -> [KeyValue; 2] {
        let entry = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        [entry(CRC, format!("{:08x}", self.crc)), entry(BYTES, self.bytes.to_string())]
    }

    /// The checksum that a file's metadata state, if they do.
    #[must_use]
    pub fn stated(metadata: Option<&Vec<KeyValue>>) -> Option<Self> {
        let value = |key: &str| {
            metadata?.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.as_deref())
        };
        let crc = u32::from_str_radix(value(CRC)?, 16).ok()?;
        Some(Self { crc, bytes: value(BYTES)?.parse().ok()? })
    }

    /// The checksum of the first `bytes` of a file, or of all it has if it is shorter.
    pub(crate) fn of_file(path: &Path, bytes: u64) -> Result<Self, DataError> {
        let file = File::open(path).map_err(error::file(path, "open the file"))?;
        let mut sum = Summed::new(io::sink());
        let mut reader = io::BufReader::with_capacity(1 << 20, file.take(bytes));
        io::copy(&mut reader, &mut sum).map_err(error::file(path, "read the file"))?;
        Ok(sum.checksum())
    }
}

/// A writer that sums up what passes through it.
pub(crate) struct Summed<W> {
    inner: W,
    crc: Hasher,
    bytes: u64,
}

impl<W> Summed<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, crc: Hasher::new(), bytes: 0 }
    }

    pub(crate) fn checksum(&self) -> Checksum {
        Checksum { crc: self.crc.clone().finalize(), bytes: self.bytes }
    }

    pub(crate) fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.crc.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_other_tools_and_survives_its_text() {
        let mut sum = Summed::new(Vec::new());
        sum.write_all(b"1234").unwrap();
        sum.write_all(b"56789").unwrap();
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(sum.checksum(), Checksum { crc: 0xCBF4_3926, bytes: 9 });
        let stated = sum.checksum().entries().to_vec();
        assert_eq!(Checksum::stated(Some(&stated)), Some(sum.checksum()));
        assert_eq!(
            (Checksum::stated(Some(&stated[..1].to_vec())), Checksum::stated(None)),
            (None, None)
        );
        assert_eq!(sum.into_inner(), b"123456789");
    }
}

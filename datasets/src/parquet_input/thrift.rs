//! Footers and page headers, gone through before the library reads them.
//!
//! Both are structs in the compact protocol of Thrift. The library reads the schema in a footer by
//! recursion without a limit, and a footer of a few kilobytes can nest deep enough to use up the
//! stack of a thread, which ends the process. And it steps over lists of truth values without
//! taking bytes for them, so that six bytes keep it busy for two thousand million steps. Here every
//! item takes a byte, and depth has limits. The schema is the second field of a footer: a list of
//! the nodes of a tree, each with its number of children, parents first.

use parquet::{errors::ParquetError, file::reader::ChunkReader};

/// Levels of a schema. A table of ours has three.
const LEVELS_MAX: usize = 32;
/// Structs and lists inside each other, in any part of a footer.
const DEPTH_MAX: u32 = 64;
/// The length of the footer and the magic number, at the end of a file.
const TAIL_BYTES: u64 = 8;

/// Types of the compact protocol; other numbers are none.
mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
}

/// Refuses a file whose schema is nested too deep, or whose footer is no footer.
pub(super) fn check_footer<R: ChunkReader>(bytes: &R) -> Result<(), ParquetError> {
    let fault = |problem: &str| ParquetError::General(format!("the footer {problem}"));
    let too_short = || fault("does not fit into the file");
    let end = bytes.len().checked_sub(TAIL_BYTES).ok_or_else(too_short)?;
    let tail = bytes.get_bytes(end, 8)?;
    let length = tail.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let start = end.checked_sub(length.into()).ok_or_else(too_short)?;
    let footer = bytes.get_bytes(start, length as usize)?;
    match (Struct { rest: &footer }).levels() {
        None => Err(fault("cannot be read")),
        Some(levels) if levels > LEVELS_MAX => {
            Err(fault(&format!("nests its schema {LEVELS_MAX} levels deep or more")))
        }
        Some(_) => Ok(()),
    }
}

/// Whether some bytes begin with a whole struct, as a page header is one.
pub(super) fn is_struct(bytes: &[u8]) -> bool {
    (Struct { rest: bytes }).skip(kind::STRUCT, DEPTH_MAX).is_some()
}

/// What is left of a struct.
struct Struct<'a> {
    rest: &'a [u8],
}

impl Struct<'_> {
    /// The levels of the deepest of its schemas, or one more than are allowed.
    fn levels(&mut self) -> Option<usize> {
        let (mut id, mut levels) = (0, 0);
        while let kind @ 1.. = self.field(&mut id)? {
            match (id, kind) {
                (2, kind::LIST) => levels = levels.max(self.schema()?),
                _ => self.skip(kind, DEPTH_MAX)?,
            }
        }
        Some(levels)
    }

    /// The levels of a schema.
    fn schema(&mut self) -> Option<usize> {
        let (kind, nodes) = self.list()?;
        if kind != kind::STRUCT {
            return None;
        }
        // Children still to come of each node that is open.
        let mut open: Vec<u64> = Vec::new();
        let mut levels = 0;
        for _ in 0..nodes {
            while open.pop_if(|children| *children == 0).is_some() {}
            if let Some(children) = open.last_mut() {
                *children -= 1;
            }
            let children = self.children()?;
            if children > 0 {
                open.push(children);
            }
            levels = levels.max(open.len());
            if levels > LEVELS_MAX {
                break;
            }
        }
        // What follows cannot be read from the middle of a list, and need not be.
        if levels > LEVELS_MAX {
            self.rest = &[0];
        }
        Some(levels)
    }

    /// The number of children of a node: its fifth field.
    fn children(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        while let kind @ 1.. = self.field(&mut id)? {
            if (id, kind) == (5, kind::I32) {
                let number = self.varint()?;
                // Zigzag: an odd number is negative, and such a node has none.
                children = if number % 2 == 0 { number / 2 } else { 0 };
            } else {
                self.skip(kind, DEPTH_MAX)?;
            }
        }
        Some(children)
    }

    /// The type of the next field of a struct, with its number in `id`; [`kind::STOP`] at the end.
    fn field(&mut self, id: &mut u64) -> Option<u8> {
        let head = self.byte()?;
        if head == kind::STOP {
            return Some(head);
        }
        *id = match head >> 4 {
            0 => self.varint()? / 2,
            delta => id.checked_add(delta.into())?,
        };
        // A type of 0 with a number is no end, and no type either.
        Some(head & 15).filter(|&kind| kind != kind::STOP)
    }

    /// The type and number of the items of a list.
    fn list(&mut self) -> Option<(u8, u64)> {
        let head = self.byte()?;
        let items = match head >> 4 {
            15 => self.varint()?,
            items => items.into(),
        };
        Some((head & 15, items))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            kind::TRUE | kind::FALSE => Some(()),
            kind::BYTE => self.take(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.take(8),
            kind::BINARY => {
                let length = self.varint()?;
                self.take(length)
            }
            kind::LIST | kind::SET => {
                let (kind, items) = self.list()?;
                (0..items).try_for_each(|_| self.skip_item(kind, depth))
            }
            kind::MAP => {
                let entries = self.varint()?;
                let kinds = if entries > 0 { self.byte()? } else { 0 };
                (0..entries).try_for_each(|_| {
                    self.skip_item(kinds >> 4, depth)?;
                    self.skip_item(kinds & 15, depth)
                })
            }
            kind::STRUCT => {
                let mut id = 0;
                while let kind @ 1.. = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Skips an item of a list or a map, where a truth value has a byte of its own.
    fn skip_item(&mut self, kind: u8, depth: u32) -> Option<()> {
        match kind {
            kind::TRUE | kind::FALSE => self.take(1),
            kind => self.skip(kind, depth),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn take(&mut self, n: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(n).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }
}

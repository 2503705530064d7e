//! LZ-string, the packing of replay files: text to bytes and back, in its `Uint8Array` form.
//!
//! The packed bytes are one string of bits, the most significant bit of each byte first. It holds
//! numbers written least significant bit first, so a number is read by turning each byte round.
//! Codes refer to phrases: 0, 1 and 2 are reserved (an 8-bit unit follows, a 16-bit unit follows,
//! the end), the text's phrases are numbered from 3. Source: rules, section 19.1.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::GiorError;

/// Most UTF-16 units that a file may unpack to.
///
/// Two hundred times the text of the longest of the conformance replays, so that no game comes
/// near it, and 16 MiB as UTF-16, so that a few hostile bytes cannot fill the memory: phrases
/// double in length with every few codes.
pub const TEXT_UNITS_MAX: u32 = 8 << 20;

const UNIT_8_FOLLOWS: u32 = 0;
const UNIT_16_FOLLOWS: u32 = 1;
const END: u32 = 2;
/// Number of the first phrase of the text.
const PHRASE_FIRST: u32 = 3;
/// Width of the first code of a text, in bits.
const WIDTH_FIRST: u32 = 2;

/// Units copied at once; nearly all phrases of a replay are shorter.
const CHUNK: usize = 16;
/// Room made at first, enough for most games but no gift to a hostile length.
const UNITS_AT_FIRST: usize = 1 << 16;

/// Unpacks a text.
///
/// Bytes after the end mark are ignored: the packer pads to an even number of bytes. Half of a
/// surrogate pair that stands alone, as where a name was cut, becomes U+FFFD.
///
/// # Errors
///
/// Returns [`GiorError::Truncated`], [`GiorError::PhraseUnknown`] or [`GiorError::TextTooLong`]; no
/// other variant.
pub fn decompress(bytes: &[u8]) -> Result<String, GiorError> {
    match unpack::<u8>(bytes)? {
        Some(ascii) => Ok(text_from_ascii(ascii)),
        None => Ok(String::from_utf16_lossy(&unpack_utf16(bytes)?)),
    }
}

/// Packs a text into the bytes that the JavaScript library gives for it.
///
/// [`decompress`] takes them back as long as the text keeps to [`TEXT_UNITS_MAX`].
#[must_use]
pub fn compress(text: &str) -> Vec<u8> {
    // A phrase is known by the number of its prefix and its last unit; a single unit has no
    // prefix, which is said by a reserved code.
    const NO_PREFIX: u32 = END;
    let mut numbers: HashMap<(u32, u16), u32> = HashMap::new();
    let mut next = PHRASE_FIRST;
    let mut packer = Packer::default();
    let mut open: Option<Phrase> = None;
    for unit in text.encode_utf16() {
        let single = match numbers.entry((NO_PREFIX, unit)) {
            Entry::Occupied(number) => Phrase::Known(*number.get()),
            Entry::Vacant(place) => {
                place.insert(next);
                next += 1;
                Phrase::New { unit, number: next - 1 }
            }
        };
        let Some(phrase) = open else {
            open = Some(single);
            continue;
        };
        open = Some(match numbers.entry((phrase.number(), unit)) {
            Entry::Occupied(number) => Phrase::Known(*number.get()),
            Entry::Vacant(place) => {
                place.insert(next);
                next += 1;
                packer.phrase(phrase);
                single
            }
        });
    }
    if let Some(phrase) = open {
        packer.phrase(phrase);
    }
    packer.finish()
}

/// A phrase about to be written.
#[derive(Clone, Copy)]
enum Phrase {
    /// A single unit that the bytes do not hold yet.
    New { unit: u16, number: u32 },
    /// A phrase that the reader knows by its number.
    Known(u32),
}

impl Phrase {
    fn number(self) -> u32 {
        match self {
            Self::New { number, .. } | Self::Known(number) => number,
        }
    }
}

/// Writes codes as bits.
struct Packer {
    bytes: Vec<u8>,
    /// Bits not yet written, the first one lowest.
    pending: u64,
    n_pending: u32,
    width: CodeWidth,
}

impl Default for Packer {
    fn default() -> Self {
        let width = CodeWidth { bits: WIDTH_FIRST, room: 2 };
        Self { bytes: Vec::new(), pending: 0, n_pending: 0, width }
    }
}

impl Packer {
    fn phrase(&mut self, phrase: Phrase) {
        match phrase {
            Phrase::Known(number) => self.put(number, self.width.bits),
            Phrase::New { unit, .. } => {
                if unit < 256 {
                    self.put(UNIT_8_FOLLOWS, self.width.bits);
                    self.put(unit.into(), 8);
                } else {
                    self.put(UNIT_16_FOLLOWS, self.width.bits);
                    self.put(unit.into(), 16);
                }
                self.width.add_phrase();
            }
        }
        self.width.add_phrase();
    }

    fn put(&mut self, number: u32, n_bits: u32) {
        self.pending |= u64::from(number) << self.n_pending;
        self.n_pending += n_bits;
        while self.n_pending >= 8 {
            self.bytes.push(self.pending.to_le_bytes()[0].reverse_bits());
            self.pending >>= 8;
            self.n_pending -= 8;
        }
    }

    /// Writes the end mark and pads to whole 16-bit units.
    ///
    /// The library always pads by at least one bit: it works in units of 16 bits and closes the
    /// last one even if it is empty.
    fn finish(mut self) -> Vec<u8> {
        self.put(END, self.width.bits);
        self.put(0, 1);
        self.put(0, (8 - self.n_pending) % 8);
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
        self.bytes
    }
}

/// Width of the next code; it grows as phrases are numbered.
#[derive(Clone, Copy)]
struct CodeWidth {
    bits: u32,
    /// Phrases that may still be numbered before codes grow by a bit.
    room: u32,
}

impl CodeWidth {
    fn add_phrase(&mut self) {
        self.room -= 1;
        if self.room == 0 {
            self.room = 1 << self.bits;
            self.bits += 1;
        }
    }
}

/// A unit of text, as wide as the text needs.
trait Unit: Copy + Default {
    /// Returns the unit in this type, or nothing if it does not fit.
    fn from_utf16(unit: u16) -> Option<Self>;
}

/// ASCII, which all but the names and the chat of a replay is.
impl Unit for u8 {
    fn from_utf16(unit: u16) -> Option<Self> {
        Self::try_from(unit).ok().filter(Self::is_ascii)
    }
}

impl Unit for u16 {
    fn from_utf16(unit: u16) -> Option<Self> {
        Some(unit)
    }
}

fn text_from_ascii(units: Vec<u8>) -> String {
    String::from_utf8(units).expect("units of this type are ASCII")
}

fn unpack_utf16(bytes: &[u8]) -> Result<Vec<u16>, GiorError> {
    Ok(unpack(bytes)?.expect("every unit fits in this type"))
}

/// Unpacks units of one type, or returns nothing if some unit does not fit in it.
fn unpack<U: Unit>(bytes: &[u8]) -> Result<Option<Vec<U>>, GiorError> {
    let mut bits = Bits { bytes, at: 0 };
    let mut text = Text::<U>::new();
    let mut phrases = Vec::with_capacity(bytes.len().min(UNITS_AT_FIRST));
    phrases.resize(PHRASE_FIRST as usize, Span::default());
    let mut last = match bits.take(WIDTH_FIRST)? {
        END => return Ok(Some(Vec::new())),
        code @ PHRASE_FIRST.. => {
            return Err(GiorError::PhraseUnknown { code, bit: 0, phrases: phrases.len() });
        }
        code => match U::from_utf16(bits.take_unit(code)?) {
            None => return Ok(None),
            Some(unit) => text.push(unit)?,
        },
    };
    phrases.push(last);
    let mut width = CodeWidth { bits: 3, room: 4 };
    loop {
        let bit = bits.at;
        let code = bits.take(width.bits)?;
        // The phrase after the last one goes on by a unit. That unit is the next one of the
        // text, wherever it comes from, so the phrase is a stretch of the text.
        let longer = Span { start: last.start, len: last.len + 1 };
        match code {
            END => return Ok(Some(text.finish())),
            UNIT_8_FOLLOWS | UNIT_16_FOLLOWS => {
                let Some(unit) = U::from_utf16(bits.take_unit(code)?) else { return Ok(None) };
                last = text.push(unit)?;
                phrases.push(last);
                phrases.push(longer);
                width.add_phrase();
            }
            _ => {
                phrases.push(longer);
                let Some(&span) = phrases.get(code as usize) else {
                    let phrases = phrases.len() - 1;
                    return Err(GiorError::PhraseUnknown { code, bit, phrases });
                };
                last = text.repeat(span)?;
            }
        }
        width.add_phrase();
    }
}

/// Reads numbers from bits.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Position of the next number, in bits from the start.
    at: usize,
}

impl Bits<'_> {
    /// Takes a number of at most 32 bits.
    #[inline]
    fn take(&mut self, n_bits: u32) -> Result<u32, GiorError> {
        let end = self.at + n_bits as usize;
        if end > self.bytes.len() * 8 {
            return Err(GiorError::Truncated { bit: self.at });
        }
        let rest = &self.bytes[self.at / 8..];
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word
        });
        // All 64 bits turned round: the first bit of the file becomes the lowest.
        let window = u64::from_be_bytes(word).reverse_bits() >> (self.at % 8);
        self.at = end;
        #[expect(clippy::cast_possible_truncation, reason = "masked to 32 bits or fewer")]
        Ok((window & ((1 << n_bits) - 1)) as u32)
    }

    /// Takes the unit that follows one of the first two reserved codes.
    fn take_unit(&mut self, code: u32) -> Result<u16, GiorError> {
        let unit = self.take(if code == UNIT_8_FOLLOWS { 8 } else { 16 })?;
        Ok(u16::try_from(unit).expect("a number of 16 bits"))
    }
}

/// A stretch of the text. Phrases are kept as stretches, never as strings of their own, because
/// a hostile file can name a million long ones.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    len: u32,
}

/// The text so far, in a buffer that is always at least [`CHUNK`] units longer.
struct Text<U> {
    buffer: Vec<U>,
    len: u32,
}

impl<U: Unit> Text<U> {
    fn new() -> Self {
        Self { buffer: vec![U::default(); UNITS_AT_FIRST], len: 0 }
    }

    fn push(&mut self, unit: U) -> Result<Span, GiorError> {
        let added = self.add(1)?;
        self.buffer[added.start as usize] = unit;
        Ok(added)
    }

    /// Appends a copy of a stretch, which may run one unit into the copy itself.
    #[inline]
    fn repeat(&mut self, span: Span) -> Result<Span, GiorError> {
        let added = self.add(span.len)?;
        let (from, to, len) = (span.start as usize, added.start as usize, span.len as usize);
        if len <= CHUNK {
            let mut chunk = [U::default(); CHUNK];
            chunk.copy_from_slice(&self.buffer[from..from + CHUNK]);
            self.buffer[to..to + CHUNK].copy_from_slice(&chunk);
        } else {
            self.buffer.copy_within(from..from + len, to);
        }
        if from + len > to {
            // Only the phrase numbered last reaches past the text: its last unit is its first.
            self.buffer[to + len - 1] = self.buffer[from];
        }
        Ok(added)
    }

    /// Makes room for more units at the end.
    #[inline]
    fn add(&mut self, len: u32) -> Result<Span, GiorError> {
        let start = self.len;
        // Neither number exceeds the limit by more than one, so the sum does not overflow.
        self.len += len;
        if self.len > TEXT_UNITS_MAX {
            return Err(GiorError::TextTooLong { limit: TEXT_UNITS_MAX });
        }
        let needed = self.len as usize + CHUNK;
        if needed > self.buffer.len() {
            self.buffer.resize(needed.max(self.buffer.len() * 2), U::default());
        }
        Ok(Span { start, len })
    }

    fn finish(mut self) -> Vec<U> {
        self.buffer.truncate(self.len as usize);
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts and what `LZString.compressToUint8Array` of lz-string 1.5.0 makes of them.
    const PACKED: [(&str, &str); 11] = [
        ("", "4000"),
        ("a", "2190"),
        ("aaaaaaaaaa", "218d6800"),
        ("abababababababab", "218235ed2280"),
        (r#"[5,"id",2,2]"#, "36856034044096026160264417480000"),
        ("é", "25d0"),
        ("€", "8d411000"),
        ("a€b€a€", "21a1a820462a4000"),
        ("😀😀", "af06e003dd40"),
        (
            "[[0,1,2,0,3],[0,1,2,0,4],[1,7,8,1,5]]",
            "36b00c068119c099c20cc05d718ab7b802c2e340ece001ce80ac49240000",
        ),
        ("\0ÿĀ", "0007fc008040"),
    ];

    fn bytes_from_hex(hex: &str) -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    /// Packs one unit and then codes, which need not make sense, without an end mark.
    fn pack_codes(unit: u16, codes: impl IntoIterator<Item = u32>) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.phrase(Phrase::New { unit, number: PHRASE_FIRST });
        for code in codes {
            packer.phrase(Phrase::Known(code));
        }
        packer.put(0, 7);
        packer.bytes
    }

    #[test]
    fn packing_gives_the_bytes_of_the_javascript_library() {
        for (text, hex) in PACKED {
            assert_eq!(compress(text), bytes_from_hex(hex), "{text:?}");
            assert_eq!(decompress(&bytes_from_hex(hex)), Ok(text.to_owned()));
        }
    }

    #[test]
    fn bytes_cut_off_before_the_end_mark_are_truncated() {
        for (text, hex) in PACKED {
            let bytes = bytes_from_hex(hex);
            // The end mark and its padding take up to four bytes.
            for n_bytes in 0..bytes.len().saturating_sub(4) {
                let outcome = decompress(&bytes[..n_bytes]);
                assert!(matches!(outcome, Err(GiorError::Truncated { .. })), "{text:?} {n_bytes}");
            }
        }
        assert_eq!(decompress(&[]), Err(GiorError::Truncated { bit: 0 }));
    }

    #[test]
    fn bytes_after_the_end_mark_are_ignored() {
        let bytes = [compress("[1]"), vec![0xff; 9]].concat();
        assert_eq!(decompress(&bytes), Ok("[1]".to_owned()));
    }

    #[test]
    fn a_code_that_names_no_phrase_is_refused() {
        let first = GiorError::PhraseUnknown { code: 3, bit: 0, phrases: 3 };
        assert_eq!(decompress(&[0xc0]), Err(first));
        // Phrase 4 is being made when the first code is read; 5 is one too far.
        assert_eq!(
            decompress(&pack_codes(u16::from(b'a'), [5])),
            Err(GiorError::PhraseUnknown { code: 5, bit: 10, phrases: 4 })
        );
    }

    #[test]
    fn phrases_that_grow_without_end_meet_the_limit() {
        // Each code names the phrase being made, so phrase n is n units long.
        let bytes = pack_codes(u16::from(b'a'), 4..10_000);
        assert!(bytes.len() < 20_000);
        let too_long = GiorError::TextTooLong { limit: TEXT_UNITS_MAX };
        assert_eq!(decompress(&bytes), Err(too_long.clone()));
        assert_eq!(decompress(&pack_codes(0x20ac, 4..10_000)), Err(too_long));
    }

    #[test]
    fn half_of_a_surrogate_pair_becomes_the_replacement_character() {
        let mut packer = Packer::default();
        packer.phrase(Phrase::New { unit: u16::from(b'a'), number: 3 });
        packer.phrase(Phrase::New { unit: 0xd83d, number: 4 });
        assert_eq!(decompress(&packer.finish()), Ok("a\u{fffd}".to_owned()));
    }

    proptest! {
        #[test]
        fn unpacking_undoes_packing(text in any::<String>()) {
            prop_assert_eq!(decompress(&compress(&text)), Ok(text));
        }

        #[test]
        fn unpacking_undoes_packing_of_long_texts_of_few_letters(
            letters in prop::collection::vec(prop::sample::select(vec!['0', ',', '€']), 0..3000)
        ) {
            let text = String::from_iter(letters);
            prop_assert_eq!(decompress(&compress(&text)), Ok(text));
        }

        #[test]
        fn no_bytes_make_unpacking_panic(bytes in any::<Vec<u8>>()) {
            drop(decompress(&bytes));
        }
    }
}

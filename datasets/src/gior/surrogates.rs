//! Halves of surrogate pairs that stand alone.
//!
//! JavaScript cuts a name or a chat line wherever it likes, in the middle of a letter too. Names and
//! chat have no influence on the game (rules, section 19.2), so such a half becomes U+FFFD.

use std::borrow::Cow;

/// Length of an escape, `\ud83d`, in bytes.
const ESCAPE: usize = 6;

/// The same JSON text with `\ufffd` for each escaped half of a pair that stands alone.
///
/// The text keeps its length, so that the places in messages stay right.
pub(super) fn mended(text: &str) -> Cow<'_, str> {
    let mut bytes = Cow::Borrowed(text.as_bytes());
    let mut at = 0;
    while let Some(next) = text.as_bytes().get(at..).and_then(find_backslash) {
        at += next;
        let (first, second) = (escaped(text, at), escaped(text, at + ESCAPE));
        at += match (first, second) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 2 * ESCAPE,
            (Some(0xd800..0xe000), _) => {
                bytes.to_mut()[at + 2..at + ESCAPE].copy_from_slice(b"fffd");
                ESCAPE
            }
            // Anything else, a backslash that is escaped itself among it.
            _ => 2,
        };
    }
    match bytes {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => {
            Cow::Owned(String::from_utf8(bytes).expect("ASCII took the place of ASCII"))
        }
    }
}

fn find_backslash(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\\')
}

/// The unit that an escape at this place stands for.
fn escaped(text: &str, at: usize) -> Option<u16> {
    let digits = text.as_bytes().get(at..at + ESCAPE)?.strip_prefix(br"\u")?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_that_stand_alone_are_replaced() {
        for (text, expected) in [
            (r#"["plain"]"#, r#"["plain"]"#),
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#),
            (r#"["\ud83d"]"#, r#"["\ufffd"]"#),
            (r#"["\ud83d\ud83d\ude00\uDE00"]"#, r#"["\ufffd\ud83d\ude00\ufffd"]"#),
            (r#"["\\ud83d \\\ud83d \n\u00e9"]"#, r#"["\\ud83d \\\ufffd \n\u00e9"]"#),
            (r#"["\ud83"#, r#"["\ud83"#),
            (r"é\", r"é\"),
            (r"\u+83d\ud83é", r"\u+83d\ud83é"),
        ] {
            assert_eq!(mended(text), expected);
        }
    }
}

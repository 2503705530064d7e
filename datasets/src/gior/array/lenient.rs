//! Readers that refuse little: of slots that play no part in the rules, and of recorded acts, where
//! nonsense is an illegal queue entry (rules, section 22, item 6).

use std::fmt;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde_json::Number;

use crate::gior::{AfkEvent, ReplayMove};

/// A tile beside every board, and a seat that no game has: what is read where a file names neither.
///
/// A board has at most [`u32::MAX`] tiles, so that this is none of them.
const NOWHERE: u32 = u32::MAX;

/// Any value of a slot that is shown and not played by. Lists and objects say nothing.
pub(super) enum Loose {
    Nothing,
    Number(Number),
    Text(String),
}

impl Loose {
    /// The text, or the number as text.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => Some(text),
        }
    }

    /// The number, or the text as a number.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        }
    }

    /// The number, if it counts something.
    pub(super) fn as_count(&self) -> Option<u32> {
        let Self::Number(number) = self else { return None };
        number.as_u64().and_then(|count| u32::try_from(count).ok())
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose::Nothing)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose::Nothing)
            }

            fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
                Ok(Loose::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
                Ok(Loose::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
                Ok(Number::from_f64(number).map_or(Loose::Nothing, Loose::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Loose, A::Error> {
                pass_over(seq)?;
                Ok(Loose::Nothing)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Nothing)
            }
        }
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// Reads a list of anything; what is no list is none.
pub(super) struct LooseList<T> {
    /// What an item says, by its index.
    pub(super) item: fn(usize, Loose) -> T,
}

impl<'de, T> DeserializeSeed<'de> for LooseList<T> {
    type Value = Option<Vec<T>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T> Visitor<'de> for LooseList<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(value) = seq.next_element()? {
            items.push((self.item)(items.len(), value));
        }
        Ok(Some(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A number of a recorded act, which need not be one that the rules allow.
#[derive(Clone, Copy)]
enum ActNumber {
    /// Null, which JavaScript counts like 0.
    Null,
    Flag(bool),
    Whole(u64),
    Negative,
    Float(f64),
}

impl ActNumber {
    /// A tile or a seat, [`NOWHERE`] for a number that can be neither.
    fn place(self) -> u32 {
        match self {
            Self::Whole(number) => u32::try_from(number).unwrap_or(NOWHERE),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and within range"
            )]
            Self::Float(number)
                if number.fract() == 0.0 && (0.0..f64::from(NOWHERE)).contains(&number) =>
            {
                number as u32
            }
            Self::Null | Self::Flag(_) | Self::Negative | Self::Float(_) => NOWHERE,
        }
    }

    /// The first turn that is not before this one.
    fn turn(self) -> u32 {
        match self {
            Self::Whole(turn) => u32::try_from(turn).unwrap_or(u32::MAX),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "what is out of range becomes the first turn or the last"
            )]
            Self::Float(turn) => turn.ceil() as u32,
            Self::Flag(turn) => turn.into(),
            Self::Null | Self::Negative => 0,
        }
    }

    /// Whether half of an army moves.
    fn half<E: de::Error>(self) -> Result<bool, E> {
        let unexpected = match self {
            Self::Null | Self::Whole(0) | Self::Float(0.0) => return Ok(false),
            Self::Whole(1) | Self::Float(1.0) => return Ok(true),
            Self::Flag(half) => return Ok(half),
            Self::Whole(number) => Unexpected::Unsigned(number),
            Self::Float(number) => Unexpected::Float(number),
            Self::Negative => Unexpected::Other("a negative number"),
        };
        Err(E::invalid_value(unexpected, &"0 or 1"))
    }
}

impl<'de> Deserialize<'de> for ActNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = ActNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_unit<E>(self) -> Result<ActNumber, E> {
                Ok(ActNumber::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<ActNumber, E> {
                Ok(ActNumber::Flag(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<ActNumber, E> {
                Ok(ActNumber::Whole(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<ActNumber, E> {
                Ok(u64::try_from(number).map_or(ActNumber::Negative, ActNumber::Whole))
            }

            fn visit_f64<E>(self, number: f64) -> Result<ActNumber, E> {
                Ok(ActNumber::Float(number))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Reads the first `N` numbers of a list; what follows them is passed over.
struct Numbers<const N: usize>;

impl<'de, const N: usize> DeserializeSeed<'de> for Numbers<N> {
    type Value = [ActNumber; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Numbers<N> {
    type Value = [ActNumber; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {N} numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut numbers = [ActNumber::Null; N];
        for (index, number) in numbers.iter_mut().enumerate() {
            let found = seq.next_element()?;
            *number = found.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        pass_over(seq)?;
        Ok(numbers)
    }
}

impl<'de> Deserialize<'de> for ReplayMove {
    /// Reads `[player, from, to, half, turn]`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [player, from, to, half, turn] = Numbers.deserialize(deserializer)?;
        Ok(Self {
            player: player.place(),
            from: from.place(),
            to: to.place(),
            half: half.half()?,
            turn: turn.turn(),
        })
    }
}

impl<'de> Deserialize<'de> for AfkEvent {
    /// Reads `[player, turn]`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [player, turn] = Numbers.deserialize(deserializer)?;
        Ok(Self { player: player.place(), turn: turn.turn() })
    }
}

/// Reads a list to its end without keeping anything.
fn pass_over<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

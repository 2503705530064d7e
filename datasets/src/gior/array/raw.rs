//! Slots kept as they are, and numbers and objects written as JavaScript writes them.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// Most JSON values that the raw slots of one replay may hold together.
///
/// A value of two characters takes up to some hundred bytes in memory, so a text within its own
/// limit could still fill gigabytes. Ten thousand pings, the largest such list one could think
/// of, make 40 thousand values.
pub(super) const VALUES_MAX: u32 = 1 << 18;

/// Reads any value, as long as the budget lasts.
pub(super) struct Raw<'b> {
    /// Values that may still be read.
    pub(super) left: &'b mut u32,
}

impl<'de> DeserializeSeed<'de> for Raw<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.checked_sub(1) else {
            let problem = format_args!("more than {VALUES_MAX} values in slots of this kind");
            return Err(de::Error::custom(problem));
        };
        *self.left = left;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Raw<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Raw { left: &mut *self.left })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key()? {
            map.insert(key, entries.next_value_seed(Raw { left: &mut *self.left })?);
        }
        Ok(Value::Object(map))
    }
}

/// A float written without `.0` where it is whole, as JavaScript does.
pub(super) struct Plain(pub(super) f64);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// 2 to the 53: below it a whole float and an `i64` are the same number.
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < WHOLE_MAX {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within range")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// An object from seat to value, written in the order of the seats.
///
/// JavaScript writes keys that are numbers in the order of the numbers; the map we keep is in the
/// order of the letters, where seat 10 stands before seat 2.
pub(super) struct Seats<'v>(pub(super) &'v Value);

impl Serialize for Seats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(map) = self.0 else { return self.0.serialize(serializer) };
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by_key(|(seat, _)| seat.parse().unwrap_or(u32::MAX));
        serializer.collect_map(entries)
    }
}

//! The JSON array of a replay, slot by slot. Source: rules, section 19.2.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use super::{AfkEvent, GiorError, Replay, ReplayMove, Slot, check, surrogates};
use lenient::{Loose, LooseList};

mod lenient;
mod raw;

/// Oldest version that we read; the slots and the rules before it differ.
pub(super) const VERSION_OLDEST: u32 = 5;

/// Longest message kept from the JSON reader, in bytes; it may quote a hostile string.
const PROBLEM_BYTES_MAX: usize = 200;

/// Reads the text of a replay, without checking that its slots fit together.
pub(super) fn read(text: &str) -> Result<Replay, GiorError> {
    // A unit of zero may pad the packed text, and become part of it.
    let text = surrogates::mended(text.trim_end_matches('\0'));
    let mut place = Place::default();
    let mut json = serde_json::Deserializer::from_str(&text);
    let slots = Slots { place: &mut place, raw_left: raw::VALUES_MAX };
    let replay = json.deserialize_seq(slots).and_then(|replay| json.end().map(|()| replay));
    replay.map_err(|error| place.fault.take().unwrap_or_else(|| place.explain(&error)))
}

/// Where the reader is, so that a fault can name the place.
#[derive(Default)]
struct Place {
    slot: Option<usize>,
    index: Option<usize>,
    /// A fault that says more than a message of the JSON reader.
    fault: Option<GiorError>,
}

impl Place {
    fn explain(&self, error: &serde_json::Error) -> GiorError {
        let mut problem = error.to_string();
        if problem.len() > PROBLEM_BYTES_MAX {
            problem.truncate(problem.floor_char_boundary(PROBLEM_BYTES_MAX));
            problem.push('…');
        }
        match self.slot.map(Slot::new) {
            Some(slot) => GiorError::Malformed { slot, index: self.index, problem },
            None => GiorError::NotAnArray { problem },
        }
    }
}

/// Reads the array as a whole.
struct Slots<'p> {
    place: &'p mut Place,
    /// Values that the raw slots may still hold.
    raw_left: u32,
}

impl<'de> Visitor<'de> for Slots<'_> {
    type Value = Replay;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the array of a replay")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Replay, A::Error> {
        let mut replay = Replay::default();
        let mut number = 0;
        self.enter(number);
        while self.slot(number, &mut seq, &mut replay)? {
            if number == Slot::VERSION.number() {
                check::version(replay.version).map_err(|fault| self.refuse(fault))?;
            }
            number += 1;
            self.enter(number);
        }
        if number <= Slot::GENERALS.number() {
            return Err(self.refuse(GiorError::SlotMissing { slot: Slot::new(number) }));
        }
        self.place.slot = None;
        Ok(replay)
    }
}

impl Slots<'_> {
    fn enter(&mut self, number: usize) {
        self.place.slot = Some(number);
        self.place.index = None;
    }

    fn refuse<E: de::Error>(&mut self, fault: GiorError) -> E {
        let error = E::custom(&fault);
        self.place.fault = Some(fault);
        error
    }

    /// Reads one slot; returns whether the array had it.
    fn slot<'de, A: SeqAccess<'de>>(
        &mut self,
        number: usize,
        seq: &mut A,
        replay: &mut Replay,
    ) -> Result<bool, A::Error> {
        match number {
            0 => required(seq, &mut replay.version),
            1 => loose(seq, &mut replay.id, |id| id.into_text().unwrap_or_default()),
            2 => required(seq, &mut replay.width),
            3 => required(seq, &mut replay.height),
            4 => loose_list(seq, &mut replay.names, |_, name| name.into_text().unwrap_or_default()),
            5 => loose_list(seq, &mut replay.stars, |_, star| star.as_number()),
            6 => self.list(seq, &mut replay.cities),
            7 => self.list(seq, &mut replay.city_armies),
            8 => self.list(seq, &mut replay.generals),
            9 => self.list(seq, &mut replay.mountains),
            10 => self.list(seq, &mut replay.moves),
            11 => self.list(seq, &mut replay.afk),
            12 => self.teams(seq, &mut replay.teams),
            13 => loose(seq, &mut replay.map_name, Loose::into_text),
            14 => self.list(seq, &mut replay.neutrals),
            15 => self.list(seq, &mut replay.neutral_armies),
            16 => self.list(seq, &mut replay.swamps),
            17 => self.raw(seq, &mut replay.chat),
            18 => loose_list_or_none(seq, &mut replay.colours, colour),
            19 => self.raw(seq, &mut replay.lights),
            20 => self.raw(seq, &mut replay.settings),
            21 => self.list(seq, &mut replay.modifiers),
            22 => self.list(seq, &mut replay.observatories),
            23 => self.list(seq, &mut replay.lookouts),
            24 => self.list(seq, &mut replay.deserts),
            25 => self.raw(seq, &mut replay.orientation),
            26 => self.raw(seq, &mut replay.pings),
            27 => self.raw(seq, &mut replay.trades),
            28 => self.raw(seq, &mut replay.tunnels),
            29 => self.raw(seq, &mut replay.tunnel_limits),
            30 => self.raw(seq, &mut replay.chess_clock),
            31 => loose(seq, &mut replay.stronghold_density, |number| number.as_number()),
            32 => loose(seq, &mut replay.stronghold_min, |number| number.as_number()),
            33 => loose(seq, &mut replay.stronghold_max, |number| number.as_number()),
            34 => self.raw(seq, &mut replay.strongholds),
            35 => self.raw(seq, &mut replay.stronghold_strengths),
            36 => self.raw(seq, &mut replay.chess_clock_times),
            Slot::N_KNOWN.. => {
                let mut value = Value::Null;
                let found = self.raw(seq, &mut value)?;
                replay.extra.extend(found.then_some(value));
                Ok(found)
            }
        }
    }

    fn list<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
        &mut self,
        seq: &mut A,
        items: &mut Vec<T>,
    ) -> Result<bool, A::Error> {
        let mut found = None;
        let present = self.list_or_none(seq, &mut found)?;
        *items = found.unwrap_or_default();
        Ok(present)
    }

    fn list_or_none<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
        &mut self,
        seq: &mut A,
        items: &mut Option<Vec<T>>,
    ) -> Result<bool, A::Error> {
        let read = List { index: &mut self.place.index, items };
        Ok(seq.next_element_seed(read)?.is_some())
    }

    /// Reads the teams; an empty list says as little as null.
    fn teams<'de, A: SeqAccess<'de>>(
        &mut self,
        seq: &mut A,
        teams: &mut Option<Vec<i64>>,
    ) -> Result<bool, A::Error> {
        let present = self.list_or_none(seq, teams)?;
        *teams = teams.take().filter(|teams| !teams.is_empty());
        Ok(present)
    }

    /// Reads a slot as it is; null leaves the field empty in its own way.
    fn raw<'de, A: SeqAccess<'de>>(
        &mut self,
        seq: &mut A,
        field: &mut Value,
    ) -> Result<bool, A::Error> {
        let found = seq.next_element_seed(raw::Raw { left: &mut self.raw_left })?;
        let present = found.is_some();
        if let Some(value) = found.filter(|value| !value.is_null()) {
            *field = value;
        }
        Ok(present)
    }
}

/// Reads a slot that has to hold a value of the field's type.
fn required<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    seq: &mut A,
    field: &mut T,
) -> Result<bool, A::Error> {
    let found = seq.next_element()?;
    let present = found.is_some();
    if let Some(value) = found {
        *field = value;
    }
    Ok(present)
}

/// Reads a slot that is shown and not played by, whatever it holds.
fn loose<'de, A: SeqAccess<'de>, T>(
    seq: &mut A,
    field: &mut T,
    read: impl FnOnce(Loose) -> T,
) -> Result<bool, A::Error> {
    let found = seq.next_element()?;
    let present = found.is_some();
    if let Some(value) = found {
        *field = read(value);
    }
    Ok(present)
}

/// Reads a list that is shown and not played by; what is no list leaves it empty.
fn loose_list<'de, A: SeqAccess<'de>, T>(
    seq: &mut A,
    items: &mut Vec<T>,
    item: fn(usize, Loose) -> T,
) -> Result<bool, A::Error> {
    let mut found = None;
    let present = loose_list_or_none(seq, &mut found, item)?;
    *items = found.unwrap_or_default();
    Ok(present)
}

fn loose_list_or_none<'de, A: SeqAccess<'de>, T>(
    seq: &mut A,
    items: &mut Option<Vec<T>>,
    item: fn(usize, Loose) -> T,
) -> Result<bool, A::Error> {
    let found = seq.next_element_seed(LooseList { item })?;
    let present = found.is_some();
    *items = found.flatten();
    Ok(present)
}

/// The colour of a seat: the seat's own number where the file names none.
fn colour(seat: usize, value: Loose) -> u32 {
    value.as_count().unwrap_or_else(|| u32::try_from(seat).unwrap_or(u32::MAX))
}

/// Reads a list or null, and keeps count of the items.
struct List<'p, T> {
    index: &'p mut Option<usize>,
    items: &'p mut Option<Vec<T>>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or null")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        *self.index = Some(0);
        while let Some(item) = seq.next_element()? {
            items.push(item);
            *self.index = Some(items.len());
        }
        *self.items = Some(items);
        Ok(())
    }
}

impl Serialize for ReplayMove {
    /// Writes `[player, from, to, half, turn]`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let half = u8::from(self.half);
        (self.player, self.from, self.to, half, self.turn).serialize(serializer)
    }
}

impl Serialize for AfkEvent {
    /// Writes `[player, turn]`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.player, self.turn).serialize(serializer)
    }
}

/// Writes the text of a replay.
pub(super) fn write(replay: &Replay) -> String {
    let slots = slot_texts(replay);
    let n_empty = if replay.extra.is_empty() { n_empty_at_end(&slots) } else { 0 };
    let n_slots = n_slots(replay.version).max(slots.len() - n_empty);
    format!("[{}]", slots[..n_slots].join(","))
}

/// Counts the slots at the end that are as in a replay of nothing, of slots that we know.
fn n_empty_at_end(slots: &[String]) -> usize {
    let empty = slot_texts(&Replay::default());
    slots.iter().rev().zip(empty.iter().rev()).take_while(|(slot, empty)| slot == empty).count()
}

/// Returns how many slots the server writes at a version.
///
/// Lengths seen: 13 at version 5, 27 at 15, 28 at 16, 37 at 18 (rules, section 19.2). In between
/// we stop at the last slot whose first version is known.
fn n_slots(version: u32) -> usize {
    match version {
        0..7 => 13,
        7..9 => 14,
        9..15 => 18,
        15 => 27,
        16..18 => 28,
        18.. => Slot::N_KNOWN,
    }
}

/// Writes every slot on its own.
fn slot_texts(replay: &Replay) -> Vec<String> {
    let stars: Vec<_> = replay.stars.iter().map(|star| star.map(raw::Plain)).collect();
    let mut slots = vec![
        json(&replay.version),
        json(&replay.id),
        json(&replay.width),
        json(&replay.height),
        json(&replay.names),
        json(&stars),
        json(&replay.cities),
        json(&replay.city_armies),
        json(&replay.generals),
        json(&replay.mountains),
        json(&replay.moves),
        json(&replay.afk),
        json(&replay.teams),
        json(&replay.map_name),
        json(&replay.neutrals),
        json(&replay.neutral_armies),
        json(&replay.swamps),
        json(&replay.chat),
        json(&replay.colours),
        json(&replay.lights),
        json(&replay.settings),
        json(&replay.modifiers),
        json(&replay.observatories),
        json(&replay.lookouts),
        json(&replay.deserts),
        json(&raw::Seats(&replay.orientation)),
        json(&replay.pings),
        json(&replay.trades),
        json(&replay.tunnels),
        json(&replay.tunnel_limits),
        json(&replay.chess_clock),
        json(&replay.stronghold_density.map(raw::Plain)),
        json(&replay.stronghold_min.map(raw::Plain)),
        json(&replay.stronghold_max.map(raw::Plain)),
        json(&replay.strongholds),
        json(&replay.stronghold_strengths),
        json(&replay.chess_clock_times),
    ];
    slots.extend(replay.extra.iter().map(json));
    slots
}

fn json<T: Serialize + ?Sized>(field: &T) -> String {
    serde_json::to_string(field).expect("these types have string keys and no failing parts")
}

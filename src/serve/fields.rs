//! Fields of tickets and commands, read from JSON. Every error names the field.

use arrow_flight::{FlightData, error::FlightError};
use serde_json::Value;
use tonic::Status;

use super::{ServeError, server::MESSAGE_BYTES, status::is_too_large};

/// Characters of what a stranger wrote that an error repeats at most.
const SHOWN: usize = 60;

/// What a stranger wrote, which may be long, as an error repeats it.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error about a field.
pub(super) fn malformed(what: &str, reason: impl Into<String>) -> ServeError {
    ServeError::Malformed { what: cut(what), reason: reason.into() }
}

/// An error about the value of a field.
pub(super) fn wrong(name: &str, value: &Value, wanted: &str) -> ServeError {
    malformed(name, format!("{} is not {wanted}", cut(&value.to_string())))
}

/// Bytes of a message, but for the few that frame its parts.
pub(super) fn message_bytes(message: &FlightData) -> usize {
    message.data_header.len() + message.data_body.len() + message.app_metadata.len()
}

/// An error about a message that could not be read, which may have been too large.
pub(super) fn unreadable(what: &str, error: &FlightError) -> ServeError {
    match error {
        FlightError::Tonic(status) => received(what, status),
        other => malformed(what, other.to_string()),
    }
}

/// An error about a message that did not arrive whole.
pub(super) fn received(what: &str, status: &Status) -> ServeError {
    if is_too_large(status) {
        return ServeError::Limit {
            what: "bytes of a message",
            most: MESSAGE_BYTES as u64,
            fix: "send smaller batches",
        };
    }
    malformed(what, status.message().to_owned())
}

/// A whole number from 0.
pub(super) fn unsigned(name: &str, value: &Value) -> Result<u64, ServeError> {
    value.as_u64().ok_or_else(|| wrong(name, value, "a whole number from 0"))
}

/// A number that has to fit a narrower type.
pub(super) fn narrow<T: TryFrom<u64>>(name: &str, number: u64) -> Result<T, ServeError> {
    T::try_from(number).map_err(|_range| malformed(name, format!("{number} is too large")))
}

/// A seat of a game.
pub(super) fn seat(name: &str, value: &Value) -> Result<u8, ServeError> {
    let wanted = || wrong(name, value, "a seat: use 0 to 15");
    let number = value.as_u64().filter(|&seat| seat < 16).ok_or_else(wanted)?;
    narrow(name, number)
}

/// A number of rows.
pub(super) fn positive(name: &str, value: &Value) -> Result<usize, ServeError> {
    let wanted = || wrong(name, value, "a number of rows from 1");
    narrow(name, value.as_u64().filter(|&rows| rows > 0).ok_or_else(wanted)?)
}

/// A name.
pub(super) fn text(name: &str, value: &Value) -> Result<String, ServeError> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, value, "a name in quotes"))
}

/// True or false.
pub(super) fn boolean(name: &str, value: &Value) -> Result<bool, ServeError> {
    value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))
}

/// A number between two others, which are allowed too.
pub(super) fn between<T: TryFrom<u64>>(
    name: &str,
    value: &Value,
    least: usize,
    most: usize,
) -> Result<T, ServeError> {
    let is_inside = |&number: &u64| (least as u64..=most as u64).contains(&number);
    let wanted = || wrong(name, value, &format!("a whole number: use {least} to {most}"));
    narrow(name, value.as_u64().filter(is_inside).ok_or_else(wanted)?)
}

/// A list with something in it.
pub(super) fn list<T>(
    name: &str,
    value: &Value,
    item: impl Fn(&str, &Value) -> Result<T, ServeError>,
) -> Result<Vec<T>, ServeError> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| {
        wrong(name, value, "a list with something in it; leave the field out to get all")
    })?;
    items.iter().map(|value| item(name, value)).collect()
}

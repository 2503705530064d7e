//! Fields of tickets and commands, read from JSON. Every error names the field.

use serde_json::Value;

use super::ServeError;

/// An error about a field.
pub(super) fn malformed(what: &str, reason: impl Into<String>) -> ServeError {
    ServeError::Malformed { what: what.to_owned(), reason: reason.into() }
}

/// An error about the value of a field.
pub(super) fn wrong(name: &str, value: &Value, wanted: &str) -> ServeError {
    // What a stranger wrote may be long.
    let shown: String = value.to_string().chars().take(60).collect();
    malformed(name, format!("{shown} is not {wanted}"))
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

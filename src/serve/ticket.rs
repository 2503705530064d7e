//! Tickets: what a client wants of the experiences, as JSON.
//!
//! ```json
//! {"games": [0, 1], "players": [0], "min_step": 10, "policies": ["hunter"],
//!  "columns": ["step", "army", "action"], "batch_rows": 512, "max_wait_ms": 100,
//!  "follow": true, "after": 4096, "slow": "drop_oldest"}
//! ```
//!
//! Every field may be left out; `{}` and nothing at all mean all rows that are still kept.

use std::time::Duration;

use serde_json::{Map, Value};

use super::ServeError;

/// What to do when a stream is slower than the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slow {
    /// The world waits: no row is lost.
    #[default]
    Block,
    /// The oldest rows are given up, and counted.
    DropOldest,
}

/// Which rows and columns, together with the form of their batches. Streams that agree in it share
/// their messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Form {
    /// Games by index, sorted; none means all.
    pub games: Option<Vec<u64>>,
    /// Seats, sorted; none means all.
    pub players: Option<Vec<u8>>,
    /// The first tick of which rows are wanted.
    pub min_step: u32,
    /// Names of policies, sorted; none means all.
    pub policies: Option<Vec<String>>,
    /// Columns in the order wanted; none means all.
    pub columns: Option<Vec<String>>,
    /// Rows of a batch at most; none leaves it to the server.
    pub batch_rows: Option<usize>,
    /// How long rows may wait for their batch to fill.
    pub max_wait: Option<Duration>,
}

/// A request for a stream of experiences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// What the stream carries.
    pub form: Form,
    /// Whether to wait for rows to come, rather than end with those that are kept.
    pub follow: bool,
    /// Only rows after this number of rows, as `seq` in the metadata of a batch tells.
    pub after: Option<u64>,
    /// What to do when the stream is slow.
    pub slow: Slow,
}

/// Names of the fields, for the message about another one.
const FIELDS: &str =
    "games, players, min_step, policies, columns, batch_rows, max_wait_ms, follow, after, slow";

/// How long rows wait at most for their batch to fill, in milliseconds.
const MAX_WAIT_MS: u64 = 60_000;

impl Ticket {
    /// Reads a ticket.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] that names the field at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServeError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let value = serde_json::from_slice(bytes)
            .map_err(|error| malformed("ticket", format!("{error}: write JSON as in {{}}")))?;
        let Value::Object(fields) = value else {
            return Err(malformed("ticket", "write a JSON object, as in {\"follow\": true}"));
        };
        Self::of(&fields)
    }

    fn of(fields: &Map<String, Value>) -> Result<Self, ServeError> {
        let mut ticket = Self::default();
        let form = &mut ticket.form;
        for (name, value) in fields {
            match name.as_str() {
                "games" => form.games = sorted(list(name, value, unsigned)?),
                "players" => form.players = sorted(list(name, value, seat)?),
                "min_step" => form.min_step = narrow(name, unsigned(name, value)?)?,
                "policies" => form.policies = sorted(list(name, value, text)?),
                "columns" => form.columns = Some(list(name, value, text)?),
                "batch_rows" => form.batch_rows = Some(positive(name, value)?),
                "max_wait_ms" => form.max_wait = Some(wait(name, value)?),
                "follow" => ticket.follow = boolean(name, value)?,
                "after" => ticket.after = Some(unsigned(name, value)?),
                "slow" => ticket.slow = slow(name, value)?,
                _ => {
                    return Err(malformed(
                        name,
                        format!("no such field of a ticket: use {FIELDS}"),
                    ));
                }
            }
        }
        Ok(ticket)
    }
}

/// An error about a field.
pub(super) fn malformed(what: &str, reason: impl Into<String>) -> ServeError {
    ServeError::Malformed { what: what.to_owned(), reason: reason.into() }
}

fn wrong(name: &str, value: &Value, wanted: &str) -> ServeError {
    // What a stranger wrote may be long.
    let shown: String = value.to_string().chars().take(60).collect();
    malformed(name, format!("{shown} is not {wanted}"))
}

fn unsigned(name: &str, value: &Value) -> Result<u64, ServeError> {
    value.as_u64().ok_or_else(|| wrong(name, value, "a whole number from 0"))
}

fn narrow<T: TryFrom<u64>>(name: &str, number: u64) -> Result<T, ServeError> {
    T::try_from(number).map_err(|_range| malformed(name, format!("{number} is too large")))
}

fn seat(name: &str, value: &Value) -> Result<u8, ServeError> {
    let wanted = || wrong(name, value, "a seat: use 0 to 15");
    let number = value.as_u64().filter(|&seat| seat < 16).ok_or_else(wanted)?;
    narrow(name, number)
}

fn positive(name: &str, value: &Value) -> Result<usize, ServeError> {
    let wanted = || wrong(name, value, "a number of rows from 1");
    narrow(name, value.as_u64().filter(|&rows| rows > 0).ok_or_else(wanted)?)
}

fn text(name: &str, value: &Value) -> Result<String, ServeError> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, value, "a name in quotes"))
}

fn boolean(name: &str, value: &Value) -> Result<bool, ServeError> {
    value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))
}

fn wait(name: &str, value: &Value) -> Result<Duration, ServeError> {
    let wanted = || wrong(name, value, "milliseconds: use 0 to 60000");
    value.as_u64().filter(|&ms| ms <= MAX_WAIT_MS).map(Duration::from_millis).ok_or_else(wanted)
}

fn slow(name: &str, value: &Value) -> Result<Slow, ServeError> {
    match value.as_str() {
        Some("block") => Ok(Slow::Block),
        Some("drop_oldest") => Ok(Slow::DropOldest),
        _ => Err(wrong(name, value, "a policy for slow streams: use \"block\" or \"drop_oldest\"")),
    }
}

fn list<T>(
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

/// Sorted without duplicates, so that equal wishes are equal.
fn sorted<T: Ord>(mut values: Vec<T>) -> Option<Vec<T>> {
    values.sort_unstable();
    values.dedup();
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read() {
        let text = br#"{"games": [3, 1, 3], "players": [1], "min_step": 10,
            "policies": ["hunter"], "columns": ["step", "army"], "batch_rows": 64,
            "max_wait_ms": 5, "follow": true, "after": 12, "slow": "drop_oldest"}"#;
        let form = Form {
            games: Some(vec![1, 3]),
            players: Some(vec![1]),
            min_step: 10,
            policies: Some(vec!["hunter".into()]),
            columns: Some(vec!["step".into(), "army".into()]),
            batch_rows: Some(64),
            max_wait: Some(Duration::from_millis(5)),
        };
        let wanted = Ticket { form, follow: true, after: Some(12), slow: Slow::DropOldest };
        assert_eq!(Ticket::parse(text).unwrap(), wanted);
    }

    #[test]
    fn an_empty_ticket_asks_for_all() {
        for text in ["", " ", "{}"] {
            assert_eq!(Ticket::parse(text.as_bytes()).unwrap(), Ticket::default());
        }
    }

    #[test]
    fn a_malformed_ticket_names_the_field() {
        for (text, field) in [
            ("{", "ticket"),
            ("[]", "ticket"),
            (r#"{"games": 3}"#, "games"),
            (r#"{"games": []}"#, "games"),
            (r#"{"games": [-1]}"#, "games"),
            (r#"{"players": [16]}"#, "players"),
            (r#"{"min_step": 4294967296}"#, "min_step"),
            (r#"{"policies": [1]}"#, "policies"),
            (r#"{"columns": "army"}"#, "columns"),
            (r#"{"batch_rows": 0}"#, "batch_rows"),
            (r#"{"max_wait_ms": 60001}"#, "max_wait_ms"),
            (r#"{"follow": 1}"#, "follow"),
            (r#"{"after": 0.5}"#, "after"),
            (r#"{"slow": "spill"}"#, "slow"),
            (r#"{"turbo": true}"#, "turbo"),
        ] {
            let error = Ticket::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
        }
    }
}

//! Tickets: what a client wants of the experiences, as JSON.
//!
//! ```json
//! {"games": [0, 1], "players": [0], "min_step": 10, "policies": ["hunter"],
//!  "columns": ["step", "army", "action"], "batch_rows": 512, "max_wait_ms": 100,
//!  "follow": true, "after": 4096, "slow": "drop_oldest", "rulesets": ["generals"],
//!  "layout": "durbin9", "compression": "lz4"}
//! ```
//!
//! Every field may be left out; `{}` and nothing at all mean all rows that are still kept.

use std::time::Duration;

use datasets::layouts::Layout;
use serde_json::{Map, Value};

use super::{
    ServeError,
    fields::{boolean, list, malformed, narrow, positive, seat, text, unsigned, wrong},
};

/// What to do when a stream is slower than the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slow {
    /// The world waits: no row is lost.
    #[default]
    Block,
    /// The oldest rows are given up, and counted.
    DropOldest,
    /// Rows wait on disk: none is lost, and the world does not wait.
    Spill,
}

impl Slow {
    /// Its name in a ticket.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropOldest => "drop_oldest",
            Self::Spill => "spill",
        }
    }
}

/// How the columns of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// LZ4 frames: a fifth of the bytes.
    Lz4,
    /// Zstandard at level 1: an eighth of them, in twice the time.
    Zstd,
}

/// Which rows and columns, together with the form of their batches. Streams that agree in it share
/// their messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// Games by index, sorted; none means all.
    pub games: Option<Vec<u64>>,
    /// Seats, sorted; none means all.
    pub players: Option<Vec<u8>>,
    /// The first tick of which rows are wanted.
    pub min_step: u32,
    /// Names of policies, sorted; none means all.
    pub policies: Option<Vec<String>>,
    /// Names of rulesets, sorted; none means all.
    pub rulesets: Option<Vec<String>>,
    /// How observations are laid out; none for compact planes.
    pub layout: Option<Layout>,
    /// Columns in the order wanted; none means all.
    pub columns: Option<Vec<String>>,
    /// How columns are compressed; none for as they are.
    pub compression: Option<Compression>,
    /// Rows of a batch at most; none leaves it to the server.
    pub batch_rows: Option<usize>,
    /// How long rows may wait for their batch to fill.
    pub max_wait: Option<Duration>,
    /// Rows of a batch at most that whoever asks is allowed, where the server decides.
    pub most_rows: usize,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            games: None,
            players: None,
            min_step: 0,
            policies: None,
            rulesets: None,
            layout: None,
            columns: None,
            compression: None,
            batch_rows: None,
            max_wait: None,
            most_rows: usize::MAX,
        }
    }
}

impl Form {
    /// Whether no row is filtered out.
    pub fn takes_all_rows(&self) -> bool {
        let Self { games, players, min_step, policies, rulesets, .. } = self;
        let has_lists =
            games.is_some() || players.is_some() || policies.is_some() || rulesets.is_some();
        !has_lists && *min_step == 0
    }
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
    /// The run of the server that `after` is a number of; in another run it means nothing.
    pub run: Option<String>,
    /// The closed dataset whose rows are wanted; none for what is being played.
    pub dataset: Option<String>,
    /// What to do when the stream is slow.
    pub slow: Slow,
    /// Whether it asks how policies fare, and not for rows of games.
    pub is_analytics: bool,
}

/// Names of the fields, for the message about another one.
const FIELDS: &str = "games, players, min_step, policies, rulesets, layout, columns, compression, batch_rows, \
     max_wait_ms, follow, after, run, slow, dataset, analytics";

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
                "games" => form.games = Some(sorted(list(name, value, unsigned)?)),
                "players" => form.players = Some(sorted(list(name, value, seat)?)),
                "min_step" => form.min_step = narrow(name, unsigned(name, value)?)?,
                "policies" => form.policies = Some(sorted(list(name, value, text)?)),
                "rulesets" => form.rulesets = Some(sorted(list(name, value, text)?)),
                "layout" => form.layout = layout(name, value)?,
                "columns" => form.columns = Some(list(name, value, text)?),
                "compression" => form.compression = compression(name, value)?,
                "batch_rows" => form.batch_rows = Some(positive(name, value)?),
                "max_wait_ms" => form.max_wait = Some(wait(name, value)?),
                "follow" => ticket.follow = boolean(name, value)?,
                "after" => ticket.after = Some(unsigned(name, value)?),
                "run" => ticket.run = Some(text(name, value)?),
                "dataset" => ticket.dataset = Some(text(name, value)?),
                "slow" => ticket.slow = slow(name, value)?,
                "analytics" => ticket.is_analytics = boolean(name, value)?,
                _ => {
                    return Err(malformed(
                        name,
                        format!("no such field of a ticket: use {FIELDS}"),
                    ));
                }
            }
        }
        ticket.check_dataset()?;
        if ticket.is_analytics && ticket != (Self { is_analytics: true, ..Self::default() }) {
            return Err(malformed("analytics", "leave all other fields out: they are of rows"));
        }
        Ok(ticket)
    }

    /// A closed dataset has no new rows to wait for, and nobody waits for its readers.
    fn check_dataset(&self) -> Result<(), ServeError> {
        let reason = "leave it out: a closed dataset has no new rows";
        match self {
            Self { dataset: None, .. } => Ok(()),
            Self { follow: true, .. } => Err(malformed("follow", reason)),
            Self { slow: Slow::DropOldest | Slow::Spill, .. } => Err(malformed("slow", reason)),
            Self { form: Form { max_wait: Some(_), .. }, .. } => {
                Err(malformed("max_wait_ms", reason))
            }
            _ => Ok(()),
        }
    }
}

fn wait(name: &str, value: &Value) -> Result<Duration, ServeError> {
    let wanted = || wrong(name, value, "milliseconds: use 0 to 60000");
    value.as_u64().filter(|&ms| ms <= MAX_WAIT_MS).map(Duration::from_millis).ok_or_else(wanted)
}

fn layout(name: &str, value: &Value) -> Result<Option<Layout>, ServeError> {
    match value.as_str() {
        Some("compact") => Ok(None),
        Some(other) if other.parse::<Layout>().is_ok() => Ok(other.parse().ok()),
        _ => {
            let names = Layout::ALL.map(Layout::name).join("\", \"");
            Err(wrong(name, value, &format!("a layout: use \"compact\", \"{names}\"")))
        }
    }
}

fn compression(name: &str, value: &Value) -> Result<Option<Compression>, ServeError> {
    match value.as_str() {
        Some("none") => Ok(None),
        Some("lz4") => Ok(Some(Compression::Lz4)),
        Some("zstd") => Ok(Some(Compression::Zstd)),
        _ => Err(wrong(name, value, "a compression: use \"none\", \"lz4\" or \"zstd\"")),
    }
}

fn slow(name: &str, value: &Value) -> Result<Slow, ServeError> {
    match value.as_str() {
        Some("block") => Ok(Slow::Block),
        Some("drop_oldest") => Ok(Slow::DropOldest),
        Some("spill") => Ok(Slow::Spill),
        _ => {
            let wanted = "a policy for slow streams: use \"block\", \"drop_oldest\" or \"spill\"";
            Err(wrong(name, value, wanted))
        }
    }
}

/// Sorted without duplicates, so that equal wishes are equal.
fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_break_the_reader_of_tickets(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(error) = Ticket::parse(&bytes) {
                let is_malformed = matches!(error, ServeError::Malformed { .. });
                prop_assert!(is_malformed);
            }
        }

        #[test]
        fn no_value_of_a_field_breaks_the_reader_of_tickets(
            field in prop::sample::select(FIELDS.split(", ").collect::<Vec<_>>()),
            value in prop_oneof![
                any::<i64>().prop_map(Value::from),
                any::<f64>().prop_map(Value::from),
                any::<bool>().prop_map(Value::from),
                ".{0,20}".prop_map(Value::from),
                prop::collection::vec(any::<i64>(), 0..9).prop_map(Value::from),
                prop::collection::vec(".{0,9}", 0..9).prop_map(Value::from),
                Just(Value::Null),
            ],
        ) {
            let text = serde_json::json!({ field: value }).to_string();
            if let Err(error) = Ticket::parse(text.as_bytes()) {
                let message = error.to_string();
                prop_assert!(message.starts_with(&format!("{field}: ")), "{}: {}", text, message);
            }
        }
    }

    #[test]
    fn every_field_is_read() {
        let text = br#"{"games": [3, 1, 3], "players": [1], "min_step": 10,
            "policies": ["hunter"], "columns": ["step", "army"], "batch_rows": 64,
            "max_wait_ms": 5, "follow": true, "after": 12, "run": "7f", "slow": "drop_oldest",
            "rulesets": ["generals"], "layout": "memory", "compression": "zstd"}"#;
        let form = Form {
            games: Some(vec![1, 3]),
            players: Some(vec![1]),
            min_step: 10,
            policies: Some(vec!["hunter".into()]),
            rulesets: Some(vec!["generals".into()]),
            layout: Some(Layout::Memory),
            columns: Some(vec!["step".into(), "army".into()]),
            compression: Some(Compression::Zstd),
            batch_rows: Some(64),
            max_wait: Some(Duration::from_millis(5)),
            most_rows: usize::MAX,
        };
        let run = Some("7f".to_owned());
        let slow = Slow::DropOldest;
        let wanted = Ticket {
            form,
            follow: true,
            after: Some(12),
            run,
            dataset: None,
            slow,
            is_analytics: false,
        };
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
            (r#"{"rulesets": []}"#, "rulesets"),
            (r#"{"layout": "sparse"}"#, "layout"),
            (r#"{"layout": 9}"#, "layout"),
            (r#"{"columns": "army"}"#, "columns"),
            (r#"{"compression": "gzip"}"#, "compression"),
            (r#"{"compression": true}"#, "compression"),
            (r#"{"batch_rows": 0}"#, "batch_rows"),
            (r#"{"max_wait_ms": 60001}"#, "max_wait_ms"),
            (r#"{"follow": 1}"#, "follow"),
            (r#"{"after": 0.5}"#, "after"),
            (r#"{"slow": "tape"}"#, "slow"),
            (r#"{"dataset": "old", "slow": "spill"}"#, "slow"),
            (r#"{"run": 7}"#, "run"),
            (r#"{"analytics": 1}"#, "analytics"),
            (r#"{"analytics": true, "follow": true}"#, "analytics"),
            (r#"{"dataset": "old", "follow": true}"#, "follow"),
            (r#"{"dataset": "old", "slow": "drop_oldest"}"#, "slow"),
            (r#"{"dataset": "old", "max_wait_ms": 1}"#, "max_wait_ms"),
            (r#"{"turbo": true}"#, "turbo"),
        ] {
            let error = Ticket::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
        }
    }
}

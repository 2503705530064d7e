//! Requests of an open session: actions to play, and commands.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int32Type},
};
use serde_json::{Map, Value};
use systems::envs::Seeds;

use crate::serve::{
    ServeError,
    fields::{self, malformed},
};

/// Name of the column of actions.
const ACTION: &str = "action";

/// The version of the policy that chose a batch of actions.
pub(super) const VERSION: &str = "policy_version";

/// Names of the commands, for the message about another one.
const COMMANDS: &str = "reset, snapshot, restore, forget, copy, policy, stats, close";

/// What a client asks of a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// The group that it is about.
    pub(super) group: usize,
    /// What is to be done.
    pub(super) what: What,
}

/// What is to be done with a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// Play a step: an action for each agent of each environment, and the version of the policy
    /// that chose them, if the client tells it.
    Step { actions: Vec<i32>, version: Option<u64> },
    /// Begin new episodes, in some environments or all.
    Reset { envs: Option<Vec<usize>>, seeds: Option<Seeds> },
    /// Keep some environments, or all, as they are.
    Snapshot { envs: Option<Vec<usize>> },
    /// Make environments what those of a snapshot were.
    Restore { snapshot: u64, envs: Option<Vec<usize>> },
    /// Let go of a snapshot.
    Forget { snapshot: u64 },
    /// Make environments copies of others.
    Copy { from: Vec<usize>, to: Vec<usize> },
    /// Change who chooses for a seat from the next step on, in later episodes too.
    Policy { envs: Option<Vec<usize>>, seat: usize, policy: String },
    /// Tell of the session.
    Stats,
    /// End the session now.
    Close,
}

impl Request {
    /// Reads a request: what the metadata say, and the rows that came with it.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] that names the field.
    pub(super) fn parse(metadata: &[u8], rows: Option<&RecordBatch>) -> Result<Self, ServeError> {
        let fields = match metadata {
            [] => Map::new(),
            bytes => match serde_json::from_slice(bytes) {
                Ok(Value::Object(fields)) => fields,
                Ok(_) => return Err(malformed("app_metadata", "write a JSON object")),
                Err(error) => return Err(malformed("app_metadata", error.to_string())),
            },
        };
        let of_all = |name: &str| name == "group" || (rows.is_some() && name == VERSION);
        let mut commands = fields.iter().filter(|(name, _)| !of_all(name));
        let what = match (rows, commands.next()) {
            (Some(rows), None) => {
                let version = fields.get(VERSION);
                let version = version.map(|version| fields::unsigned(VERSION, version));
                What::Step { actions: actions(rows)?, version: version.transpose()? }
            }
            (None, Some((name, value))) => Self::command(name, value)?,
            (None, None) => {
                let reason = format!("send a batch of actions, or a command: {COMMANDS}");
                return Err(malformed("app_metadata", reason));
            }
            (Some(_), Some((name, _))) => {
                return Err(malformed(name, "a command comes without a batch of actions"));
            }
        };
        if let Some((name, _)) = commands.next() {
            return Err(malformed(name, "a message has one command"));
        }
        let group = fields.get("group");
        let group = group.map_or(Ok(0), |value| fields::between("group", value, 0, 255))?;
        Ok(Self { group, what })
    }

    fn command(name: &str, value: &Value) -> Result<What, ServeError> {
        let empty = Map::new();
        let of = value.as_object().unwrap_or(&empty);
        let field = |field: &str| {
            of.get(field).ok_or_else(|| malformed(field, format!("{name:?} needs this field")))
        };
        let envs = || of.get("envs").map(|list| numbers("envs", list)).transpose();
        let snapshot = || fields::unsigned("snapshot", field("snapshot")?);
        Ok(match name {
            "reset" => What::Reset { envs: envs()?, seeds: seeds(of)? },
            "snapshot" => What::Snapshot { envs: envs()? },
            "restore" => What::Restore { snapshot: snapshot()?, envs: envs()? },
            "forget" => What::Forget { snapshot: snapshot()? },
            "copy" => What::Copy {
                from: numbers("from", field("from")?)?,
                to: numbers("to", field("to")?)?,
            },
            "policy" => What::Policy {
                envs: envs()?,
                seat: fields::seat("seat", field("seat")?)?.into(),
                policy: fields::text("policy", field("policy")?)?,
            },
            "stats" => What::Stats,
            "close" => What::Close,
            _ => return Err(malformed(name, format!("no such command: use {COMMANDS}"))),
        })
    }
}

fn numbers(name: &str, value: &Value) -> Result<Vec<usize>, ServeError> {
    fields::list(name, value, |name, value| fields::narrow(name, fields::unsigned(name, value)?))
}

fn seeds(of: &Map<String, Value>) -> Result<Option<Seeds>, ServeError> {
    match (of.get("seed"), of.get("seeds")) {
        (None, None) => Ok(None),
        (Some(seed), None) => Ok(Some(Seeds::All(fields::unsigned("seed", seed)?))),
        (None, Some(list)) => Ok(Some(Seeds::Each(fields::list("seeds", list, fields::unsigned)?))),
        (Some(_), Some(_)) => Err(malformed("seeds", "give \"seed\" or \"seeds\", not both")),
    }
}

/// The column of actions; it may be the only one, or one of several.
fn actions(rows: &RecordBatch) -> Result<Vec<i32>, ServeError> {
    let column = rows.column_by_name(ACTION).ok_or_else(|| {
        let schema = rows.schema();
        let found: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let found = fields::cut(&found.join(", "));
        malformed(ACTION, format!("no such column: the batch has [{found}]"))
    })?;
    let Some(actions) = column.as_primitive_opt::<Int32Type>() else {
        let (found, wanted) = (column.data_type(), DataType::Int32);
        return Err(malformed(ACTION, format!("the column is {found}: send {wanted}")));
    };
    if let Some(row) = (0..actions.len()).find(|&row| actions.is_null(row)) {
        return Err(malformed(ACTION, format!("row {row} is null: send -1 to pass")));
    }
    Ok(actions.values().to_vec())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int32Array, Int64Array},
        datatypes::{Field, Schema},
    };

    use super::*;

    fn batch(name: &str, column: ArrayRef) -> RecordBatch {
        let field = Field::new(name, column.data_type().clone(), true);
        RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap()
    }

    #[test]
    fn actions_are_a_step_of_their_group() {
        let rows = batch("action", Arc::new(Int32Array::from(vec![3, -1])));
        let what = What::Step { actions: vec![3, -1], version: None };
        assert_eq!(
            Request::parse(b"", Some(&rows)).unwrap(),
            Request { group: 0, what: what.clone() }
        );
        let of_group = Request::parse(br#"{"group": 1}"#, Some(&rows)).unwrap();
        assert_eq!(of_group, Request { group: 1, what });
    }

    #[test]
    fn actions_may_come_with_the_version_of_their_policy() {
        let rows = batch("action", Arc::new(Int32Array::from(vec![3])));
        let request = Request::parse(br#"{"policy_version": 7}"#, Some(&rows)).unwrap();
        assert_eq!(request.what, What::Step { actions: vec![3], version: Some(7) });
        for text in [&br#"{"policy_version": -7}"#[..], br#"{"policy_version": "new"}"#] {
            let error = Request::parse(text, Some(&rows)).unwrap_err().to_string();
            assert!(error.starts_with("policy_version: "), "{error}");
        }
        let error = Request::parse(br#"{"policy_version": 7}"#, None).unwrap_err().to_string();
        assert!(error.starts_with("policy_version: "), "{error}");
    }

    #[test]
    fn commands_are_read_with_their_fields() {
        for (text, what) in [
            (r#"{"reset": {}}"#, What::Reset { envs: None, seeds: None }),
            (
                r#"{"reset": {"envs": [1], "seeds": [4]}}"#,
                What::Reset { envs: Some(vec![1]), seeds: Some(Seeds::Each(vec![4])) },
            ),
            (r#"{"snapshot": null}"#, What::Snapshot { envs: None }),
            (
                r#"{"restore": {"snapshot": 2, "envs": [0]}}"#,
                What::Restore { snapshot: 2, envs: Some(vec![0]) },
            ),
            (r#"{"forget": {"snapshot": 2}}"#, What::Forget { snapshot: 2 }),
            (r#"{"copy": {"from": [0], "to": [1]}}"#, What::Copy { from: vec![0], to: vec![1] }),
            (
                r#"{"policy": {"seat": 1, "policy": "hunter"}}"#,
                What::Policy { envs: None, seat: 1, policy: "hunter".to_owned() },
            ),
            (r#"{"stats": {}}"#, What::Stats),
            (r#"{"close": {}}"#, What::Close),
        ] {
            assert_eq!(Request::parse(text.as_bytes(), None).unwrap().what, what, "{text}");
        }
    }

    #[test]
    fn a_wrong_request_names_the_field() {
        for (text, field) in [
            ("", "app_metadata"),
            ("{", "app_metadata"),
            ("[]", "app_metadata"),
            (r#"{"group": 0}"#, "app_metadata"),
            (r#"{"group": -1, "stats": {}}"#, "group"),
            (r#"{"dance": {}}"#, "dance"),
            (r#"{"close": {}, "reset": {}}"#, "reset"),
            (r#"{"reset": {"envs": [-1]}}"#, "envs"),
            (r#"{"reset": {"seed": 1, "seeds": [1]}}"#, "seeds"),
            (r#"{"restore": {}}"#, "snapshot"),
            (r#"{"copy": {"from": [0]}}"#, "to"),
            (r#"{"policy": {"seat": 99, "policy": "hunter"}}"#, "seat"),
        ] {
            let error = Request::parse(text.as_bytes(), None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
        }
        let one = Int32Array::from(vec![Some(1), None]);
        for rows in [
            batch("moves", Arc::new(Int32Array::from(vec![1]))),
            batch("action", Arc::new(Int64Array::from(vec![1]))),
            batch("action", Arc::new(one)),
        ] {
            let error = Request::parse(b"", Some(&rows)).unwrap_err().to_string();
            assert!(error.starts_with("action: "), "{error}");
        }
    }
}

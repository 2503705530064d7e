//! Going on where a run was ended: how far it came, and whether the same run is meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::totals::Totals;

/// A place between two row groups: how much of what a producer makes lies before it.
///
/// Where row groups end depends on the games alone, and the grouping knows nothing of what came
/// before a row group's first game. So a run that begins at such a place goes on as if it had never
/// been ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Jobs that lie before as a whole.
    pub(crate) jobs: u64,
    /// Games of the next job that lie before.
    pub(crate) games: u64,
    /// Row groups of the next game that lie before: a long game has several.
    pub(crate) parts: u64,
    /// Inputs that were skipped in the jobs before.
    pub(crate) skipped: u64,
}

/// What has to be known to go on: the end of the last full file, and all that lies before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Where the next file begins.
    pub(crate) place: Place,
    /// What the files before hold.
    pub(crate) totals: Totals,
    /// The inputs that were skipped before, counted by reason.
    #[serde(default)]
    pub(crate) skipped: Reasons,
}

/// How many inputs were skipped for each reason.
pub(crate) type Reasons = BTreeMap<String, u64>;

/// Entries of `meta/info.json` that say which run it is, most telling first.
const IDENTITY: [&str; 12] = [
    "format",
    "schema_version",
    "engine_version",
    "command",
    "kind",
    "seed",
    "inputs",
    "reward",
    "players",
    "rulesets",
    "layout",
    "features",
];

/// The first thing in which two runs differ, told for the user.
pub(crate) fn difference(there: &Value, now: &Value) -> Option<String> {
    IDENTITY.iter().find_map(|&key| differ(key, &there[key], &now[key]))
}

/// Entries of `meta/info.json` that say which columns a dataset has.
const COLUMNS: [&str; 5] = ["format", "kind", "schema_version", "players", "features"];

/// The first thing in which the columns of two datasets differ, told for the user.
pub(crate) fn unlike(there: &Value, now: &Value) -> Option<String> {
    COLUMNS.iter().find_map(|&key| differ(key, &there[key], &now[key]))
}

fn differ(name: &str, there: &Value, now: &Value) -> Option<String> {
    if there == now {
        return None;
    }
    match (there, now) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.into_iter().find_map(|key| {
                let of = |object: &serde_json::Map<String, Value>| {
                    object.get(key).cloned().unwrap_or(Value::Null)
                };
                differ(&format!("{name}.{key}"), &of(a), &of(b))
            })
        }
        (Value::String(a), Value::String(b)) => {
            let separator = if name == "command" { " --" } else { "\n" };
            let (a, b) = first_unlike(a, b, separator);
            Some(match (a, b) {
                (Some(a), Some(b)) => format!("{name} has {a:?} there and {b:?} now"),
                (Some(a), None) => format!("{name} has {a:?} there and not now"),
                (_, b) => format!("{name} has {:?} now and not there", b.unwrap_or_default()),
            })
        }
        _ => Some(format!("{name} is {there} there and {now} now")),
    }
}

/// The first parts in which two texts differ.
fn first_unlike<'a>(a: &'a str, b: &'a str, separator: &str) -> (Option<&'a str>, Option<&'a str>) {
    let (mut a, mut b) = (a.split(separator), b.split(separator));
    loop {
        let parts = (a.next(), b.next());
        if parts.0 != parts.1 || parts.0.is_none() {
            return parts;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_parameter_that_differs_is_named_with_both_values() {
        let run =
            |command: &str, reward: f64| json!({"command": command, "reward": {"win": reward}});
        let a = run("bivouac generate --games 5 --seed 3", 1.0);
        assert_eq!(difference(&a, &a), None);
        let b = run("bivouac generate --games 5 --seed 4", 1.0);
        let told = difference(&a, &b).unwrap_or_default();
        assert!(told.contains("seed 3") && told.contains("seed 4"), "{told}");
        let c = run("bivouac generate --games 5 --seed 3", 2.0);
        let told = difference(&a, &c).unwrap_or_default();
        assert!(told.contains("reward.win is 1.0 there and 2.0 now"), "{told}");
        let d = run("bivouac generate --games 5", 1.0);
        let told = difference(&a, &d).unwrap_or_default();
        assert!(told.contains("seed 3") && told.contains("not now"), "{told}");
    }
}

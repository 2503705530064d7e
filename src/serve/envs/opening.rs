//! The opening command: which environments a client wants.

use std::sync::Arc;

use serde_json::{Map, Value};
use systems::{
    envs::{Autoreset, EnvSpec, Opening as Begin, Seeds, VectorSpec},
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::Maps,
    rules::ruleset::Ruleset,
    world::WorldConfig,
};

use crate::serve::{
    ServeError,
    fields::{self, malformed},
};

/// Environments in all groups at most, whatever the server's limit.
const MAX_GROUPS: usize = 8;

/// Ticks of an episode where neither the client nor the ruleset says so.
const MAX_TICKS: u32 = 1000;

/// Rows of a session up to which waking other threads costs more than it earns.
const SMALL_ROWS: usize = 4096;

/// Names of the fields, for the message about another one.
const FIELDS: &str = "num_envs, groups, size, players, ruleset, max_ticks, fog, seats, opponents, \
                      reward, autoreset, seed, seeds, columns, message_bytes, collect";

/// What a client wants.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Environments of each group.
    pub(super) num_envs: usize,
    /// Groups that can be in flight at the same time.
    pub(super) groups: usize,
    /// The names of the columns wanted; none means all.
    pub(super) columns: Option<Vec<String>>,
    /// Bytes of a message at most.
    pub(super) message_bytes: usize,
    /// The policy that the client's rows are collected as; none if they are not.
    pub(super) collect: Option<String>,
    spec: EnvSpec,
    seats: Option<Vec<u8>>,
    reward: Reward,
    autoreset: Autoreset,
    seeds: Seeds,
}

impl Opening {
    /// Reads the command.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] that names the field.
    pub(super) fn parse(command: &Value) -> Result<Self, ServeError> {
        let Value::Object(command) = command else {
            return Err(malformed("open", "write a JSON object, as in {\"num_envs\": 64}"));
        };
        let known: Vec<&str> = FIELDS.split(", ").collect();
        if let Some(name) = command.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(malformed(name, format!("no such field of \"open\": use {FIELDS}")));
        }
        let number = |name: &str, usual: usize, most: usize| match command.get(name) {
            None => Ok(usual),
            Some(value) => fields::between(name, value, 1, most),
        };
        let num_envs = number("num_envs", 1, 1 << 20)?;
        let seeds = seeds(command, num_envs)?;
        let columns = command.get("columns");
        Ok(Self {
            num_envs,
            groups: number("groups", 1, MAX_GROUPS)?,
            columns: columns.map(|v| fields::list("columns", v, fields::text)).transpose()?,
            message_bytes: number("message_bytes", 2 << 20, 1 << 28)?.max(1 << 16),
            spec: spec(command)?,
            seats: command.get("seats").map(seats).transpose()?,
            reward: match command.get("reward") {
                None => Reward::SPARSE,
                Some(value) => Reward::named(&fields::text("reward", value)?)
                    .map_err(|error| malformed("reward", error.to_string()))?,
            },
            autoreset: command.get("autoreset").map_or(Ok(Autoreset::NextStep), autoreset)?,
            seeds,
            collect: command.get("collect").map_or(Ok(None), collect)?,
        })
    }

    /// The name of the ruleset.
    pub(super) fn ruleset(&self) -> &str {
        &self.spec.ruleset.name
    }

    /// Rows of a step of one group.
    pub(super) fn rows(&self) -> usize {
        let agents = self.seats.as_ref().map_or(self.spec.players(), Vec::len);
        self.num_envs.saturating_mul(agents)
    }

    /// What each group plays. Groups have seeds of their own: group `g` goes on where the group
    /// before ends.
    pub(super) fn specs(&self) -> Vec<VectorSpec> {
        let env = Arc::new(self.spec.clone());
        let of_group = |group: usize| {
            let seeds = match &self.seeds {
                Seeds::All(seed) if group == 0 => Seeds::All(*seed),
                Seeds::All(seed) => {
                    let first = (group * self.num_envs) as u64;
                    let key = |env: u64| systems::dice::episode_key(*seed, first + env, 0);
                    Seeds::Each((0..self.num_envs as u64).map(key).collect())
                }
                Seeds::Each(seeds) => {
                    Seeds::Each(seeds[group * self.num_envs..][..self.num_envs].to_vec())
                }
            };
            let mut spec = VectorSpec::new(vec![env.clone(); self.num_envs], 0);
            if let Some(seats) = &self.seats {
                spec.seats.clone_from(seats);
            }
            (spec.seeds, spec.reward, spec.autoreset) = (seeds, self.reward, self.autoreset);
            if self.rows() <= SMALL_ROWS {
                spec.config = WorldConfig { threads: 1, ..spec.config };
            }
            spec
        };
        (0..self.groups).map(of_group).collect()
    }
}

/// What every environment plays.
fn spec(command: &Map<String, Value>) -> Result<EnvSpec, ServeError> {
    let ruleset = match command.get("ruleset") {
        None => Ruleset::NAMES[0].to_owned(),
        Some(value) => fields::text("ruleset", value)?,
    };
    let ruleset =
        Ruleset::named(&ruleset).map_err(|error| malformed("ruleset", error.to_string()))?;
    let players = match command.get("players") {
        None => 2,
        Some(value) => fields::between("players", value, 1, 16)?,
    };
    let size = command.get("size").map_or(Ok(ruleset.map.usual_size()), size)?;
    let max_ticks = match command.get("max_ticks") {
        None => ruleset.max_ticks_or(MAX_TICKS),
        Some(value) => fields::between("max_ticks", value, 1, 1 << 24)?,
    };
    let maps = MapSpec { size, ..MapSpec::free_for_all(ruleset.map.kind, players) };
    maps.check().map_err(|error| malformed("size", error.to_string()))?;
    let seats = command.get("seats").map(seats).transpose()?;
    Ok(EnvSpec {
        opening: Begin::Maps(Maps::Generated(maps)),
        ruleset: Arc::new(ruleset),
        max_ticks,
        has_fog: command.get("fog").map_or(Ok(true), |v| fields::boolean("fog", v))?,
        policies: match command.get("opponents") {
            None => {
                check_played(seats.as_deref(), players)?;
                Vec::new()
            }
            Some(value) => opponents(value, seats.as_deref(), players)?,
        },
    })
}

fn size(value: &Value) -> Result<Size, ServeError> {
    let wanted = "write HEIGHTxWIDTH with sides of 1 to 32, as in \"20x20\", or \"random\"";
    let text = value.as_str().ok_or_else(|| malformed("size", wanted))?;
    if text == "random" {
        return Ok(Size::Random);
    }
    let side = |side: &str| side.parse().ok().filter(|side| (1..=32).contains(side));
    text.split_once('x')
        .and_then(|(height, width)| {
            Some(Size::Fixed { height: side(height)?, width: side(width)? })
        })
        .ok_or_else(|| malformed("size", wanted))
}

fn seats(value: &Value) -> Result<Vec<u8>, ServeError> {
    let mut seats = fields::list("seats", value, fields::seat)?;
    seats.sort_unstable();
    seats.dedup();
    Ok(seats)
}

/// Refuses games in which a seat is nobody's, which nobody asks for by leaving a field out.
fn check_played(seats: Option<&[u8]>, players: usize) -> Result<(), ServeError> {
    let Some(seats) = seats else { return Ok(()) };
    let is_alone = |seat: &usize| !seats.iter().any(|&remote| usize::from(remote) == *seat);
    let Some(seat) = (0..players).find(is_alone) else { return Ok(()) };
    let reason = format!(
        "nobody plays seat {seat}: name policies for the seats that are not yours, as in \
         \"opponents\": [\"expander\"], or \"external\" to have them pass"
    );
    Err(malformed("opponents", reason))
}

/// The policy of each seat: those that the client does not play take `opponents` in turn.
fn opponents(
    value: &Value,
    seats: Option<&[u8]>,
    players: usize,
) -> Result<Vec<Policy>, ServeError> {
    let names = fields::list("opponents", value, fields::text)?;
    let policies: Vec<Policy> =
        names.iter().map(|name| policy("opponents", name)).collect::<Result<_, _>>()?;
    let Some(seats) = seats else {
        return Err(malformed("opponents", "name your own seats too, as in \"seats\": [0]"));
    };
    let is_remote = |seat: usize| seats.iter().any(|&remote| usize::from(remote) == seat);
    let mut others = policies.iter().copied().cycle();
    let of_seat = |seat| {
        if is_remote(seat) { Policy::External } else { others.next().unwrap_or(Policy::External) }
    };
    Ok((0..players).map(of_seat).collect())
}

/// The policy with a name; `external` is the client.
pub(super) fn policy(field: &str, name: &str) -> Result<Policy, ServeError> {
    let found = Policy::ALL.iter().find(|(_, known)| *known == name);
    found.map(|(policy, _)| *policy).ok_or_else(|| {
        let known: Vec<&str> = Policy::ALL.iter().map(|(_, name)| *name).collect();
        malformed(field, format!("{name:?} is no policy: use {}", known.join(", ")))
    })
}

/// Whether rows are collected, and as whose.
fn collect(value: &Value) -> Result<Option<String>, ServeError> {
    match value {
        Value::Bool(is_wanted) => Ok(is_wanted.then(|| Policy::External.name().to_owned())),
        Value::String(policy) => Ok(Some(policy.clone())),
        _ => Err(fields::wrong("collect", value, "true, false or the name of a policy")),
    }
}

fn autoreset(value: &Value) -> Result<Autoreset, ServeError> {
    match value.as_str() {
        Some("next_step") => Ok(Autoreset::NextStep),
        Some("same_step") => Ok(Autoreset::SameStep),
        Some("disabled") => Ok(Autoreset::Disabled),
        _ => Err(malformed("autoreset", "use \"next_step\", \"same_step\" or \"disabled\"")),
    }
}

fn seeds(command: &Map<String, Value>, num_envs: usize) -> Result<Seeds, ServeError> {
    let groups = match command.get("groups") {
        None => 1,
        Some(value) => fields::between("groups", value, 1, MAX_GROUPS)?,
    };
    match (command.get("seed"), command.get("seeds")) {
        (None, None) => Ok(Seeds::All(0)),
        (Some(seed), None) => Ok(Seeds::All(fields::unsigned("seed", seed)?)),
        (None, Some(list)) => {
            let seeds = fields::list("seeds", list, fields::unsigned)?;
            let wanted = num_envs * groups;
            if seeds.len() != wanted {
                let given = seeds.len();
                let reason =
                    format!("{given} seeds: give one for each of the {wanted} environments");
                return Err(malformed("seeds", reason));
            }
            Ok(Seeds::Each(seeds))
        }
        (Some(_), Some(_)) => Err(malformed("seeds", "give \"seed\" or \"seeds\", not both")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_of_an_opening_is_read() {
        let opening = Opening::parse(&json!({
            "num_envs": 3, "groups": 2, "size": "8x9", "players": 2, "ruleset": "competition",
            "max_ticks": 40, "fog": false, "seats": [0], "opponents": ["hunter"],
            "reward": "shaped", "autoreset": "same_step", "seed": 7, "columns": ["army"],
            "message_bytes": 1000, "collect": "learner",
        }));
        let opening = opening.unwrap();
        assert_eq!((opening.num_envs, opening.groups, opening.rows()), (3, 2, 3));
        assert_eq!(opening.collect.as_deref(), Some("learner"));
        assert_eq!(opening.spec.policies, [Policy::External, Policy::Hunter]);
        assert_eq!((opening.spec.max_ticks, opening.spec.has_fog), (40, false));
        assert_eq!(opening.spec.sides(), (8, 9));
        let specs = opening.specs();
        assert_eq!(specs.len(), 2);
        assert_eq!(specs[0].seeds, Seeds::All(7));
        assert_ne!(specs[0].seeds, specs[1].seeds);
        assert_eq!(specs[1].autoreset, Autoreset::SameStep);
    }

    #[test]
    fn where_the_client_says_nothing_the_ruleset_says_how_long_and_how_large() {
        let spec = |opening| Opening::parse(&opening).unwrap().spec;
        let generals = spec(json!({}));
        assert_eq!((generals.max_ticks, generals.sides()), (1000, (20, 20)));
        let competition = spec(json!({"ruleset": "competition"}));
        assert_eq!((competition.max_ticks, competition.sides()), (1200, (21, 21)));
        let told = spec(json!({"ruleset": "competition", "max_ticks": 30, "size": "18x19"}));
        assert_eq!((told.max_ticks, told.sides()), (30, (18, 19)));
    }

    #[test]
    fn a_wrong_field_of_an_opening_is_named() {
        for (command, field) in [
            (json!([]), "open"),
            (json!({"num_envs": 0}), "num_envs"),
            (json!({"num_envs": "many"}), "num_envs"),
            (json!({"groups": 9}), "groups"),
            (json!({"size": "33x20"}), "size"),
            (json!({"size": [20, 20]}), "size"),
            (json!({"players": 17}), "players"),
            (json!({"ruleset": "chess"}), "ruleset"),
            (json!({"max_ticks": 0}), "max_ticks"),
            (json!({"fog": "thick"}), "fog"),
            (json!({"seats": [16]}), "seats"),
            (json!({"opponents": ["hunter"]}), "opponents"),
            (json!({"seats": [0]}), "opponents"),
            (json!({"seats": [0, 2], "players": 3}), "opponents"),
            (json!({"seats": [0], "opponents": ["alphago"]}), "opponents"),
            (json!({"reward": "gold"}), "reward"),
            (json!({"autoreset": true}), "autoreset"),
            (json!({"seed": -1}), "seed"),
            (json!({"seeds": [1, 2]}), "seeds"),
            (json!({"seed": 1, "seeds": [1]}), "seeds"),
            (json!({"collect": 1}), "collect"),
            (json!({"speed": 1}), "speed"),
        ] {
            let error = Opening::parse(&command).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{command}: {error}");
        }
    }
}

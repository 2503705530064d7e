//! A session: groups of environments, snapshots of them, and answers that may not have arrived.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use systems::{
    envs::{Refusal, Snapshot, VectorEnv},
    policies::Policy,
    rows::flag,
};

use super::{
    answer::{self, Answer, Encoder},
    budget::Held,
    collecting::{Collecting, Collection},
    command::{Request, What},
    opening::{self, Opening},
};
use crate::serve::{ServeError, fields::malformed};

/// Snapshots that a session may keep.
const MAX_SNAPSHOTS: usize = 64;

/// Groups of environments that a client plays.
pub(super) struct Session {
    /// Its name, which nobody can guess.
    pub(super) name: String,
    /// The connection that plays it: the newest.
    pub(super) connection: u64,
    groups: Vec<VectorEnv>,
    encoder: Encoder,
    snapshots: BTreeMap<u64, (usize, Snapshot)>,
    next_snapshot: u64,
    /// Who was chosen for seats of a group's environments, for all their episodes to come.
    switched: BTreeMap<(usize, usize), Vec<(usize, Policy)>>,
    /// Requests that were answered.
    answered: u64,
    /// The newest answers, which a client that comes back may not have got.
    kept: VecDeque<Answer>,
    steps: u64,
    /// Rows of a step of one group.
    rows: usize,
    /// Where its rows go, if they are collected.
    collecting: Option<Collecting>,
    /// What it takes of the server's environments and memory.
    held: Held,
}

/// Rows of a step up to which it takes less time than to hand it to another thread.
const INLINE_ROWS: usize = 64;

impl Session {
    /// Makes the environments.
    ///
    /// # Errors
    ///
    /// What cannot be played, and columns that do not exist.
    pub(super) fn open(
        name: String,
        opening: &Opening,
        collection: &Collection,
        held: Held,
    ) -> Result<Self, ServeError> {
        let groups: Vec<VectorEnv> =
            opening.specs().into_iter().map(VectorEnv::new).collect::<Result<_, _>>()?;
        let first = groups.first().ok_or_else(|| malformed("groups", "use 1 or more"))?;
        let (format, seats) = (first.format(), first.seats().to_vec());
        let encoder =
            Encoder::new(&format, seats, opening.columns.as_deref(), opening.message_bytes)?;
        let collecting = Collecting::begin(collection, opening, &groups)?;
        Ok(Self {
            name,
            connection: 0,
            collecting,
            groups,
            encoder,
            snapshots: BTreeMap::new(),
            next_snapshot: 0,
            switched: BTreeMap::new(),
            answered: 0,
            kept: VecDeque::new(),
            steps: 0,
            rows: opening.rows(),
            held,
        })
    }

    /// Whether the answer to a request is there sooner than another thread has woken. What a short
    /// request other than a step asks for may be a lot of work.
    pub(super) fn is_small(&self, request: &Result<Request, ServeError>) -> bool {
        match request.as_ref().map(|request| &request.what) {
            // Rows that are collected may have to wait for readers.
            Ok(What::Step { .. }) => self.rows <= INLINE_ROWS && self.collecting.is_none(),
            Ok(What::Stats | What::Close) | Err(_) => true,
            Ok(_) => false,
        }
    }

    /// Requests that a client may have sent without an answer. So many answers are kept.
    fn window(&self) -> usize {
        2 * self.groups.len()
    }

    /// What a connection begins with.
    pub(super) fn greeting(&self) -> Answer {
        let envs = &self.groups[0];
        let about = json!({
            "session": self.name,
            "groups": self.groups.len(),
            "num_envs": envs.len(),
            "seats": envs.seats(),
            "window": self.window(),
            "answered": self.answered,
            "refusals": Refusal::ALL.map(|(_, name)| name),
        });
        self.encoder.opening(&about)
    }

    /// The answers after the first `received`, for a client that comes back.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for numbers of answers that were never given, or that are kept no
    /// longer.
    pub(super) fn answers_after(&self, received: u64) -> Result<Vec<Answer>, ServeError> {
        let oldest = self.answered - self.kept.len() as u64;
        if !(oldest..=self.answered).contains(&received) {
            let answered = self.answered;
            let reason = format!(
                "{received} is not one of {oldest} to {answered}, the answers that are kept: give \
                 the number of answers that arrived"
            );
            return Err(malformed("received", reason));
        }
        let skipped = usize::try_from(received - oldest).unwrap_or(usize::MAX);
        Ok(self.kept.iter().skip(skipped).cloned().collect())
    }

    /// Answers a request, whatever is wrong with it.
    pub(super) fn answer(&mut self, request: Result<Request, ServeError>) -> Answer {
        let answer = request.and_then(|request| self.handle(request));
        let answer = answer.unwrap_or_else(|error| answer::refused(&error));
        self.answered += 1;
        self.kept.push_back(answer.clone());
        while self.kept.len() > self.window() {
            self.kept.pop_front();
        }
        answer
    }

    fn handle(&mut self, request: Request) -> Result<Answer, ServeError> {
        let group = request.group;
        let groups = self.groups.len();
        let Some(envs) = self.groups.get_mut(group) else {
            let reason = format!("{group} does not exist: there are {groups}, from 0");
            return Err(malformed("group", reason));
        };
        let chosen = |given: Option<Vec<usize>>| given.unwrap_or_else(|| (0..envs.len()).collect());
        let mut stepped_by = None;
        match request.what {
            What::Step { actions, version } => {
                envs.step(&actions).map_err(of_field("action"))?;
                self.steps += 1;
                self.held.stepped(self.rows);
                stepped_by = version;
            }
            What::Reset { envs: given, seeds } => {
                let mask = given.map(|given| mask(&given, envs.len())).transpose()?;
                envs.reset(mask.as_deref(), seeds.as_ref()).map_err(of_field("seeds"))?;
            }
            What::Snapshot { envs: given } => {
                let given = chosen(given);
                return self.keep(group, &given);
            }
            What::Restore { snapshot, envs: given } => {
                let Some((_, kept)) = self.snapshots.get(&snapshot) else {
                    return Err(malformed("snapshot", format!("{snapshot} does not exist")));
                };
                let given = chosen(given);
                envs.restore(kept, &given).map_err(of_field("envs"))?;
                self.collecting.iter_mut().for_each(|rows| rows.cut(group, &given));
            }
            What::Forget { snapshot } => {
                let forgotten = self.snapshots.remove(&snapshot);
                let known = forgotten.is_some();
                self.held.drop_snapshot(forgotten.map_or(0, |(_, snapshot)| snapshot.bytes()));
                return Ok(answer::told(group, json!({ "forgotten": known })));
            }
            What::Copy { from, to } => {
                envs.copy(&from, &to).map_err(of_field("to"))?;
                self.collecting.iter_mut().for_each(|rows| rows.cut(group, &to));
            }
            What::Policy { envs: given, seat, policy } => {
                let policy = opening::policy("policy", &policy)?;
                // Each once, however often it is named.
                let given = given.map(|given| mask(&given, envs.len())).transpose()?;
                for env in (0..envs.len()).filter(|&env| given.as_ref().is_none_or(|g| g[env])) {
                    envs.set_policy(env, seat, policy).map_err(of_field("envs"))?;
                    let seats = self.switched.entry((group, env)).or_default();
                    seats.retain(|&(other, _)| other != seat);
                    seats.push((seat, policy));
                }
                return Ok(answer::told(group, json!({ "policy": policy.name() })));
            }
            What::Stats => {
                let stats = self.stats();
                return Ok(answer::told(group, json!({ "stats": stats })));
            }
            What::Close => return Ok(answer::told(group, json!({ "closed": true }))),
        }
        self.keep_policies(group);
        if let Some(collecting) = &mut self.collecting {
            collecting.advance(group, &self.groups[group])?;
        }
        Ok(self.encoder.rows(group, &self.groups[group], stepped_by)?)
    }

    /// Has the policies that were chosen play the episodes that have just begun, too.
    fn keep_policies(&mut self, group: usize) {
        let envs = &mut self.groups[group];
        let agents = envs.seats().len();
        let has_begun = |envs: &VectorEnv, env: usize| {
            let flags = &envs.frame().flags()[env * agents..][..agents];
            flags.iter().any(|flags| flags & flag::FIRST != 0)
        };
        for (&(_, env), seats) in self.switched.range((group, 0)..(group + 1, 0)) {
            if !has_begun(envs, env) {
                continue;
            }
            for &(seat, policy) in seats {
                // A game may have fewer seats than the one before it.
                let _is_seat = envs.set_policy(env, seat, policy).is_ok();
            }
        }
    }

    /// Keeps some environments of a group as they are.
    fn keep(&mut self, group: usize, given: &[usize]) -> Result<Answer, ServeError> {
        if self.snapshots.len() >= MAX_SNAPSHOTS {
            return Err(ServeError::Limit {
                what: "snapshots of a session",
                most: MAX_SNAPSHOTS as u64,
                fix: "let go of one with \"forget\"",
            });
        }
        let envs = &self.groups[group];
        // A longer list names some twice, and is refused for that.
        let bytes = envs.snapshot_bytes(given.len().min(envs.len()));
        self.held.add_snapshot(bytes)?;
        let taken = envs.snapshot(given).map_err(of_field("envs"));
        let snapshot = taken.inspect_err(|_| self.held.drop_snapshot(bytes))?;
        let id = self.next_snapshot;
        self.next_snapshot += 1;
        self.snapshots.insert(id, (group, snapshot));
        Ok(answer::told(group, json!({ "snapshot": id })))
    }

    /// What there is to tell of it.
    pub(super) fn stats(&self) -> Value {
        let mut refused = [0; Refusal::ALL.len()];
        for envs in &self.groups {
            for (sum, count) in refused.iter_mut().zip(envs.refusals()) {
                *sum += count;
            }
        }
        let refused: serde_json::Map<_, _> = Refusal::ALL
            .iter()
            .zip(refused)
            .skip(1)
            .map(|((_, name), count)| ((*name).to_owned(), count.into()))
            .collect();
        json!({
            "envs": self.groups.iter().map(VectorEnv::len).sum::<usize>(),
            "steps": self.steps,
            "answers": self.answered,
            "snapshots": self.snapshots.len(),
            "refused": refused,
        })
    }
}

/// A mask of environments from their numbers.
fn mask(envs: &[usize], n: usize) -> Result<Vec<bool>, ServeError> {
    let mut mask = vec![false; n];
    for &env in envs {
        let place = mask.get_mut(env).ok_or_else(|| {
            malformed("envs", format!("{env} does not exist: there are {n}, from 0"))
        })?;
        *place = true;
    }
    Ok(mask)
}

/// Says which field of a request the environments refused.
fn of_field<E: std::fmt::Display>(field: &'static str) -> impl FnOnce(E) -> ServeError {
    move |error| malformed(field, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use arrow::array::StringArray;
    use systems::rows::RowFormat;

    use super::*;
    use crate::serve::{
        envs::budget::Budget,
        log::{Log, LogConfig},
    };

    /// A session of so many small environments, with so much memory for snapshots.
    fn session(num_envs: usize, snapshot_bytes: u64) -> Session {
        let log = Log::new(LogConfig {
            capacity: 1 << 20,
            readers_at_most: 1,
            patience: Duration::from_secs(1),
            samples_per_insert: None,
            spill_grace: None,
        });
        let format = RowFormat { height: 8, width: 8, has_builds: false, has_owners: false };
        let policies = Arc::new(StringArray::from(vec!["external"]));
        let collection = Collection { log, format, policies };
        let opening = json!({ "num_envs": num_envs, "size": "8x8" });
        let opening = Opening::parse(&opening).unwrap();
        let held = Budget::new(1000, snapshot_bytes).hold("", num_envs, 1000).unwrap();
        Session::open("name".to_owned(), &opening, &collection, held).unwrap()
    }

    fn request(text: &str) -> Result<Request, ServeError> {
        Request::parse(text.as_bytes(), None)
    }

    #[test]
    fn snapshots_take_no_more_memory_than_there_is_for_them() {
        let one = session(2, 0).groups[0].snapshot_bytes(2);
        // An owner has half of it all.
        let mut session = session(2, 5 * one);
        let keep = || request(r#"{"snapshot": {}}"#);
        session.handle(keep().unwrap()).unwrap();
        session.handle(keep().unwrap()).unwrap();
        let error = session.handle(keep().unwrap()).unwrap_err();
        assert!(matches!(error, ServeError::Limit { .. }), "{error}");
        // What is refused takes nothing.
        let wrong = request(r#"{"snapshot": {"envs": [9]}}"#).unwrap();
        assert!(session.handle(wrong).is_err());
        session.handle(request(r#"{"forget": {"snapshot": 0}}"#).unwrap()).unwrap();
        session.handle(keep().unwrap()).unwrap();
    }

    #[test]
    fn only_what_takes_no_time_is_answered_on_the_network_thread() {
        let step = || Ok(Request { group: 0, what: What::Step { actions: vec![], version: None } });
        assert!(session(2, 0).is_small(&step()));
        assert!(!session(64, 0).is_small(&step()));
        for (text, is_small) in [
            (r#"{"snapshot": {"envs": [0]}}"#, false),
            (r#"{"restore": {"snapshot": 0}}"#, false),
            (r#"{"copy": {"from": [0], "to": [1]}}"#, false),
            (r#"{"reset": {}}"#, false),
            (r#"{"policy": {"seat": 0, "policy": "hunter"}}"#, false),
            (r#"{"forget": {"snapshot": 0}}"#, false),
            (r#"{"stats": {}}"#, true),
            (r#"{"dance": {}}"#, true),
        ] {
            assert_eq!(session(2, 0).is_small(&request(text)), is_small, "{text}");
        }
    }
}

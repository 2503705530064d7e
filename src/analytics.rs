//! How policies and players fare over all games of a server, simulated and live.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use datasets::analytics::{SeatTally, Tally};
use systems::record::Outcome;

/// What kind of game was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// One of the simulation.
    Simulated,
    /// One that people or bots could join.
    Live,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Live => "live",
        }
    }
}

/// Counts of ended games by source, ruleset, policy and seat. Copies share them.
///
/// They are bounded: rulesets and policies have names of the server's, and there are 16 seats.
#[derive(Clone, Debug, Default)]
pub struct Analytics(Arc<Mutex<Tallies>>);

/// By source, ruleset, policy and seat.
type Tallies = BTreeMap<(Source, String, String, u8), Tally>;

impl Analytics {
    /// Counts a game, by the policies of its seats.
    pub fn add(&self, source: Source, ruleset: &str, policies: &[String], outcome: &Outcome) {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (seat, policy) in (0_u8..).zip(policies) {
            let key = (source, ruleset.to_owned(), policy.clone(), seat);
            tallies.entry(key).or_default().add(outcome, seat.into());
        }
    }

    /// All counts, in the order of their names.
    #[must_use]
    pub fn rows(&self) -> Vec<SeatTally> {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row =
            |((source, ruleset, policy, seat), tally): (&(Source, String, String, u8), &Tally)| {
                SeatTally {
                    source: source.name(),
                    ruleset: ruleset.clone(),
                    policy: policy.clone(),
                    seat: *seat,
                    tally: tally.clone(),
                }
            };
        tallies.iter().map(row).collect()
    }
}

//! How policies and players fare over all games of a server, simulated and live.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use datasets::analytics::{SeatTally, Tally};
use systems::{record::Outcome, rules::ruleset::Ruleset};

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
/// They are bounded: policies have names of the server's, all rules that clients wrote are counted
/// as one ruleset, and there are 16 seats.
#[derive(Clone, Debug, Default)]
pub struct Analytics(Arc<Mutex<Tallies>>);

/// The ruleset of live games by rules that clients wrote.
const CUSTOM: &str = "custom";

/// By source, ruleset, policy and seat.
type Tallies = BTreeMap<(Source, String, String, u8), Tally>;

impl Analytics {
    /// Counts a game, by the policies of its seats.
    pub fn add(&self, source: Source, ruleset: &str, policies: &[String], outcome: &Outcome) {
        let is_known = source == Source::Simulated || Ruleset::NAMES.contains(&ruleset);
        let ruleset = if is_known { ruleset } else { CUSTOM };
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The outcome of a game of two that was cut off before anything happened.
    pub(crate) fn cut_off() -> Outcome {
        Outcome {
            ticks: 0,
            is_truncated: true,
            winners: Vec::new(),
            ranking: vec![0, 1],
            captures: vec![0; 2],
            land: vec![1; 2],
            army: vec![1; 2],
            digest: 0,
        }
    }

    #[test]
    fn rules_of_clients_are_counted_as_one_ruleset_however_many_there_are() {
        let outcome = Outcome { ticks: 1, ..cut_off() };
        let (analytics, policies) = (Analytics::default(), ["external".to_owned()]);
        for number in 0..100 {
            analytics.add(Source::Live, &format!("mine+{number:08}"), &policies, &outcome);
        }
        analytics.add(Source::Live, "generals", &policies, &outcome);
        analytics.add(Source::Simulated, "of-the-server", &policies, &outcome);
        let rows = analytics.rows();
        let counted = rows.iter().map(|row| (row.ruleset.as_str(), row.tally.games));
        let wanted = [("of-the-server", 1), ("custom", 100), ("generals", 1)];
        assert_eq!(counted.collect::<Vec<_>>(), wanted);
    }
}

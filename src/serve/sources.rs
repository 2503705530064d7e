//! Where the numbers come from that the action `stats` and the page of metrics tell.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    envs::Sessions,
    flights::Offer,
    log::Log,
    spill::Spill,
    stats::{SimulationStats, Stats},
};
use crate::live::LiveHandle;

/// Everything that tells numbers. Copies tell the same.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) log: Arc<Log>,
    pub(super) spill: Option<Arc<Spill>>,
    pub(super) offer: Arc<Offer>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) live: LiveHandle,
    pub(super) simulation: Arc<Mutex<SimulationStats>>,
}

impl Sources {
    /// All numbers but those of live games, which their own thread tells.
    pub(super) fn stats(&self) -> Stats {
        let simulation = self.simulation.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let spill = self.spill.as_deref();
        Stats::of(&self.log, spill, &self.offer.shares.sent, self.sessions.counts(), simulation)
    }
}

//! Where the numbers come from that the action `stats` and the page of metrics tell.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    envs::Sessions,
    flights::Offer,
    log::Log,
    put::Taker,
    snapshot::Director,
    spill::Spill,
    stats::{SimulationStats, SpillStats, Stats},
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
    pub(super) taker: Arc<Taker>,
    pub(super) director: Director,
}

impl Sources {
    /// All numbers but those of live games, which their own thread tells.
    pub(super) fn stats(&self) -> Stats {
        let simulation = self.simulation.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (earlier_bytes, most_bytes) = self.spill.as_deref().map_or((0, 0), Spill::bytes);
        let [rows_sent, bytes_sent, messages_encoded] = self.offer.shares.sent.counts();
        let remote = self.sessions.stats();
        Stats {
            experiences: self.log.stats(),
            spill: SpillStats { earlier_bytes, most_bytes, ..self.log.spill_stats() },
            streams: self.log.streams(),
            submitted: self.taker.stats(),
            rows_sent,
            bytes_sent,
            messages_encoded,
            sessions: remote.sessions.len() as u64,
            envs: remote.envs,
            remote,
            simulation,
            commands_waiting: self.director.waiting() as u64,
        }
    }
}

//! What the server tells of itself.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer, ser::SerializeMap};
use systems::schedule::Phase;

use super::{log::Log, spill::Spill};

/// How the ring of rows stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogStats {
    /// Rows that left the world.
    pub rows: u64,
    /// Batches in which they did.
    pub batches: u64,
    /// Number of the oldest row that is kept.
    pub oldest: u64,
    /// Bytes of the rows that are kept.
    pub bytes: u64,
    /// Most bytes that are kept.
    pub capacity_bytes: u64,
    /// Streams that are open.
    pub streams: u64,
    /// Streams that were ever opened.
    pub streams_opened: u64,
    /// Times the world had to wait for room.
    pub waits: u64,
    /// Rows that streams missed because they were slow or came back late, summed over streams.
    pub dropped: u64,
    /// Rows of live games for which there was no room; they count among those that streams missed.
    pub given_up: u64,
    /// Live games whose rows are collected.
    pub live_games: u64,
    /// Rows of theirs that wait for their game's next tick.
    pub live_rows: u64,
    /// Remote sessions whose rows are collected.
    pub collected_sessions: u64,
    /// Rows that streams have read, summed over streams, whether or not they passed a filter.
    pub rows_read: u64,
    /// Whether no more rows will come.
    pub is_finished: bool,
}

/// How the disk is used for slow streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpillStats {
    /// Bytes of this run's segments.
    pub bytes: u64,
    /// Bytes that earlier runs of the server left.
    pub earlier_bytes: u64,
    /// Most bytes of all files; 0 if there is no folder.
    pub most_bytes: u64,
    /// Segments of this run.
    pub segments: u64,
    /// Rows that were written and synced.
    pub rows: u64,
    /// The number after that of the newest of them.
    pub synced: u64,
    /// Rows that streams read from disk, summed over streams.
    pub rows_read: u64,
    /// Clients that went away, and for whom rows are kept for a while.
    pub clients_away: u64,
    /// Times that rows did not reach the disk and streams had to end.
    pub failures: u64,
}

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamStats {
    /// Its number, by which it can be cancelled.
    pub id: u64,
    /// The number of the next row that it reads.
    pub next: u64,
    /// Rows that wait for it, in the ring or given up.
    pub behind: u64,
    /// What happens when it is slow.
    pub slow: &'static str,
    /// Rows sent.
    pub rows_sent: u64,
    /// Bytes of their messages.
    pub bytes_sent: u64,
}

/// How the simulated games stand, and what their steps take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SimulationStats {
    /// Games that are being played.
    pub playing: u64,
    /// Games that were played to their end.
    pub ended: u64,
    /// Steps taken, each a tick of all games.
    pub steps: u64,
    /// What they took, in nanoseconds.
    pub step_ns: u64,
    /// Steps that were taken phase by phase, to be measured.
    pub sampled_steps: u64,
    /// What each phase of these took, in nanoseconds, in the order of [`Phase::ALL`].
    #[serde(serialize_with = "by_phase")]
    pub phase_ns: [u64; 6],
}

fn by_phase<S: Serializer>(times: &[u64; 6], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(times.len()))?;
    for (phase, time) in Phase::ALL.iter().zip(times) {
        map.serialize_entry(phase.name(), time)?;
    }
    map.end()
}

/// What was sent, over all streams.
#[derive(Debug, Default)]
pub struct Sent {
    rows: AtomicU64,
    bytes: AtomicU64,
    encoded: AtomicU64,
}

impl Sent {
    /// Counts a message that was handed to a stream.
    pub fn message(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a message that was encoded.
    pub fn encoded(&self) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
    }
}

/// Everything that the action `stats` returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The ring.
    pub experiences: LogStats,
    /// The disk that rows of slow streams wait on.
    pub spill: SpillStats,
    /// The streams of what is being played.
    pub streams: Vec<StreamStats>,
    /// Rows sent, summed over streams.
    pub rows_sent: u64,
    /// Bytes of their messages.
    pub bytes_sent: u64,
    /// Messages encoded: fewer than were sent where streams share them.
    pub messages_encoded: u64,
    /// Sessions of remote environments.
    pub sessions: u64,
    /// Environments in them.
    pub envs: u64,
    /// The simulated games.
    pub simulation: SimulationStats,
}

impl Stats {
    /// Everything now; with the numbers of remote sessions and environments.
    pub(super) fn of(
        log: &Log,
        spill: Option<&Spill>,
        sent: &Sent,
        (sessions, envs): (usize, usize),
        simulation: SimulationStats,
    ) -> Self {
        let (earlier_bytes, most_bytes) = spill.map_or((0, 0), Spill::bytes);
        Self {
            simulation,
            experiences: log.stats(),
            spill: SpillStats { earlier_bytes, most_bytes, ..log.spill_stats() },
            streams: log.streams(),
            rows_sent: sent.rows.load(Ordering::Relaxed),
            bytes_sent: sent.bytes.load(Ordering::Relaxed),
            messages_encoded: sent.encoded.load(Ordering::Relaxed),
            sessions: sessions as u64,
            envs: envs as u64,
        }
    }
}

//! What the server tells of itself.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer, ser::SerializeMap};
use systems::schedule::Phase;

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
    /// Bytes of memory of the rows that wait to be written.
    pub waiting_bytes: u64,
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
    /// What it is of: `experiences`, or `dataset/NAME`.
    pub flight: String,
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
    /// Rows that it missed.
    pub dropped: u64,
}

/// What actors submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PutStats {
    /// Actors that are connected.
    pub actors: u64,
    /// Batches that wait for a place, or for room in the ring.
    pub waiting: u64,
    /// Batches that were answered.
    pub batches: u64,
    /// Rows, or games, that were taken.
    pub accepted: u64,
    /// Those that came before.
    pub duplicates: u64,
    /// Those that were refused.
    pub rejected: u64,
    /// Rows that came of it.
    pub rows: u64,
}

/// How the remote environments stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvStats {
    /// Environments.
    pub envs: u64,
    /// Steps of groups that were answered.
    pub steps: u64,
    /// Rows of these: one for each agent of each environment.
    pub rows: u64,
    /// Their sessions.
    pub sessions: Vec<SessionStats>,
}

/// A session of remote environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionStats {
    /// Its number, by which it can be cancelled. Its name is told to nobody but who opened it.
    pub id: u64,
    /// The name of the token that it was opened with.
    pub token: String,
    /// Its environments.
    pub envs: u64,
    /// Whether its client is connected.
    pub is_connected: bool,
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

    /// Rows that were sent, bytes of their messages, and messages that were encoded.
    pub fn counts(&self) -> [u64; 3] {
        [&self.rows, &self.bytes, &self.encoded].map(|count| count.load(Ordering::Relaxed))
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
    /// All streams of rows.
    pub streams: Vec<StreamStats>,
    /// What actors submitted.
    pub submitted: PutStats,
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
    /// More of them.
    pub remote: EnvStats,
    /// The simulated games.
    pub simulation: SimulationStats,
    /// Commands that wait for the simulation.
    pub commands_waiting: u64,
}

//! What the arena counts.

use std::time::Duration;

use serde::Serialize;

use super::archive::ArchiveStats;

/// Upper bounds of the lateness histogram, in microseconds. Later ticks are counted last.
pub const LATENESS_US: [u64; 12] =
    [500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 20_000, 50_000, 100_000, 500_000, 1_000_000];

/// How the arena stands, and what it did over its life.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LiveStats {
    /// Games by phase: lobby, starting, running, paused, ended, aborted.
    pub games: [u64; 6],
    /// Games created.
    pub created: u64,
    /// Games that were played to their end.
    pub ended: u64,
    /// Games that were given up.
    pub aborted: u64,
    /// Games that are gone: expired or deleted.
    pub removed: u64,
    /// Games that are gone because their time was over.
    pub expired: u64,
    /// Finished games handed to the archive.
    pub kept: u64,
    /// Finished games that the archive had no room for.
    pub not_kept: u64,
    /// What the archive did with those that were handed to it.
    pub archive: ArchiveStats,
    /// Requests answered.
    pub requests: u64,
    /// Ticks played.
    pub ticks: u64,
    /// How late they were in sum, in microseconds.
    pub late_us: u64,
    /// Ticks by how late they were: see [`LATENESS_US`], and one more for those still later.
    pub lateness: [u64; LATENESS_US.len() + 1],
    /// Open streams.
    pub streams: u64,
    /// Updates put into streams.
    pub updates: u64,
    /// Updates that were handed to the network.
    pub updates_sent: u64,
    /// Bytes of these, without the frames of the network.
    pub bytes_sent: u64,
    /// Updates that wait for streams.
    pub waiting_updates: u64,
    /// Requests that wait to be answered.
    pub waiting_requests: u64,
    /// The most updates that ever waited for one stream.
    pub deepest: u64,
    /// Times that a stream's updates were thrown away for a whole view.
    pub overflows: u64,
    /// Deadlines that are set.
    pub timers: u64,
}

impl LiveStats {
    /// Counts a tick that was played this late.
    pub(super) fn tick(&mut self, late: Duration) {
        self.ticks += 1;
        let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.late_us = self.late_us.saturating_add(late);
        self.lateness[LATENESS_US.partition_point(|&bound| bound < late)] += 1;
    }

    /// An upper bound of the lateness that this share of ticks stayed below, in microseconds.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    pub fn lateness_quantile(&self, share: f64) -> u64 {
        let wanted = (self.ticks as f64 * share).ceil() as u64;
        let mut counted = 0;
        for (count, bound) in self.lateness.iter().zip(LATENESS_US) {
            counted += count;
            if counted >= wanted {
                return bound;
            }
        }
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_counted_by_its_bounds() {
        let mut stats = LiveStats::default();
        for us in [0, 500, 501, 20_000, 2_000_000] {
            stats.tick(Duration::from_micros(us));
        }
        assert_eq!((stats.lateness[0], stats.lateness[1], stats.lateness[7]), (2, 1, 1));
        assert_eq!(stats.lateness[LATENESS_US.len()], 1);
        assert_eq!(stats.lateness_quantile(0.8), 20_000);
        assert_eq!(stats.lateness_quantile(1.0), u64::MAX);
    }
}

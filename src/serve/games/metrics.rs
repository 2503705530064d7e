//! The numbers of live games in the text form of Prometheus.

use super::super::exposition::{
    Kind::{Counter, Gauge, Histogram},
    Page,
};
use crate::live::{
    game::Phase,
    stats::{LATENESS_US, LiveStats},
};

/// One metric after the other, each with what it is.
pub(in crate::serve) fn write(page: &mut Page, stats: &LiveStats) {
    page.family(Gauge, "live_games", "Live games by phase.");
    for (phase, games) in Phase::ALL.iter().zip(stats.games) {
        page.sample("live_games", &[("phase", phase)], games);
    }
    for (name, help, value) in [
        ("live_created_total", "Games created.", stats.created),
        ("live_ended_total", "Games played to their end.", stats.ended),
        ("live_aborted_total", "Games given up.", stats.aborted),
        ("live_removed_total", "Games that expired or were deleted.", stats.removed),
        ("live_expired_total", "Games whose time was over.", stats.expired),
        ("live_kept_total", "Finished games handed to the archive.", stats.kept),
        ("live_not_kept_total", "Finished games it had no room for.", stats.not_kept),
        ("live_written_total", "Finished games that it wrote.", stats.archive.written),
        ("live_lost_total", "Finished games that it could not write.", stats.archive.lost),
        ("live_parts_total", "Parts that it wrote.", stats.archive.parts),
        ("live_removed_parts_total", "Old parts that it removed.", stats.archive.removed_parts),
        ("live_archive_errors_total", "Its attempts that failed.", stats.archive.errors),
        ("live_requests_total", "Requests answered.", stats.requests),
        ("live_updates_total", "Updates put into streams.", stats.updates),
        ("live_updates_sent_total", "Updates that streams were sent.", stats.updates_sent),
        ("live_bytes_sent_total", "Bytes of these updates.", stats.bytes_sent),
        ("live_overflows_total", "Backlogs thrown away for a whole view.", stats.overflows),
    ] {
        page.single(Counter, name, help, value);
    }
    for (name, help, value) in [
        ("live_streams", "Streams that are open.", stats.streams),
        ("live_timers", "Deadlines that are set.", stats.timers),
        ("live_waiting_updates", "Updates that wait for streams.", stats.waiting_updates),
        ("live_deepest_queue", "Most updates that waited for one stream.", stats.deepest),
        ("live_waiting_requests", "Requests that wait to be answered.", stats.waiting_requests),
    ] {
        page.single(Gauge, name, help, value);
    }
    lateness(page, stats);
}

fn lateness(page: &mut Page, stats: &LiveStats) {
    page.family(Histogram, "live_lateness_us", "How late ticks were, in microseconds.");
    let mut ticks = 0;
    for (bound, count) in LATENESS_US.iter().zip(stats.lateness) {
        ticks += count;
        page.sample("live_lateness_us_bucket", &[("le", bound)], ticks);
    }
    page.sample("live_lateness_us_bucket", &[("le", &"+Inf")], stats.ticks);
    page.sample("live_lateness_us_sum", &[], stats.late_us);
    page.sample("live_lateness_us_count", &[], stats.ticks);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_counts_every_tick_once() {
        let mut stats = LiveStats { ticks: 4, late_us: 1_234, ..LiveStats::default() };
        (stats.lateness[0], stats.lateness[2], stats.lateness[LATENESS_US.len()]) = (2, 1, 1);
        stats.games[Phase::Running as usize] = 7;
        let mut page = Page::default();
        write(&mut page, &stats);
        let text = page.into_text();
        for wanted in [
            "bivouac_live_games{phase=\"running\"} 7",
            "bivouac_live_lateness_us_bucket{le=\"500\"} 2",
            "bivouac_live_lateness_us_bucket{le=\"1000000\"} 3",
            "bivouac_live_lateness_us_bucket{le=\"+Inf\"} 4",
            "bivouac_live_lateness_us_sum 1234",
            "bivouac_live_lateness_us_count 4",
        ] {
            assert!(text.lines().any(|line| line == wanted), "{wanted}:\n{text}");
        }
    }
}

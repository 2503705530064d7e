//! The numbers of live games in the text form of Prometheus.

use std::fmt::Write as _;

use crate::live::{
    game::Phase,
    stats::{LATENESS_US, LiveStats},
};

/// One metric after the other, each with what it is.
pub(in crate::serve) fn text(stats: &LiveStats) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing to a text does not fail.
        let _is_written = writeln!(text, "{line}").is_ok();
    };
    line("# HELP bivouac_live_games Live games by phase.\n# TYPE bivouac_live_games gauge");
    for (phase, games) in Phase::ALL.iter().zip(stats.games) {
        line(&format!("bivouac_live_games{{phase=\"{phase}\"}} {games}"));
    }
    for (name, kind, help, value) in [
        ("created_total", "counter", "Games created.", stats.created),
        ("ended_total", "counter", "Games played to their end.", stats.ended),
        ("aborted_total", "counter", "Games given up.", stats.aborted),
        ("removed_total", "counter", "Games that expired or were deleted.", stats.removed),
        ("kept_total", "counter", "Finished games handed to the archive.", stats.kept),
        ("not_kept_total", "counter", "Finished games it had no room for.", stats.not_kept),
        ("requests_total", "counter", "Requests answered.", stats.requests),
        ("updates_total", "counter", "Updates put into streams.", stats.updates),
        ("overflows_total", "counter", "Backlogs thrown away for a whole view.", stats.overflows),
        ("streams", "gauge", "Streams that are open.", stats.streams),
        ("timers", "gauge", "Deadlines that are set.", stats.timers),
        ("deepest_queue", "gauge", "Most updates that waited for one stream.", stats.deepest),
    ] {
        line(&format!("# HELP bivouac_live_{name} {help}\n# TYPE bivouac_live_{name} {kind}"));
        line(&format!("bivouac_live_{name} {value}"));
    }
    let name = "bivouac_live_lateness_us";
    line(&format!("# HELP {name} How late ticks were, in microseconds.\n# TYPE {name} histogram"));
    let mut ticks = 0;
    for (bound, count) in LATENESS_US.iter().zip(stats.lateness) {
        ticks += count;
        line(&format!("{name}_bucket{{le=\"{bound}\"}} {ticks}"));
    }
    line(&format!("{name}_bucket{{le=\"+Inf\"}} {}", stats.ticks));
    line(&format!("{name}_sum {}\n{name}_count {}", stats.late_us, stats.ticks));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_counts_every_tick_once() {
        let mut stats = LiveStats { ticks: 4, late_us: 1_234, ..LiveStats::default() };
        (stats.lateness[0], stats.lateness[2], stats.lateness[LATENESS_US.len()]) = (2, 1, 1);
        stats.games[Phase::Running as usize] = 7;
        let text = text(&stats);
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

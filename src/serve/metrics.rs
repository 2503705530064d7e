//! `/metrics`: the server's numbers in the text form of Prometheus.

use std::{fmt::Write, sync::Arc};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};

use super::{games, stats::Stats};
use crate::live::LiveHandle;

/// The version of the text form.
const TEXT: &str = "text/plain; version=0.0.4";

/// A service that answers `GET /metrics` with the numbers that `stats` gives.
pub(super) fn router(
    stats: impl Fn() -> Stats + Send + Sync + 'static,
    live: LiveHandle,
) -> Router {
    let stats = Arc::new(stats);
    let answer = move || {
        let (stats, live) = (stats.clone(), live.clone());
        async move {
            let mut text = text(&stats());
            // At the end of the server there are no live games any more.
            if let Ok(live) = live.stats().await {
                text.push_str(&games::metrics::text(&live));
            }
            ([(CONTENT_TYPE, TEXT)], text)
        }
    };
    Router::new().route("/metrics", get(answer))
}

/// One metric after the other, each with what it is.
fn text(stats: &Stats) -> String {
    let (ring, spill) = (&stats.experiences, &stats.spill);
    let counters = [
        ("rows_total", "Rows that left the world or were submitted.", ring.rows),
        ("batches_total", "Batches in which they did.", ring.batches),
        ("rows_given_up_total", "Rows of live games for which there was no room.", ring.given_up),
        ("spill_rows_total", "Rows written to disk for slow streams.", spill.rows),
        ("spill_rows_read_total", "Rows that streams read from there.", spill.rows_read),
        ("spill_failures_total", "Times that rows had no room there.", spill.failures),
        ("rows_dropped_total", "Rows that streams missed, summed over streams.", ring.dropped),
        ("world_waits_total", "Times the world had to wait for room.", ring.waits),
        ("streams_opened_total", "Streams that were ever opened.", ring.streams_opened),
        ("rows_sent_total", "Rows sent, summed over streams.", stats.rows_sent),
        ("bytes_sent_total", "Bytes of their messages.", stats.bytes_sent),
        ("messages_encoded_total", "Messages encoded.", stats.messages_encoded),
    ];
    let gauges = [
        ("ring_bytes", "Bytes of the rows that are kept.", ring.bytes),
        ("ring_capacity_bytes", "Most bytes that are kept.", ring.capacity_bytes),
        ("ring_rows", "Rows that are kept.", ring.rows - ring.oldest.min(ring.rows)),
        ("spill_bytes", "Bytes on disk for slow streams.", spill.bytes + spill.earlier_bytes),
        ("spill_most_bytes", "Most bytes that may be there.", spill.most_bytes),
        ("streams", "Streams that are open.", ring.streams),
        ("sessions", "Sessions of remote environments.", stats.sessions),
        ("envs", "Environments in them.", stats.envs),
        ("finished", "Whether no more rows will come.", ring.is_finished.into()),
    ];
    let mut text = String::new();
    for (kind, metrics) in [("counter", &counters[..]), ("gauge", &gauges[..])] {
        for (name, help, value) in metrics {
            head(&mut text, name, kind, help);
            line(&mut text, &format!("bivouac_{name} {value}"));
        }
    }
    head(&mut text, "stream_behind_rows", "gauge", "Rows that wait for a stream.");
    for stream in &stats.streams {
        let (id, slow, behind) = (stream.id, stream.slow, stream.behind);
        let labels = format!("{{stream=\"{id}\",slow=\"{slow}\"}}");
        line(&mut text, &format!("bivouac_stream_behind_rows{labels} {behind}"));
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP bivouac_{name} {help}\n# TYPE bivouac_{name} {kind}"));
}

fn line(text: &mut String, line: &str) {
    // Writing to a text does not fail.
    let _is_written = writeln!(text, "{line}").is_ok();
}

//! `/metrics`: the server's numbers in the text form of Prometheus.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use datasets::analytics::SeatTally;
use systems::schedule::Phase;

use super::{
    exposition::{
        Kind::{Counter, Gauge},
        MEDIA_TYPE, Page,
    },
    games,
    sources::Sources,
    stats::{SimulationStats, Stats, StreamStats},
};

/// A service that answers `GET /metrics` with the numbers of a server.
pub(super) fn router(sources: Sources) -> Router {
    let answer = move || {
        let sources = sources.clone();
        async move {
            let mut page = Page::default();
            rows(&mut page, &sources.stats());
            fares(&mut page, &sources.offer.analytics.rows());
            // At the end of the server there are no live games any more.
            if let Ok(live) = sources.live.stats().await {
                games::metrics::write(&mut page, &live);
            }
            ([(CONTENT_TYPE, MEDIA_TYPE)], page.into_text())
        }
    };
    Router::new().route("/metrics", get(answer))
}

/// Rows, streams and environments.
fn rows(page: &mut Page, stats: &Stats) {
    let (ring, spill) = (&stats.experiences, &stats.spill);
    for (name, help, value) in [
        ("rows_total", "Rows that left the world or were submitted.", ring.rows),
        ("batches_total", "Batches in which they did.", ring.batches),
        ("rows_given_up_total", "Rows of live games for which there was no room.", ring.given_up),
        ("spill_rows_total", "Rows written to disk for slow streams.", spill.rows),
        ("spill_rows_read_total", "Rows that streams read from there.", spill.rows_read),
        ("spill_failures_total", "Times that rows had no room there.", spill.failures),
        ("rows_dropped_total", "Rows that streams missed, summed over streams.", ring.dropped),
        ("rows_read_total", "Rows that streams have read, summed over streams.", ring.rows_read),
        ("world_waits_total", "Times the world had to wait for room.", ring.waits),
        ("streams_opened_total", "Streams that were ever opened.", ring.streams_opened),
        ("rows_sent_total", "Rows sent, summed over streams.", stats.rows_sent),
        ("bytes_sent_total", "Bytes of their messages.", stats.bytes_sent),
        ("messages_encoded_total", "Messages encoded.", stats.messages_encoded),
        ("submitted_batches_total", "Batches that actors submitted.", stats.submitted.batches),
        ("submitted_rows_total", "Rows that came of them.", stats.submitted.rows),
        (
            "submitted_duplicates_total",
            "Rows or games that came again.",
            stats.submitted.duplicates,
        ),
        ("submitted_rejected_total", "Rows or games that were refused.", stats.submitted.rejected),
        ("env_steps_total", "Steps of remote environments.", stats.remote.steps),
        ("env_rows_total", "Rows of these steps.", stats.remote.rows),
    ] {
        page.single(Counter, name, help, value);
    }
    for (name, help, value) in [
        ("ring_bytes", "Bytes of the rows that are kept.", ring.bytes),
        ("ring_capacity_bytes", "Most bytes that are kept.", ring.capacity_bytes),
        ("ring_rows", "Rows that are kept.", ring.rows - ring.oldest.min(ring.rows)),
        ("spill_bytes", "Bytes on disk for slow streams.", spill.bytes + spill.earlier_bytes),
        ("spill_most_bytes", "Most bytes that may be there.", spill.most_bytes),
        ("spill_waiting_bytes", "Bytes of rows that wait to be written.", spill.waiting_bytes),
        ("streams", "Streams that are open.", ring.streams),
        ("actors", "Actors that are connected.", stats.submitted.actors),
        ("submitted_waiting", "Batches of theirs that wait.", stats.submitted.waiting),
        ("commands_waiting", "Commands that wait for the simulation.", stats.commands_waiting),
        ("sessions", "Sessions of remote environments.", stats.sessions),
        ("envs", "Environments in them.", stats.envs),
        ("finished", "Whether no more rows will come.", ring.is_finished.into()),
    ] {
        page.single(Gauge, name, help, value);
    }
    streams(page, &stats.streams);
    simulation(page, &stats.simulation);
}

/// What a number is read from.
type Read<T> = fn(&T) -> u64;

fn streams(page: &mut Page, streams: &[StreamStats]) {
    let each: [(_, _, _, Read<StreamStats>); 4] = [
        (Gauge, "stream_behind_rows", "Rows that wait for a stream.", |stream| stream.behind),
        (Counter, "stream_rows_total", "Rows that a stream was sent.", |stream| stream.rows_sent),
        (Counter, "stream_bytes_total", "Bytes of their messages.", |stream| stream.bytes_sent),
        (Counter, "stream_dropped_total", "Rows that a stream missed.", |stream| stream.dropped),
    ];
    for (kind, name, help, value) in each {
        page.family(kind, name, help);
        for stream in streams {
            let labels: [(&str, &dyn std::fmt::Display); 3] =
                [("stream", &stream.id), ("flight", &stream.flight), ("slow", &stream.slow)];
            page.sample(name, &labels, value(stream));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds need no last nanosecond")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn simulation(page: &mut Page, stats: &SimulationStats) {
    page.single(Gauge, "simulated_games", "Simulated games being played.", stats.playing);
    let help = "Simulated games played to their end.";
    page.single(Counter, "simulated_games_ended_total", help, stats.ended);
    page.single(Counter, "steps_total", "Steps, each a tick of all simulated games.", stats.steps);
    let help = "What steps took together.";
    page.single(Counter, "step_seconds_total", help, seconds(stats.step_ns));
    let help = "Steps that were taken phase by phase, to be measured.";
    page.single(Counter, "sampled_steps_total", help, stats.sampled_steps);
    page.family(Counter, "phase_seconds_total", "What the phases of sampled steps took together.");
    for (phase, time) in Phase::ALL.iter().zip(stats.phase_ns) {
        page.sample("phase_seconds_total", &[("phase", &phase.name())], seconds(time));
    }
}

/// How policies and players fare.
fn fares(page: &mut Page, rows: &[SeatTally]) {
    let each: [(_, _, Read<SeatTally>); 5] = [
        ("policy_games_total", "Games that a policy played in a seat.", |row| row.tally.games),
        ("policy_wins_total", "Those that its side won.", |row| row.tally.wins),
        ("policy_truncated_total", "Those that the tick limit ended.", |row| row.tally.truncated),
        ("policy_captures_total", "Generals it took.", |row| row.tally.captures),
        ("policy_ticks_total", "Ticks of its games.", |row| row.tally.ticks),
    ];
    for (name, help, value) in each {
        page.family(Counter, name, help);
        for row in rows {
            let SeatTally { source, ruleset, policy, seat, .. } = row;
            let labels: [(&str, &dyn std::fmt::Display); 4] =
                [("source", source), ("ruleset", ruleset), ("policy", policy), ("seat", seat)];
            page.sample(name, &labels, value(row));
        }
    }
}

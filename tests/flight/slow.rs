//! Streams that are slower than the world, and clients that die.

use std::time::Duration;

use arrow_flight::{Action, Ticket, error::FlightError};
use bivouac::serve::ServerConfig;
use tonic::Code;

use crate::client::{
    Rows, assert_whole, config, connect, games, raw, read, rows, stats, stats_until, with_server,
};

/// A ring that a few batches fill. What sockets hold of a stream comes on top of it.
fn tight() -> ServerConfig {
    ServerConfig { retain_bytes: 100_000, ..config() }
}

const DROPPING: &str = r#"{"follow": true, "slow": "drop_oldest"}"#;
const BLOCKING: &str = r#"{"follow": true, "slow": "block"}"#;

#[test]
fn a_slow_stream_that_drops_counts_every_row_it_lost() {
    with_server(&tight(), games(600), async |uri| {
        let mut slow = Rows::open(&uri, DROPPING).await.unwrap();
        // Nobody blocks, so the world plays to the end while this stream is not read.
        let end = stats_until(&uri, |stats| stats["experiences"]["is_finished"] == true).await;
        let mut place = 0;
        let mut lost = 0;
        for batch in slow.rest().await {
            place += batch.dropped + batch.rows.num_rows() as u64;
            assert_eq!(batch.seq, place, "rows and losses account for every number");
            lost += batch.dropped;
        }
        assert_eq!(Some(place), end["experiences"]["rows"].as_u64());
        assert!(lost > 0);
        assert_eq!(stats(&uri).await["experiences"]["dropped"], lost);
    });
}

#[test]
fn a_slow_stream_that_blocks_holds_the_world_and_loses_nothing() {
    with_server(&tight(), games(600), async |uri| {
        let mut slow = Rows::open(&uri, BLOCKING).await.unwrap();
        let held =
            stats_until(&uri, |stats| stats["experiences"]["waits"].as_u64() > Some(0)).await;
        assert_eq!(held["experiences"]["is_finished"], false);
        let batches = slow.rest().await;
        assert!(batches.iter().all(|batch| batch.dropped == 0));
        assert_whole(&rows(&batches), 600);
    });
}

#[test]
fn a_stream_that_comes_back_too_late_is_told_what_it_missed() {
    with_server(&tight(), games(600), async |uri| {
        let mut stream = Rows::open(&uri, DROPPING).await.unwrap();
        let seq = stream.next().await.unwrap().unwrap().seq;
        let end = stats_until(&uri, |stats| stats["experiences"]["is_finished"] == true).await;
        drop(stream);
        stats_until(&uri, |stats| stats["experiences"]["streams"] == 0).await;
        let batches = read(&uri, &format!(r#"{{"after": {seq}}}"#)).await;
        let oldest = end["experiences"]["oldest"].as_u64().unwrap();
        assert!(oldest > seq);
        assert_eq!(batches[0].dropped, oldest - seq);
        assert!(batches[1..].iter().all(|batch| batch.dropped == 0));
    });
}

#[test]
fn a_client_that_dies_blocks_nobody() {
    with_server(&tight(), games(400), async |uri| {
        let dying = raw(&uri, BLOCKING).await.unwrap();
        stats_until(&uri, |stats| stats["experiences"]["streams"] == 1).await;
        // The client and its connection go without a word.
        drop(dying);
        let batches = read(&uri, BLOCKING).await;
        stats_until(&uri, |stats| stats["experiences"]["streams"] == 0).await;
        // Rows that the first stream took before it died may be gone from the ring.
        let last = batches.last().unwrap().seq;
        assert_eq!(stats(&uri).await["experiences"]["rows"], last);
    });
}

#[test]
fn a_blocking_stream_that_takes_nothing_loses_its_hold_after_a_while() {
    let config = ServerConfig { patience: Duration::from_millis(50), ..tight() };
    with_server(&config, games(600), async |uri| {
        let mut stuck = raw(&uri, BLOCKING).await.unwrap();
        // A machine that is busy could hold up a second blocking stream for as long.
        let mut other = Rows::open(&uri, DROPPING).await.unwrap();
        // The world would not get to its end if the stuck stream held it.
        other.rest().await;
        let status = loop {
            match stuck.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended as if it had got all rows"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::Aborted, "{status}");
        assert!(status.message().contains("\"after\": "), "{status}");
    });
}

#[test]
fn a_stream_that_is_cancelled_ends_and_holds_nothing() {
    with_server(&tight(), games(600), async |uri| {
        let mut stream = Rows::open(&uri, BLOCKING).await.unwrap();
        stream.next().await.unwrap();
        let told = stats(&uri).await;
        let id = told["streams"][0]["id"].as_u64().unwrap();
        assert_eq!(told["streams"][0]["slow"], "block");
        let cancel = Action::new("cancel", format!(r#"{{"stream": {id}}}"#));
        connect(&uri).await.do_action(cancel).await.unwrap();
        let status = loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended as if it had got all rows"),
                Err(FlightError::Tonic(status)) => break status,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(status.code(), Code::Cancelled, "{status}");
        assert!(status.message().contains("administrator"), "{status}");
        let mut other = Rows::open(&uri, DROPPING).await.unwrap();
        other.rest().await;
    });
}

#[test]
fn the_world_goes_on_at_the_pace_of_its_readers() {
    let config = ServerConfig { samples_per_insert: Some(1.0), ..config() };
    // More rows than the world may be ahead; the ring would hold them all.
    with_server(&config, games(1_000_000), async |uri| {
        let held = stats_until(&uri, |stats| stats["experiences"]["waits"] == 1).await;
        let made = held["experiences"]["rows"].as_u64().unwrap();
        assert!(
            held["experiences"]["bytes"].as_u64() < held["experiences"]["capacity_bytes"].as_u64()
        );
        let mut stream = Rows::open(&uri, BLOCKING).await.unwrap();
        let mut seq = 0;
        while seq < 2 * made {
            seq = stream.next().await.unwrap().unwrap().seq;
        }
        let told = stats(&uri).await;
        let rows = |name: &str| told["experiences"][name].as_u64().unwrap();
        // One batch may be added to what it may be ahead.
        assert!(rows("rows") <= rows("rows_read") + made);
    });
}

#[test]
fn many_streams_each_get_every_row() {
    let roomy = ServerConfig { retain_bytes: 1 << 30, ..config() };
    with_server(&roomy, games(8), async |uri| {
        let client = connect(&uri).await;
        let mut open = Vec::new();
        for _ in 0..256 {
            let ticket = Ticket::new(r#"{"follow": true, "columns": ["step"]}"#);
            open.push(client.clone().do_get(ticket).await.unwrap().into_inner());
        }
        assert_eq!(stats(&uri).await["experiences"]["streams_opened"], 256);
        let mut ends = Vec::new();
        for mut stream in open {
            let mut seq = 0;
            while let Some(message) = stream.message().await.unwrap() {
                if !message.app_metadata.is_empty() {
                    let told: serde_json::Value =
                        serde_json::from_slice(&message.app_metadata).unwrap();
                    assert_eq!(told["dropped"], 0);
                    seq = told["seq"].as_u64().unwrap();
                }
            }
            ends.push(seq);
        }
        let rows = stats(&uri).await["experiences"]["rows"].as_u64().unwrap();
        assert_eq!(ends, [rows; 256]);
    });
}

//! Streams whose rows wait on disk: slow ones, clients that die, servers that are killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use arrow_flight::error::FlightError;
use bivouac::serve::{Server, ServerConfig, SpillConfig};
use datasets::games::record_batch;
use serde_json::Value;
use tonic::{Code, Status};

use crate::{
    client::{
        Batch, Rows, assert_whole, config, games, read, rows, run, stats, stats_until, with_server,
    },
    collected::{archived, submit},
    common::{folder, parquet_files, shown},
};

const SPILLING: &str = r#"{"follow": true, "slow": "spill"}"#;
const DROPPING: &str = r#"{"follow": true, "slow": "drop_oldest"}"#;

/// A ring of a megabyte, and a folder. Segments are a quarter of it: each waits for the disk.
fn spilling(folder: &Path) -> ServerConfig {
    let folder = folder.to_owned();
    let spill = SpillConfig { folder, most_bytes: 1 << 30, grace: Duration::from_mins(10) };
    ServerConfig { retain_bytes: 1_000_000, spill: Some(spill), ..config() }
}

/// A ticket that goes on after a batch.
fn after(batch: &Batch) -> String {
    let (seq, run) = (batch.seq, &batch.run);
    format!(r#"{{"follow": true, "slow": "spill", "after": {seq}, "run": "{run}"}}"#)
}

async fn until_finished(uri: &str) -> Value {
    stats_until(uri, |stats| stats["experiences"]["is_finished"] == true).await
}

/// Whether there is a segment in a folder from which they may be removed at any moment.
fn has_segments(folder: &Path) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|extension| extension == "parquet") || has_segments(&path)
    })
}

async fn ended(stream: &mut Rows) -> Status {
    loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended as if it had got all rows"),
            Err(FlightError::Tonic(status)) => return *status,
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_slow_stream_that_spills_holds_nobody_and_loses_nothing() {
    let folder = folder("spill_slow");
    with_server(&spilling(&folder), games(300), async |uri| {
        let mut slow = Rows::open(&uri, SPILLING).await.unwrap();
        // Nobody blocks, so the world plays to the end while this stream is not read.
        let end = until_finished(&uri).await;
        assert!(end["spill"]["rows"].as_u64() > Some(0));
        assert!(has_segments(&folder));
        let batches = slow.rest().await;
        assert!(batches.iter().all(|batch| batch.dropped == 0));
        assert_whole(&rows(&batches), 300);
        let mut place = 0;
        for batch in &batches {
            place += batch.rows.num_rows() as u64;
            assert_eq!(batch.seq, place);
        }
        assert_eq!(Some(place), end["experiences"]["rows"].as_u64());
        // Nobody needs them any more.
        stats_until(&uri, |stats| stats["spill"]["bytes"] == 0).await;
        // They are removed a moment later, by the thread that has the disk.
        while has_segments(&folder) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn filters_hold_for_rows_from_disk() {
    let folder = folder("spill_filters");
    with_server(&spilling(&folder), games(300), async |uri| {
        let ticket = r#"{"follow": true, "slow": "spill", "players": [1], "policies": ["hunter"],
                         "min_step": 3}"#;
        let mut all = Rows::open(&uri, SPILLING).await.unwrap();
        let mut some = Rows::open(&uri, ticket).await.unwrap();
        until_finished(&uri).await;
        let mut wanted = rows(&all.rest().await);
        wanted.retain(|row| row.agent == 1 && row.policy == "hunter" && row.step >= 3);
        assert!(!wanted.is_empty());
        assert_eq!(rows(&some.rest().await), wanted);
    });
}

#[test]
fn rows_that_no_filter_passes_are_not_kept_for_the_stream() {
    let folder = folder("spill_sparse");
    let config = ServerConfig { retain_bytes: 20_000, ..spilling(&folder) };
    with_server(&config, games(0), async |uri| {
        // None of its games is ever played, so that it is sent nothing.
        let ticket = r#"{"follow": true, "slow": "spill", "games": [99999]}"#;
        let _stream = Rows::open(&uri, ticket).await.unwrap();
        let mut sent = archived("spill_sparse_games");
        for _ in 0..4 {
            for game in &mut sent {
                game.record.episode += 1;
            }
            submit(&uri, vec![record_batch(&sent).unwrap()]).await;
            stats_until(&uri, |stats| stats["streams"][0]["behind"] == 0).await;
        }
        let told = stats_until(&uri, |stats| stats["spill"]["bytes"] == 0).await;
        assert!(told["experiences"]["rows"].as_u64() > Some(0));
        assert_eq!(told["spill"]["failures"], 0);
    });
}

#[test]
fn a_client_that_dies_and_comes_back_gets_every_row() {
    let folder = folder("spill_client");
    with_server(&spilling(&folder), games(300), async |uri| {
        let mut dying = Rows::open(&uri, SPILLING).await.unwrap();
        let mut before = Vec::new();
        for _ in 0..5 {
            before.push(dying.next().await.unwrap().unwrap());
        }
        // The client and its connection go without a word, and others read on.
        drop(dying);
        stats_until(&uri, |stats| stats["spill"]["clients_away"] == 1).await;
        read(&uri, DROPPING).await;
        let ticket = after(before.last().unwrap());
        let mut again = Rows::open(&uri, &ticket).await.unwrap();
        assert_eq!(stats(&uri).await["spill"]["clients_away"], 0);
        before.extend(again.rest().await);
        assert!(before.iter().all(|batch| batch.dropped == 0));
        assert_whole(&rows(&before), 300);
    });
}

#[test]
fn what_is_kept_for_a_dead_client_is_removed_after_the_grace() {
    let folder = folder("spill_grace");
    let mut config = spilling(&folder);
    if let Some(spill) = &mut config.spill {
        spill.grace = Duration::ZERO;
    }
    with_server(&config, games(300), async |uri| {
        let dying = Rows::open(&uri, SPILLING).await.unwrap();
        until_finished(&uri).await;
        assert!(has_segments(&folder));
        drop(dying);
        stats_until(&uri, |stats| {
            stats["spill"]["bytes"] == 0
                && stats["spill"]["clients_away"] == 0
                && stats["experiences"]["streams"] == 0
        })
        .await;
    });
    assert!(parquet_files(&folder).is_empty());
}

#[test]
fn a_stream_with_more_rows_than_the_disk_may_hold_is_told_so() {
    let folder = folder("spill_full");
    let mut config = spilling(&folder);
    if let Some(spill) = &mut config.spill {
        spill.most_bytes = 60_000;
    }
    with_server(&config, games(600), async |uri| {
        let mut slow = Rows::open(&uri, SPILLING).await.unwrap();
        // The world and other streams go on.
        let mut other = Rows::open(&uri, DROPPING).await.unwrap();
        other.rest().await;
        let status = ended(&mut slow).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("--spill-mib"), "{status}");
        assert!(status.message().contains("\"after\": "), "{status}");
        assert_eq!(stats(&uri).await["spill"]["failures"], 1);
    });
}

#[test]
fn a_disk_that_takes_nothing_ends_the_stream_and_stalls_nobody() {
    let folder = folder("spill_broken");
    with_server(&spilling(&folder), games(1_000_000), async |uri| {
        let mut slow = Rows::open(&uri, SPILLING).await.unwrap();
        stats_until(&uri, |stats| stats["spill"]["rows"].as_u64() > Some(0)).await;
        // Where the folder was there is a file now. The server may be writing meanwhile.
        while fs::write(&folder, b"").is_err() {
            drop(fs::remove_dir_all(&folder));
        }
        let mut other = Rows::open(&uri, DROPPING).await.unwrap();
        let status = ended(&mut slow).await;
        assert!(matches!(status.code(), Code::Internal | Code::DataLoss), "{status}");
        for _ in 0..100 {
            other.next().await.unwrap().unwrap();
        }
    });
    fs::remove_file(folder).unwrap();
}

#[test]
fn without_a_folder_a_ticket_that_spills_is_refused() {
    with_server(&config(), games(1), async |uri| {
        let refused = Rows::open(&uri, SPILLING).await.err().unwrap();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("--spill"), "{refused}");
    });
}

#[test]
fn a_stream_goes_on_after_the_server_was_stopped_and_started_again() {
    let folder = folder("spill_restart");
    // Streams that are not read are cut off at once.
    let config = ServerConfig { grace: Duration::ZERO, ..spilling(&folder) };
    let server = Server::start(&config, games(300)).unwrap();
    let uri = format!("http://{}", server.address());
    let stopping = std::sync::Mutex::new(Some(server));
    run(async {
        let mut slow = Rows::open(&uri, SPILLING).await.unwrap();
        let mut batches = vec![slow.next().await.unwrap().unwrap()];
        until_finished(&uri).await;
        let server = stopping.lock().unwrap().take().unwrap();
        // The network's thread is awaited elsewhere, so that this one can go on.
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
        drop(slow);
        let config = config.clone();
        let started = tokio::task::spawn_blocking(move || Server::start(&config, games(2)));
        let server = started.await.unwrap().unwrap();
        let uri = format!("http://{}", server.address());
        let old = batches[0].run.clone();
        let mut again = Rows::open(&uri, &after(&batches[0])).await.unwrap();
        let rest = again.rest().await;
        let (of_old, of_new): (Vec<_>, Vec<_>) = rest.into_iter().partition(|b| b.run == old);
        batches.extend(of_old);
        assert!(batches.iter().all(|batch| batch.dropped == 0));
        assert_whole(&rows(&batches), 300);
        assert_eq!(of_new[0].continues.as_ref(), Some(&old), "nothing is missing between them");
        assert!(of_new[1..].iter().all(|batch| batch.continues.is_none()));
        assert_whole(&rows(&of_new), 2);
        drop(again);
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
    });
}

#[test]
fn rows_of_a_new_run_that_are_gone_are_counted_for_who_comes_back() {
    let folder = folder("spill_restart_gone");
    let config = ServerConfig { grace: Duration::ZERO, ..spilling(&folder) };
    // More than sockets hold, so that the stream is not over when the server ends.
    let server = Server::start(&config, games(600)).unwrap();
    let uri = format!("http://{}", server.address());
    let stopping = std::sync::Mutex::new(Some(server));
    run(async {
        let mut slow = Rows::open(&uri, SPILLING).await.unwrap();
        let first = slow.next().await.unwrap().unwrap();
        until_finished(&uri).await;
        let server = stopping.lock().unwrap().take().unwrap();
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
        drop(slow);
        let started = tokio::task::spawn_blocking(move || Server::start(&config, games(300)));
        let server = started.await.unwrap().unwrap();
        let uri = format!("http://{}", server.address());
        // Others read the new run to its end, and the ring goes on with them.
        read(&uri, DROPPING).await;
        let oldest = stats(&uri).await["experiences"]["oldest"].as_u64().unwrap();
        assert!(oldest > 0);
        // A client that breaks off before it reaches the new run is owed its rows all the same.
        for ticket in [after(&first), after(&first)] {
            let mut again = Rows::open(&uri, &ticket).await.unwrap();
            again.next().await.unwrap().unwrap();
        }
        let rest = Rows::open(&uri, &after(&first)).await.unwrap().rest().await;
        let of_new: Vec<_> = rest.into_iter().filter(|batch| batch.run != first.run).collect();
        assert_eq!(of_new[0].dropped, oldest);
        let mut place = 0;
        for batch in &of_new {
            assert_eq!(batch.continues, None, "rows between the runs are missing");
            place += batch.dropped + batch.rows.num_rows() as u64;
            assert_eq!(batch.seq, place);
        }
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
    });
}

/// A server of its own process.
struct Process {
    child: Child,
    uri: String,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let usual = ["serve", "--listen", "127.0.0.1:0", "--json", "--size", "8x8"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_bivouac"))
            .args(usual)
            .args(["--max-ticks", "40", "--threads", "1", "--at-once", "16"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let uri = told["listening"].as_str().unwrap().replace("grpc://", "http://");
        Self { child, uri }
    }

    /// Ends it as a crash would, and waits for the end.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Plays games while a stream is not read, kills the server, and returns the batch that the stream
/// got and the number of the last row that was synced.
async fn killed(folder: &Path) -> (Batch, u64) {
    let server = Process::start(&["--games", "400", "--retain", "1", "--spill", shown(folder)]);
    let mut slow = Rows::open(&server.uri, SPILLING).await.unwrap();
    let first = slow.next().await.unwrap().unwrap();
    let end = until_finished(&server.uri).await;
    server.kill();
    let synced = end["spill"]["synced"].as_u64().unwrap();
    assert!(synced > first.seq);
    (first, synced)
}

#[test]
fn rows_that_were_spilled_outlive_a_server_that_is_killed() {
    let folder = folder("spill_killed");
    run(async {
        let (first, synced) = killed(&folder).await;
        let undisturbed = Process::start(&["--games", "400"]);
        let wanted = rows(&read(&undisturbed.uri, r#"{"follow": true}"#).await);
        undisturbed.kill();
        let server = Process::start(&["--games", "2", "--spill", shown(&folder)]);
        let batches = read(&server.uri, &after(&first)).await;
        let (of_old, of_new): (Vec<_>, Vec<_>) =
            batches.into_iter().partition(|batch| batch.run == first.run);
        let from = usize::try_from(first.seq).unwrap();
        let found = rows(&of_old);
        assert!(from + found.len() >= usize::try_from(synced).unwrap());
        assert_eq!(found, wanted[from..from + found.len()]);
        assert!(of_old.iter().all(|batch| batch.dropped == 0));
        // What the memory held is gone, so the new run does not continue the old one.
        assert!(of_new.iter().all(|batch| batch.continues.is_none()));
        assert_whole(&rows(&of_new), 2);
        server.kill();
    });
}

#[test]
fn a_damaged_segment_is_refused() {
    let folder = folder("spill_damaged");
    run(async {
        let (first, _) = killed(&folder).await;
        let segments: Vec<PathBuf> = parquet_files(&folder).into_keys().collect();
        let path = folder.join(segments.last().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let server = Process::start(&["--games", "2", "--spill", shown(&folder)]);
        let status = ended(&mut Rows::open(&server.uri, &after(&first)).await.unwrap()).await;
        assert_eq!(status.code(), Code::DataLoss, "{status}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(status.message().contains(name), "{status}");
        assert!(status.message().contains("\"after\": "), "{status}");
        server.kill();
    });
}

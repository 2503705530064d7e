//! Which rows a stream carries.

use std::collections::BTreeSet;

use bivouac::serve::ServerConfig;
use datasets::schema::column;
use systems::dice::episode_key;

use crate::client::{
    Batch, Rows, SEED, assert_whole, config, games, raw, read, rows, stats, stats_until,
    with_server,
};

const FOLLOW: &str = r#"{"follow": true}"#;

/// A ring that holds all rows of a test.
fn roomy() -> ServerConfig {
    ServerConfig { retain_bytes: 1 << 30, ..config() }
}

/// A ring that a few batches fill.
fn tight() -> ServerConfig {
    ServerConfig { retain_bytes: 100_000, ..config() }
}

#[test]
fn a_stream_that_follows_gets_every_row_of_every_game_and_ends() {
    with_server(&tight(), games(40), async |uri| {
        let batches = read(&uri, FOLLOW).await;
        assert_whole(&rows(&batches), 40);
        let n_rows: usize = batches.iter().map(|batch| batch.rows.num_rows()).sum();
        assert_eq!(batches.last().unwrap().seq, n_rows as u64);
        assert!(batches.iter().all(|batch| batch.dropped == 0));
    });
}

#[test]
fn two_streams_each_get_every_row() {
    // The second is opened a little later, and begins with the oldest row that is kept.
    with_server(&roomy(), games(40), async |uri| {
        let (mut one, mut two) =
            (Rows::open(&uri, FOLLOW).await.unwrap(), Rows::open(&uri, FOLLOW).await.unwrap());
        let (one, two) = tokio::join!(one.rest(), two.rest());
        assert_whole(&rows(&one), 40);
        assert_eq!(rows(&one), rows(&two));
        let stats = stats(&uri).await;
        let sent = stats["rows_sent"].as_u64().unwrap();
        assert_eq!(Some(sent), stats["experiences"]["rows"].as_u64().map(|rows| 2 * rows));
    });
}

#[test]
fn a_batch_is_encoded_once_however_often_it_is_sent() {
    // Most steps of 16 games make 32 rows, which are sent as they are.
    with_server(&roomy(), games(40), async |uri| {
        let all = rows(&read(&uri, r#"{"follow": true, "batch_rows": 32}"#).await);
        assert_whole(&all, 40);
        let encoded = async || stats(&uri).await["messages_encoded"].as_u64().unwrap();
        let first = encoded().await;
        assert!(rows(&read(&uri, r#"{"batch_rows": 32}"#).await) == all);
        let second = encoded().await - first;
        assert!(2 * second < first, "{first} messages were encoded first, then {second}");
        // The rows that the ring has by now are those of the messages.
        let wanted: Vec<_> = all.into_iter().filter(|row| row.agent == 1).collect();
        assert!(rows(&read(&uri, r#"{"players": [1]}"#).await) == wanted);
    });
}

#[test]
fn a_stream_without_follow_ends_with_what_there_is() {
    with_server(&tight(), games(1_000_000), async |uri| {
        let kept = stats_until(&uri, |stats| stats["experiences"]["waits"] == 1).await;
        let batches = read(&uri, "{}").await;
        let n_rows: usize = batches.iter().map(|batch| batch.rows.num_rows()).sum();
        assert_eq!(Some(n_rows as u64), kept["experiences"]["rows"].as_u64());
    });
}

#[test]
fn every_filter_gives_the_rows_it_says() {
    with_server(&roomy(), games(30), async |uri| {
        let all = rows(&read(&uri, FOLLOW).await);
        let games: BTreeSet<u64> = [3, 17].map(|game| episode_key(SEED, game, 0)).into();
        let check = async |filter: &str, passes: &dyn Fn(&crate::client::Row) -> bool| {
            let found = rows(&read(&uri, &format!("{{{filter}}}")).await);
            let wanted: Vec<_> = all.iter().filter(|row| passes(row)).cloned().collect();
            assert!(!wanted.is_empty() && wanted.len() < all.len(), "{filter}");
            assert_eq!(found, wanted, "{filter}");
        };
        check(r#""games": [17, 3]"#, &|row| games.contains(&row.episode)).await;
        check(r#""players": [1]"#, &|row| row.agent == 1).await;
        check(r#""min_step": 20"#, &|row| row.step >= 20).await;
        check(r#""policies": ["hunter"]"#, &|row| row.policy == "hunter").await;
        let together = r#""players": [0], "min_step": 5, "policies": ["expander"]"#;
        let passes =
            |row: &crate::client::Row| row.agent == 0 && row.step >= 5 && row.policy == "expander";
        check(together, &passes).await;
    });
}

#[test]
fn columns_come_in_the_order_of_the_ticket() {
    with_server(&roomy(), games(10), async |uri| {
        let all = read(&uri, FOLLOW).await;
        let ticket = r#"{"columns": ["reward", "army", "policy", "step"]}"#;
        let some = read(&uri, ticket).await;
        let schema = some[0].rows.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["reward", "army", "policy", "step"]);
        let column = |batches: &[Batch], name: &str| {
            let arrays: Vec<_> = batches.iter().map(|batch| batch.rows[name].clone()).collect();
            let arrays: Vec<_> = arrays.iter().map(AsRef::as_ref).collect();
            arrow::compute::concat(&arrays).unwrap()
        };
        for name in [column::REWARD, column::ARMY, column::STEP] {
            assert_eq!(&column(&some, name), &column(&all, name), "{name}");
        }
    });
}

#[test]
fn batches_have_as_many_rows_as_the_ticket_says() {
    with_server(&roomy(), games(10), async |uri| {
        let all = rows(&read(&uri, FOLLOW).await);
        for most in [1, 7, 100] {
            // A batch that waits too long leaves before it is full, on a machine that is busy.
            let ticket = format!(r#"{{"batch_rows": {most}, "max_wait_ms": 60000}}"#);
            let batches = read(&uri, &ticket).await;
            let (last, full) = batches.split_last().unwrap();
            assert!(full.iter().all(|batch| batch.rows.num_rows() == most));
            assert!(last.rows.num_rows() <= most);
            assert_eq!(rows(&batches), all);
        }
    });
}

#[test]
fn rows_do_not_wait_longer_than_the_ticket_says() {
    with_server(&tight(), games(1_000_000), async |uri| {
        let ticket = r#"{"follow": true, "min_step": 39, "batch_rows": 900, "max_wait_ms": 0}"#;
        let mut stream = Rows::open(&uri, ticket).await.unwrap();
        let batch = stream.next().await.unwrap().unwrap();
        // Two rows of each of sixteen games, from one step.
        assert!((1..=32).contains(&batch.rows.num_rows()));
    });
}

#[test]
fn a_stream_goes_on_after_any_batch() {
    with_server(&roomy(), games(20), async |uri| {
        let batches = read(&uri, r#"{"follow": true, "batch_rows": 150}"#).await;
        for read_so_far in [1, 4, batches.len() - 1, batches.len()] {
            let after = batches[read_so_far - 1].seq;
            // In other batches, and with a filter that the first stream had not.
            for filter in ["", r#", "batch_rows": 77"#, r#", "players": [1]"#] {
                let rest = read(&uri, &format!(r#"{{"after": {after}{filter}}}"#)).await;
                let mut wanted = rows(&batches[read_so_far..]);
                wanted.retain(|row| !filter.contains("players") || row.agent == 1);
                assert_eq!(rows(&rest), wanted, "after {after}{filter}");
                assert!(rest.iter().all(|batch| batch.dropped == 0));
            }
        }
    });
}

#[test]
fn games_that_begin_after_a_stream_was_opened_are_in_it() {
    // Sixteen games are played side by side; the others begin as those end.
    with_server(&tight(), games(64), async |uri| {
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let last = episode_key(SEED, 63, 0);
        assert!(rows(&stream.rest().await).iter().any(|row| row.episode == last));
    });
}

#[test]
fn no_message_is_too_large_for_a_client_with_the_usual_limits() {
    let mut simulated = games(20);
    simulated.format.height = 32;
    simulated.format.width = 32;
    with_server(&roomy(), simulated, async |uri| {
        let patient = r#"{"follow": true, "max_wait_ms": 60000}"#;
        let mut stream = raw(&uri, patient).await.unwrap();
        let mut largest = 0;
        while let Some(data) = stream.message().await.unwrap() {
            largest = largest.max(data.data_body.len() + data.data_header.len());
        }
        assert!((100_000..2 << 20).contains(&largest), "{largest}");
    });
}

#[test]
fn streams_end_with_their_last_batch_when_the_server_stops() {
    let server = bivouac::serve::Server::start(&roomy(), games(1_000_000)).unwrap();
    let uri = format!("http://{}", server.address());
    let stopping = std::sync::Mutex::new(Some(server));
    crate::client::run(async {
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        let server = stopping.lock().unwrap().take().unwrap();
        let stopped = std::thread::spawn(move || server.stop());
        let mut batches = vec![first];
        batches.extend(stream.rest().await);
        let n_rows: usize = batches.iter().map(|batch| batch.rows.num_rows()).sum();
        assert_eq!(batches.last().unwrap().seq, n_rows as u64);
        stopped.join().unwrap().unwrap();
    });
}

//! Actions: what the server tells of itself, and going back to where its games stood.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, UInt64Type},
};
use arrow_flight::{Action, Empty, FlightDescriptor, flight_service_client::FlightServiceClient};
use bivouac::serve::{
    Server, ServerConfig,
    access::{Scope, Token},
};
use serde_json::Value;
use systems::policies::Policy;
use tokio::task::spawn_blocking;
use tonic::{Code, Request, Status, transport::Channel};

use crate::client::{
    Batch, Row, Rows, assert_whole, config, connect, games, rows, stats, stats_until, with_server,
};

type Client = FlightServiceClient<Channel>;

async fn act(client: &mut Client, name: &str, body: impl Into<Vec<u8>>) -> Result<Vec<u8>, Status> {
    let body: Vec<u8> = body.into();
    let answer = client.do_action(Action { r#type: name.to_owned(), body: body.into() }).await?;
    Ok(answer.into_inner().message().await?.unwrap().body.to_vec())
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn listed_actions_are_those_that_work() {
    with_server(&config(), games(u64::MAX), async |uri| {
        let mut client = connect(&uri).await;
        let mut actions = client.list_actions(Empty {}).await.unwrap().into_inner();
        let mut names = BTreeSet::new();
        while let Some(action) = actions.message().await.unwrap() {
            assert!(action.description.contains("Scope: "), "{action:?}");
            let body = match action.r#type.as_str() {
                "cancel" => br#"{"stream": 99}"#.to_vec(),
                "restore" => act(&mut client, "snapshot", "").await.unwrap(),
                _ => Vec::new(),
            };
            act(&mut client, &action.r#type, body).await.unwrap();
            names.insert(action.r#type);
        }
        let wanted = ["stats", "limits", "cancel", "snapshot", "restore"].map(str::to_owned);
        assert_eq!(names, BTreeSet::from(wanted));
    });
}

#[test]
fn the_ring_is_told_of_when_all_games_are_over() {
    with_server(&config(), games(4), async |uri| {
        let stats = stats_until(&uri, |stats| stats["experiences"]["is_finished"] == true).await;
        let ring = &stats["experiences"];
        assert!(ring["rows"].as_u64().unwrap() > 0);
        assert!(ring["bytes"].as_u64() <= ring["capacity_bytes"].as_u64());
        let simulation = &stats["simulation"];
        assert_eq!((&simulation["playing"], &simulation["ended"]), (&0.into(), &4.into()));
        // The first step is one of those that are measured, and no phase is left out.
        assert!(simulation["sampled_steps"].as_u64().unwrap() >= 1, "{simulation}");
        assert_eq!(simulation["phase_ns"].as_object().unwrap().len(), 6);
        assert!(simulation["phase_ns"]["turn"].as_u64().unwrap() > 0, "{simulation}");
    });
}

#[test]
fn stats_of_games_are_those_of_their_rows() {
    with_server(&config(), games(3), async |uri| {
        let batches = {
            let mut stream = Rows::open(&uri, r#"{"follow": true}"#).await.unwrap();
            stream.rest().await
        };
        assert_whole(&rows(&batches), 3);
        let mut rewards: BTreeMap<(u64, u8), Vec<f64>> = BTreeMap::new();
        for (row, batch) in batches.iter().flat_map(|b| (0..b.rows.num_rows()).map(move |r| (r, b)))
        {
            let value = |name: &str| batch.rows[name].clone();
            let episode = value("episode_id").as_primitive::<UInt64Type>().value(row);
            let agent = value("agent_id").as_primitive::<arrow::datatypes::UInt8Type>().value(row);
            let reward = value("reward").as_primitive::<arrow::datatypes::Float32Type>().value(row);
            rewards.entry((episode, agent)).or_default().push(reward.into());
        }
        let mut client = connect(&uri).await;
        let told = json(&act(&mut client, "stats", r#"{"games": "all"}"#).await.unwrap());
        assert_eq!(told["games_left_out"], 0);
        let told = told["games"].as_array().unwrap();
        assert_eq!(told.len(), 3);
        let sum_of = |players: &Value| -> Vec<(u64, f64, f64, f64)> {
            let field = |player: &Value, name: &str| player[name].as_f64().unwrap();
            let each = players.as_object().unwrap().values();
            each.map(|p| {
                let rows = p["rows"].as_u64().unwrap();
                (rows, field(p, "reward_mean"), field(p, "reward_min"), field(p, "reward_max"))
            })
            .collect()
        };
        let close = |one: f64, other: f64| (one - other).abs() < 1e-6;
        for game in told {
            let index = game["game"].as_u64().unwrap();
            let episode = systems::dice::episode_key(crate::client::SEED, index, 0);
            let found = sum_of(&game["players"]);
            assert_eq!(found.len(), 2);
            for (agent, (n, mean, least, most)) in (0..).zip(found) {
                let wanted = &rewards[&(episode, agent)];
                #[expect(clippy::cast_precision_loss, reason = "a few hundred rows")]
                let wanted_mean = wanted.iter().sum::<f64>() / wanted.len() as f64;
                assert_eq!(n, wanted.len() as u64);
                assert!(close(mean, wanted_mean), "{mean} {wanted_mean}");
                let bounds = wanted.iter().fold((f64::MAX, f64::MIN), |(least, most), &reward| {
                    (least.min(reward), most.max(reward))
                });
                assert!(
                    close(least, bounds.0) && close(most, bounds.1),
                    "{least} {most} {bounds:?}"
                );
            }
            assert!(game["oldest"].as_u64() < game["newest"].as_u64());
        }
        let one = json(&act(&mut client, "stats", r#"{"games": [1, 99]}"#).await.unwrap());
        assert_eq!(one["games"], Value::from(vec![told[1].clone()]));
        for body in [r#"{"games": "most"}"#, r#"{"games": [-1]}"#, "{}", "{"] {
            let status = act(&mut client, "stats", body).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{body}: {status}");
        }
    });
}

/// Rows by what they are of, without the first of the world's numbers.
fn by_agent(rows: Vec<Row>) -> BTreeMap<(u64, u8, u32), Row> {
    rows.into_iter().map(|row| ((row.episode, row.agent, row.step), row)).collect()
}

/// A server that keeps so little that its world stands still while a stream is not read.
fn narrow() -> ServerConfig {
    ServerConfig { retain_bytes: 1 << 16, ..config() }
}

/// Reads until so many rows have been made.
async fn read_to(stream: &mut Rows, seq: u64) -> Vec<Row> {
    let mut batches = Vec::new();
    while batches.last().is_none_or(|batch: &Batch| batch.seq < seq) {
        batches.push(stream.next().await.unwrap().unwrap());
    }
    rows(&batches)
}

#[test]
fn games_that_were_restored_make_the_same_rows_again() {
    with_server(&narrow(), games(u64::MAX), async |uri| {
        let mut client = connect(&uri).await;
        let mut stream = Rows::open(&uri, r#"{"follow": true}"#).await.unwrap();
        let mut before = read_to(&mut stream, 400).await;
        let snapshot = act(&mut client, "snapshot", "").await.unwrap();
        // All that had been made then, and thousands of rows more.
        let made = stats(&uri).await["experiences"]["rows"].as_u64().unwrap();
        before.extend(read_to(&mut stream, made + 4000).await);
        let before = by_agent(before);
        let answer = act(&mut client, "restore", snapshot.clone()).await.unwrap();
        assert!(json(&answer)["games"].as_u64().unwrap() >= 16);
        let known = |row: &Row| before.get(&(row.episode, row.agent, row.step));
        let mut again = 0;
        while again < 1600 {
            let batch = stream.next().await.unwrap().unwrap();
            for row in rows(&[batch]) {
                // Rows that were made before it went back come first, and may not be known.
                let Some(known) = known(&row) else { continue };
                assert_eq!(*known, row);
                again += 1;
            }
        }
        // Another server goes on from there with the same rows.
        let server = spawn_blocking(|| Server::start(&narrow(), games(u64::MAX)));
        let server = server.await.unwrap().unwrap();
        let other = format!("http://{}", server.address());
        act(&mut connect(&other).await, "restore", snapshot).await.unwrap();
        let made = stats(&other).await["experiences"]["rows"].as_u64().unwrap();
        let mut stream = Rows::open(&other, r#"{"follow": true}"#).await.unwrap();
        let rows = read_to(&mut stream, made + 3000).await;
        let found = rows.iter().filter(|row| known(row) == Some(*row)).count();
        assert_eq!(found, rows.iter().filter(|row| known(row).is_some()).count());
        assert!(found > 1000, "{found} rows of {} are known", rows.len());
        drop(stream);
        spawn_blocking(|| server.stop()).await.unwrap().unwrap();
    });
}

#[test]
fn snapshots_of_other_games_are_refused_and_say_why() {
    with_server(&config(), games(u64::MAX), async |uri| {
        let mut client = connect(&uri).await;
        let snapshot = act(&mut client, "snapshot", "").await.unwrap();
        let with = |field: &str, value: Value| {
            let mut changed = json(&snapshot);
            changed[field] = value;
            changed.to_string().into_bytes()
        };
        let twice = serde_json::json!([[0, 1], [0, 2]]);
        let many: Vec<_> = (0..40).map(|game| (game, 1)).collect();
        for (bytes, named) in [
            (Vec::new(), "snapshot: "),
            (b"[]".to_vec(), "snapshot: "),
            (with("engine", "0.0.0".into()), "version"),
            (with("format", "other".into()), "version"),
            (with("played", "00".into()), "other games"),
            (with("games", twice), "damaged"),
            (with("games", serde_json::json!([[0, 1_000_000]])), "damaged"),
            (with("games", serde_json::json!([[u64::MAX, 1]])), "damaged"),
            (with("games", serde_json::json!(many)), "--at-once"),
            (with("speed", 3.into()), "speed"),
        ] {
            let status = act(&mut client, "restore", bytes).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains(named), "{named}: {status}");
        }
        act(&mut client, "restore", snapshot.clone()).await.unwrap();
    });
    with_server(&config(), games(2), async |uri| {
        let mut client = connect(&uri).await;
        stats_until(&uri, |stats| stats["experiences"]["is_finished"] == true).await;
        let snapshot = act(&mut client, "snapshot", "").await.unwrap();
        let status = act(&mut client, "restore", snapshot).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    });
}

#[test]
fn restoring_needs_the_scope_of_administrators() {
    let reader = Token::new("reader", "reader-0123456789", vec![Scope::Read, Scope::Drive]);
    let config = ServerConfig { tokens: vec![reader], ..config() };
    with_server(&config, games(2), async |uri| {
        for name in ["snapshot", "restore", "cancel"] {
            let mut request = Request::new(Action::new(name, ""));
            let header = "Bearer reader-0123456789".parse().unwrap();
            request.metadata_mut().insert("authorization", header);
            let status = connect(&uri).await.do_action(request).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status}");
        }
    });
}

#[test]
fn analytics_count_every_game_once_for_each_seat() {
    with_server(&config(), games(30), async |uri| {
        stats_until(&uri, |stats| stats["experiences"]["is_finished"] == true).await;
        let mut client = connect(&uri).await;
        let path = FlightDescriptor::new_path(vec!["analytics".to_owned()]);
        let info = client.get_flight_info(path).await.unwrap().into_inner();
        let ticket = info.endpoint[0].ticket.clone().unwrap().ticket;
        let ticket = std::str::from_utf8(&ticket).unwrap().to_owned();
        let stream = crate::client::raw(&uri, &ticket).await.unwrap();
        let batches = decode(stream).await;
        let [table] = &batches[..] else { panic!("{batches:?}") };
        assert_eq!(table.schema().as_ref(), &info.try_decode_schema().unwrap());
        // Two policies change seats from game to game.
        let policies: Vec<_> = table["policy"].as_string::<i32>().iter().flatten().collect();
        let (expander, hunter) = (Policy::Expander.name(), Policy::Hunter.name());
        assert_eq!(policies, [expander, expander, hunter, hunter]);
        let column = |name: &str| table[name].as_primitive::<UInt64Type>().values().to_vec();
        assert_eq!(column("games"), [15; 4]);
        let sum = |name: &str| column(name).iter().sum::<u64>();
        // A game is won by one of its two seats, or both are told that it was not.
        assert_eq!(2 * sum("wins") + sum("truncated") + sum("draws"), 60);
        let rates = table["win_rate"].as_primitive::<Float64Type>().values();
        assert!(rates.iter().all(|rate| (0.0..=1.0).contains(rate)));
        let simulation = &stats(&uri).await["simulation"];
        assert_eq!(simulation["ended"], 30);
    });
}

async fn decode(
    stream: tonic::Streaming<arrow_flight::FlightData>,
) -> Vec<arrow::array::RecordBatch> {
    use arrow_flight::{decode::FlightRecordBatchStream, error::FlightError};
    use tokio_stream::StreamExt;
    let stream = stream.map(|data| data.map_err(FlightError::from));
    let stream = FlightRecordBatchStream::new_from_flight_data(stream);
    stream.map(Result::unwrap).collect().await
}

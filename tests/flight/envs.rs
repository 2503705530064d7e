//! Remote vector environments over `DoExchange`.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, RecordBatch},
    datatypes::{Float32Type, Schema, SchemaRef, UInt8Type, UInt32Type},
};
use arrow_flight::{
    FlightData, FlightDescriptor,
    utils::{batches_to_flight_data, flight_data_to_arrow_batch},
};
use bivouac::serve::ServerConfig;
use datasets::{env_rows, schema::column};
use proptest::{
    collection::vec,
    prelude::{any, prop},
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use systems::{
    envs::{EnvSpec, Seeds, VectorEnv, VectorSpec},
    reward::Reward,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::client::{config, connect, games, run, stats, stats_until, with_server};

/// A connection that plays environments.
struct Exchange {
    requests: mpsc::Sender<FlightData>,
    answers: Streaming<FlightData>,
    schema: SchemaRef,
    about: Value,
}

type Answer = (Value, Vec<RecordBatch>);

impl Exchange {
    async fn open(uri: &str, command: Value) -> Result<Self, Status> {
        let (requests, stream) = mpsc::channel(16);
        let descriptor = FlightDescriptor::new_path(vec!["env".to_owned()]);
        let first = FlightData::new()
            .with_descriptor(descriptor)
            .with_app_metadata(command.to_string().into_bytes());
        requests.send(first).await.unwrap();
        let stream = ReceiverStream::new(stream);
        let answers = connect(uri).await.do_exchange(stream).await?.into_inner();
        let schema = Arc::new(Schema::empty());
        let mut exchange = Self { requests, answers, schema, about: Value::Null };
        exchange.about = exchange.message().await?.0;
        if exchange.about.get("error").is_none() {
            exchange.schema = exchange.message().await?.2.expect("the columns");
        }
        Ok(exchange)
    }

    async fn message(&mut self) -> Result<(Value, Option<RecordBatch>, Option<SchemaRef>), Status> {
        let message = self.answers.message().await?.expect("the session goes on");
        let about = match &message.app_metadata[..] {
            [] => Value::Null,
            json => serde_json::from_slice(json).unwrap(),
        };
        if message.data_header.is_empty() {
            return Ok((about, None, None));
        }
        if let Ok(schema) = Schema::try_from(&message) {
            return Ok((about, None, Some(Arc::new(schema))));
        }
        let none = std::collections::HashMap::new();
        let batch = flight_data_to_arrow_batch(&message, self.schema.clone(), &none).unwrap();
        Ok((about, Some(batch), None))
    }

    async fn answer(&mut self) -> Answer {
        let mut batches = Vec::new();
        loop {
            let (about, batch, _) = self.message().await.unwrap();
            batches.extend(batch);
            if about.get("more").is_none() {
                return (about, batches);
            }
        }
    }

    async fn tell(&self, command: Value) {
        let message = FlightData::new().with_app_metadata(command.to_string().into_bytes());
        self.requests.send(message).await.unwrap();
    }

    async fn ask(&mut self, command: Value) -> Answer {
        self.tell(command).await;
        self.answer().await
    }

    async fn send(&self, actions: &[i32], group: usize) {
        let column: ArrayRef = Arc::new(Int32Array::from(actions.to_vec()));
        self.send_batch(RecordBatch::try_from_iter([("action", column)]).unwrap(), group).await;
    }

    async fn send_batch(&self, batch: RecordBatch, group: usize) {
        let messages = batches_to_flight_data(&batch.schema(), [&batch]).unwrap();
        for mut message in messages {
            if Schema::try_from(&message).is_err() {
                message.app_metadata = json!({ "group": group }).to_string().into();
            }
            self.requests.send(message).await.unwrap();
        }
    }

    async fn step(&mut self, actions: &[i32]) -> RecordBatch {
        self.send(actions, 0).await;
        let (about, mut batches) = self.answer().await;
        assert_eq!(batches.len(), 1, "{about}");
        batches.remove(0)
    }
}

const PASS: i32 = 8 * 8 * 8;

/// Self-play of `n` games on boards of 8x8.
fn duel(n: usize) -> Value {
    json!({ "open": { "num_envs": n, "size": "8x8", "seed": 3, "reward": "shaped",
                      "max_ticks": 30 } })
}

/// The same environments, in this process.
fn local(n: usize) -> VectorEnv {
    let spec = EnvSpec { max_ticks: 30, ..EnvSpec::duel(8, 8).unwrap() };
    let spec = Arc::new(spec);
    let mut spec = VectorSpec::new(vec![spec; n], 3);
    spec.seeds = Seeds::All(3);
    spec.reward = Reward::named("shaped").unwrap();
    VectorEnv::new(spec).unwrap()
}

/// Actions that are often legal and sometimes nonsense, other ones in each step.
fn actions(step: usize, n: usize) -> Vec<i32> {
    let of_agent = |agent: usize| i32::try_from((step * 7919 + agent * 104_729) % 520).unwrap() - 2;
    (0..n).map(of_agent).collect()
}

#[test]
fn a_session_plays_what_a_vector_environment_plays() {
    with_server(&config(), games(1), async |uri| {
        let mut remote = Exchange::open(&uri, duel(3)).await.unwrap();
        let mut local = local(3);
        assert_eq!(*remote.schema, *env_rows::schema(&local.format()));
        let (_, first) = remote.ask(json!({ "reset": {} })).await;
        let seats = local.seats().to_vec();
        let frame = local.reset(None, None).unwrap();
        assert_eq!(first[0], env_rows::batch(&remote.schema, frame, &seats).unwrap());
        for step in 0..70 {
            let actions = actions(step, 6);
            let rows = remote.step(&actions).await;
            let frame = local.step(&actions).unwrap();
            assert_eq!(rows, env_rows::batch(&remote.schema, frame, &seats).unwrap(), "{step}");
        }
        let (about, _) = remote.ask(json!({ "stats": {} })).await;
        let refused = about["stats"]["refused"].as_object().unwrap();
        let counted: u64 = refused.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(counted, local.refusals().iter().sum::<u64>());
        assert!(counted > 0);
    });
}

#[test]
fn wrong_requests_name_the_field_and_the_session_goes_on() {
    with_server(&config(), games(1), async |uri| {
        let mut envs = Exchange::open(&uri, duel(2)).await.unwrap();
        let (_, first) = envs.ask(json!({ "reset": {} })).await;
        for (command, field) in [
            (json!({ "dance": {} }), "dance"),
            (json!({ "reset": { "envs": [2] } }), "envs"),
            (json!({ "reset": { "seeds": [1] } }), "seeds"),
            (json!({ "snapshot": { "envs": [7] } }), "envs"),
            // A short request is not to stand for a lot of memory.
            (json!({ "snapshot": { "envs": vec![0; 200_000] } }), "envs"),
            (json!({ "copy": { "from": vec![0; 200_000], "to": vec![1; 200_000] } }), "to"),
            (json!({ "restore": { "snapshot": 5 } }), "snapshot"),
            (json!({ "policy": { "seat": 1, "policy": "alphago" } }), "policy"),
            (json!({ "stats": {}, "group": 1 }), "group"),
        ] {
            let (about, _) = envs.ask(command.clone()).await;
            let error = &about["error"];
            assert_eq!(error["code"], "InvalidArgument", "{command}");
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("{field}: ")), "{command}: {message}");
        }
        let floats: ArrayRef = Arc::new(arrow::array::Float32Array::from(vec![0.0; 4]));
        let named: ArrayRef = Arc::new(Int32Array::from(vec![PASS; 4]));
        let short: ArrayRef = Arc::new(Int32Array::from(vec![PASS; 3]));
        for (name, column) in [("action", floats), ("move", named), ("action", short)] {
            envs.send_batch(RecordBatch::try_from_iter([(name, column)]).unwrap(), 0).await;
            let (about, _) = envs.answer().await;
            let message = about["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("action: "), "{message}");
        }
        // Nothing of all this was played.
        let rows = envs.step(&[PASS; 4]).await;
        let steps =
            |rows: &RecordBatch| rows[column::STEP].as_primitive::<UInt32Type>().values().to_vec();
        assert_eq!(steps(&first[0]), [0; 4]);
        assert_eq!(steps(&rows), [1; 4]);
    });
}

#[test]
fn a_wrong_opening_can_be_corrected() {
    with_server(&config(), games(1), async |uri| {
        let command = json!({ "open": { "num_envs": 2, "size": "8" } });
        let mut envs = Exchange::open(&uri, command).await.unwrap();
        let message = envs.about["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("size: "), "{message}");
        envs.tell(duel(2)).await;
        assert_eq!(envs.message().await.unwrap().0["num_envs"], 2);
    });
}

#[test]
fn two_groups_are_in_flight_and_answered_in_order() {
    with_server(&config(), games(1), async |uri| {
        let mut command = duel(2);
        command["open"]["groups"] = 2.into();
        let mut envs = Exchange::open(&uri, command).await.unwrap();
        for group in [0, 1] {
            envs.send(&[PASS; 4], group).await;
        }
        let mut steps = Vec::new();
        for step in 1..20 {
            for group in [0, 1] {
                let (about, rows) = envs.answer().await;
                assert_eq!(about["group"], group);
                steps.push(rows[0][column::STEP].as_primitive::<UInt32Type>().value(0));
                envs.send(&actions(step, 4), group).await;
            }
        }
        let wanted: Vec<u32> = (1..20).flat_map(|step| [step, step]).collect();
        assert_eq!(steps, wanted);
    });
}

#[test]
fn snapshots_go_back_and_copies_go_on_alike() {
    with_server(&config(), games(1), async |uri| {
        let mut envs = Exchange::open(&uri, duel(2)).await.unwrap();
        for step in 0..9 {
            envs.step(&actions(step, 4)).await;
        }
        let (about, _) = envs.ask(json!({ "snapshot": {} })).await;
        let mut first = Vec::new();
        for step in 9..40 {
            first.push(envs.step(&actions(step, 4)).await);
        }
        let restore = json!({ "restore": { "snapshot": about["snapshot"] } });
        envs.ask(restore.clone()).await;
        for (step, wanted) in (9..40).zip(&first) {
            assert_eq!(&envs.step(&actions(step, 4)).await, wanted, "{step}");
        }
        envs.ask(restore).await;
        envs.ask(json!({ "copy": { "from": [0], "to": [1] } })).await;
        for step in 9..40 {
            let both = actions(step, 2);
            let rows = envs.step(&[&both[..], &both[..]].concat()).await;
            assert_eq!(rows.slice(0, 2), rows.slice(2, 2), "{step}");
        }
    });
}

#[test]
fn opponents_are_played_by_policies_that_can_be_switched() {
    with_server(&config(), games(1), async |uri| {
        let command = json!({ "open": { "num_envs": 4, "size": "8x8", "seats": [0],
                                        "opponents": ["hunter"], "max_ticks": 400 } });
        let mut envs = Exchange::open(&uri, command).await.unwrap();
        assert_eq!(envs.about["seats"], json!([0]));
        let opponents = |rows: &RecordBatch| -> u32 {
            rows[column::OPP_LAND].as_primitive::<UInt32Type>().values().iter().sum()
        };
        for _ in 0..60 {
            envs.step(&[-1; 4]).await;
        }
        // A seat that nobody plays from here on keeps what it has.
        let (about, _) = envs.ask(json!({ "policy": { "seat": 1, "policy": "external" } })).await;
        assert_eq!(about["policy"], "external");
        let before = envs.step(&[-1; 4]).await;
        let after = envs.step(&[-1; 4]).await;
        assert!(opponents(&before) > 4);
        assert_eq!(opponents(&before), opponents(&after));
        // It stays so in later episodes, until another is chosen.
        envs.ask(json!({ "reset": {} })).await;
        let mut last = 0;
        for _ in 0..60 {
            last = opponents(&envs.step(&[-1; 4]).await);
        }
        assert_eq!(last, 4, "a general each, and nothing that was marched to");
        envs.ask(json!({ "policy": { "seat": 1, "policy": "hunter" } })).await;
        envs.ask(json!({ "reset": {} })).await;
        for _ in 0..60 {
            last = opponents(&envs.step(&[-1; 4]).await);
        }
        assert!(last > 4);
    });
}

#[test]
fn last_rows_come_beside_the_first_of_the_next_episodes() {
    with_server(&config(), games(1), async |uri| {
        let mut command = duel(3);
        command["open"]["autoreset"] = "same_step".into();
        let mut envs = Exchange::open(&uri, command).await.unwrap();
        for _ in 0..29 {
            envs.step(&[-1; 6]).await;
        }
        envs.send(&[-1; 6], 0).await;
        let (finals, rows, _) = envs.message().await.unwrap();
        assert_eq!(finals["final_envs"], json!([0, 1, 2]));
        assert!(rows.unwrap()[column::TRUNCATED].as_boolean().iter().all(|row| row == Some(true)));
        let (_, rows) = envs.answer().await;
        let steps = rows[0][column::STEP].as_primitive::<UInt32Type>();
        assert!(steps.values().iter().all(|&step| step == 0));
    });
}

#[test]
fn large_answers_come_in_parts_that_any_client_takes() {
    with_server(&config(), games(1), async |uri| {
        let command = json!({ "open": { "num_envs": 1500, "size": "20x20" } });
        let mut envs = Exchange::open(&uri, command).await.unwrap();
        envs.send(&[-1; 3000], 0).await;
        let (_, parts) = envs.answer().await;
        assert!(parts.len() > 1);
        assert_eq!(parts.iter().map(RecordBatch::num_rows).sum::<usize>(), 3000);
        let agents = parts
            .iter()
            .flat_map(|part| part[column::AGENT_ID].as_primitive::<UInt8Type>().values().to_vec());
        assert!(agents.enumerate().all(|(row, agent)| usize::from(agent) == row % 2));
    });
}

#[test]
fn a_client_that_comes_back_finds_its_environments_with_nothing_lost() {
    with_server(&config(), games(1), async |uri| {
        let mut alone = local(2);
        let mut envs = Exchange::open(&uri, duel(2)).await.unwrap();
        let session = envs.about["session"].clone();
        let mut rewards = Vec::new();
        for step in 0..40 {
            // One answer for each step came before.
            let received = step;
            envs.send(&actions(step, 4), 0).await;
            if step % 10 == 5 {
                // The connection breaks before the answer arrives, and maybe before the request.
                drop(envs);
                let attach = json!({ "attach": { "session": session, "received": received } });
                envs = Exchange::open(&uri, attach).await.unwrap();
                assert!(envs.about.get("error").is_none(), "{}", envs.about);
                if envs.about["answered"] == received {
                    envs.send(&actions(step, 4), 0).await;
                }
            }
            let (_, rows) = envs.answer().await;
            rewards.push(rows[0][column::REWARD].as_primitive::<Float32Type>().values().to_vec());
        }
        for (step, found) in rewards.iter().enumerate() {
            assert_eq!(found, alone.step(&actions(step, 4)).unwrap().reward(), "{step}");
        }
    });
}

#[test]
fn answers_that_are_kept_no_longer_are_refused() {
    with_server(&config(), games(1), async |uri| {
        let mut envs = Exchange::open(&uri, duel(1)).await.unwrap();
        for _ in 0..9 {
            envs.step(&[-1; 2]).await;
        }
        let session = envs.about["session"].clone();
        for (received, field) in [(0, "received"), (99, "received")] {
            let attach = json!({ "attach": { "session": session, "received": received } });
            let other = Exchange::open(&uri, attach).await.unwrap();
            let message = other.about["error"]["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("{field}: ")), "{message}");
        }
    });
}

#[test]
fn sessions_are_freed_when_they_end_or_nobody_comes_back() {
    let config = ServerConfig { env_grace: Duration::ZERO, ..config() };
    with_server(&config, games(1), async |uri| {
        let closed = Exchange::open(&uri, duel(5)).await.unwrap();
        assert_eq!(stats(&uri).await["envs"], 5);
        closed.tell(json!({ "close": {} })).await;
        stats_until(&uri, |stats| stats["envs"] == 0).await;
        let broken = Exchange::open(&uri, duel(7)).await.unwrap();
        let session = broken.about["session"].clone();
        assert_eq!(stats(&uri).await["sessions"], 1);
        drop(broken);
        stats_until(&uri, |stats| stats["envs"] == 0).await;
        let attach = json!({ "attach": { "session": session, "received": 0 } });
        let late = Exchange::open(&uri, attach).await.unwrap();
        assert_eq!(late.about["error"]["code"], "NotFound");
    });
}

#[test]
fn more_environments_than_allowed_are_refused() {
    let config = ServerConfig { max_envs: 10, ..config() };
    with_server(&config, games(1), async |uri| {
        let _first = Exchange::open(&uri, duel(6)).await.unwrap();
        let second = Exchange::open(&uri, duel(6)).await.unwrap();
        assert_eq!(second.about["error"]["code"], "ResourceExhausted");
        let third = Exchange::open(&uri, duel(4)).await.unwrap();
        assert_eq!(third.about["num_envs"], 4);
    });
}

#[test]
fn no_message_whatever_breaks_a_session_or_the_server() {
    let messages = vec((vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..64), any::<bool>()), 1..8);
    let flips = vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let server = bivouac::serve::Server::start(&config(), games(1)).unwrap();
    let uri = format!("http://{}", server.address());
    runner
        .run(&(messages, flips), |(messages, flips)| {
            run(async {
                let mut envs = Exchange::open(&uri, duel(2)).await.unwrap();
                let column: ArrayRef = Arc::new(Int32Array::from(vec![-1; 4]));
                let batch = RecordBatch::try_from_iter([("action", column)]).unwrap();
                let valid = batches_to_flight_data(&batch.schema(), [&batch]).unwrap();
                envs.requests.send(valid[0].clone()).await.unwrap();
                let mut damaged = valid[1].clone();
                let mut header = damaged.data_header.to_vec();
                for (at, byte) in &flips {
                    *at.get_mut(&mut header) = *byte;
                }
                damaged.data_header = header.into();
                let noise = messages.iter().map(|(header, body, is_metadata)| {
                    let data = FlightData::new().with_data_body(body.clone());
                    match is_metadata {
                        true => data.with_app_metadata(header.clone()),
                        false => data.with_data_header(header.clone()),
                    }
                });
                for message in noise.chain([damaged]) {
                    envs.requests.send(message).await.unwrap();
                    // Every message but a schema has an answer, and this one does too.
                    envs.tell(json!({ "stats": {} })).await;
                    while envs.answer().await.0.get("stats").is_none() {}
                }
                envs.requests.send(valid[0].clone()).await.unwrap();
                envs.requests.send(valid[1].clone()).await.unwrap();
                let (about, rows) = envs.answer().await;
                assert_eq!(rows.len(), 1, "{about}");
            });
            Ok(())
        })
        .unwrap();
    server.stop().unwrap();
}

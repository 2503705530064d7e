//! A server of small games, and a client that reads its streams.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int32Type, UInt8Type, UInt32Type, UInt64Type},
};
use arrow_flight::{
    Action, FlightData, Ticket,
    decode::{DecodedPayload, FlightDataDecoder},
    error::FlightError,
    flight_service_client::FlightServiceClient,
};
use bivouac::serve::{Server, ServerConfig, Simulated};
use datasets::schema::column;
use serde_json::Value;
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::WorldConfig,
};
use tokio_stream::StreamExt;
use tonic::{Status, Streaming, transport::Channel};

/// The seed of all games.
pub(crate) const SEED: u64 = 5;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// Games of two on boards of 8x8, of 40 ticks at most.
pub(crate) fn games(games: u64) -> Simulated {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let map = MapSpec::free_for_all(ruleset.map.kind, 2);
    let maps = Maps::Generated(MapSpec { size: Size::Fixed { width: 8, height: 8 }, ..map });
    let spec = RolloutSpec {
        seed: SEED,
        first_game: 0,
        games,
        maps,
        ruleset,
        max_ticks: 40,
        policies: vec![Policy::Expander, Policy::Hunter],
        has_fog: true,
    };
    let format = RowFormat { height: 8, width: 8, has_builds: false, has_owners: false };
    let world = WorldConfig { threads: 1, ..WorldConfig::default() };
    Simulated { spec, format, reward: Reward::named("shaped").unwrap(), at_once: 16, world }
}

/// The usual numbers, on a free port.
pub(crate) fn config() -> ServerConfig {
    ServerConfig::at(([127, 0, 0, 1], 0).into())
}

/// Runs a test with a server, which has to stop without an error.
pub(crate) fn with_server(
    config: &ServerConfig,
    simulated: Simulated,
    test: impl AsyncFnOnce(String),
) {
    let server = Server::start(config, simulated).unwrap();
    let uri = format!("http://{}", server.address());
    run(test(uri));
    server.stop().unwrap();
}

/// Runs a future to its end, which has to come.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test).await.expect("it ends in reasonable time")
    })
}

/// A client with a connection of its own.
pub(crate) async fn connect(uri: &str) -> FlightServiceClient<Channel> {
    let channel = Channel::from_shared(uri.to_owned()).unwrap().connect().await.unwrap();
    FlightServiceClient::new(channel)
}

/// A batch of a stream, and what it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) rows: RecordBatch,
    pub(crate) seq: u64,
    pub(crate) dropped: u64,
    pub(crate) run: String,
    pub(crate) continues: Option<String>,
}

/// A stream being read.
pub(crate) struct Rows(FlightDataDecoder);

impl Rows {
    /// Opens a stream with a ticket.
    pub(crate) async fn open(uri: &str, ticket: &str) -> Result<Self, Status> {
        let stream = raw(uri, ticket).await?;
        Ok(Self(FlightDataDecoder::new(stream.map(|data| data.map_err(FlightError::from)))))
    }

    /// The next batch, or none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, FlightError> {
        while let Some(message) = self.0.next().await.transpose()? {
            let DecodedPayload::RecordBatch(rows) = message.payload else { continue };
            let metadata: Value = serde_json::from_slice(&message.inner.app_metadata).unwrap();
            assert!(metadata["policy_version_min"].is_null());
            assert!(metadata["policy_version_max"].is_null());
            let number = |name: &str| metadata[name].as_u64().unwrap();
            let text = |name: &str| metadata[name].as_str().map(str::to_owned);
            let (seq, dropped) = (number("seq"), number("dropped"));
            let (run, continues) = (text("run").unwrap_or_default(), text("continues"));
            return Ok(Some(Batch { rows, seq, dropped, run, continues }));
        }
        Ok(None)
    }

    /// All batches to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await.unwrap() {
            batches.push(batch);
        }
        batches
    }
}

/// A stream of messages.
pub(crate) async fn raw(uri: &str, ticket: &str) -> Result<Streaming<FlightData>, Status> {
    let stream = connect(uri).await.do_get(Ticket::new(ticket.to_owned())).await?;
    Ok(stream.into_inner())
}

/// All batches that a ticket gets.
pub(crate) async fn read(uri: &str, ticket: &str) -> Vec<Batch> {
    Rows::open(uri, ticket).await.unwrap().rest().await
}

/// What the action `stats` tells.
pub(crate) async fn stats(uri: &str) -> Value {
    stats_of(&mut connect(uri).await).await
}

async fn stats_of(client: &mut FlightServiceClient<Channel>) -> Value {
    let mut answer = client.do_action(Action::new("stats", "")).await.unwrap().into_inner();
    let body = answer.message().await.unwrap().unwrap().body;
    // Read to its end: streams that are broken off are counted, and too many end the connection.
    assert!(answer.message().await.unwrap().is_none());
    serde_json::from_slice(&body).unwrap()
}

/// Waits until the server's numbers are as wanted.
pub(crate) async fn stats_until(uri: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut client = connect(uri).await;
    loop {
        let stats = stats_of(&mut client).await;
        if wanted(&stats) {
            return stats;
        }
    }
}

/// A row without its wide columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) episode: u64,
    pub(crate) agent: u8,
    pub(crate) step: u32,
    pub(crate) action: i32,
    pub(crate) policy: String,
    pub(crate) is_last: bool,
}

/// The rows of batches that have all columns, in the order in which they came.
pub(crate) fn rows(batches: &[Batch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for Batch { rows: batch, .. } in batches {
        let policies = batch[column::POLICY].as_dictionary::<Int32Type>();
        let names = policies.values().as_string::<i32>();
        for row in 0..batch.num_rows() {
            rows.push(Row {
                episode: batch[column::EPISODE_ID].as_primitive::<UInt64Type>().value(row),
                agent: batch[column::AGENT_ID].as_primitive::<UInt8Type>().value(row),
                step: batch[column::STEP].as_primitive::<UInt32Type>().value(row),
                action: batch[column::ACTION].as_primitive::<Int32Type>().value(row),
                policy: names.value(policies.key(row).unwrap()).to_owned(),
                is_last: batch[column::IS_LAST].as_boolean().value(row),
            });
        }
    }
    rows
}

/// Checks that rows are those of whole episodes of `games` games, none missing and none twice.
pub(crate) fn assert_whole(rows: &[Row], games: usize) {
    let mut agents: BTreeMap<(u64, u8), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        agents.entry((row.episode, row.agent)).or_default().push(row);
    }
    assert_eq!(agents.len(), 2 * games);
    for (agent, rows) in agents {
        for (step, row) in rows.iter().enumerate() {
            assert_eq!(row.step as usize, step, "{agent:?}");
            assert_eq!(row.is_last, step + 1 == rows.len(), "{agent:?}");
            assert_eq!(row.action == -1, row.is_last, "{agent:?}");
        }
    }
}

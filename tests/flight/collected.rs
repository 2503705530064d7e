//! Rows of live games in the streams, and games that actors submit whole.

use std::collections::BTreeMap;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{UInt8Type, UInt32Type, UInt64Type},
};
use arrow_flight::{
    FlightDescriptor, PutResult, encode::FlightDataEncoderBuilder, error::FlightError,
};
use bivouac::{live::archive::ArchiveConfig, serve::ServerConfig};
use datasets::{
    games::{ArchivedGame, GamesFile, record_batch},
    live::LiveBatch,
    reader::{ExperienceReader, ReadOptions},
    schema::column,
};
use proto::v1::{
    BoardSize, CreateGameRequest, DeleteGameRequest, JoinGameRequest, MapChoice, Pace,
    game_service_client::GameServiceClient, map_choice::Map,
};
use serde_json::Value;
use systems::reward::Reward;
use tokio_stream::StreamExt;
use tonic::{Code, transport::Channel};

use crate::{
    client::{
        Batch, Row, Rows, assert_whole, config, connect, games, read, rows, stats_until,
        with_server,
    },
    common::{folder, shown},
};

const FOLLOW: &str = r#"{"follow": true}"#;

/// A free-running game of two policies, which starts at once.
pub(crate) fn request(seed: u64) -> CreateGameRequest {
    CreateGameRequest {
        map: Some(MapChoice { map: Some(Map::Size(BoardSize { height: 8, width: 8 })) }),
        pace: Pace::Free as i32,
        max_ticks: 30,
        policies: vec!["hunter".to_owned(), "expander".to_owned()],
        seed: Some(seed),
        collect_experiences: true,
        ..CreateGameRequest::default()
    }
}

async fn games_client(uri: &str) -> GameServiceClient<Channel> {
    let channel = Channel::from_shared(uri.to_owned()).unwrap().connect().await.unwrap();
    GameServiceClient::new(channel)
}

/// Creates a game and returns its id.
pub(crate) async fn create(uri: &str, request: CreateGameRequest) -> u64 {
    let created = games_client(uri).await.create_game(request).await.unwrap().into_inner();
    u64::from_str_radix(&created.game_id, 16).unwrap()
}

/// Reads until the last rows of so many agents came.
pub(crate) async fn until_over(stream: &mut Rows, agents: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    while rows(&batches).iter().filter(|row| row.is_last).count() < agents {
        batches.push(stream.next().await.unwrap().unwrap());
    }
    batches
}

/// The rows of each agent by tick.
fn by_tick(batches: &[RecordBatch]) -> BTreeMap<(u8, u32), RecordBatch> {
    let mut found = BTreeMap::new();
    for rows in batches {
        for row in 0..rows.num_rows() {
            let agent = rows[column::AGENT_ID].as_primitive::<UInt8Type>().value(row);
            let step = rows[column::STEP].as_primitive::<UInt32Type>().value(row);
            found.insert((agent, step), rows.slice(row, 1));
        }
    }
    found
}

#[test]
fn no_simulated_row_is_lost_when_many_games_end_together_beside_a_collected_one() {
    let mut simulated = games(3000);
    // All end in the same steps, in which the live game goes on.
    (simulated.at_once, simulated.spec.max_ticks) = (1000, 3);
    with_server(&config(), simulated, async |uri| {
        let live = CreateGameRequest {
            policies: vec!["random".to_owned(); 2],
            max_ticks: 100_000,
            ..request(9)
        };
        let live = create(&uri, live).await;
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let mut found = Vec::new();
        while found.iter().filter(|row: &&Row| row.is_last).count() < 6000 {
            let batch = stream.next().await.unwrap().unwrap();
            assert_eq!(batch.dropped, 0);
            found.extend(rows(&[batch]).into_iter().filter(|row| row.episode != live));
        }
        assert_whole(&found, 3000);
    });
}

#[test]
fn rows_of_a_live_game_are_those_that_its_record_expands_to() {
    let folder = folder("flight_collected");
    let archive = ArchiveConfig { part_games: 1, ..ArchiveConfig::at(folder.clone()) };
    let config = ServerConfig { archive: Some(archive), ..config() };
    let mut found = Vec::new();
    with_server(&config, games(0), async |uri| {
        // The stream is there before the games are.
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let quiet =
            create(&uri, CreateGameRequest { collect_experiences: false, ..request(8) }).await;
        let id = create(&uri, request(9)).await;
        found = until_over(&mut stream, 2).await;
        let all = rows(&found);
        assert!(all.iter().all(|row| row.episode == id && row.episode != quiet));
        assert!(all.iter().all(|row| row.policy == ["hunter", "expander"][usize::from(row.agent)]));
        assert_whole(&all, 1);
        let filtered = read(&uri, &format!(r#"{{"games": [{id}], "players": [1]}}"#)).await;
        let mut wanted = all.clone();
        wanted.retain(|row| row.agent == 1);
        assert_eq!(rows(&filtered), wanted);
        assert!(read(&uri, r#"{"rulesets": ["competition"]}"#).await.is_empty());
        assert_eq!(rows(&read(&uri, r#"{"rulesets": ["generals"]}"#).await), all);
    });
    // Two games were kept, each as a part; the second is the one that was collected.
    let found: Vec<RecordBatch> = found.into_iter().map(|batch| batch.rows).collect();
    let found = by_tick(&found);
    let mut is_found = false;
    for part in std::fs::read_dir(&folder).unwrap() {
        let options =
            ReadOptions { reward: Reward::named("shaped").unwrap(), ..ReadOptions::default() };
        let reader = ExperienceReader::open(&part.unwrap().path(), &options).unwrap();
        let expanded = by_tick(&reader.map(Result::unwrap).collect::<Vec<_>>());
        let of = |rows: &BTreeMap<(u8, u32), RecordBatch>, name: &str| -> Vec<_> {
            rows.values().map(|row| row[name].clone()).collect()
        };
        if of(&expanded, column::ARMY) != of(&found, column::ARMY) {
            continue;
        }
        is_found = true;
        for field in found.values().next().unwrap().schema().fields() {
            // Episodes have other ids there, and dictionaries other values.
            if ![column::EPISODE_ID, column::POLICY].contains(&field.name().as_str()) {
                assert_eq!(
                    of(&found, field.name()),
                    of(&expanded, field.name()),
                    "{}",
                    field.name()
                );
            }
        }
    }
    assert!(is_found, "no record in {} has these rows", shown(&folder));
}

#[test]
fn nothing_is_left_of_collected_games_that_are_over() {
    with_server(&config(), games(0), async |uri| {
        for seed in 0..20 {
            create(&uri, request(seed)).await;
        }
        // Two players are waited for, who never play: only the start is known of these games.
        let mut client = games_client(&uri).await;
        let lockstep = CreateGameRequest {
            pace: Pace::Lockstep as i32,
            turn_ms: 3_600_000,
            policies: Vec::new(),
            ..request(1)
        };
        let game = client.create_game(lockstep).await.unwrap().into_inner();
        for name in ["ada", "bob"] {
            let (game_id, name) = (game.game_id.clone(), name.to_owned());
            client.join_game(JoinGameRequest { game_id, name, seat: None }).await.unwrap();
        }
        let held = stats_until(&uri, |stats| stats["experiences"]["live_games"] == 1).await;
        assert_eq!(held["experiences"]["live_rows"], 2);
        let (game_id, owner_token) = (game.game_id, game.owner_token);
        client.delete_game(DeleteGameRequest { game_id, owner_token }).await.unwrap();
        let told = stats_until(&uri, |stats| stats["experiences"]["live_games"] == 0).await;
        assert_eq!(told["experiences"]["live_rows"], 0);
        assert_whole(&rows(&read(&uri, "{}").await), 20);
    });
}

#[test]
fn games_of_one_seed_are_episodes_of_their_own() {
    with_server(&config(), games(0), async |uri| {
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let ids = [create(&uri, request(5)).await, create(&uri, request(5)).await];
        let all = rows(&until_over(&mut stream, 4).await);
        assert_whole(&all, 2);
        let of = |id: u64, agent: u8| -> Vec<_> {
            let rows = all.iter().filter(|row| row.episode == id && row.agent == agent);
            rows.map(|row| (row.step, row.action)).collect()
        };
        assert_eq!(of(ids[0], 0), of(ids[1], 0), "a seed gives the same game");
    });
}

#[test]
fn a_game_whose_rows_do_not_fit_is_refused() {
    with_server(&config(), games(0), async |uri| {
        let large = CreateGameRequest {
            map: Some(MapChoice { map: Some(Map::Size(BoardSize { height: 9, width: 8 })) }),
            ..request(1)
        };
        let three =
            CreateGameRequest { players: 3, policies: vec!["hunter".to_owned(); 3], ..request(1) };
        for (request, fix) in [(large, "--canvas 9x8"), (three, "--players 3")] {
            let mut client = games_client(&uri).await;
            let refused = client.create_game(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains("collect_experiences"), "{refused}");
            assert!(refused.message().contains(fix), "{refused}");
        }
    });
}

/// Submits batches, and returns what became of each.
pub(crate) async fn submit(uri: &str, batches: Vec<RecordBatch>) -> Vec<Value> {
    let descriptor = FlightDescriptor::new_path(vec!["experiences".to_owned()]);
    let data = FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(descriptor))
        .build(tokio_stream::iter(batches.into_iter().map(Ok::<_, FlightError>)));
    let mut answers =
        connect(uri).await.do_put(data.map(Result::unwrap)).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(PutResult { app_metadata }) = answers.message().await.unwrap() {
        told.push(serde_json::from_slice(&app_metadata).unwrap());
    }
    told
}

/// Games that `generate` would play, from a dataset of them.
pub(crate) fn archived(name: &str) -> Vec<ArchivedGame> {
    let out = folder(name);
    crate::common::done(&[
        "generate",
        "--kind",
        "games",
        "--games",
        "3",
        "--size",
        "8x8",
        "--max-ticks",
        "40",
        "--seed",
        "77",
        "--policies",
        "hunter,expander",
        "--quiet",
        "--out",
        shown(&out),
    ]);
    let paths = GamesFile::paths(&out).unwrap();
    paths.iter().flat_map(|path| GamesFile::open(path).unwrap()).map(Result::unwrap).collect()
}

#[test]
fn whole_games_join_the_streams_when_they_end_as_they_say() {
    let mut games_sent = archived("flight_put_games");
    let honest = record_batch(&games_sent).unwrap();
    with_server(&config(), games(0), async |uri| {
        let told = submit(&uri, vec![honest.clone(), honest.clone()]).await;
        let counts = |told: &Value| {
            ["accepted", "duplicates", "rejected"].map(|name| told[name].as_u64().unwrap())
        };
        assert_eq!(counts(&told[0]), [3, 0, 0], "{told:?}");
        assert_eq!(counts(&told[1]), [0, 3, 0], "sent again");
        let found = rows(&read(&uri, "{}").await);
        assert_eq!(told[0]["rows"], found.len());
        assert_whole(&found, 3);
        let mut ids: Vec<u64> = found.iter().map(|row| row.episode).collect();
        ids.dedup();
        assert!(games_sent.iter().all(|game| ids.contains(&game.record.episode_id())));
        // One that says another end, one of a player who is not known, one that is right.
        for (number, game) in games_sent.iter_mut().enumerate() {
            game.record.episode += 1;
            match number {
                0 => game.record.outcome.digest ^= 1,
                1 => game.record.policies[1] = "stranger".to_owned(),
                _ => {}
            }
        }
        let told = submit(&uri, vec![record_batch(&games_sent).unwrap()]).await;
        assert_eq!(counts(&told[0]), [1, 0, 2], "{told:?}");
        let reasons = told[0]["reasons"].as_array().unwrap();
        assert_eq!((reasons[0]["row"].as_u64(), reasons[1]["row"].as_u64()), (Some(0), Some(1)));
        assert!(reasons[0]["reason"].as_str().unwrap().contains("digest"), "{reasons:?}");
        assert!(reasons[1]["reason"].as_str().unwrap().contains("stranger"), "{reasons:?}");
        assert_eq!(
            rows(&read(&uri, "{}").await).len() as u64,
            found.len() as u64 + told[0]["rows"].as_u64().unwrap()
        );
    });
}

/// What is in the ring has the columns of a dataset, whoever played it.
#[test]
fn rows_of_games_are_those_of_the_dataset() {
    let name = "flight_put_rows";
    let sent = archived(name);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let wanted = by_tick_of(&path, sent[0].record.episode_id());
    with_server(&config(), games(0), async |uri| {
        submit(&uri, vec![record_batch(&sent).unwrap()]).await;
        let found: Vec<RecordBatch> =
            read(&uri, "{}").await.into_iter().map(|batch| batch.rows).collect();
        let found: Vec<RecordBatch> =
            found.iter().map(|rows| of_episode(rows, sent[0].record.episode_id())).collect();
        let found = by_tick(&found);
        assert_eq!(found.len(), wanted.len());
        for (key, row) in &found {
            for name in
                [column::ARMY, column::PLANES, column::ACTION_MASK, column::ACTION, column::REWARD]
            {
                assert_eq!(&row[name], &wanted[key][name], "{name}");
            }
        }
    });
}

fn of_episode(rows: &RecordBatch, episode: u64) -> RecordBatch {
    let ids = rows[column::EPISODE_ID].as_primitive::<UInt64Type>();
    let marks = ids.iter().map(|id| Some(id == Some(episode))).collect();
    let games = ids.clone();
    let rulesets = datasets::live::one_ruleset("generals", rows.num_rows());
    LiveBatch { rows: rows.clone(), games, rulesets }.marked(&marks).unwrap().rows
}

fn by_tick_of(dataset: &std::path::Path, episode: u64) -> BTreeMap<(u8, u32), RecordBatch> {
    let options =
        ReadOptions { reward: Reward::named("shaped").unwrap(), ..ReadOptions::default() };
    let reader = ExperienceReader::open(dataset, &options).unwrap();
    by_tick(&reader.map(|rows| of_episode(&rows.unwrap(), episode)).collect::<Vec<_>>())
}

//! What was wrong with the service that this one replaces, each as a claim that it cannot happen here,
//! and what a stream may never show.
//!
//! Buffers that outlive their games have their test beside the collection:
//! `collected::nothing_is_left_of_collected_games_that_are_over`.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{Int32Type, UInt8Type, UInt64Type},
    ipc::{CompressionType, root_as_message},
};
use bivouac::serve::{ServerConfig, Simulated};
use datasets::schema::column;
use proto::v1::CreateGameRequest;
use systems::{
    policies::Policy,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    start::Start,
};

use crate::{
    client::{
        Batch, Row, Rows, assert_whole, config, games, raw, read, rows, stats, stats_until,
        with_server,
    },
    collected::{create, request, until_over},
};

const FOLLOW: &str = r#"{"follow": true}"#;

/// A ring that holds all rows of a test.
fn roomy() -> ServerConfig {
    ServerConfig { retain_bytes: 1 << 30, ..config() }
}

#[test]
fn games_created_after_a_stream_was_opened_are_streamed() {
    with_server(&config(), games(0), async |uri| {
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let mut episodes = Vec::new();
        for seed in 1..4 {
            let id = create(&uri, request(seed)).await;
            let batches = until_over(&mut stream, 2).await;
            assert!(rows(&batches).iter().all(|row| row.episode == id));
            episodes.push(id);
        }
        assert_eq!(episodes.len(), 3);
    });
}

#[test]
fn subscribers_do_not_split_the_rows_between_them() {
    with_server(&roomy(), games(20), async |uri| {
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(Rows::open(&uri, FOLLOW).await.unwrap());
        }
        for mut stream in open {
            assert_whole(&rows(&stream.rest().await), 20);
        }
    });
}

#[test]
fn a_stream_that_does_not_follow_ends_well_while_games_go_on() {
    with_server(&config(), games(u64::MAX), async |uri| {
        stats_until(&uri, |stats| stats["experiences"]["rows"].as_u64() > Some(100)).await;
        // `read` takes an error, a deadline among them, for a failure.
        let batches = read(&uri, "{}").await;
        assert!(batches.last().unwrap().seq > 0);
        assert_eq!(stats(&uri).await["experiences"]["is_finished"], false);
    });
}

/// Rows with their game and ruleset, which only the filters know of.
fn filtered(all: &[(Row, u64, &str)], passes: impl Fn(&(Row, u64, &str)) -> bool) -> Vec<Row> {
    all.iter().filter(|row| passes(row)).map(|(row, ..)| row.clone()).collect()
}

#[test]
fn every_filter_passes_its_rows_and_no_others() {
    let format = RowFormat { has_builds: true, ..games(0).format };
    with_server(&roomy(), Simulated { format, ..games(0) }, async |uri| {
        let mut of_game = std::collections::BTreeMap::new();
        let mut stream = Rows::open(&uri, FOLLOW).await.unwrap();
        let mut batches = Vec::new();
        for (seed, ruleset) in [(1, "generals"), (2, "competition"), (3, "generals")] {
            let request = CreateGameRequest { ruleset: ruleset.to_owned(), ..request(seed) };
            of_game.insert(create(&uri, request).await, ruleset);
            batches.extend(until_over(&mut stream, 2).await);
        }
        let all: Vec<_> = rows(&batches)
            .into_iter()
            .map(|row| (row.clone(), row.episode, of_game[&row.episode]))
            .collect();
        let ids: Vec<u64> = of_game.keys().copied().collect();
        let check = async |ticket: String, wanted: Vec<Row>| {
            assert!(!wanted.is_empty() && wanted.len() < all.len(), "{ticket}");
            assert_eq!(rows(&read(&uri, &ticket).await), wanted, "{ticket}");
        };
        let games = format!(r#"{{"games": [{}, {}]}}"#, ids[0], ids[2]);
        check(games, filtered(&all, |(_, game, _)| *game != ids[1])).await;
        let players = r#"{"players": [1]}"#.to_owned();
        check(players, filtered(&all, |(row, ..)| row.agent == 1)).await;
        let steps = r#"{"min_step": 9}"#.to_owned();
        check(steps, filtered(&all, |(row, ..)| row.step >= 9)).await;
        let policies = r#"{"policies": ["hunter"]}"#.to_owned();
        check(policies, filtered(&all, |(row, ..)| row.policy == "hunter")).await;
        let rulesets = r#"{"rulesets": ["competition"]}"#.to_owned();
        check(rulesets, filtered(&all, |(_, _, ruleset)| *ruleset == "competition")).await;
        let both = r#"{"rulesets": ["generals"], "players": [0], "min_step": 3}"#.to_owned();
        let passes = |(row, _, ruleset): &(Row, u64, &str)| {
            *ruleset == "generals" && row.agent == 0 && row.step >= 3
        };
        check(both, filtered(&all, passes)).await;
    });
}

#[test]
fn a_compression_that_is_asked_for_is_not_ignored() {
    with_server(&roomy(), wide(20), async |uri| {
        let open =
            |compression: &str| format!(r#"{{"follow": true, "compression": "{compression}"}}"#);
        let mut found = Vec::new();
        for (compression, codec, at_most) in [
            ("none", None, 100),
            ("lz4", Some(CompressionType::LZ4_FRAME), 35),
            ("zstd", Some(CompressionType::ZSTD), 25),
        ] {
            let ticket = open(compression);
            let (mut messages, mut bytes) = (raw(&uri, &ticket).await.unwrap(), 0);
            while let Some(message) = messages.message().await.unwrap() {
                let header = root_as_message(&message.data_header).unwrap();
                let Some(batch) = header.header_as_record_batch() else { continue };
                assert_eq!(batch.compression().map(|with| with.codec()), codec, "{compression}");
                bytes += message.data_body.len();
            }
            let batches = read(&uri, &ticket).await;
            let all = concat_batches(&batches[0].rows.schema(), batches.iter().map(|b| &b.rows));
            found.push((bytes, at_most, all.unwrap()));
        }
        let (whole, _, rows) = &found[0];
        for (bytes, at_most, compressed) in &found {
            assert!(100 * bytes <= at_most * whole, "{bytes} of {whole}");
            assert_eq!(compressed, rows);
        }
        // With a layout and a filter too.
        let dense = |with: &str| format!(r#"{{"layout": "durbin9", "players": [1]{with}}}"#);
        let plain = read(&uri, &dense("")).await;
        let packed = read(&uri, &dense(r#", "compression": "lz4""#)).await;
        assert!(!plain.is_empty() && plain.len() == packed.len());
        assert!(plain.iter().zip(&packed).all(|(plain, packed)| plain.rows == packed.rows));
    });
}

#[test]
fn every_action_is_legal_by_the_mask_of_its_own_row() {
    with_server(&roomy(), games(30), async |uri| {
        let (mut marches, mut kinds) = (0, std::collections::BTreeSet::new());
        for Batch { rows, .. } in read(&uri, FOLLOW).await {
            let masks = rows[column::ACTION_MASK].as_fixed_size_binary();
            let actions = rows[column::ACTION].as_primitive::<Int32Type>();
            for row in 0..rows.num_rows() {
                let Ok(action) = usize::try_from(actions.value(row)) else { continue };
                kinds.insert(action);
                if action == 8 * 64 {
                    continue;
                }
                // Planes of 64 bits: a tile's march in each direction.
                let (tile, direction) = (action / 8, action % 8 / 2);
                let byte = masks.value(row)[direction * 8 + tile / 8];
                assert_eq!((byte >> (tile % 8)) & 1, 1, "action {action} in row {row}");
                marches += 1;
            }
        }
        assert!(marches > 100, "{marches} marches");
        assert!(kinds.len() > 50, "{} different actions", kinds.len());
    });
}

#[test]
fn rows_beyond_a_small_buffer_are_counted_or_not_lost() {
    let small = ServerConfig { retain_bytes: 20_000, ..config() };
    for (slow, is_lossless) in [("block", true), ("drop_oldest", false)] {
        // Eight games that run freely.
        let simulated = Simulated { at_once: 8, ..games(200) };
        with_server(&small, simulated, async |uri| {
            let ticket = format!(r#"{{"follow": true, "slow": "{slow}"}}"#);
            let mut stream = Rows::open(&uri, &ticket).await.unwrap();
            let mut place = 0;
            for batch in stream.rest().await {
                place += batch.dropped + batch.rows.num_rows() as u64;
                assert_eq!(batch.seq, place, "rows and losses account for every number");
                assert!(!is_lossless || batch.dropped == 0);
            }
            assert_eq!(stats(&uri).await["experiences"]["rows"], place);
        });
    }
}

/// Rows of the largest boards there are.
fn wide(n: u64) -> Simulated {
    let format = RowFormat { height: 32, width: 32, has_builds: false, has_owners: false };
    Simulated { format, ..games(n) }
}

#[test]
fn a_full_batch_stays_below_what_clients_take() {
    with_server(&roomy(), wide(20), async |uri| {
        stats_until(&uri, |stats| stats["experiences"]["is_finished"] == true).await;
        // As many rows as the server puts into a message; more than 137, at which others broke.
        let mut most = 0;
        let ticket = r#"{"batch_rows": 200, "max_wait_ms": 60000}"#;
        let mut stream = raw(&uri, ticket).await.unwrap();
        while let Some(message) = stream.message().await.unwrap() {
            most = most.max(message.data_body.len() + message.data_header.len());
        }
        assert!(most > 200 * wide(1).format.row_bytes(), "{most} bytes");
        assert!(most < 4 << 20, "{most} bytes");
    });
}

#[test]
fn a_collected_game_takes_the_memory_of_its_rows() {
    let games_played = 20_u64;
    with_server(&roomy(), wide(0), async |uri| {
        let ten_turns = CreateGameRequest { max_ticks: 20, ..request(0) };
        for seed in 0..games_played {
            create(&uri, CreateGameRequest { seed: Some(seed), ..ten_turns.clone() }).await;
        }
        let is_over = |rows: Option<u64>| rows >= Some(games_played * 2 * 21);
        let told = stats_until(&uri, |stats| is_over(stats["experiences"]["rows"].as_u64())).await;
        let bytes = told["experiences"]["bytes"].as_u64().unwrap();
        // A start and twenty ticks of two seats, with a half more for what arrays are padded to.
        let rows = (2 * 21 * wide(0).format.row_bytes()) as u64;
        assert!(bytes < games_played * rows * 3 / 2, "{bytes} bytes for {games_played} games");
        assert!(bytes < games_played << 18, "a quarter of a megabyte each");
    });
}

/// One game on a board whose far corner is given.
fn corner(start: Start) -> Simulated {
    let simulated = games(1);
    let maps = Maps::Fixed(Arc::new(start));
    // Long enough to march, too short to get there.
    let policies = vec![Policy::Expander, Policy::External];
    let spec = RolloutSpec { maps, policies, max_ticks: 12, ..simulated.spec };
    Simulated { spec, ..simulated }
}

#[test]
fn a_stream_of_one_player_shows_nothing_that_this_player_cannot_see() {
    let tile = |row: u16, column: u16| row * 8 + column;
    let near = Start {
        width: 8,
        height: 8,
        teams: vec![0, 1],
        mountains: vec![tile(0, 2), tile(7, 5)],
        cities: vec![(tile(5, 7), 40)],
        generals: vec![Some(tile(0, 0)), Some(tile(7, 7))],
        neutrals: Vec::new(),
    };
    // In the dark a city and a mountain look alike, and a general is not there at all.
    let other = Start {
        mountains: vec![tile(0, 2), tile(5, 7)],
        cities: vec![(tile(7, 5), 55)],
        generals: vec![Some(tile(0, 0)), Some(tile(6, 6))],
        neutrals: vec![(tile(7, 6), 9)],
        ..near.clone()
    };
    let mut found: Vec<[Vec<RecordBatch>; 2]> = Vec::new();
    for start in [near, other] {
        with_server(&roomy(), corner(start), async |uri| {
            let mut streams = Vec::new();
            for seat in 0..2 {
                let ticket = format!(r#"{{"follow": true, "players": [{seat}]}}"#);
                let batches = read(&uri, &ticket).await;
                streams.push(batches.into_iter().map(|batch| batch.rows).collect::<Vec<_>>());
            }
            found.push(streams.try_into().unwrap());
        });
    }
    let whole = |batches: &[RecordBatch]| concat_batches(&batches[0].schema(), batches).unwrap();
    let [[one, enemy], [same, other_enemy]] = &found[..] else { panic!("two games") };
    let (one, same) = (whole(one), whole(same));
    assert_eq!(one, same, "all columns of all rows, whatever is in the dark");
    let seats = one[column::AGENT_ID].as_primitive::<UInt8Type>();
    assert!(seats.values().iter().all(|&seat| seat == 0));
    let episodes = one[column::EPISODE_ID].as_primitive::<UInt64Type>();
    assert_eq!(episodes.values().len(), one.num_rows());
    let marches = one[column::ACTION].as_primitive::<Int32Type>().values().iter();
    assert!(marches.filter(|&&action| (0..512).contains(&action)).count() > 1, "it did play");
    assert_ne!(whole(enemy), whole(other_enemy), "the games are not the same");
}

//! Live rows beside those of a dataset of the same games.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{UInt8Type, UInt64Type},
};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    record::GameRecord,
    reward::Reward,
    rollout::{Maps, Rollout, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::{World, WorldConfig},
};

use super::{LiveBatch, LiveRows, pool::RowPool};
use crate::{
    expand::{Batch, Expander},
    schema,
    seats::Seats,
};

/// An agent's rows, by episode and seat.
type Agents = BTreeMap<(u64, u8), Vec<RecordBatch>>;

fn spec(games: u64, players: usize) -> RolloutSpec {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let map = MapSpec::free_for_all(ruleset.map.kind, players);
    let maps = Maps::Generated(MapSpec { size: Size::Fixed { width: 12, height: 11 }, ..map });
    let policies = vec![Policy::Expander, Policy::Hunter, Policy::Random];
    RolloutSpec {
        seed: 7,
        first_game: 0,
        games,
        maps,
        ruleset,
        max_ticks: 60,
        policies,
        has_fog: true,
    }
}

fn format(players: usize) -> RowFormat {
    RowFormat { height: 12, width: 13, has_builds: false, has_owners: players > 2 }
}

/// Plays the games, `at_once` at a time, and returns their rows and records.
fn play(
    spec: &RolloutSpec,
    players: usize,
    at_once: usize,
    threads: usize,
) -> (Vec<LiveBatch>, Vec<GameRecord>) {
    let pool = Arc::new(RowPool::default());
    let names: Vec<_> = spec.policies.iter().map(|policy| policy.name()).collect();
    let numbers = spec.clone();
    let number = Box::new(move |game, seat| numbers.policy_number(game, seat));
    let mut live = LiveRows::new(format(players), "generals", &names, number, pool.clone());
    let mut world = World::new(WorldConfig { threads, ..WorldConfig::default() }).unwrap();
    world.collect_rows(pool.clone(), format(players), Reward::named("shaped").unwrap());
    let mut rollout = Rollout::in_world(spec.clone(), at_once, world).unwrap();
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    while !rollout.is_finished() {
        records.extend(rollout.step().unwrap());
        rows.extend(live.step(pool.drain()).unwrap());
    }
    rows.extend(live.finish().unwrap());
    records.sort_by_key(|record| record.game);
    (rows, records)
}

fn by_agent(rows: &[LiveBatch]) -> Agents {
    let mut agents = Agents::new();
    for LiveBatch { rows, games, .. } in rows {
        assert_eq!(rows.num_rows(), games.len());
        let episodes = rows[schema::column::EPISODE_ID].as_primitive::<UInt64Type>();
        let seats = rows[schema::column::AGENT_ID].as_primitive::<UInt8Type>();
        for row in 0..rows.num_rows() {
            let agent = (episodes.value(row), seats.value(row));
            agents.entry(agent).or_default().push(rows.slice(row, 1));
        }
    }
    agents
}

/// The same rows as a dataset has them.
fn expanded(records: &[GameRecord], players: usize) -> Agents {
    let mut agents = Agents::new();
    let mut expander = Expander::new(format(players), Reward::named("shaped").unwrap()).unwrap();
    let games: Vec<&GameRecord> = records.iter().collect();
    let columns = schema::experiences(&format(players));
    expander
        .expand(Batch { games: &games, seats: Seats::ALL }, |agent, rows| {
            let of = (agent.constants.episode_id, agent.constants.agent_id);
            for part in rows.parts() {
                let arrays = part.arrays(&agent.constants);
                let rows = RecordBatch::try_new(columns.clone(), arrays).unwrap();
                let each = (0..rows.num_rows()).map(|row| rows.slice(row, 1));
                agents.entry(of).or_default().extend(each);
            }
            Ok(())
        })
        .unwrap();
    agents
}

fn check(games: u64, players: usize, at_once: usize) {
    let spec = spec(games, players);
    let (rows, records) = play(&spec, players, at_once, 1);
    let (live, dataset) = (by_agent(&rows), expanded(&records, players));
    assert_eq!(live.len(), dataset.len());
    for (agent, wanted) in &dataset {
        let found = &live[agent];
        assert_eq!(found.len(), wanted.len(), "rows of {agent:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            for (field, (found, wanted)) in
                wanted.schema().fields().iter().zip(found.columns().iter().zip(wanted.columns()))
            {
                // Dictionaries of other values may say the same.
                if field.name() == schema::column::POLICY {
                    let name = |array: &arrow::array::ArrayRef| {
                        arrow::util::display::array_value_to_string(array, 0).unwrap()
                    };
                    assert_eq!(name(found), name(wanted));
                } else {
                    assert_eq!(found, wanted, "{} of {agent:?}", field.name());
                }
            }
        }
    }
}

#[test]
fn memory_that_columns_share_is_counted_once() {
    // Whose rows are as many as the batches have room for.
    let (batches, _) = play(&spec(16, 2), 2, 16, 1);
    let whole: Vec<_> = batches.iter().filter(|batch| batch.rows.num_rows() == 32).collect();
    assert!(!whole.is_empty());
    let row_bytes = format(2).row_bytes();
    for batch in whole {
        let bytes = batch.bytes();
        assert!(bytes >= 32 * row_bytes, "{bytes}");
        assert!(bytes <= 32 * (row_bytes + 100) + 2_000, "{bytes}");
    }
}

#[test]
fn live_rows_of_duels_are_those_of_a_dataset() {
    check(30, 2, 8);
}

#[test]
fn live_rows_of_many_players_are_those_of_a_dataset() {
    check(12, 5, 5);
}

#[test]
fn live_rows_do_not_depend_on_threads() {
    let spec = spec(420, 2);
    let (one, _) = play(&spec, 2, 400, 1);
    let (two, _) = play(&spec, 2, 400, 2);
    assert_eq!(one.len(), two.len());
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one.rows, two.rows);
        assert_eq!(one.games, two.games);
    }
}

//! Rows of games played again, however much of them is held at once.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::RecordBatch, compute::concat_batches};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    rollout::{Maps, Rollout, RolloutSpec},
    rules::ruleset::Ruleset,
};

use super::*;
use crate::schema;

/// Games of three players on boards of two sizes.
fn records() -> Vec<GameRecord> {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let play = |first_game, height, max_ticks| {
        let map = MapSpec::free_for_all(ruleset.map.kind, 3);
        let size = Size::Fixed { width: 9, height };
        let spec = RolloutSpec {
            seed: 3,
            first_game,
            games: 4,
            maps: Maps::Generated(MapSpec { size, ..map }),
            ruleset: ruleset.clone(),
            max_ticks,
            policies: vec![Policy::Hunter, Policy::Expander, Policy::Random],
            has_fog: true,
        };
        let config = WorldConfig { threads: 1, ..WorldConfig::default() };
        let mut rollout = Rollout::new(spec, 4, config).unwrap();
        let mut records = Vec::new();
        while !rollout.is_finished() {
            records.extend(rollout.step().unwrap());
        }
        records.sort_by_key(|record| record.game);
        records
    };
    [play(0, 8, 70), play(4, 10, 150)].concat()
}

fn format() -> RowFormat {
    RowFormat { height: 10, width: 9, has_builds: false, has_owners: true }
}

/// What is told of an agent, and its rows.
type Told = BTreeMap<(usize, u8), (u32, u64, bool, bool, RecordBatch)>;

/// All rows, where `limit` of them are held at once, and in how many parts they came.
fn expanded(records: &[GameRecord], seats: Seats, limit: usize) -> (Told, usize) {
    let reward = Reward::named("shaped").unwrap();
    let mut expander = Expander::with_limit(format(), reward, limit).unwrap();
    let games: Vec<&GameRecord> = records.iter().collect();
    let columns = schema::experiences(&format());
    let (mut told, mut parts) = (Told::new(), 0);
    let mut order = Vec::new();
    expander
        .expand(Batch { games: &games, seats }, |agent, rows| {
            let of = (agent.game, agent.constants.agent_id);
            let arrays = rows.arrays(&agent.constants);
            let mut all = RecordBatch::try_new(columns.clone(), arrays).unwrap();
            parts += 1;
            if let Some((.., before)) = told.get(&of) {
                all = concat_batches(&columns, [before, &all]).unwrap();
            } else {
                order.push(of);
            }
            let sum = agent.sum_of_rewards.to_bits();
            told.insert(of, (agent.rows, sum, agent.has_won, agent.was_truncated, all));
            Ok(())
        })
        .unwrap();
    assert!(order.is_sorted(), "by game and seat");
    (told, parts)
}

#[test]
fn rows_do_not_depend_on_how_many_are_held() {
    let records = records();
    let (all, parts) = expanded(&records, Seats::ALL, usize::MAX);
    assert_eq!((all.len(), parts), (records.len() * 3, records.len() * 3));
    for (&(game, seat), (rows, .., batch)) in &all {
        assert_eq!(*rows as usize, batch.num_rows(), "rows of game {game}, seat {seat}");
    }
    // Room for a game; for one or two agents of it; for a part of an agent; for a row and the next.
    for limit in [480, 300, 160, 40, 7, 2, 1] {
        let (some, parts) = expanded(&records, Seats::ALL, limit);
        assert_eq!(some, all, "with room for {limit} rows");
        assert_eq!(parts > all.len(), limit < 151, "with room for {limit} rows");
    }
    let (some, _) = expanded(&records, Seats::of([2]), 20);
    assert_eq!(some, all.into_iter().filter(|((_, seat), _)| *seat == 2).collect());
}

#[test]
fn a_record_that_does_not_say_how_long_its_game_is_has_no_effect_on_others() {
    let mut records = records();
    let reward = Reward::named("shaped").unwrap();
    let wanted = expanded(&records[1..], Seats::ALL, 2_000).0;
    let ticks = records[0].outcome.ticks;
    for (claimed, limit) in [(ticks - 5, 2_000), (ticks - 5, 9), (u32::MAX, 2_000), (0, 2_000)] {
        records[0].outcome.ticks = claimed;
        let mut expander = Expander::with_limit(format(), reward, limit).unwrap();
        let games: Vec<&GameRecord> = records.iter().collect();
        let batch = Batch { games: &games, seats: Seats::ALL };
        let error = expander.expand(batch, |_, _| Ok(())).unwrap_err();
        let is_named = matches!(error, DataError::Diverged { game: 0, expected_ticks, .. }
            if expected_ticks == claimed);
        assert!(is_named, "{error}");
        let batch = Batch { games: &games[1..], seats: Seats::ALL };
        let mut rows = 0;
        expander
            .expand(batch, |_, part| {
                rows += part.len();
                Ok(())
            })
            .unwrap();
        assert_eq!(rows, wanted.values().map(|agent| agent.0 as usize).sum::<usize>());
    }
}

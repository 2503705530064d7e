//! What rollouts promise: going back to where they stood, and measuring them, changes no row.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{RowValue, rows};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, Rollout, RolloutSnapshot, RolloutSpec},
    rows::{KeptRows, RowFormat},
    rules::ruleset::Ruleset,
    schedule::Phase,
    world::{World, WorldConfig},
};

/// Rows by episode, agent and step, which no two of a rollout share.
type Rows = BTreeMap<(u64, u8, u32), RowValue>;

/// A rollout of games that end at many different ticks, and its rows.
fn rollout() -> (Rollout, Arc<KeptRows>) {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let map = MapSpec::free_for_all(ruleset.map.kind, 2);
    let spec = RolloutSpec {
        seed: 4,
        first_game: 2,
        games: 40,
        maps: Maps::Generated(MapSpec { size: Size::Fixed { width: 5, height: 5 }, ..map }),
        ruleset,
        max_ticks: 90,
        policies: vec![Policy::Expander, Policy::Hunter, Policy::Random],
        has_fog: true,
    };
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    let sink = Arc::new(KeptRows::default());
    let format = RowFormat { height: 5, width: 5, has_builds: false, has_owners: false };
    world.collect_rows(sink.clone(), format, Reward::named("shaped").unwrap());
    (Rollout::in_world(spec, 9, world).unwrap(), sink)
}

fn add(to: &mut Rows, sink: &KeptRows) {
    for row in rows(&sink.drain()) {
        let known = to.insert((row.episode, row.agent, row.step), row);
        assert!(known.is_none(), "{known:?} came twice");
    }
}

/// Goes back, and returns the rows of the snapshot's last step and of all that come.
fn rest_after(rollout: &mut Rollout, sink: &KeptRows, snapshot: &RolloutSnapshot) -> Rows {
    rollout.rewind(snapshot).unwrap();
    let mut last = Vec::new();
    while rollout.catch_up().unwrap() {
        last = rows(&sink.drain());
    }
    assert!(!rollout.is_behind());
    assert_eq!(&rollout.snapshot(), snapshot);
    let mut found: Rows =
        last.into_iter().map(|row| ((row.episode, row.agent, row.step), row)).collect();
    while !rollout.is_finished() {
        rollout.step().unwrap();
        add(&mut found, sink);
    }
    found
}

#[test]
fn a_rollout_that_goes_back_writes_the_same_rows_again() {
    let (mut first, sink) = rollout();
    let mut steps = Vec::new();
    while !first.is_finished() {
        let snapshot = first.snapshot();
        first.step().unwrap();
        let mut rows = Rows::new();
        add(&mut rows, &sink);
        steps.push((snapshot, rows));
    }
    // To its beginning and to several other moments, one of them a moment after games ended.
    let ends = steps.iter().position(|(snapshot, _)| snapshot.games.len() > 9).unwrap();
    for step in [0, 1, 17, ends, steps.len() - 1] {
        let from = step.saturating_sub(1);
        let wanted: Rows = steps[from..].iter().flat_map(|(_, rows)| rows.clone()).collect();
        let snapshot = &steps[step].0;
        assert!(rest_after(&mut first, &sink, snapshot) == wanted, "the same rollout, {step}");
        let (mut other, sink) = rollout();
        assert!(rest_after(&mut other, &sink, snapshot) == wanted, "another one, {step}");
    }
}

#[test]
fn a_step_that_is_measured_is_the_same_step() {
    let ((mut fused, fused_rows), (mut measured, measured_rows)) = (rollout(), rollout());
    let mut heard = Vec::new();
    while !fused.is_finished() {
        let records = fused.step().unwrap();
        heard.clear();
        measured.advance_by_phase(|phase| heard.push(phase));
        // One place after the other is taken.
        let mut ended = Vec::new();
        while measured.is_refilling() {
            ended.extend(measured.refill(1).unwrap());
        }
        assert_eq!(ended, records);
        assert_eq!(rows(&measured_rows.drain()), rows(&fused_rows.drain()));
    }
    assert_eq!(heard, Phase::ALL);
    assert!(measured.is_finished());
}

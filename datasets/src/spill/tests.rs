//! Segments written, read, and damaged.

use std::{env, process, sync::Arc};

use arrow::array::StringArray;
use systems::{
    mapgen::MapSpec,
    policies::Policy,
    reward::Reward,
    rollout::{Maps, Rollout, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::{World, WorldConfig},
};

use super::*;
use crate::live::{LiveRows, pool::RowPool};

const FORMAT: RowFormat = RowFormat { height: 8, width: 8, has_builds: false, has_owners: false };

/// Some steps of two games on one map.
fn batches() -> (SchemaRef, ArrayRef, Vec<LiveBatch>) {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let map = MapSpec {
        size: systems::mapgen::Size::Fixed { width: 8, height: 8 },
        ..MapSpec::free_for_all(ruleset.map.kind, 2)
    };
    let spec = RolloutSpec {
        seed: 3,
        first_game: 0,
        games: 2,
        maps: Maps::Generated(map),
        ruleset,
        max_ticks: 20,
        policies: vec![Policy::Random, Policy::Hunter],
        has_fog: true,
    };
    let pool = Arc::new(RowPool::default());
    let numbers = spec.clone();
    let number = Box::new(move |game, seat| numbers.policy_number(game, seat));
    let mut live = LiveRows::new(FORMAT, "generals", &["random", "hunter"], number, pool.clone());
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    world.collect_rows(pool.clone(), FORMAT, Reward::SPARSE);
    let mut rollout = Rollout::in_world(spec, 2, world).unwrap();
    let mut batches = Vec::new();
    while !rollout.is_finished() {
        rollout.step().unwrap();
        batches.extend(live.step(pool.drain()).unwrap());
    }
    batches.extend(live.finish().unwrap());
    (live.schema().clone(), live.policies().clone(), batches)
}

fn folder(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("bivouac-spill-{}-{name}", process::id()));
    drop(fs::remove_dir_all(&path));
    path
}

/// Numbers from 100 on, with a gap before every batch but the first.
fn numbered(batches: &[LiveBatch]) -> Vec<(u64, &LiveBatch)> {
    let mut next = 100;
    let number = |batch| {
        let first = next;
        next += LiveBatch::clone(batch).rows.num_rows() as u64 + 7;
        (first, batch)
    };
    batches.iter().map(number).collect()
}

#[test]
fn a_segment_gives_back_every_row_with_its_number() {
    let (schema, policies, batches) = batches();
    let root = folder("rows");
    let spill = SpillFolder::open(&root, &schema, &policies).unwrap();
    let wanted = numbered(&batches);
    let segment = spill.write("run", &wanted).unwrap().unwrap();
    assert_eq!((segment.first, segment.bytes > 0), (100, true));
    let found = spill.read(&segment).unwrap();
    assert_eq!(found.len(), wanted.len());
    for ((first, found), (wanted_first, wanted)) in found.iter().zip(&wanted) {
        assert_eq!(first, wanted_first);
        assert_eq!(found.rows, wanted.rows);
        assert_eq!(found.games, wanted.games);
        let name = |batch: &LiveBatch| {
            let names = batch.rulesets.downcast_dict::<StringArray>().unwrap();
            names.into_iter().map(|name| name.map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(name(found), name(wanted));
    }
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn runs_are_found_again_and_what_was_half_written_is_removed() {
    let (schema, policies, batches) = batches();
    let root = folder("runs");
    let spill = SpillFolder::open(&root, &schema, &policies).unwrap();
    let numbered = numbered(&batches);
    let (one, two) = numbered.split_at(numbered.len() / 2);
    let two = spill.write("a", two).unwrap().unwrap();
    let one = spill.write("a", one).unwrap().unwrap();
    spill.end("a", 1_000).unwrap();
    spill.write("b", &numbered).unwrap();
    let half = root.join("a/.00000000000000000001-00000000000000000002.parquet.tmp");
    fs::write(&half, b"PAR1").unwrap();
    assert!(matches!(SpillFolder::open(&root, &schema, &policies), Err(DataError::Busy(_))));
    drop(spill);
    let spill = SpillFolder::open(&root, &schema, &policies).unwrap();
    let runs = spill.runs().unwrap();
    assert!(!half.exists());
    assert_eq!(runs["a"], SpilledRun { segments: vec![one.clone(), two], end: Some(1_000) });
    assert_eq!((runs["b"].segments.len(), runs["b"].end), (1, None));
    spill.remove(&one).unwrap();
    spill.remove_run("b").unwrap();
    let runs = spill.runs().unwrap();
    assert_eq!(runs["a"].segments.len(), 1);
    assert!(!runs.contains_key("b"));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_segment_that_is_not_as_it_was_written_is_refused() {
    let (schema, policies, batches) = batches();
    let root = folder("damaged");
    let spill = SpillFolder::open(&root, &schema, &policies).unwrap();
    let segment = spill.write("run", &numbered(&batches)).unwrap().unwrap();
    let path = spill.path(&segment.name);
    let whole = fs::read(&path).unwrap();
    for at in (4..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        // A bit of the footer may be one that says nothing of the rows.
        match spill.read(&segment) {
            Err(DataError::Spill { .. } | DataError::Parquet { .. } | DataError::Column { .. }) => {
            }
            Err(other) => panic!("byte {at}: {other}"),
            Ok(found) => {
                let rows: Vec<_> =
                    found.iter().map(|(first, batch)| (*first, &batch.rows)).collect();
                let wanted: Vec<_> =
                    numbered(&batches).iter().map(|(first, batch)| (*first, &batch.rows)).collect();
                assert_eq!(rows.len(), wanted.len(), "byte {at}");
                assert!(
                    rows.iter().zip(&wanted).all(|(found, wanted)| found == wanted),
                    "byte {at}"
                );
            }
        }
    }
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(spill.read(&segment), Err(DataError::Spill { .. })));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn rows_of_another_form_are_refused() {
    let (schema, policies, batches) = batches();
    let root = folder("form");
    let spill = SpillFolder::open(&root, &schema, &policies).unwrap();
    let segment = spill.write("run", &numbered(&batches)).unwrap().unwrap();
    drop(spill);
    let wider = schema::experiences(&RowFormat { width: 9, ..FORMAT });
    let spill = SpillFolder::open(&root, &wider, &policies).unwrap();
    let error = spill.read(&segment).unwrap_err();
    assert!(
        matches!(&error, DataError::Spill { .. }) && error.to_string().contains("size"),
        "{error}"
    );
    drop(spill);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["random"]));
    let spill = SpillFolder::open(&root, &schema, &names).unwrap();
    assert!(matches!(spill.read(&segment), Err(DataError::Column { .. })));
    fs::remove_dir_all(root).unwrap();
}

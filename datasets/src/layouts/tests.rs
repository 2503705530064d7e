//! Every layout beside an obvious slow version, tile by tile, on rows of real games.

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::RecordBatch;
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, Rollout, RolloutSpec},
    rows::{KeptRows, PLANES, RowBatch, RowFormat},
    rules::ruleset::Ruleset,
    world::{World, WorldConfig},
};

use super::*;
use crate::live::{LiveRows, pool::RowPool};

fn spec(games: u64, players: usize, size: Size) -> RolloutSpec {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let map = MapSpec { size, ..MapSpec::free_for_all(ruleset.map.kind, players) };
    let policies = vec![Policy::Hunter, Policy::Expander, Policy::Random];
    RolloutSpec {
        seed: 11,
        first_game: 0,
        games,
        maps: Maps::Generated(map),
        ruleset,
        max_ticks: 260,
        policies,
        has_fog: true,
    }
}

/// The engine's batches of some games, in the order in which they left the world.
fn batches(spec: &RolloutSpec, format: RowFormat) -> Vec<RowBatch> {
    let rows = Arc::new(KeptRows::default());
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
    world.collect_rows(rows.clone(), format, Reward::SPARSE);
    let mut rollout = Rollout::in_world(spec.clone(), 6, world).unwrap();
    let mut all = Vec::new();
    while !rollout.is_finished() {
        rollout.step().unwrap();
        all.extend(rows.drain());
    }
    all
}

/// The forms that are tried: boards that fill the canvas, that do not, and many players.
fn cases() -> Vec<(RolloutSpec, RowFormat)> {
    let fixed = |width, height| Size::Fixed { width, height };
    let format =
        |height, width, has_owners| RowFormat { height, width, has_builds: false, has_owners };
    vec![
        (spec(8, 2, fixed(10, 9)), format(9, 10, false)),
        (spec(8, 2, fixed(11, 10)), format(13, 14, false)),
        (spec(4, 2, fixed(20, 20)), format(20, 20, false)),
        (spec(3, 5, fixed(18, 19)), format(19, 18, true)),
        (spec(1, 3, fixed(32, 32)), format(32, 32, true)),
    ]
}

/// What a row says of one tile.
#[derive(Clone, Copy, Default)]
struct Tile {
    on_board: bool,
    army: f32,
    planes: [bool; PLANES.len()],
}

impl Tile {
    fn is(&self, plane: &str) -> bool {
        self.planes[PLANES.iter().position(|&name| name == plane).unwrap()]
    }
}

/// A row taken apart.
struct Frame {
    step: u32,
    scores: [f32; 4],
    tiles: Vec<Tile>,
}

fn frame(batch: &RowBatch, row: usize) -> Frame {
    let format = batch.format;
    let (tiles, words) = (format.tiles(), format.words());
    let [height, width] = batch.size[row].map(usize::from);
    let of_tile = |tile: usize| Tile {
        on_board: tile / usize::from(format.width) < height
            && tile % usize::from(format.width) < width,
        army: f32::from(batch.army[row * tiles + tile]),
        planes: std::array::from_fn(|plane| {
            let word = batch.planes[(row * PLANES.len() + plane) * words + tile / 64];
            word >> (tile % 64) & 1 != 0
        }),
    };
    let scores = [
        batch.land[row],
        batch.opponent_land[row],
        batch.army_total[row],
        batch.opponent_army[row],
    ];
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    Frame {
        step: batch.step[row],
        scores: scores.map(|score| score as f32),
        tiles: (0..tiles).map(of_tile).collect(),
    }
}

fn number(is: bool) -> f32 {
    f32::from(u8::from(is))
}

fn slow_durbin9(tile: &Tile) -> Vec<f32> {
    let army = (tile.army / 1000.0).min(1.0);
    vec![
        if tile.is("own") { army } else { 0.0 },
        if tile.is("enemy") { army } else { 0.0 },
        number(tile.is("own")),
        number(tile.is("enemy")),
        number(tile.is("neutral")),
        number(tile.is("city") || tile.is("general")),
        number(tile.is("mountain")),
        number(tile.is("visible")),
        number(tile.on_board && !tile.is("visible")),
    ]
}

fn slow_generals_bots(tile: &Tile) -> Vec<f32> {
    let fog = tile.on_board && !tile.is("visible") && !tile.is("fog_structure");
    let planes = ["general", "city", "mountain", "neutral", "own", "enemy"];
    let mut channels = vec![tile.army];
    channels.extend(planes.map(|plane| number(tile.is(plane))));
    channels.extend([number(fog), number(tile.is("fog_structure"))]);
    channels
}

/// A tile's channels from all the agent's rows so far, the last one being shown.
fn slow_memory(history: &[Frame], tile: usize, width: usize) -> Vec<f32> {
    let now = history.last().unwrap();
    let here = now.tiles[tile];
    let squash = |x: f32| x / (x.abs() + 32.0);
    let last_seen = |tile: usize| history.iter().rev().find(|row| row.tiles[tile].is("visible"));
    let seen = last_seen(tile);
    let was = |plane: &str| number(seen.is_some_and(|row| row.tiles[tile].is(plane)));
    let army_of = |plane: &str| if here.is(plane) { squash(here.army) } else { 0.0 };
    let mut channels = ["own", "ally", "enemy", "neutral"].map(army_of).to_vec();
    let planes = ["own", "ally", "enemy", "neutral", "visible", "fog_structure"];
    channels.extend(planes.map(|plane| number(here.is(plane))));
    channels.extend(["city", "general", "mountain"].map(was));
    channels.push(number(seen.is_some()));
    channels.push(seen.map_or(0.0, |row| squash(row.tiles[tile].army)));
    channels.push(was("enemy"));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let ticks = |row: &Frame| (now.step - row.step) as f32;
    let age = seen.map_or(1.0, |row| squash(ticks(row)));
    channels.push(if here.on_board { age } else { 0.0 });
    let near = |other: &usize| {
        (other / width).abs_diff(tile / width) <= 1 && (other % width).abs_diff(tile % width) <= 1
    };
    let held = |other: usize| last_seen(other).is_some_and(|row| row.tiles[other].is("enemy"));
    let could_see = (0..now.tiles.len()).filter(near).any(held);
    channels.push(number(here.on_board && could_see));
    let before = &history[history.len().saturating_sub(2)];
    let [land, opp_land, army, opp_army] = now.scores;
    let change = |score: usize| squash(now.scores[score] - before.scores[score]);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let totals = [
        land / (land + opp_land),
        army / (army + opp_army),
        change(0),
        change(2),
        change(1),
        change(3),
        (now.step % 2) as f32,
        (now.step % 50) as f32 / 50.0,
    ];
    channels.extend(totals.map(|total| if here.on_board { total } else { 0.0 }));
    channels
}

/// Compares a row with its slow version.
fn compare(layout: Layout, format: &RowFormat, found: &[f32], slow: impl Fn(usize) -> Vec<f32>) {
    let tiles = format.tiles();
    for tile in 0..tiles {
        for (channel, expected) in slow(tile).into_iter().enumerate() {
            let name = layout.channels()[channel];
            let found = found[channel * tiles + tile];
            // Equal numbers, but for the sign of a zero.
            let difference = found - expected;
            assert!(
                difference.abs() <= 0.0,
                "{layout} {name}, tile {tile}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn layouts_equal_what_is_worked_out_tile_by_tile() {
    for (spec, format) in cases() {
        let mut memories = Memories::default();
        let mut histories: BTreeMap<(u64, u8), Vec<Frame>> = BTreeMap::new();
        for batch in batches(&spec, format) {
            let rows = Observations::of_rows(&batch);
            let filled = Layout::ALL.map(|layout| {
                // What was there before must not shine through.
                let mut out = vec![f32::NAN; rows.len() * layout.row_len(&format)];
                memories.write(layout, &rows, &mut out).unwrap();
                out
            });
            for row in 0..batch.len {
                let history = histories.entry((batch.episode[row], batch.agent[row])).or_default();
                history.push(frame(&batch, row));
                // The slow versions are slow: some rows of each game tell enough.
                if batch.step[row] % 17 > 2 {
                    continue;
                }
                for (layout, filled) in Layout::ALL.into_iter().zip(&filled) {
                    let len = layout.row_len(&format);
                    compare(layout, &format, &filled[row * len..][..len], |tile| match layout {
                        Layout::Durbin9 => slow_durbin9(&history.last().unwrap().tiles[tile]),
                        Layout::GeneralsBots => {
                            slow_generals_bots(&history.last().unwrap().tiles[tile])
                        }
                        Layout::Memory => slow_memory(history, tile, usize::from(format.width)),
                    });
                }
            }
        }
        assert!(memories.is_empty(), "every episode came to its end");
    }
}

#[test]
fn rows_of_a_record_batch_are_laid_out_like_those_of_the_engine() {
    let spec = spec(6, 2, Size::Fixed { width: 11, height: 10 });
    let format = RowFormat { height: 13, width: 14, has_builds: false, has_owners: false };
    let (number, pool) = (Box::new(|_, _| 0), Arc::new(RowPool::default()));
    let mut live = LiveRows::new(format, "generals", &["a"], number, pool);
    let (mut ours, mut theirs) = (Memories::default(), Memories::default());
    let mut rows_compared = 0;
    let mut waiting: Vec<Vec<f32>> = Vec::new();
    for batch in batches(&spec, format).into_iter().map(Some).chain([None]) {
        let mut laid_out = Vec::new();
        if let Some(batch) = &batch {
            let rows = Observations::of_rows(batch);
            for layout in Layout::ALL {
                let mut out = vec![0.0; rows.len() * layout.row_len(&format)];
                ours.write(layout, &rows, &mut out).unwrap();
                laid_out.push(out);
            }
        }
        // Rows come out one step later.
        let rows: Vec<RecordBatch> =
            live.step(batch.into_iter().collect()).unwrap().into_iter().map(|b| b.rows).collect();
        for rows in &rows {
            // A slice must not show the rows before it.
            let halves = [rows.slice(0, 1), rows.slice(1, rows.num_rows() - 1)];
            for (layout, wanted) in Layout::ALL.into_iter().zip(&waiting) {
                let mut found = Vec::new();
                for half in &halves {
                    let rows = Observations::of_record_batch(half, format).unwrap();
                    let mut out = vec![0.0; rows.len() * layout.row_len(&format)];
                    theirs.write(layout, &rows, &mut out).unwrap();
                    found.extend(out);
                }
                assert!(found == *wanted, "{layout}");
            }
            rows_compared += rows.num_rows();
        }
        waiting = laid_out;
    }
    assert!(rows_compared > 1_000);
}

#[test]
fn armies_beyond_16_bits_are_exact_where_the_layout_shows_them() {
    let (spec, format) = cases().swap_remove(0);
    let mut batch = batches(&spec, format).swap_remove(3);
    let mut exact: Vec<i32> = batch.army[..format.tiles()].iter().map(|&a| a.into()).collect();
    exact[7] = 1_000_000;
    batch.large_army.push((0, exact));
    let rows = Observations::of_rows(&batch);
    let mut out = vec![0.0; Layout::GeneralsBots.row_len(&format)];
    Layout::GeneralsBots.write(&rows.row(0), None, &mut out).unwrap();
    assert_eq!(out[7].to_bits(), 1_000_000_f32.to_bits());
    Layout::GeneralsBots.write(&rows.row(1), None, &mut out).unwrap();
    assert!(out[7] < 65_536.0);
}

#[test]
fn a_memory_begins_anew_with_an_episode_and_goes_on_from_a_copy() {
    let (spec, format) = cases().swap_remove(0);
    let all = batches(&spec, format);
    let (episode, agent) = (all[0].episode[0], all[0].agent[0]);
    let of_agent: Vec<_> = all
        .iter()
        .flat_map(|batch| (0..batch.len).map(move |row| (batch, row)))
        .filter(|(batch, row)| (batch.episode[*row], batch.agent[*row]) == (episode, agent))
        .map(|(batch, row)| Observations::of_rows(batch).row(row))
        .collect();
    let layout = Layout::Memory;
    let play = |memory: &mut Memory, rows: &[Row<'_>]| {
        let mut out = vec![0.0; layout.row_len(&format)];
        for row in rows {
            layout.write(row, Some(memory), &mut out).unwrap();
        }
        out
    };
    let mut memory = Memory::default();
    let whole = play(&mut memory, &of_agent);
    assert_eq!(play(&mut memory, &of_agent), whole, "a second episode knows nothing of the first");
    let (early, late) = of_agent.split_at(100);
    memory.clear();
    play(&mut memory, early);
    let mut copy = memory.clone();
    // Rows that are only looked at count like those that are written.
    for row in early {
        memory.see(row);
    }
    assert_eq!(memory, copy);
    assert_eq!(play(&mut copy, late), whole);
    assert_eq!(play(&mut memory, late), whole);
    assert_ne!(play(&mut Memory::default(), &late[late.len() - 1..]), whole);
}

#[test]
fn wrong_names_columns_and_sizes_are_named() {
    assert_eq!("memory".parse(), Ok(Layout::Memory));
    for layout in Layout::ALL {
        assert_eq!(layout.to_string().parse(), Ok(layout));
        assert_eq!(layout.shape(&cases()[0].1), [layout.channels().len(), 9, 10]);
    }
    let message = "dense".parse::<Layout>().unwrap_err().to_string();
    assert!(message.contains("\"dense\"") && message.contains("durbin9"), "{message}");
    let (spec, format) = cases().swap_remove(0);
    let batch = batches(&spec, format).swap_remove(0);
    let rows = Observations::of_rows(&batch);
    let wrong = Layout::Durbin9.write(&rows.row(0), None, &mut [0.0; 5]);
    assert_eq!(wrong, Err(LayoutError::Output { found: 5, expected: 810 }));
    let wrong = Memories::default().write(Layout::Memory, &rows, &mut []);
    assert!(matches!(wrong, Err(LayoutError::Output { found: 0, .. })));
    let empty = RecordBatch::new_empty(crate::schema::episodes());
    let error = Observations::of_record_batch(&empty, format).unwrap_err().to_string();
    assert!(error.contains("is_first"), "{error}");
    let empty = RecordBatch::new_empty(crate::schema::experiences(&format));
    assert!(Observations::of_record_batch(&empty, format).unwrap().is_empty());
    let other = RowFormat { width: 11, ..format };
    let error = Observations::of_record_batch(&empty, other).unwrap_err().to_string();
    assert!(error.contains("\"army\"") && error.contains("198"), "{error}");
}

//! Steps of a world, maps and dense layouts, as Criterion measures them. `bivouac bench` gives the headline
//! figures; these keep baselines to compare a change against (`cargo bench -- --save-baseline`).

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datasets::layouts::{Layout, Memory, Observations};
use systems::{
    envs::{EnvSpec, Opening, VectorEnv, VectorSpec},
    isa::Isa,
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    reset::Renewal,
    reward::Reward,
    rollout::Maps,
    rows::{KeptRows, RecycledRows, RowFormat},
    rules::ruleset::Ruleset,
    schedule::Order,
    start::Start,
    world::{GameSpec, World, WorldConfig},
};

/// A warm world of 20×20 games of two random players that writes every row, and its rows.
fn world(games: usize, config: WorldConfig) -> (World, Arc<RecycledRows>) {
    let mut spec = MapSpec::free_for_all(MapKind::Generals, 2);
    spec.size = Size::Fixed { width: 20, height: 20 };
    let starts: Arc<[Start]> = (0..256).map(|seed| spec.generate(seed)).collect();
    let mut world = World::new(config).expect("a world without threads starts");
    let ruleset = Ruleset::named("generals").expect("it is built in");
    let rules = world.add_ruleset(&ruleset).expect("the first ruleset fits");
    let rows = Arc::new(RecycledRows::default());
    let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
    world.collect_rows(rows.clone(), format, Reward::SPARSE);
    world.renew(Renewal::Pool { starts: starts.clone(), seed: 1 });
    for game in 0..games {
        let start = &starts[game % starts.len()];
        let policies = &[Policy::Random; 2];
        let spec = GameSpec {
            seed: 1,
            game: game as u64,
            max_ticks: 1000,
            policies,
            ..GameSpec::new(start, rules)
        };
        world.create(&spec).expect("generated maps can be played");
    }
    (0..150).for_each(|_| world.step());
    (world, rows)
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for games in [64, 4096] {
        for (name, order, isa) in [
            ("fused", Order::Fused, Isa::detect()),
            ("phase_by_phase", Order::PhaseByPhase, Isa::detect()),
            ("fused_portable", Order::Fused, Isa::Portable),
        ] {
            let (mut world, rows) = world(games, WorldConfig { threads: 1, order, isa });
            group.throughput(Throughput::Elements(games as u64));
            group.bench_function(BenchmarkId::new(name, games), |bencher| {
                let before = rows.rows();
                let mut n = 0;
                bencher.iter(|| {
                    world.step();
                    n += 1;
                });
                assert!(
                    rows.rows() - before >= n * games as u64,
                    "every live game writes its rows"
                );
            });
        }
    }
    group.finish();
}

/// A vector of the same games, played by policies or from outside.
fn vector(games: usize, policies: &[Policy]) -> VectorEnv {
    let mut spec = MapSpec::free_for_all(MapKind::Generals, 2);
    spec.size = Size::Fixed { width: 20, height: 20 };
    let starts = (0..256).map(|seed| Arc::new(spec.generate(seed))).collect();
    let duel = Arc::new(EnvSpec {
        opening: Opening::Maps(Maps::Pool(starts)),
        policies: policies.to_vec(),
        ..EnvSpec::duel(20, 20).expect("boards of this size exist")
    });
    let spec = VectorSpec::new(std::iter::repeat_n(duel, games).collect(), 1);
    let config = WorldConfig { threads: 1, ..WorldConfig::default() };
    VectorEnv::new(VectorSpec { config, ..spec }).expect("duels can be played")
}

/// The same ticks by random policies and by actions given as an array; rows at fixed places.
fn envs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envs");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for games in [64, 4096] {
        group.throughput(Throughput::Elements(games as u64));
        let passes = vec![-1; 2 * games];
        let mut policies = vector(games, &[Policy::Random; 2]);
        group.bench_function(BenchmarkId::new("policies", games), |bencher| {
            bencher.iter(|| policies.step(&passes).expect("one action for each agent").rows());
        });
        let mut players = vector(games, &[Policy::Random; 2]);
        let ticks = (0..500)
            .map(|_| players.step(&passes).expect("one action for each agent").action().to_vec());
        let ticks: Vec<Vec<i32>> = ticks.collect();
        let mut outside = vector(games, &[]);
        let mut tick = ticks.iter().cycle();
        group.bench_function(BenchmarkId::new("actions", games), |bencher| {
            bencher.iter(|| {
                let actions = tick.next().expect("a cycle has no end");
                outside.step(actions).expect("one action for each agent").rows()
            });
        });
    }
    group.finish();
}

fn maps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("map");
    for kind in [MapKind::Generals, MapKind::GeneralsBots, MapKind::Competition] {
        let mut spec = MapSpec::free_for_all(kind, 2);
        spec.size = Size::Fixed { width: 20, height: 20 };
        let mut seed = 0;
        group.bench_function(kind.name(), |bencher| {
            bencher.iter(|| {
                seed += 1;
                let start = spec.generate(black_box(seed));
                assert_eq!(start.tiles(), 400);
                start
            });
        });
    }
    group.finish();
}

/// A batch of rows laid out on one thread. For `memory` each row begins its agent anew, as the step
/// stays the same.
fn layouts(criterion: &mut Criterion) {
    let (mut world, _) = world(64, WorldConfig { threads: 1, ..WorldConfig::default() });
    let rows = Arc::new(KeptRows::default());
    let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
    world.collect_rows(rows.clone(), format, Reward::SPARSE);
    world.step();
    let batch = rows.drain().swap_remove(0);
    let observations = Observations::of_rows(&batch);
    let mut memories = vec![Memory::default(); observations.len()];
    let mut group = criterion.benchmark_group("layout");
    for layout in Layout::ALL {
        let len = layout.row_len(&format);
        let mut out = vec![0.0; observations.len() * len];
        group.throughput(Throughput::Elements(observations.len() as u64));
        group.bench_function(layout.name(), |bencher| {
            bencher.iter(|| {
                let places = out.chunks_exact_mut(len).zip(&mut memories);
                for (row, (out, memory)) in places.enumerate() {
                    let row = observations.row(row);
                    layout.write(&row, Some(memory), out).expect("there is room for the row");
                }
                black_box(&out);
            });
        });
    }
    group.finish();
}

/// The same rows again and again on one thread, to a buffer that no cache holds: stored, and made in
/// the cache and copied past it.
fn streaming(criterion: &mut Criterion) {
    let (mut world, _) = world(64, WorldConfig { threads: 1, ..WorldConfig::default() });
    let rows = Arc::new(KeptRows::default());
    let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
    world.collect_rows(rows.clone(), format, Reward::SPARSE);
    world.step();
    let batch = rows.drain().swap_remove(0);
    let observations = Observations::of_rows(&batch);
    let layout = Layout::ALL[0];
    let len = layout.row_len(&format);
    let (mut out, mut made) = (vec![0.0; 8_192 * len], vec![0.0; len]);
    let mut group = criterion.benchmark_group("dense rows to memory");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(out.len() as u64 * 4));
    for is_streamed in [false, true] {
        let name = if is_streamed { "streamed" } else { "stored" };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (number, out) in out.chunks_exact_mut(len).enumerate() {
                    let row = observations.row(number % observations.len());
                    let to = if is_streamed { &mut made[..] } else { &mut *out };
                    layout.write(&row, None, to).expect("there is room for the row");
                    if is_streamed {
                        systems::streaming::copy(&made, out);
                    }
                }
                black_box(&out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps, envs, maps, layouts, streaming);
criterion_main!(benches);

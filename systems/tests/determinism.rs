//! The same seed gives the same bytes: on any number of threads, in either traversal, with any
//! instructions.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use std::sync::{Arc, OnceLock};

use common::{Kind, LARGEST, add_rulesets, digest_rows};
use systems::{
    isa::Isa,
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    reset::Renewal,
    reward::Reward,
    rows::{KeptRows, RowFormat, flag},
    rules::{digest::Digest, ruleset::Ruleset},
    schedule,
    start::Start,
    world::{GameId, GameSpec, World, WorldConfig},
};

fn one_thread() -> WorldConfig {
    WorldConfig { threads: 1, ..WorldConfig::default() }
}

/// Steps a lot of games of all kinds, beginning new episodes in the place of ended games, and
/// takes in every byte that comes out.
fn digest_of_mixed_games(config: WorldConfig, games: u64, steps: u32) -> u64 {
    digest_while_threads_leave(config, games, steps, |_step| 0)
}

/// The same, with so many threads left to others in each step.
fn digest_while_threads_leave(
    config: WorldConfig,
    games: u64,
    steps: u32,
    left: impl Fn(u32) -> usize,
) -> u64 {
    let mut world = World::new(config).unwrap();
    let rulesets = add_rulesets(&mut world);
    let sink = Arc::new(KeptRows::default());
    world.collect_rows(sink.clone(), LARGEST, Reward::SHAPED);
    let mut kinds: Vec<(GameId, Kind)> = Vec::new();
    for game in 0..games {
        let kind = Kind::of(5, game, 0);
        kinds.push((world.create(&kind.spec(&rulesets)).unwrap(), kind));
    }
    let mut digest = Digest::new();
    for step in 0..steps {
        world.leave_threads(left(step)).unwrap();
        world.step();
        for batch in sink.drain() {
            digest_rows(&mut digest, &batch);
        }
        for id in world.take_ended() {
            let (_, kind) = kinds.iter_mut().find(|(known, _)| *known == id).unwrap();
            let next = Kind { episode: kind.episode + 1, ..kind.clone() };
            world.reset(id, &next.spec(&rulesets)).unwrap();
            *kind = next;
        }
        if step % 50 == 49 {
            kinds.iter().for_each(|(id, _)| digest.word(world.position(*id).unwrap().digest));
        }
    }
    digest.finish()
}

// Enough that the classes of many seats are cut into several chunks.
const GAMES: u64 = 600;
const STEPS: u32 = 180;

/// The digest that every other way of running must give.
fn reference_digest() -> u64 {
    static DIGEST: OnceLock<u64> = OnceLock::new();
    *DIGEST.get_or_init(|| digest_of_mixed_games(one_thread(), GAMES, STEPS))
}

#[test]
fn two_threads_give_the_bytes_of_one() {
    let config = WorldConfig { threads: 2, ..WorldConfig::default() };
    assert_eq!(digest_of_mixed_games(config, GAMES, STEPS), reference_digest());
}

#[test]
fn sixteen_threads_give_the_bytes_of_one() {
    let config = WorldConfig { threads: 16, ..WorldConfig::default() };
    assert_eq!(digest_of_mixed_games(config, GAMES, STEPS), reference_digest());
}

#[test]
fn threads_that_are_left_to_others_change_no_byte() {
    let (games, steps) = (400, 60);
    let config = WorldConfig { threads: 4, ..WorldConfig::default() };
    let left = |step| [0, 1, 3, 9][step as usize / 7 % 4];
    let found = digest_while_threads_leave(config, games, steps, left);
    assert_eq!(found, digest_of_mixed_games(one_thread(), games, steps));
}

#[test]
fn phase_by_phase_gives_the_bytes_of_the_fused_traversal() {
    let order = schedule::Order::PhaseByPhase;
    let config = WorldConfig { threads: 2, order, ..WorldConfig::default() };
    assert_eq!(digest_of_mixed_games(config, GAMES, STEPS), reference_digest());
}

#[test]
fn portable_instructions_give_the_bytes_of_the_widest() {
    let config = WorldConfig { isa: Isa::Portable, ..one_thread() };
    assert_eq!(digest_of_mixed_games(config, GAMES, STEPS), reference_digest());
}

#[test]
fn renewed_games_give_the_same_bytes_on_any_number_of_threads() {
    let pool = |seed| {
        let spec = MapSpec {
            kind: MapKind::Competition,
            size: Size::Fixed { width: 18, height: 18 },
            teams: vec![0, 1],
            mountains: None,
            cities: None,
        };
        spec.generate(seed)
    };
    let starts: Arc<[Start]> = (0..20).map(pool).collect();
    let run = |threads| {
        let mut world = World::new(WorldConfig { threads, ..WorldConfig::default() }).unwrap();
        let rules = world.add_ruleset(&Ruleset::named("competition").unwrap()).unwrap();
        let sink = Arc::new(KeptRows::default());
        let format = RowFormat { height: 18, width: 18, has_builds: true, has_owners: false };
        world.collect_rows(sink.clone(), format, Reward::POTENTIAL);
        world.renew(Renewal::Pool { starts: starts.clone(), seed: 3 });
        let policies = [Policy::Random, Policy::Random];
        for game in 0..1300 {
            let spec = GameSpec {
                seed: 3,
                game,
                policies: &policies,
                max_ticks: 30 + game as u32 % 90,
                ..GameSpec::new(&starts[0], rules)
            };
            world.create(&spec).unwrap();
        }
        let mut digest = Digest::new();
        let mut first_rows = 0;
        for _ in 0..120 {
            world.step();
            for batch in sink.drain() {
                digest_rows(&mut digest, &batch);
                first_rows +=
                    batch.flags[..batch.len].iter().filter(|&f| f & flag::FIRST != 0).count();
            }
        }
        assert!(world.take_ended().is_empty(), "renewed games do not wait");
        assert!(first_rows > 4000, "episodes follow each other: {first_rows}");
        digest.finish()
    };
    let one = run(1);
    assert_eq!((one, one), (run(2), run(16)));
}

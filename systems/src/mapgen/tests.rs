use super::*;
use crate::dice::mix;
use crate::rules::plane::Plane;

fn fixed(kind: MapKind, width: u16, height: u16, players: usize) -> MapSpec {
    MapSpec { size: Size::Fixed { width, height }, ..MapSpec::free_for_all(kind, players) }
}

fn generals_of(start: &Start) -> Vec<u16> {
    start.generals.iter().map(|tile| tile.expect("all generals live at the start")).collect()
}

/// Steps from a tile to every other, `None` where no walk leads, counted tile by tile.
fn steps_from(start: &Start, from: u16, cities_are_walls: bool) -> Vec<Option<u16>> {
    let shape = Shape::<16>::new(start.width, start.height);
    let mut walls = Plane::<16>::of(start.mountains.iter().copied());
    if cities_are_walls {
        start.cities.iter().for_each(|city| walls.insert(city.0));
    }
    let mut steps = vec![None; usize::from(start.tiles())];
    steps[usize::from(from)] = Some(0);
    let mut queue = std::collections::VecDeque::from([from]);
    while let Some(tile) = queue.pop_front() {
        for direction in (0..4).filter(|&d| shape.inner[d].has(tile)) {
            let next = shape.step(tile, u8::try_from(direction).unwrap());
            if steps[usize::from(next)].is_none() && !walls.has(next) {
                steps[usize::from(next)] = steps[usize::from(tile)].map(|n| n + 1);
                queue.push_back(next);
            }
        }
    }
    steps
}

fn manhattan(start: &Start, a: u16, b: u16) -> u16 {
    (a / start.width).abs_diff(b / start.width) + (a % start.width).abs_diff(b % start.width)
}

/// Least distance between two generals for which `which` holds.
fn least_distance(start: &Start, which: impl Fn(usize, usize) -> bool) -> u16 {
    let generals = generals_of(start);
    let pairs = (0..generals.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs
        .filter(|&(i, j)| which(i, j))
        .map(|(i, j)| manhattan(start, generals[i], generals[j]))
        .min()
        .unwrap_or(u16::MAX)
}

#[track_caller]
fn check_playable(start: &Start) {
    assert_eq!(start.check(), Ok(()));
    let mut walls = Plane::<16>::of(start.mountains.iter().copied());
    start.cities.iter().for_each(|city| walls.insert(city.0));
    let shape = Shape::<16>::new(start.width, start.height);
    let generals = Plane::of(generals_of(start));
    let first = Plane::of([generals_of(start)[0]]);
    let ground = ground::flood(&shape, first, &shape.board.without(walls));
    assert!(generals.without(ground).is_empty(), "a general is walled in:\n{}", start.to_text());
}

/// One number that changes when any of 100 maps does.
fn digest(spec: &MapSpec) -> u64 {
    (0..100).fold(0, |digest, seed| {
        let text = spec.generate(seed).to_text();
        text.bytes().fold(digest, |digest, byte| mix(digest ^ u64::from(byte)))
    })
}

#[test]
fn maps_never_change() {
    let digests = [
        digest(&MapSpec::free_for_all(MapKind::Generals, 2)),
        digest(&MapSpec::free_for_all(MapKind::Generals, 8)),
        digest(&MapSpec { teams: vec![0, 0, 1, 1], ..MapSpec::free_for_all(MapKind::Generals, 4) }),
        digest(&MapSpec::free_for_all(MapKind::GeneralsBots, 2)),
        digest(&MapSpec::free_for_all(MapKind::Competition, 2)),
    ];
    assert_eq!(
        digests,
        [
            8_227_834_987_723_396_870,
            15_283_293_473_655_460_010,
            10_927_751_722_700_477_500,
            8_445_896_147_401_827_094,
            16_956_587_498_445_247_519
        ]
    );
}

#[test]
fn a_reused_start_holds_the_same_map_as_a_new_one() {
    let mut start = Start::from_text("teams 4 4\nA . n7 c5\n# . # B\n").unwrap();
    for seed in 0..50 {
        for spec in [
            MapSpec::free_for_all(MapKind::Generals, 5),
            MapSpec::free_for_all(MapKind::Competition, 2),
        ] {
            spec.generate_into(seed, &mut start);
            assert_eq!(start, spec.generate(seed));
        }
    }
}

#[test]
fn generals_maps_keep_to_section_18() {
    for (players, distance) in
        [(2, 15), (3, 14), (4, 13), (5, 12), (6, 11), (7, 10), (8, 10), (12, 10)]
    {
        let spec = MapSpec::free_for_all(MapKind::Generals, players);
        let p = u16::try_from(players).unwrap();
        let mut cities_most = 0;
        for seed in 0..300 {
            let start = spec.generate(seed);
            check_playable(&start);
            let side_min = 16 + p.min(8) + p.saturating_sub(6) / 2;
            for side in [start.width, start.height] {
                assert!((side_min..=(side_min + 4 + p / 2).min(32)).contains(&side));
            }
            assert!(
                least_distance(&start, |_, _| true) >= distance,
                "{players} players, seed {seed}"
            );
            let obstacles = u32::try_from(start.mountains.len() + start.cities.len()).unwrap();
            let tiles = u32::from(start.tiles());
            assert!(
                (20 * tiles..=28 * tiles).contains(&(obstacles * 100)),
                "{obstacles} of {tiles}"
            );
            let cities = u16::try_from(start.cities.len()).unwrap();
            assert!((5 + 2 * p..=5 + 3 * p).contains(&cities), "{cities} cities");
            assert!(start.cities.iter().all(|city| (40..=50).contains(&city.1)));
            assert!(start.neutrals.is_empty());
            cities_most = cities_most.max(cities);
        }
        assert_eq!(cities_most, 5 + 3 * p);
    }
}

#[test]
fn sixteen_generals_keep_ten_steps_on_random_boards() {
    let spec = MapSpec::free_for_all(MapKind::Generals, 16);
    let short =
        (0..300).filter(|&seed| least_distance(&spec.generate(seed), |_, _| true) < 10).count();
    assert_eq!(short, 0);
    // A map on which fewer tries found no place for all of them.
    let crowded = spec.generate(crate::dice::episode_key(0, 1044, 0));
    assert!(least_distance(&crowded, |_, _| true) >= 10);
    let smallest = fixed(MapKind::Generals, 29, 29, 16);
    assert!((0..100).all(|seed| least_distance(&smallest.generate(seed), |_, _| true) >= 10));
}

#[test]
fn two_generals_are_as_far_apart_as_a_small_board_allows() {
    for (width, height) in
        [(1, 2), (2, 2), (3, 3), (5, 4), (8, 8), (1, 32), (32, 2), (7, 9), (8, 9)]
    {
        for seed in 0..40 {
            let start = fixed(MapKind::Generals, width, height, 2).generate(seed);
            check_playable(&start);
            assert!(
                least_distance(&start, |_, _| true) >= (width + height - 2).min(15),
                "{width}x{height}"
            );
        }
    }
}

#[test]
fn allies_may_be_nearer_than_enemies() {
    let teams = vec![5, 5, 9, 9];
    let spec = MapSpec { teams: teams.clone(), ..MapSpec::free_for_all(MapKind::Generals, 4) };
    let (mut nearest_ally, mut seeds) = (u16::MAX, 0..400);
    assert!(seeds.all(|seed| {
        let start = spec.generate(seed);
        check_playable(&start);
        nearest_ally = nearest_ally.min(least_distance(&start, |i, j| teams[i] == teams[j]));
        start.teams == teams && least_distance(&start, |i, j| teams[i] != teams[j]) >= 15
    }));
    assert_eq!(nearest_ally, 5);
}

#[test]
fn no_seat_is_favoured_by_the_order_of_placing() {
    // Summed distances to the other generals: a seat that is always placed first is more central.
    let spec = fixed(MapKind::Generals, 24, 24, 6);
    let mut sums = [0_u32; 6];
    for seed in 0..600 {
        let start = spec.generate(seed);
        let generals = generals_of(&start);
        for (sum, &tile) in sums.iter_mut().zip(&generals) {
            *sum += generals
                .iter()
                .map(|&other| u32::from(manhattan(&start, tile, other)))
                .sum::<u32>();
        }
    }
    let (low, high) = (sums.iter().min().unwrap(), sums.iter().max().unwrap());
    assert!(high - low < low / 25, "{sums:?}");
}

#[test]
fn every_board_and_player_count_makes_a_map() {
    let mut dice = Dice::new(5);
    for width in 1..=32 {
        for _ in 0..40 {
            let (height, players) = (dice.between(1, 32), usize::from(dice.between(1, 16)));
            let mut spec = fixed(MapKind::Generals, width, height, players);
            if dice.below(2) == 0 {
                spec.teams.iter_mut().for_each(|team| *team %= 3);
            }
            if dice.below(4) == 0 {
                let low = dice.between(0, 100);
                spec.mountains = Some(Span { low, high: dice.between(low, 100) });
            }
            if dice.below(4) == 0 {
                spec.cities = Some(Span { low: 0, high: dice.between(0, 1024) });
            }
            if usize::from(width * height) < players {
                assert_eq!(spec.check(), Err(MapError::TooSmall { width, height, players }));
                continue;
            }
            check_playable(&spec.generate(dice.bits()));
        }
    }
    for (side, players) in (4..=32).flat_map(|side| (2..=16).map(move |players| (side, players))) {
        // All pairs would take long without optimisation.
        if side <= 8 || (usize::from(side) + players) % 4 == 0 {
            check_playable(&fixed(MapKind::Generals, side, side, players).generate(1));
        }
    }
}

#[test]
fn the_smallest_boards_hold_as_many_players_as_tiles() {
    for (width, height) in (1..=5).flat_map(|width| (1..=5).map(move |height| (width, height))) {
        for players in 1..=usize::from(width * height).min(16) {
            let mut spec = fixed(MapKind::Generals, width, height, players);
            check_playable(&spec.generate(2));
            spec.teams = vec![1; players];
            check_playable(&spec.generate(3));
        }
    }
}

#[test]
fn two_player_kinds_fit_any_board_of_two_tiles() {
    for kind in [MapKind::GeneralsBots, MapKind::Competition] {
        for (width, height) in
            (1..=32).flat_map(|width| [2, 3, 4, 5, 17, 32].map(|height| (width, height)))
        {
            check_playable(&fixed(kind, width, height, 2).generate(u64::from(width)));
            check_playable(&fixed(kind, height, width, 2).generate(u64::from(width)));
        }
        for seed in 0..100 {
            for (width, height) in [(1, 2), (1, 3), (1, 7), (8, 1), (2, 2), (3, 3)] {
                check_playable(&fixed(kind, width, height, 2).generate(seed));
            }
        }
    }
}

#[test]
fn competition_maps_keep_every_guarantee() {
    let spec = fixed(MapKind::Competition, 18, 18, 2);
    let (mut mountains, mut walk_max) = (0, 0);
    for seed in 0..400 {
        let start = spec.generate(seed);
        check_playable(&start);
        let generals = generals_of(&start);
        let steps =
            generals.iter().map(|&tile| steps_from(&start, tile, false)).collect::<Vec<_>>();
        let walk = steps[0][usize::from(generals[1])].unwrap();
        let ground = |i: usize| steps[i].iter().flatten().filter(|&&n| n <= 7).count();
        assert!(walk >= 17, "seed {seed}: {walk} steps");
        assert!(ground(0).abs_diff(ground(1)) <= 5, "seed {seed}");
        assert!(start.cities.is_empty());
        assert!((66..=72).contains(&start.mountains.len()), "{}", start.mountains.len());
        mountains += start.mountains.len();
        walk_max = walk_max.max(walk);
    }
    // 21.5 percent of 324 tiles, as observed on 400 maps of the other simulator.
    assert!((69_300..70_300).contains(&(mountains * 1000 / 400)), "{mountains}");
    assert!(walk_max >= 28, "{walk_max}");
    let sides = (0..400).map(|seed| MapSpec::free_for_all(MapKind::Competition, 2).generate(seed));
    let sides: std::collections::BTreeSet<_> =
        sides.map(|start| (start.width, start.height)).collect();
    assert_eq!(sides.len(), 16);
    assert!(
        sides.iter().all(|(width, height)| (18..=21).contains(width) && (18..=21).contains(height))
    );
}

#[test]
fn competition_maps_fall_back_to_the_far_tile_on_small_boards() {
    for seed in 0..100 {
        let start = fixed(MapKind::Competition, 10, 10, 2).generate(seed);
        let generals = generals_of(&start);
        let walk = steps_from(&start, generals[0], false)[usize::from(generals[1])].unwrap();
        assert!(walk >= 12, "seed {seed}: {walk} steps");
    }
}

#[test]
fn base_maps_have_castles_where_mountains_would_stand() {
    let spec = fixed(MapKind::GeneralsBots, 20, 20, 2);
    let mut near = 0;
    for seed in 0..400 {
        let start = spec.generate(seed);
        check_playable(&start);
        assert!((9..=11).contains(&start.cities.len()));
        assert!((72..=104).contains(&(start.mountains.len() + start.cities.len())));
        assert!(start.cities.iter().all(|city| (40..=50).contains(&city.1)));
        let generals = generals_of(&start);
        let steps = steps_from(&start, generals[0], false);
        near += usize::from(
            start.cities.iter().any(|city| steps[usize::from(city.0)].is_some_and(|n| n <= 6)),
        );
        let walk = steps_from(&start, generals[0], true)[usize::from(generals[1])].unwrap();
        assert!(walk >= 10, "seed {seed}: {walk} steps");
    }
    assert_eq!(near, 400);
}

#[test]
fn densities_can_be_set() {
    let mut spec = fixed(MapKind::Generals, 20, 20, 2);
    spec.mountains = Some(Span { low: 0, high: 0 });
    spec.cities = Some(Span { low: 7, high: 7 });
    let start = spec.generate(0);
    assert_eq!((start.mountains.len(), start.cities.len()), (0, 7));
    spec.mountains = Some(Span { low: 10, high: 10 });
    spec.cities = Some(Span { low: 0, high: 0 });
    assert_eq!((spec.generate(0).mountains.len(), spec.generate(0).cities.len()), (40, 0));
    spec.mountains = Some(Span { low: 100, high: 100 });
    check_playable(&spec.generate(0));
}

#[test]
fn what_cannot_be_generated_is_named_with_the_fix() {
    let refuse = |spec: MapSpec| spec.check().unwrap_err();
    assert_eq!(refuse(MapSpec::free_for_all(MapKind::Generals, 40)), MapError::Players(40));
    assert_eq!(refuse(MapSpec::free_for_all(MapKind::Generals, 0)), MapError::Players(0));
    let four = refuse(fixed(MapKind::Generals, 1, 2, 4));
    assert_eq!(
        four.to_string(),
        "1x2 (width x height) is too small for 4 players: use 4 tiles or more"
    );
    for (width, height) in [(0, 5), (33, 5), (5, 0), (5, u16::MAX)] {
        assert_eq!(
            refuse(fixed(MapKind::Generals, width, height, 2)),
            MapError::Sides { width, height }
        );
    }
    let competition = MapSpec::free_for_all(MapKind::Competition, 2);
    assert!(
        refuse(MapSpec::free_for_all(MapKind::Competition, 3))
            .to_string()
            .contains("2 players, not 3")
    );
    assert!(matches!(refuse(fixed(MapKind::GeneralsBots, 1, 1, 2)), MapError::TooSmall { .. }));
    let span = Some(Span { low: 9, high: 3 });
    assert!(matches!(
        refuse(MapSpec { mountains: span, ..competition.clone() }),
        MapError::NotForKind { .. }
    ));
    assert!(matches!(refuse(MapSpec { cities: span, ..competition }), MapError::NotForKind { .. }));
    let generals = MapSpec::free_for_all(MapKind::Generals, 2);
    assert!(matches!(refuse(MapSpec { cities: span, ..generals.clone() }), MapError::Span { .. }));
    let span = Some(Span { low: 3, high: 101 });
    assert!(refuse(MapSpec { mountains: span, ..generals }).to_string().contains("<= 100"));
}

#[test]
fn no_random_board_exceeds_the_largest_sides_and_some_reach_them() {
    for (kind, players) in [1, 2, 7, 8, 16]
        .map(|players| (MapKind::Generals, players))
        .into_iter()
        .chain([(MapKind::GeneralsBots, 2), (MapKind::Competition, 2)])
    {
        let spec = MapSpec::free_for_all(kind, players);
        let (width, height) = spec.largest_sides();
        let mut reached = (0, 0);
        for seed in 0..20_000 {
            let sides = spec.draw_size(&mut Dice::new(mix(seed)));
            assert!(sides.0 <= width && sides.1 <= height, "{sides:?} for {players}");
            reached = (reached.0.max(sides.0), reached.1.max(sides.1));
        }
        assert_eq!(reached, (width, height), "{players} players");
    }
}

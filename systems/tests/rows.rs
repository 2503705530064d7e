//! What rows promise: one for each tick and agent, nothing that fog hides, the same on a larger
//! canvas, and what the views say.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{Kind, LARGEST, RowValue, add_rulesets, map, rows};
use systems::{
    components::{NO_TILE, State},
    delta::{Face, SeenBoard},
    dice::Dice,
    policies::Policy,
    reward::Reward,
    rows::{KeptRows, RowFormat, flag},
    start::Start,
    world::{GameId, Position, World, WorldConfig},
};

const PADDED: usize = 32;

/// A world of one game that keeps its rows.
struct Solo {
    world: World,
    id: GameId,
    sink: Arc<KeptRows>,
    teams: Vec<u8>,
}

impl Solo {
    fn new(kind: &Kind, format: RowFormat, reward: Reward) -> Self {
        let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() }).unwrap();
        let rulesets = add_rulesets(&mut world);
        let sink = Arc::new(KeptRows::default());
        world.collect_rows(sink.clone(), format, reward);
        let id = world.create(&kind.spec(&rulesets)).unwrap();
        Self { world, id, sink, teams: kind.start.teams.clone() }
    }

    fn step(&mut self) -> Vec<RowValue> {
        self.world.step();
        rows(&self.sink.drain())
    }

    fn position(&self) -> Position {
        self.world.position(self.id).unwrap()
    }
}

fn is_end(row: &RowValue) -> bool {
    row.flags & (flag::TERMINATED | flag::TRUNCATED) != 0
}

#[test]
fn an_agent_has_a_row_for_every_tick_until_its_side_is_dead() {
    let (mut early_ends, mut wins, mut cuts) = (0, 0, 0);
    for game in 0..60 {
        let mut kind = Kind { max_ticks: 900, ..Kind::of(41, game, 0) };
        if game % 3 > 0 {
            // Small boards without cover, on which games are decided.
            let teams: &[u8] = [&[0, 1][..], &[0, 1, 2], &[0, 1, 0, 1]][game as usize % 7 % 3];
            kind.rules = if teams.len() > 2 { kind.rules % 2 } else { kind.rules };
            kind.start = map(4, 5, teams.to_vec(), game);
            kind.policies = vec![Policy::Random; teams.len()];
        }
        let mut solo = Solo::new(&kind, LARGEST, Reward::SPARSE);
        let players = kind.start.players();
        let mut last: Vec<Option<RowValue>> = vec![None; players];
        for tick in 0..=kind.max_ticks {
            let new = solo.step();
            let position = solo.position();
            for row in &new {
                let seat = usize::from(row.agent);
                assert_eq!(
                    (row.step, row.game, row.size),
                    (tick, game, [kind.start.height as u8, kind.start.width as u8])
                );
                assert_eq!(row.flags & flag::FIRST != 0, tick == 0);
                assert_eq!(row.action == -1, tick == 0, "only the first row has no action");
                match &last[seat] {
                    Some(before) => {
                        assert!(!is_end(before), "no row follows the last");
                        assert_eq!(before.step + 1, tick, "no tick is left out");
                    }
                    None => assert_eq!(tick, 0),
                }
                let side_lives = (0..players)
                    .any(|s| kind.start.teams[s] == kind.start.teams[seat] && position.alive[s]);
                let over = position.state == State::Over;
                assert_eq!(row.flags & flag::WON != 0, over && side_lives);
                assert_eq!(row.flags & flag::TERMINATED != 0, over || !side_lives);
                assert_eq!(
                    row.flags & flag::TRUNCATED != 0,
                    position.state == State::Truncated && side_lives
                );
                let draw = position.alive.iter().all(|alive| !alive);
                let reward = match (row.flags & flag::WON != 0, row.flags & flag::TERMINATED != 0) {
                    (true, _) => 1.0,
                    (_, true) if !draw => -1.0,
                    _ => 0.0,
                };
                assert_eq!(f32::from_bits(row.reward), reward);
                early_ends += usize::from(!side_lives && position.state == State::Running);
                wins += usize::from(row.flags & flag::WON != 0);
                cuts += usize::from(row.flags & flag::TRUNCATED != 0);
                last[seat] = Some(row.clone());
            }
            let waiting = last.iter().flatten().filter(|row| !is_end(row)).count();
            if position.state != State::Running {
                assert_eq!(waiting, 0, "the end of the game is everybody's last row");
            }
            let expected = last.iter().flatten().filter(|row| row.step == tick).count();
            assert_eq!(new.len(), expected, "one row for each agent");
        }
        assert!(solo.step().is_empty(), "an ended game writes nothing more");
    }
    assert!(early_ends > 10 && wins > 10 && cuts > 10, "{early_ends} {wins} {cuts}");
}

/// The planes that a seat's view amounts to, worked out tile by tile.
fn planes_of(board: &SeenBoard, teams: &[u8], seat: usize) -> [Vec<bool>; 9] {
    let by = |keep: &dyn Fn(Face, Option<usize>) -> bool| {
        let owner = |owner: u8| (owner != 255).then_some(usize::from(owner));
        board.tiles.iter().map(|tile| keep(tile.face, owner(tile.owner))).collect()
    };
    let seen = |face| !matches!(face, Face::Fog | Face::FogStructure);
    let ally = |o: usize| o != seat && teams[o] == teams[seat];
    [
        by(&|face, _| seen(face)),
        by(&|_, owner| owner == Some(seat)),
        by(&|_, owner| owner.is_some_and(ally)),
        by(&|_, owner| owner.is_some_and(|o| o != seat && !ally(o))),
        by(&|face, owner| seen(face) && face != Face::Mountain && owner.is_none()),
        by(&|face, _| face == Face::City),
        by(&|face, _| face == Face::Mountain),
        by(&|face, _| face == Face::General),
        by(&|face, _| face == Face::FogStructure),
    ]
}

/// Lays the tiles of a board out on the canvas of the rows.
fn padded<T: Copy>(tiles: &[T], width: usize, filler: T) -> Vec<T> {
    let mut canvas = vec![filler; PADDED * PADDED];
    for (tile, &value) in tiles.iter().enumerate() {
        canvas[tile / width * PADDED + tile % width] = value;
    }
    canvas
}

#[test]
fn a_row_is_what_the_view_shows() {
    for game in 0..40 {
        let kind = Kind { max_ticks: 260, ..Kind::of(43, game, 0) };
        let mut solo = Solo::new(&kind, LARGEST, Reward::SPARSE);
        let (width, players) = (usize::from(kind.start.width), kind.start.players());
        for tick in 0..=kind.max_ticks {
            let new = solo.step();
            if tick % 13 != 0 {
                continue;
            }
            let position = solo.position();
            for row in new {
                let seat = usize::from(row.agent);
                let board = solo.world.seen(solo.id, seat).unwrap();
                for (i, plane) in planes_of(&board, &solo.teams, seat).iter().enumerate() {
                    assert!(
                        row.planes[i] == padded(plane, width, false),
                        "plane {i}, game {game}, tick {tick}, seat {seat}"
                    );
                }
                let army: Vec<u16> = board.tiles.iter().map(|tile| tile.army as u16).collect();
                assert!(row.army == padded(&army, width, 0));
                let relative = |owner: u8| {
                    if owner == 255 {
                        255
                    } else {
                        (owner + players as u8 - seat as u8) % players as u8
                    }
                };
                let owner: Vec<u8> = board.tiles.iter().map(|tile| relative(tile.owner)).collect();
                assert!(row.owner == padded(&owner, width, 255));
                let opponents = || (0..players).filter(|&o| solo.teams[o] != solo.teams[seat]);
                assert_eq!((row.land, row.army_total), (position.land[seat], position.army[seat]));
                assert_eq!(row.opponent_land, opponents().map(|o| position.land[o]).sum::<u32>());
                assert_eq!(row.opponent_army, opponents().map(|o| position.army[o]).sum::<u32>());
            }
        }
    }
}

/// A row of an unpadded board on the largest canvas.
fn repadded(row: &RowValue, height: usize, width: usize, has_builds: bool) -> RowValue {
    let plane = |plane: &Vec<bool>| padded(plane, width, false);
    let tiles = (height * width) as i32;
    let place = |tile: i32| tile / width as i32 * PADDED as i32 + tile % width as i32;
    let canvas = (PADDED * PADDED) as i32;
    let action = match row.action {
        -1 => -1,
        a if a < 8 * tiles => place(a / 8) * 8 + a % 8,
        a if a == 8 * tiles => 8 * canvas,
        a => 8 * canvas + 1 + place(a - 8 * tiles - 1),
    };
    let mut mask: Vec<Vec<bool>> = row.mask.iter().map(plane).collect();
    if !has_builds {
        mask.push(vec![false; PADDED * PADDED]);
    }
    RowValue {
        army: padded(&row.army, width, 0),
        planes: row.planes.iter().map(plane).collect(),
        mask,
        owner: padded(&row.owner, width, 255),
        action,
        ..row.clone()
    }
}

#[test]
fn padding_adds_nothing_but_empty_tiles() {
    for game in 0..40 {
        let kind = Kind { max_ticks: 150, ..Kind::of(47, game, 0) };
        let Start { height, width, .. } = kind.start;
        let has_builds = kind.rules == 3;
        let format = RowFormat { height, width, has_builds, has_owners: true };
        let mut exact = Solo::new(&kind, format, Reward::SHAPED);
        let mut large = Solo::new(&kind, LARGEST, Reward::SHAPED);
        for tick in 0..=kind.max_ticks {
            let (exact, large) = (exact.step(), large.step());
            assert_eq!(exact.len(), large.len());
            for (exact, large) in exact.iter().zip(&large) {
                let same = repadded(exact, height.into(), width.into(), has_builds) == *large;
                assert!(same, "game {game}, tick {tick}, seat {}", large.agent);
            }
        }
    }
}

/// A start that differs from another only in tiles that are not `visible` at the beginning, and
/// not in those of `viewer`'s side.
fn disturbed(start: &Start, visible: &[bool], viewer: usize, dice: &mut Dice) -> Start {
    let mut other = start.clone();
    let hidden = |tile: u16| !visible[usize::from(tile)];
    for city in &mut other.cities {
        if hidden(city.0) {
            // Some of these armies move the whole game to another class.
            city.1 = [0, 3, 45, -1, 30_500][dice.below(5) as usize];
        }
    }
    // A city and a mountain look alike in fog, so they may change places.
    for mountain in &mut other.mountains {
        let n = other.cities.len() as u32;
        if n > 0 && hidden(*mountain) && dice.below(3) == 0 {
            let city = &mut other.cities[dice.below(n) as usize];
            if hidden(city.0) {
                std::mem::swap(mountain, &mut city.0);
            }
        }
    }
    let taken = |other: &Start, tile: u16| {
        other.mountains.contains(&tile)
            || other.cities.iter().chain(&other.neutrals).any(|c| c.0 == tile)
            || other.generals.contains(&Some(tile))
    };
    for seat in 0..start.players() {
        let general = other.generals[seat].unwrap_or(NO_TILE);
        if start.teams[seat] != start.teams[viewer] && hidden(general) {
            let tile = dice.below(start.tiles().into()) as u16;
            if hidden(tile) && !taken(&other, tile) {
                other.generals[seat] = Some(tile);
            }
        }
    }
    for _ in 0..start.tiles() / 16 {
        let tile = dice.below(start.tiles().into()) as u16;
        if hidden(tile) && !taken(&other, tile) {
            other.neutrals.push((tile, dice.below(30) as i32));
        }
    }
    other
}

/// The tiles and their eight neighbours.
fn grown(tiles: &[bool], width: usize) -> Vec<bool> {
    let is_near = |tile: usize| {
        let (row, column) = (tile / width, tile % width);
        (0..tiles.len()).any(|t| {
            tiles[t] && (t / width).abs_diff(row) <= 1 && (t % width).abs_diff(column) <= 1
        })
    };
    (0..tiles.len()).map(is_near).collect()
}

/// All that a player may know of a position, taken from the truth: what is on visible tiles, what
/// hidden tiles are structures, and who lives.
fn known(position: &Position, viewer: usize) -> Vec<(i32, i32, bool, bool)> {
    let visible = &position.visible[viewer];
    let alive = position.alive.iter().map(|&alive| (9, 9, alive, false));
    let tiles = (0..position.owners.len() as u16).map(|tile| {
        let t = usize::from(tile);
        let (owner, army) = (i32::from(position.owners[t]), position.armies[t]);
        let city = position.cities.contains(&tile);
        if visible[t] {
            (owner, army, city, position.generals.contains(&Some(tile)))
        } else {
            (7777, 7777, owner == -2 || city, false)
        }
    });
    alive.chain(tiles).collect()
}

/// Plays a game and its disturbed copy side by side while `viewer` cannot know which is which, and
/// returns how many rows were equal.
fn rows_equal_in_fog(kind: &Kind, viewer: usize, dice: &mut Dice, others_move: bool) -> usize {
    let mut real = Solo::new(kind, LARGEST, Reward::SHAPED);
    let mut near = real.position().visible[viewer].clone();
    // Far changes are met later, so that more of the game is compared.
    for _ in 0..[0, 3, 7][dice.below(3) as usize] {
        near = grown(&near, kind.start.width.into());
    }
    let other = Kind { start: disturbed(&kind.start, &near, viewer, dice), ..kind.clone() };
    let mut fake = Solo::new(&other, LARGEST, Reward::SHAPED);
    let mut views = [&mut real, &mut fake].map(|solo| solo.world.watch(solo.id, viewer).unwrap());
    assert!(views[0] == views[1], "the first view");
    let mut equal = 0;
    while equal < 400 {
        let (mut a, mut b) = (real.step(), fake.step());
        let (before, after) = (real.position(), fake.position());
        if known(&before, viewer) != known(&after, viewer) {
            break;
        }
        for rows in [&mut a, &mut b] {
            rows.retain(|row| usize::from(row.agent) == viewer);
            for row in rows.iter_mut().filter(|_| others_move) {
                // The scoreboard is public, and rewards speak of it.
                (row.opponent_land, row.opponent_army, row.reward) = (0, 0, 0);
            }
        }
        assert!(a == b, "rows of seat {viewer} at turn {}: {kind:?}", before.turn);
        for (solo, view) in [&real, &fake].into_iter().zip(&mut views) {
            view.apply(&solo.world.watched(solo.id)[0].delta);
        }
        let deltas = [&real, &fake].map(|solo| solo.world.watched(solo.id)[0].delta.clone());
        assert!(deltas[0] == deltas[1] && views[0] == views[1], "deltas of seat {viewer}");
        if a.is_empty() {
            break;
        }
        equal += 1;
    }
    equal
}

#[test]
fn what_fog_hides_changes_nothing_that_a_player_receives() {
    let mut dice = Dice::new(53);
    let mut equal: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    for game in 0..240_u64 {
        let others_move = game % 8 >= 4;
        let rules = (game % 4) as usize;
        let teams: &[u8] = match (rules >= 2, game % 3) {
            (true, _) => &[0, 1],
            (_, 0) => &[0, 1, 2],
            (_, 1) => &[0, 1, 0, 1],
            _ => &[0, 1, 2, 3, 4, 5],
        };
        let side = 14 + dice.below(12) as u16;
        let start = map(side, side + 1, teams.to_vec(), game);
        let viewer = dice.below(teams.len() as u32) as usize;
        let choices: Vec<Policy> =
            Policy::ALL.iter().map(|p| p.0).filter(|&p| p != Policy::External).collect();
        let own = choices[game as usize / 8 % choices.len()];
        let policy = |seat: usize| match (seat == viewer, others_move) {
            (true, true) | (false, true) => Policy::Random,
            (true, false) => own,
            (false, false) => Policy::External,
        };
        let kind = Kind {
            start,
            rules,
            game,
            episode: 0,
            max_ticks: 500,
            policies: (0..teams.len()).map(policy).collect(),
            has_fog: true,
        };
        let n = rows_equal_in_fog(&kind, viewer, &mut dice, others_move);
        assert!(n > 0, "the start looks the same");
        *equal.entry((rules, others_move)).or_default() += n;
    }
    assert_eq!(equal.len(), 8);
    assert!(equal.values().all(|&n| n > 200), "{equal:?}");
}

#[test]
fn a_player_who_sees_more_receives_more() {
    // The test above would also pass if rows were constant: here a seen tile does change them.
    let mut dice = Dice::new(59);
    let start = map(16, 16, vec![0, 1], 3);
    let kind = Kind {
        start,
        rules: 0,
        game: 0,
        episode: 0,
        max_ticks: 50,
        policies: vec![],
        has_fog: false,
    };
    let other =
        Kind { start: disturbed(&kind.start, &vec![false; 256], 0, &mut dice), ..kind.clone() };
    let [mut a, mut b] = [&kind, &other].map(|kind| Solo::new(kind, LARGEST, Reward::SPARSE));
    assert!(a.step()[0] != b.step()[0]);
}

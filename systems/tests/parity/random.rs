//! Random games with nonsense among the orders: the fast rules and the reference agree on every
//! tile, total, view and mask of every tick.

use systems::dice::Dice;

use super::reference::{Game, Input, Move, Rules, Start};
use super::twin::Twin;

fn random_start(dice: &mut Dice, seats: usize, duel: bool) -> Start {
    let (w, h) = match dice.below(12) {
        0 => (20, 20),
        1 => (23 + dice.below(10), 23 + dice.below(10)),
        _ => (3 + dice.below(7), 3 + dice.below(7)),
    };
    let (width, height) = (w as usize, h as usize);
    let mut tiles: Vec<usize> = (0..width * height).collect();
    if tiles.len() < 3 * seats {
        return random_start(dice, seats, duel);
    }
    let mut take = |dice: &mut Dice| tiles.swap_remove(dice.below(tiles.len() as u32) as usize);
    let room = width * height - seats;
    let few = |dice: &mut Dice, share: usize| dice.below((room / share) as u32 + 1) as usize;
    Start {
        width,
        height,
        generals: (0..seats)
            .map(|seat| (duel || seat < 2 || dice.below(20) > 0).then(|| take(dice)))
            .collect(),
        cities: (0..few(dice, 8)).map(|_| (take(dice), i64::from(dice.below(6)))).collect(),
        mountains: (0..few(dice, 5)).map(|_| take(dice)).collect(),
        neutrals: (0..few(dice, 12)).map(|_| (take(dice), i64::from(dice.below(4)))).collect(),
        teams: (!duel && dice.below(3) == 0).then(|| (0..seats).map(|s| (s % 2) as i64).collect()),
    }
}

fn rules(dice: &mut Dice, duel: bool) -> Rules {
    match (duel, dice.below(4)) {
        (true, 0 | 1) => Rules::competition(),
        (true, _) => Rules::generals_bots(),
        (false, 0) => Rules::classic(true),
        (false, 1) => Rules::modern_v15(),
        (false, _) => Rules::modern(),
    }
}

/// Mostly marches of own armies, so that games move on, with anything else among them.
fn input(dice: &mut Dice, game: &Game, seat: usize) -> Input {
    let n = game.n_tiles() as u32;
    let mut from = dice.below(n + 1) as usize;
    for _ in 0..6 {
        if game.owner.get(from) != Some(&(seat as i32)) || game.army[from] < 2 {
            from = dice.below(n + 1) as usize;
        }
    }
    let to = match dice.below(9) {
        0 | 1 => from + 1,
        2 | 3 => from.wrapping_sub(1),
        4 | 5 => from + game.width,
        6 | 7 => from.wrapping_sub(game.width),
        _ => usize::MAX,
    };
    match dice.below(24) {
        0 => Input::Pass,
        1 | 2 => Input::Build(from),
        _ => Input::Move(Move { from, to, half: dice.below(4) == 0 }),
    }
}

fn play(dice: &mut Dice) -> (u64, u64) {
    let duel = dice.below(4) == 0;
    let seats = if duel { 2 } else { [2, 2, 3, 4, 6, 8, 12, 16][dice.below(8) as usize] };
    let mut game = Game::new(rules(dice, duel), &random_start(dice, seats, duel));
    game.turn = [0, 1, 40, 790, 49_990][dice.below(5) as usize];
    if dice.below(10) == 0 {
        game.idle = 1_990;
    }
    let lively = dice.below(3) > 0;
    let mut twin = Twin::of(game);
    let mut ticks = 0;
    while !twin.slow.is_over() && ticks < 250 {
        for seat in 0..seats {
            let queued = if duel { 1 } else { 1 + dice.below(3) };
            if (duel && !twin.slow.queues[seat].is_empty()) || (!lively && dice.below(3) > 0) {
                continue;
            }
            for _ in 0..queued {
                let entry = input(dice, &twin.slow, seat);
                twin.slow.queues[seat].push_back(entry);
            }
        }
        let n_departures = if dice.below(120) == 0 { 1 + dice.below(2) } else { 0 };
        let departures: Vec<usize> =
            (0..n_departures).map(|_| dice.below(seats as u32) as usize).collect();
        twin.tick(&departures);
        ticks += 1;
    }
    (ticks, twin.slow.captures().iter().map(|&n| n as u64).sum())
}

#[test]
fn random_games_agree_on_every_tick() {
    let (mut ticks, mut captures) = (0, 0);
    for seed in 0..games(600) {
        let (t, c) = play(&mut Dice::new(seed));
        ticks += t;
        captures += c;
    }
    eprintln!("{ticks} ticks, {captures} generals taken");
    assert!(captures > 0);
}

/// How many games to play: `BIVOUAC_PARITY_GAMES` asks for more.
fn games(few: u64) -> u64 {
    std::env::var("BIVOUAC_PARITY_GAMES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

#[test]
fn a_seat_that_surrenders_and_is_touched_in_one_tick_dies_once() {
    let start = Start { width: 3, height: 1, generals: vec![Some(0), Some(2)], ..Start::default() };
    for (turn, army, from) in [(800, 9, 1), (800, 2, 1), (40, 9, 1)] {
        let mut game = Game::new(Rules::competition(), &start);
        game.turn = turn;
        (game.owner[1], game.army[1]) = (0, army);
        game.army[2] = 3;
        game.queues[0].push_back(Input::Move(Move { from, to: 2, half: false }));
        let mut twin = Twin::of(game);
        twin.tick(&[1]);
        assert_eq!(twin.slow.ranking(), [0, 1]);
    }
}

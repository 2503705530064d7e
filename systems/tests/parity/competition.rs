//! Recorded games and cases of the rulesets `generals-bots` and `competition`.

use super::reference::{Game, Input, MOUNTAIN, Move, Rules, SeenTile, Start};
use super::twin::Twin;
use super::{files, folder, ints, read_json, sizes};
use serde_json::{Value, json};
use std::fmt::Write;

fn rules(file: &Value) -> Rules {
    let rules = match file["ruleset"].as_str().unwrap() {
        "base" => Rules::generals_bots(),
        "competition" => Rules::competition(),
        other => panic!("{other}"),
    };
    assert_eq!(json!(rules.builds), file["build_castles"]);
    assert_eq!(json!(rules.deathtouch_turn), file["deathtouch_turn"]);
    rules
}

/// Off-board cells become a tile number no board has.
fn cell(game: &Game, row: i64, column: i64) -> usize {
    let on_board =
        (0..game.height as i64).contains(&row) && (0..game.width as i64).contains(&column);
    if on_board { row as usize * game.width + column as usize } else { usize::MAX }
}

fn input(game: &Game, action: &[i64]) -> Input {
    let &[kind, row, column, direction, half] = action else { panic!() };
    match kind {
        0 => {
            let (dr, dc) = [(-1, 0), (1, 0), (0, -1), (0, 1)][direction as usize];
            Input::Move(Move {
                from: cell(game, row, column),
                to: cell(game, row + dr, column + dc),
                half: half == 1,
            })
        }
        1 => Input::Pass,
        2 => Input::Build(cell(game, row, column)),
        other => panic!("{other}"),
    }
}

fn play(twin: &mut Twin, actions: &[i64]) {
    for seat in 0..2 {
        let entry = input(&twin.slow, &actions[5 * seat..5 * seat + 5]);
        twin.slow.queues[seat].push_back(entry);
    }
    twin.tick(&[]);
    assert!(twin.slow.queues.iter().all(|q| q.is_empty()));
}

fn winner(game: &Game) -> i8 {
    game.winners().first().map_or(-1, |&w| w as i8)
}

fn checksum(game: &Game) -> u32 {
    let mut bytes: Vec<u8> = Vec::new();
    bytes.extend(game.army.iter().flat_map(|&a| (a as i32).to_le_bytes()));
    bytes.extend(game.owner.iter().map(|&o| o as i8 as u8));
    bytes.extend((0..game.n_tiles()).map(|t| u8::from(game.cities.contains(&t))));
    bytes.extend((game.turn as i32).to_le_bytes());
    bytes.push(winner(game) as u8);
    bytes.push(u8::from(game.is_over()));
    crc32fast::hash(&bytes)
}

fn frame(game: &Game, seat: usize) -> String {
    let (land, army) = game.scoreboard();
    let other = 1 - seat;
    let mut text =
        format!("{} {} {} {} {}\n", game.turn, land[seat], army[seat], land[other], army[other]);
    let cells: Vec<(u8, u8, i64)> = game
        .view(seat)
        .into_iter()
        .map(|tile| match tile {
            SeenTile::Fog => (0, 0, 0),
            SeenTile::StructureInFog => (5, 0, 0),
            SeenTile::Seen { owner, army, city, general, mountain } => {
                let kind = if general {
                    4
                } else if city {
                    3
                } else if mountain {
                    2
                } else {
                    1
                };
                let whose = if owner < 0 {
                    0
                } else if owner == seat as i32 {
                    1
                } else {
                    2
                };
                (kind, whose, army)
            }
        })
        .collect();
    let mut lines = |number: &dyn Fn(&(u8, u8, i64)) -> i64| {
        for row in cells.chunks(game.width) {
            let row: Vec<String> = row.iter().map(|c| number(c).to_string()).collect();
            writeln!(text, "{}", row.join(" ")).unwrap();
        }
    };
    lines(&|c| i64::from(c.0));
    lines(&|c| i64::from(c.1));
    lines(&|c| c.2);
    text
}

fn start(file: &Value) -> Game {
    let mut start = Start {
        width: file["w"].as_u64().unwrap() as usize,
        height: file["h"].as_u64().unwrap() as usize,
        generals: vec![None; 2],
        ..Start::default()
    };
    for (row, line) in file["grid"].as_array().unwrap().iter().enumerate() {
        for (column, kind) in ints(line).into_iter().enumerate() {
            let tile = row * start.width + column;
            match kind {
                -2 => start.mountains.push(tile),
                0 => {}
                1 | 2 => start.generals[kind as usize - 1] = Some(tile),
                army => start.cities.push((tile, army)),
            }
        }
    }
    Game::new(rules(file), &start)
}

fn check_snapshot(game: &Game, snapshot: &Value, name: &str) {
    let frame_crc = [0, 1].map(|p| crc32fast::hash(frame(game, p).as_bytes()));
    let got = json!({
        "t": game.turn,
        "armies": game.army,
        "owner": game.owner,
        "castles": game.cities,
        "frame_crc": frame_crc,
    });
    assert_eq!(&got, snapshot, "{name}");
}

#[test]
fn recorded_games_agree_on_every_tick() {
    let Some(folder) = folder("BIVOUAC_COMPETITION", "competition") else { return };
    let (mut n_games, mut n_ticks, mut n_snapshots) = (0, 0, 0);
    for prefix in ["base_", "competition_"] {
        for path in files(&folder, prefix, ".json.gz") {
            let name = path.display().to_string();
            let file = read_json(&path);
            let mut twin = Twin::of(start(&file));
            let (actions, crc) = (ints(&file["actions"]), ints(&file["crc"]));
            let (army, land) = (ints(&file["army"]), ints(&file["land"]));
            let steps = file["steps"].as_u64().unwrap() as usize;
            let mut snapshots = file["snapshots"].as_array().unwrap().iter().peekable();
            assert_eq!(actions.len(), 10 * steps);
            for step in 0..=steps {
                let game = &twin.slow;
                while let Some(s) = snapshots.next_if(|s| s["t"] == json!(game.turn)) {
                    check_snapshot(game, s, &name);
                    n_snapshots += 1;
                }
                if step == steps {
                    break;
                }
                assert!(!game.is_over(), "{name} {step}");
                play(&mut twin, &actions[10 * step..10 * step + 10]);
                let game = &twin.slow;
                let (got_land, got_army) = game.scoreboard();
                assert_eq!(got_army, army[2 * step..2 * step + 2], "{name} {step}");
                let got_land: Vec<i64> = got_land.into_iter().map(i64::from).collect();
                assert_eq!(got_land, land[2 * step..2 * step + 2], "{name} {step}");
                assert_eq!(i64::from(checksum(game)), crc[step], "{name} {step}");
                n_ticks += 1;
            }
            assert!(snapshots.next().is_none(), "{name}");
            let game = &twin.slow;
            assert_eq!(json!(game.is_over()), file["done"], "{name}");
            assert_eq!(json!(winner(game)), file["winner"], "{name}");
            if winner(game) >= 0 {
                assert_eq!(game.ranking()[0] as i8, winner(game));
                assert_eq!(game.ranking_kills_first()[0] as i8, winner(game));
            }
            n_games += 1;
        }
    }
    eprintln!("{n_games} games, {n_ticks} ticks, {n_snapshots} snapshots");
}

#[test]
fn recorded_cases_agree() {
    let Some(folder) = folder("BIVOUAC_COMPETITION", "competition") else { return };
    let mut n_cases = 0;
    for path in files(&folder, "cases_", ".json.gz") {
        let file = read_json(&path);
        for (number, case) in file["cases"].as_array().unwrap().iter().enumerate() {
            let generals = sizes(&case["generals"]).into_iter().map(Some).collect();
            let start = Start {
                width: file["w"].as_u64().unwrap() as usize,
                height: file["h"].as_u64().unwrap() as usize,
                generals,
                ..Start::default()
            };
            let mut game = Game::new(rules(&file), &start);
            game.owner = ints(&case["owner"]).into_iter().map(|o| o as i32).collect();
            assert!(game.owner.iter().all(|&o| (MOUNTAIN..2).contains(&o)));
            game.army = ints(&case["armies"]);
            game.cities = sizes(&case["castles"]).into_iter().collect();
            game.turn = case["t"].as_u64().unwrap() as u32;
            let mut twin = Twin::of(game);
            play(&mut twin, &ints(&case["actions"]));
            let game = &twin.slow;
            let got = json!({
                "armies": game.army, "owner": game.owner, "castles": game.cities, "t": game.turn,
                "winner": winner(game), "done": game.is_over(),
            });
            assert_eq!(got, case["after"], "{} {number}", path.display());
            n_cases += 1;
        }
    }
    eprintln!("{n_cases} cases");
}

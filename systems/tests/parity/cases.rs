//! The 63 one-tick cases of the rules (rules, section 23).

use super::reference::{Game, Input, Move, Rules, Start};
use super::twin::Twin;
use super::{folder, ints, read_json, sizes};
use serde_json::{Value, json};

fn rules(case: &Value) -> Rules {
    let base = match case["ruleset"].as_str().unwrap() {
        "modern" => Rules::modern(),
        "classic" => Rules::classic(false),
        other => panic!("{other}"),
    };
    Rules {
        general_trades: case["general_trades"].as_bool().unwrap(),
        city_regen: case["city_regen"].as_bool().unwrap(),
        ends: false,
        ..base
    }
}

fn position(case: &Value) -> Game {
    let before = &case["before"];
    let n_seats = before["generals"].as_array().unwrap().len();
    let start = Start {
        width: case["width"].as_u64().unwrap() as usize,
        height: case["height"].as_u64().unwrap() as usize,
        generals: vec![Some(0); n_seats],
        teams: (!case["teams"].is_null()).then(|| ints(&case["teams"])),
        ..Start::default()
    };
    let mut game = Game::new(rules(case), &start);
    game.owner = ints(&before["owners"]).into_iter().map(|o| o as i32).collect();
    game.army = ints(&before["armies"]);
    game.generals =
        ints(&before["generals"]).into_iter().map(|g| usize::try_from(g).ok()).collect();
    game.cities = sizes(&before["cities"]).into_iter().collect();
    game.alive = before["dead"].as_array().unwrap().iter().map(|d| !d.as_bool().unwrap()).collect();
    game.turn = case["turn"].as_u64().unwrap() as u32;
    for seat in 0..n_seats {
        for entry in case["queues"][seat].as_array().unwrap() {
            let e = ints(entry);
            let tile = |t: i64| usize::try_from(t).unwrap_or(usize::MAX);
            game.queues[seat].push_back(Input::Move(Move {
                from: tile(e[0]),
                to: tile(e[1]),
                half: e[2] == 1,
            }));
        }
    }
    game
}

#[test]
fn all_one_tick_cases_agree() {
    let Some(path) = folder("BIVOUAC_CASES", "spec/cases.json") else { return };
    let cases = read_json(&path);
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 63);
    for case in cases {
        let mut twin = Twin::of(position(case));
        let order = twin.tick(&sizes(&case["afk_events"]));
        let game = &twin.slow;
        let got = json!({
            "turn": game.turn,
            "owners": game.owner,
            "armies": game.army,
            "generals": game.generals.iter().map(|g| g.map_or(-1, |t| t as i64)).collect::<Vec<_>>(),
            "cities": game.cities,
            "dead": game.alive.iter().map(|a| !a).collect::<Vec<_>>(),
            "order": order,
            "queue_left": game.queues.iter().map(|q| q.len()).collect::<Vec<_>>(),
        });
        assert_eq!(got, case["after"], "{}", case["name"]);
    }
}

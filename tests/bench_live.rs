//! `bivouac bench --live`: the load bench of live games, at a hundredth of its size.
#![cfg(target_os = "linux")]

mod common;

use common::done;
use serde_json::Value;

#[test]
fn every_load_is_played_and_no_update_is_missing() {
    let args = ["bench", "--live", "--live-percent", "1", "--seconds", "0.05", "--json"];
    let told: Value = serde_json::from_str(&done(&args)).unwrap();
    let loads = told["loads"].as_array().unwrap();
    let games: Vec<u64> = loads.iter().map(|load| load["games"].as_u64().unwrap()).collect();
    assert_eq!(games, [100, 100, 50, 200, 1000]);
    let boards: Vec<u64> = loads.iter().map(|load| load["boards"].as_u64().unwrap()).collect();
    assert_eq!(boards, [10, 10, 100, 0, 0], "every watched board is held against the server's");
    for load in loads {
        assert_eq!((&load["missing_updates"], &load["wrong_boards"]), (&0.into(), &0.into()));
        assert_eq!(load["more_threads"], 0, "{load}");
        // How much was done in so short a time is up to the machine.
        if load["games"] == 1000 {
            assert_eq!(
                (&load["ticks_per_second"], &load["updates_per_second"]),
                (&0.0.into(), &0.0.into())
            );
        }
    }
    // The sixth load is everything at once.
    let mixed = &told["mixed"];
    assert_eq!((&mixed["wrong_ends"], &mixed["wrong_boards"]), (&0.into(), &0.into()), "{mixed}");
    assert_eq!(mixed["created"], mixed["over"], "{mixed}");
    assert!(mixed["created"].as_u64().unwrap() >= 250, "{mixed}");
}

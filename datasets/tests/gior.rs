//! Reading the conformance replays, and writing them back to the byte.
//!
//! Replays of people are looked for in `BIVOUAC_REPLAYS`, or beside the project.

#[path = "common/replays.rs"]
mod replays;

use std::fs::{self, File};

use datasets::gior::{Replay, lz};
use flate2::read::GzDecoder;
use replays::files_of_all_modifiers as files;
use serde_json::Value;

#[test]
fn facts_are_those_of_the_expected_files() {
    for path in files() {
        let replay = Replay::decode(&fs::read(&path).unwrap()).unwrap();
        let expected = GzDecoder::new(File::open(path.with_extension("expected.json.gz")).unwrap());
        let expected: Value = serde_json::from_reader(expected).unwrap();
        let shown = path.display();
        assert_eq!(expected["replay_version"], replay.version, "{shown}");
        assert_eq!(expected["width"], replay.width, "{shown}");
        assert_eq!(expected["height"], replay.height, "{shown}");
        assert_eq!(expected["players"], replay.generals.len(), "{shown}");
        assert_eq!(expected["teams"], serde_json::to_value(&replay.teams).unwrap(), "{shown}");
        let generals = &expected["boards"][0]["generals"];
        assert_eq!(*generals, serde_json::to_value(&replay.generals).unwrap(), "{shown}");
        let mut cities = replay.cities.clone();
        cities.sort_unstable();
        let expected_cities = &expected["boards"][0]["cities"];
        assert_eq!(*expected_cities, serde_json::to_value(cities).unwrap(), "{shown}");
        assert!(
            replay.moves.iter().all(|step| expected["ticks"].as_u64() > Some(step.turn.into()))
        );
    }
}

#[test]
fn packing_the_text_again_gives_the_bytes_of_the_file() {
    for path in files() {
        let bytes = fs::read(&path).unwrap();
        assert!(lz::compress(&lz::decompress(&bytes).unwrap()) == bytes, "{}", path.display());
    }
}

#[test]
fn writing_the_replay_again_gives_the_bytes_of_the_file() {
    for path in files() {
        let bytes = fs::read(&path).unwrap();
        assert!(Replay::decode(&bytes).unwrap().encode() == bytes, "{}", path.display());
    }
}

#[test]
fn no_flipped_bit_and_no_cut_makes_reading_panic() {
    // The smallest file alone: each of its bits is flipped in turn.
    let all = files().into_iter().map(|path| fs::read(path).unwrap());
    let bytes = all.min_by_key(Vec::len).expect("some replay");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(replay) = Replay::decode(&damaged) {
            assert_eq!(Replay::decode(&replay.encode()), Ok(replay), "bit {bit}");
        }
    }
    for n_bytes in 0..bytes.len() - 2 {
        assert!(Replay::decode(&bytes[..n_bytes]).is_err(), "{n_bytes} bytes");
    }
}

//! Reading the conformance replays, and writing them back to the byte.
//!
//! The folder is `BIVOUAC_REPLAYS`, or else `shared/replays` in this folder or the nearest one
//! above it that has it. Without the folder these tests say so and pass.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datasets::gior::{Replay, lz};
use flate2::read::GzDecoder;
use serde_json::Value;

/// Folder of the conformance replays, if there is one.
#[expect(clippy::print_stderr, reason = "a test that checks nothing has to say so")]
fn folder() -> Option<PathBuf> {
    let named = env::var_os("BIVOUAC_REPLAYS").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found =
        named.or_else(|| above.map(|dir| dir.join("shared/replays")).find(|dir| dir.is_dir()));
    let folder = found.filter(|dir| dir.is_dir());
    if folder.is_none() {
        eprintln!("SKIPPED: no folder of conformance replays; name one in BIVOUAC_REPLAYS");
    }
    folder
}

/// Files of the folder that are replays, and of its folder `optional`, in order of name.
fn files() -> Vec<PathBuf> {
    let Some(folder) = folder() else { return Vec::new() };
    let optional = folder.join("optional");
    let folders = [Some(folder), Some(optional).filter(|dir| dir.is_dir())];
    let mut files: Vec<PathBuf> = folders
        .into_iter()
        .flatten()
        .flat_map(|dir| fs::read_dir(dir).expect("a folder that can be listed"))
        .map(|entry| entry.expect("an entry that can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gior"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the folder holds replays");
    files
}

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
    let Some(bytes) = files().iter().map(|path| fs::read(path).unwrap()).min_by_key(Vec::len)
    else {
        return;
    };
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

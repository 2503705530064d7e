//! The fast rules against the slow reference, against recorded games, and against each other.
#![expect(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: a failed conversion is a failed test, and what was skipped is worth printing"
)]

mod cases;
mod competition;
mod random;
pub mod reference;
mod twin;

use serde_json::Value;

/// A folder of shared material: from the variable, else beside the project; none if it is absent.
pub(crate) fn folder(variable: &str, name: &str) -> Option<std::path::PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/").to_owned() + name;
    let path = std::env::var_os(variable).map_or_else(|| beside().into(), std::path::PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} does not exist; set {variable} to run this test on recorded games",
        path.display()
    );
    None
}

fn read_json(path: &std::path::Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if path.extension().is_some_and(|e| e == "gz") {
        serde_json::from_reader(flate2::read::GzDecoder::new(&bytes[..])).unwrap()
    } else {
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn ints(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    ints(value).into_iter().map(|v| usize::try_from(v).unwrap()).collect()
}

fn files(folder: &std::path::Path, prefix: &str, suffix: &str) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|e| e.unwrap().path())
        .filter(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(prefix) && name.ends_with(suffix)
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

//! The generated code is that of the `.proto` files.
#![expect(clippy::unwrap_used, reason = "test code: what goes wrong fails")]

use std::{env, fs, path::Path};

/// The code for the `.proto` files, made without `protoc`.
fn generate() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::compile(["bivouac/v1/games.proto"], [&root]).unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tonic_prost_build::configure().out_dir(out).bytes(".").compile_fds(files).unwrap();
    fs::read_to_string(out.join("bivouac.v1.rs")).unwrap()
}

#[test]
fn the_generated_code_is_that_of_the_proto_files() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/v1.rs");
    let generated = generate();
    if env::var_os("BIVOUAC_REGENERATE").is_some() {
        fs::write(&kept, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&kept).unwrap() == generated,
        "run BIVOUAC_REGENERATE=1 cargo test -p proto, and commit proto/src/v1.rs"
    );
}

//! The generated code and the descriptors are those of the `.proto` files.
#![expect(clippy::unwrap_used, reason = "test code: what goes wrong fails")]

use std::{env, fs, path::Path};

use prost::Message;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code for the `.proto` files, made without `protoc`.
fn generate() -> String {
    let files = protox::compile(["bivouac/v1/games.proto"], [root().join("proto")]).unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tonic_prost_build::configure().out_dir(out).bytes(".").compile_fds(files).unwrap();
    fs::read_to_string(out.join("bivouac.v1.rs")).unwrap()
}

/// The descriptors that reflection tells of, without comments and places in the text.
fn describe() -> Vec<u8> {
    let mut compiler = protox::Compiler::new([root().join("proto")]).unwrap();
    compiler.include_source_info(false).include_imports(true);
    compiler.open_files(["bivouac/v1/games.proto", "arrow/flight/protocol.proto"]).unwrap();
    compiler.file_descriptor_set().encode_to_vec()
}

/// Holds a file against what it should be, or writes it if that is asked for.
fn check(kept: &str, wanted: &[u8]) {
    let path = root().join(kept);
    if env::var_os("BIVOUAC_REGENERATE").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    assert!(
        fs::read(&path).unwrap() == wanted,
        "run BIVOUAC_REGENERATE=1 cargo test -p proto, and commit proto/{kept}"
    );
}

#[test]
fn the_generated_code_is_that_of_the_proto_files() {
    check("src/v1.rs", generate().as_bytes());
}

#[test]
fn the_descriptors_are_those_of_the_proto_files() {
    check("src/descriptors.bin", &describe());
}

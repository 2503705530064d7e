//! The wire words: messages and services of `proto/bivouac/v1/*.proto`, and nothing else.
//!
//! The code is generated and kept in the repository, so that nobody needs `protoc` or a build
//! script; so are the descriptors. `cargo test -p proto` fails when they are not those of the `.proto` files, and
//! `BIVOUAC_REGENERATE=1 cargo test -p proto` writes it.

/// Version 1 of the package `bivouac`.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    clippy::pedantic,
    unused_qualifications,
    reason = "generated code"
)]
#[rustfmt::skip]
pub mod v1;

/// The services of the server as an encoded `google.protobuf.FileDescriptorSet`: those of version 1
/// and Arrow Flight, with all they import. Reflection tells clients of them.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");

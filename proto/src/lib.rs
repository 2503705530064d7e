//! The wire words: messages and services of `proto/bivouac/v1/*.proto`, and nothing else.
//!
//! The code is generated and kept in the repository, so that nobody needs `protoc` or a build
//! script. `cargo test -p proto` fails when it is not that of the `.proto` files, and
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

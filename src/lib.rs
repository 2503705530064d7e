//! What the binary `bivouac` is made of beside its command line: the server.

pub mod live;
pub mod serve;

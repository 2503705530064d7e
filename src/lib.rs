//! What the binary `bivouac` is made of beside its command line: the server, live games, playing them, tournaments.

pub mod analytics;
pub mod live;
pub mod play;
pub mod serve;
pub mod tournament;

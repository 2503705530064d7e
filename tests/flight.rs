//! The server as a trainer meets it: a client of Arrow Flight over a socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

#[path = "flight/actions.rs"]
mod actions;
#[path = "flight/client.rs"]
mod client;
#[path = "flight/collected.rs"]
mod collected;
#[path = "flight/defects.rs"]
mod defects;
#[path = "flight/envs.rs"]
mod envs;
#[path = "flight/layouts.rs"]
mod layouts;
#[path = "flight/put.rs"]
mod put;
#[path = "flight/requests.rs"]
mod requests;
#[path = "flight/slow.rs"]
mod slow;
#[path = "flight/spill.rs"]
mod spill;
#[path = "flight/stored.rs"]
mod stored;
#[path = "flight/streams.rs"]
mod streams;

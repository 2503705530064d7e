//! Remote vector environments: `DoExchange(["env"])`.
//!
//! ```text
//! client                                      server
//! {"open": {…}} ─────────────────────────────▶ Opening ──▶ Session: groups of environments
//!                ◀── schema, {"session": …} ──
//! actions, {"group": 0} ─────────────────────▶ step of group 0
//! actions, {"group": 1} ─────────────────────▶ step of group 1, while the client thinks about 0
//!                ◀── rows, {"group": 0, …} ───
//! ```
//!
//! Requests are answered in their order, each by one answer. A wrong request is answered by an
//! error that names the field, and the session goes on. A session outlives its connection for a
//! grace time, with the answers that the client may not have got; see [`sessions`].

mod answer;
mod budget;
mod collecting;
mod command;
mod exchange;
mod opening;
mod session;
mod sessions;

pub(super) use collecting::Collection;
pub(super) use exchange::serve;
pub(super) use sessions::{Limits, Sessions};

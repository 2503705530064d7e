//! Actions: what `DoAction` does, and what `ListActions` says of it.

use arrow_flight::{Action, ActionType};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tonic::metadata::MetadataMap;
use tracing::info;

use super::{
    ServeError,
    access::{Pass, Scope},
    fields::{cut, malformed, unsigned},
    game_stats::{self, Wanted},
    server::Limits,
    service::Service,
};

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Stats,
    Limits,
    Cancel,
    Snapshot,
    Restore,
}

/// The actions: their names, the scope that each needs, and what it does.
const ACTIONS: [(&str, What, Scope, &str); 5] = [
    (
        "stats",
        What::Stats,
        Scope::Read,
        "Rows made, kept, sent and dropped, the streams that are open, simulated and live games, \
         and remote environments. Takes nothing, returns one JSON object. With {\"games\": [0, 1]} \
         or {\"games\": \"all\"} it also has the rows that are kept of these games, by player, with \
         the mean, least and largest reward, and the numbers of the oldest and the newest row.",
    ),
    (
        "limits",
        What::Limits,
        Scope::Read,
        "What this server and this token allow at most. Takes nothing, returns one JSON object.",
    ),
    (
        "cancel",
        What::Cancel,
        Scope::Admin,
        "Ends a stream, or a session of remote environments. Takes {\"stream\": id} or {\"session\": \
         id}, with an id of stats; returns {\"cancelled\": true}, or false if there is none.",
    ),
    (
        "snapshot",
        What::Snapshot,
        Scope::Admin,
        "Where the simulated games stand. Takes nothing, returns bytes for restore.",
    ),
    (
        "restore",
        What::Restore,
        Scope::Admin,
        "Brings the simulated games back to where they stood, on this server or on another with \
         the same options: they make the same rows from there on, which are numbered anew. Takes \
         the bytes of snapshot, returns {\"games\": n} when they stand there. Rows that were made \
         stay, and live games are not touched.",
    ),
];

/// All actions, for `ListActions`.
pub(super) fn list() -> Vec<ActionType> {
    let of_action = |(name, _, scope, what): &(&str, What, Scope, &str)| ActionType {
        r#type: (*name).to_owned(),
        description: format!("{what} Scope: {}.", scope.name()),
    };
    ACTIONS.iter().map(of_action).collect()
}

/// Does an action, and returns its answer.
///
/// # Errors
///
/// [`ServeError::Unknown`] for other names, [`ServeError::Malformed`] for arguments, and what the
/// token does not allow.
pub(super) async fn run(
    service: &Service,
    metadata: &MetadataMap,
    action: &Action,
) -> Result<Vec<u8>, tonic::Status> {
    let Some((name, what, scope, _)) = ACTIONS.iter().find(|(name, ..)| *name == action.r#type)
    else {
        let known: Vec<&str> = ACTIONS.iter().map(|(name, ..)| *name).collect();
        let (what, known) = ("action", known.join(", "));
        return Err(ServeError::Unknown { what, name: cut(&action.r#type), known }.into());
    };
    let pass = service.access.check(metadata, *scope)?;
    pass.check_message(action.body.len())?;
    if *scope == Scope::Admin {
        info!(action = name, "administrator");
    }
    let answer = match what {
        What::Stats => stats(service, &action.body).await?,
        What::Limits => limits(service, &pass),
        What::Cancel => {
            let fields = arguments(&action.body, "{\"stream\": 0}")?;
            let sources = &service.sources;
            let cancelled = if let Some(session) = fields.get("session") {
                sources.sessions.cancel(unsigned("session", session)?)
            } else {
                let stream = fields.get("stream").unwrap_or(&Value::Null);
                sources.log.cancel(unsigned("stream", stream)?)
            };
            json!({ "cancelled": cancelled })
        }
        What::Snapshot => return Ok(service.sources.director.snapshot().await?),
        What::Restore => json!({ "games": service.sources.director.restore(&action.body).await? }),
    };
    Ok(answer.to_string().into_bytes())
}

fn arguments(body: &[u8], example: &str) -> Result<Value, ServeError> {
    serde_json::from_slice(body)
        .map_err(|error| malformed("body", format!("{error}: send {example}")))
}

async fn stats(service: &Service, body: &[u8]) -> Result<Value, tonic::Status> {
    // Numbers and flags always become JSON.
    let mut told = serde_json::to_value(service.sources.stats()).unwrap_or_default();
    let live = service.sources.live.stats().await?;
    told["live"] = serde_json::to_value(live).unwrap_or_default();
    if body.is_empty() {
        return Ok(told);
    }
    let fields = arguments(body, "nothing, or {\"games\": [0, 1]}")?;
    let wanted = Wanted::read(fields.get("games").unwrap_or(&Value::Null))?;
    let kept = service.sources.log.kept();
    // Many rows may be kept: a thread reads them that the network does not need.
    let found =
        spawn_blocking(move || game_stats::of_games(kept.iter().map(|entry| &**entry), &wanted));
    let (games, left_out) = found.await.map_err(|_panic| ServeError::Panicked("stats"))?;
    told["games"] = serde_json::to_value(games).unwrap_or_default();
    told["games_left_out"] = left_out.into();
    Ok(told)
}

fn limits(service: &Service, pass: &Pass) -> Value {
    let Limits { streams, retain_bytes, message_bytes, envs } = service.limits;
    json!({
        "streams": streams,
        "retain_bytes": retain_bytes,
        "request_bytes": message_bytes,
        "envs": envs,
        "token": pass.limits(),
    })
}

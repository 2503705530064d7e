//! Actions: what `DoAction` does, and what `ListActions` says of it.

use arrow_flight::{Action, ActionType};
use serde_json::{Value, json};
use tonic::metadata::MetadataMap;

use super::{
    ServeError,
    access::Scope,
    fields::{malformed, unsigned},
    server::Limits,
    service::Service,
    stats::Stats,
};

/// Names of the actions, the scope that each needs, and what it does.
const ACTIONS: [(&str, Scope, &str); 3] = [
    (
        "stats",
        Scope::Read,
        "Rows made, kept, sent and dropped, the streams that are open, and remote environments. \
         Takes nothing, returns one JSON object.",
    ),
    (
        "limits",
        Scope::Read,
        "What this server and this token allow at most. Takes nothing, returns one JSON object.",
    ),
    (
        "cancel",
        Scope::Admin,
        "Ends a stream. Takes {\"stream\": id}, with an id of stats; returns {\"cancelled\": true}, \
         or false if there is no such stream.",
    ),
];

/// All actions, for `ListActions`.
pub(super) fn list() -> Vec<ActionType> {
    let of_action = |(name, scope, what): &(&str, Scope, &str)| ActionType {
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
pub(super) fn run(
    service: &Service,
    metadata: &MetadataMap,
    action: &Action,
) -> Result<Value, ServeError> {
    let Some((name, scope, _)) = ACTIONS.iter().find(|(name, ..)| *name == action.r#type) else {
        let known: Vec<&str> = ACTIONS.iter().map(|(name, ..)| *name).collect();
        let (what, known) = ("action", known.join(", "));
        return Err(ServeError::Unknown { what, name: action.r#type.clone(), known });
    };
    let pass = service.access.check(metadata, *scope)?;
    match *name {
        "stats" => {
            let sent = &service.offer.shares.sent;
            // Numbers and flags always become JSON.
            let (spill, counts) = (service.spill.as_deref(), service.sessions.counts());
            let stats = Stats::of(&service.log, spill, sent, counts);
            Ok(serde_json::to_value(stats).unwrap_or_default())
        }
        "limits" => {
            let Limits { streams, retain_bytes, message_bytes, envs } = service.limits;
            Ok(json!({
                "streams": streams,
                "retain_bytes": retain_bytes,
                "request_bytes": message_bytes,
                "envs": envs,
                "token": pass.limits(),
            }))
        }
        _ => {
            let arguments: Value = serde_json::from_slice(&action.body)
                .map_err(|error| malformed("body", format!("{error}: send {{\"stream\": 0}}")))?;
            let stream = arguments.get("stream").unwrap_or(&Value::Null);
            let cancelled = service.log.cancel(unsigned("stream", stream)?);
            Ok(json!({ "cancelled": cancelled }))
        }
    }
}

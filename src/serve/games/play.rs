//! `Play`: orders up and updates down, on one stream.

use prost::Message;
use proto::v1::{self, play_request, play_response::Kind};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Status, Streaming};

use super::{
    client::{Client, Messages},
    key, wire,
};
use crate::live::{
    LiveError, LiveHandle,
    mailbox::Watching,
    request::{Request, SeatKey, Submission},
};

/// Messages that wait for the network. Updates beyond them wait in the stream's mailbox, where
/// they are thrown away for a whole view when they are too many.
const IN_FLIGHT: usize = 2;

/// Sends a seat's orders.
pub(super) async fn submit(
    live: &LiveHandle,
    key: SeatKey,
    request: v1::SubmitActionRequest,
) -> Result<v1::SubmitActionResponse, LiveError> {
    let submission = Box::new(Submission {
        orders: request.orders.into_iter().map(wire::order).collect(),
        expected_tick: request.expected_tick,
        key: request.idempotency_key,
        replaces: request.replace_queue,
    });
    let submitted = live.ask(|to| Request::Submit(key, submission, to)).await?;
    Ok(v1::SubmitActionResponse { tick: submitted.tick, queued: submitted.queued })
}

/// What goes down.
type Down = Result<v1::PlayResponse, Status>;

/// Opens a stream whose first message says whose it is, and has to come soon.
pub(super) async fn open(
    live: LiveHandle,
    client: Client,
    mut requests: Streaming<v1::PlayRequest>,
) -> Result<impl Stream<Item = Down> + use<>, Status> {
    let patience = client.patience();
    let first = tokio::select! {
        first = requests.message() => first?,
        () = tokio::time::sleep(patience) => {
            let reason = format!("`watch` has not come within {} ms", patience.as_millis());
            return Err(LiveError::invalid("kind", reason).into());
        }
        () = live.ended() => return Err(LiveError::Ending.into()),
    };
    let Some(play_request::Kind::Watch(watch)) = first.and_then(|first| first.kind) else {
        return Err(LiveError::invalid("kind", "the first message has to be `watch`").into());
    };
    let key = key(&watch.game_id, &watch.token)?;
    let watching = live.ask(|to| Request::Watch(key, to)).await?;
    let (responses, out) = mpsc::channel(IN_FLIGHT);
    let messages = client.messages();
    tokio::spawn(play(Player { live, messages, key, watching, responses }, requests));
    Ok(ReceiverStream::new(out))
}

struct Player {
    live: LiveHandle,
    messages: Messages,
    key: SeatKey,
    watching: Watching,
    responses: mpsc::Sender<Down>,
}

/// Runs until the game is over or the client is gone.
async fn play(mut player: Player, mut requests: Streaming<v1::PlayRequest>) {
    let mut is_heard = true;
    loop {
        let response = tokio::select! {
            update = player.watching.next() => {
                let Some(update) = update else { return };
                update.map_err(Status::from).map(|update| {
                    let update = wire::update(&update);
                    player.watching.sent(update.encoded_len());
                    v1::PlayResponse { kind: Some(Kind::Update(update)), id: 0 }
                })
            }
            request = requests.message(), if is_heard => {
                let Ok(Some(request)) = request else {
                    // A client that has said all it has to say may still listen.
                    is_heard = false;
                    continue;
                };
                let id = request.id;
                let Some(kind) = player.answer(request).await else { continue };
                Ok(v1::PlayResponse { kind: Some(kind), id })
            }
            () = player.responses.closed() => return,
        };
        if player.responses.send(response).await.is_err() {
            return;
        }
    }
}

impl Player {
    /// The answer to a message, if it has one.
    async fn answer(&self, request: v1::PlayRequest) -> Option<Kind> {
        // However many come on one stream, each is a request of the client's.
        if let Err(refusal) = self.messages.check() {
            return Some(failure(&refusal));
        }
        let answer = match request.kind {
            Some(play_request::Kind::Submit(request)) => {
                submit(&self.live, self.key, request).await.map(Kind::Submitted)
            }
            Some(play_request::Kind::ClearQueue(_)) => {
                let cleared = self.live.ask(|to| Request::ClearQueue(self.key, to)).await;
                cleared.map(|cleared| Kind::Cleared(v1::ClearQueueResponse { cleared }))
            }
            Some(play_request::Kind::Surrender(_)) => {
                let done = self.live.ask(|to| Request::Surrender(self.key, to)).await;
                done.map(|()| Kind::Surrendered(v1::SurrenderResponse {}))
            }
            Some(play_request::Kind::Refresh(_)) => {
                self.watching.refresh();
                return None;
            }
            Some(play_request::Kind::Watch(_)) => {
                Err(LiveError::invalid("kind", "`watch` is the first message and no other"))
            }
            None => Err(LiveError::invalid("kind", "the message is empty")),
        };
        Some(answer.unwrap_or_else(|error| failure(&error)))
    }
}

fn failure(error: &LiveError) -> Kind {
    Kind::Failure(wire::failure(error))
}

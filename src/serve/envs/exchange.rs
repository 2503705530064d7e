//! One connection of a remote vector environment: requests in, answers out, in their order.

use std::{
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use arrow_flight::{FlightData, utils::flight_data_to_arrow_batch};
use serde_json::Value;
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{
    Sessions,
    answer::{self, Answer},
    command::{Request, What},
    opening::Opening,
    session::Session,
    sessions::Attached,
};
use crate::serve::{
    ServeError,
    access::Pass,
    fields::{self, malformed},
    scatter::Scattered,
    unpacked,
};

/// The path of the descriptor.
const ENV: &str = "env";

/// Bytes of a request's JSON that are read here. A thread reads more, which the network does not
/// wait for.
const INLINE_BYTES: usize = 1 << 14;

/// Messages that wait for the network.
const IN_FLIGHT: usize = 4;

type Out = mpsc::Sender<Result<Scattered, Status>>;

/// Answers one connection of who has the pass, until it ends.
pub(in crate::serve) fn serve(
    sessions: Arc<Sessions>,
    pass: Pass,
    requests: Streaming<FlightData>,
) -> ReceiverStream<Result<Scattered, Status>> {
    let (out, answers) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = run(&sessions, &pass, requests, &out) => ended,
            () = sessions.stopped() => Err(ServeError::Stopping),
        };
        if let Err(error) = ended {
            // A client that is gone needs no error.
            let _is_told = out.send(Err(error.into())).await;
        }
    });
    ReceiverStream::new(answers)
}

async fn run(
    sessions: &Arc<Sessions>,
    pass: &Pass,
    mut requests: Streaming<FlightData>,
    out: &Out,
) -> Result<(), ServeError> {
    let mut actions = Actions::default();
    let began = begin((sessions, pass), &mut requests, &mut actions, out).await?;
    let Some(attached) = began else { return Ok(()) };
    loop {
        // However a stream ends, unless it was closed the session waits for its client to come
        // back: one that dies may look like one that has sent its last request.
        let message = tokio::select! {
            message = next(&mut requests) => message?,
            () = attached.cancelled() => return Err(ServeError::SessionCancelled),
        };
        let Some(message) = message else { return Ok(()) };
        let request = match actions.request(&message, pass).await {
            Ok(None) => continue,
            Ok(Some(request)) => Ok(request),
            Err(error) => Err(error),
        };
        let is_close = request.as_ref().is_ok_and(|request| request.what == What::Close);
        let answer = answered(&attached, request).await?;
        if !send(out, answer).await {
            return Ok(());
        }
        if is_close {
            attached.end();
            return Ok(());
        }
    }
}

/// The next message; none when the client has gone.
///
/// # Errors
///
/// [`ServeError::Limit`] for a message that is too large to be read, after which none can be.
async fn next(requests: &mut Streaming<FlightData>) -> Result<Option<FlightData>, ServeError> {
    match requests.message().await {
        Ok(message) => Ok(message),
        Err(status) => match fields::received("message", &status) {
            error @ ServeError::Limit { .. } => Err(error),
            // A client that dies breaks its stream off in many ways.
            _ => Ok(None),
        },
    }
}

/// Reads messages until one opens or takes over a session; none if the client leaves before.
async fn begin(
    (sessions, pass): (&Arc<Sessions>, &Pass),
    requests: &mut Streaming<FlightData>,
    actions: &mut Actions,
    out: &Out,
) -> Result<Option<Attached>, ServeError> {
    let mut has_descriptor = false;
    loop {
        let Some(message) = next(requests).await? else { return Ok(None) };
        if let Some(descriptor) = &message.flight_descriptor {
            if descriptor.path != [ENV] {
                return Err(ServeError::Unknown {
                    what: "exchange",
                    name: fields::cut(&descriptor.path.join("/")),
                    known: ENV.to_owned(),
                });
            }
            has_descriptor = true;
        }
        if message.app_metadata.is_empty() {
            // The schema of the actions may come first.
            if !message.data_header.is_empty() {
                let _schema = actions.request(&message, pass).await?;
            }
            continue;
        }
        if !has_descriptor {
            return Err(malformed("descriptor", "the first message names the path [\"env\"]"));
        }
        let began = match pass.check_message(fields::message_bytes(&message)) {
            Ok(()) => first(sessions, pass, &message.app_metadata).await,
            Err(error) => Err(error),
        };
        match began {
            Ok((attached, answers)) => {
                for answer in answers {
                    if !send(out, answer).await {
                        return Ok(None);
                    }
                }
                return Ok(Some(attached));
            }
            // A client may correct its opening.
            Err(error) => {
                if !send(out, answer::refused(&error)).await {
                    return Ok(None);
                }
            }
        }
    }
}

/// Opens a session or takes one over, and says what the client is to be sent.
async fn first(
    sessions: &Arc<Sessions>,
    pass: &Pass,
    command: &[u8],
) -> Result<(Attached, Vec<Answer>), ServeError> {
    let text = command.to_vec();
    let read = off_thread(text.len(), move || {
        serde_json::from_slice::<Value>(&text)
            .map_err(|error| malformed("app_metadata", error.to_string()))
    });
    let command = read.await??;
    if let Some(attach) = command.get("attach") {
        let field = |name: &str| {
            attach.get(name).ok_or_else(|| malformed(name, "\"attach\" needs this field"))
        };
        let name = fields::text("session", field("session")?)?;
        let received = fields::unsigned("received", field("received")?)?;
        let attached = sessions.attach(&name, &pass.envs().0)?;
        let session = attached.session.clone();
        // A step of the broken connection may still be going on.
        let connection = attached.connection;
        let answers = spawn_blocking(move || {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            // From here on nothing that the broken connection sent is played.
            session.connection = connection;
            let mut answers = vec![session.greeting()];
            answers.extend(session.answers_after(received)?);
            Ok::<_, ServeError>(answers)
        });
        let answers = answers.await.map_err(|_panic| ServeError::Panicked("session"))??;
        return Ok((attached, answers));
    }
    let Some(open) = command.get("open").cloned() else {
        let reason = "begin with {\"open\": {\"num_envs\": 64}}, or {\"attach\": {\"session\": …}}";
        return Err(malformed("app_metadata", reason));
    };
    let (sessions, owner) = (sessions.clone(), pass.envs());
    let opened = spawn_blocking(move || {
        let opening = Opening::parse(&open)?;
        let attached = sessions.open(&opening, owner)?;
        let greeting = attached.session.lock().unwrap_or_else(PoisonError::into_inner).greeting();
        Ok((attached, vec![greeting]))
    });
    opened.await.map_err(|_panic| ServeError::Panicked("session"))?
}

/// Has a session answer a request: here if that takes less time than waking a thread.
async fn answered(
    attached: &Attached,
    request: Result<Request, ServeError>,
) -> Result<Answer, ServeError> {
    let (session, connection) = (attached.session.clone(), attached.connection);
    let is_small = session.try_lock().is_ok_and(|session| session.is_small(&request));
    let answer = move |session: &Mutex<Session>| {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.connection != connection {
            return Err(ServeError::TakenOver);
        }
        Ok(session.answer(request))
    };
    if is_small {
        return answer(&session);
    }
    let answered = spawn_blocking(move || answer(&session));
    answered.await.map_err(|_panic| ServeError::Panicked("session"))?
}

async fn send(out: &Out, answer: Answer) -> bool {
    for message in answer {
        if out.send(Ok(message)).await.is_err() {
            return false;
        }
    }
    true
}

/// The batches of a connection: their schema comes once.
#[derive(Default)]
struct Actions {
    schema: Option<SchemaRef>,
}

impl Actions {
    /// The request in a message; none in a message that only tells the schema.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and more bytes or rows than the pass allows.
    async fn request(
        &mut self,
        message: &FlightData,
        pass: &Pass,
    ) -> Result<Option<Request>, ServeError> {
        pass.check_message(fields::message_bytes(message))?;
        let rows = if message.data_header.is_empty() {
            None
        } else {
            match decoded(message, self.schema.as_ref())? {
                Decoded::Schema(schema) => {
                    self.schema = Some(schema);
                    return Ok(None);
                }
                Decoded::Rows(rows) => Some(rows),
            }
        };
        pass.check_rows(rows.as_ref().map_or(0, RecordBatch::num_rows))?;
        let text = message.app_metadata.clone();
        let read = off_thread(text.len(), move || Request::parse(&text, rows.as_ref()));
        read.await?.map(Some)
    }
}

/// Does work on so many bytes: here if they are few.
async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServeError> {
    if bytes <= INLINE_BYTES {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|_panic| ServeError::Panicked("session"))
}

enum Decoded {
    Schema(SchemaRef),
    Rows(RecordBatch),
}

/// What a message holds. The decoder panics on some malformed messages, which is made an error.
fn decoded(message: &FlightData, schema: Option<&SchemaRef>) -> Result<Decoded, ServeError> {
    let wrong = |reason: String| malformed("batch", reason);
    let header = arrow::ipc::root_as_message(&message.data_header)
        .map_err(|error| wrong(ArrowError::IpcError(error.to_string()).to_string()))?;
    unpacked::check(header, &message.data_body)
        .map_err(|status| fields::received("batch", &status))?;
    let decode = || -> Result<Decoded, ArrowError> {
        if header.header_as_schema().is_some() {
            return Ok(Decoded::Schema(Arc::new(Schema::try_from(message)?)));
        }
        let schema = schema.ok_or_else(|| {
            ArrowError::IpcError("the schema has to come before the first batch".to_owned())
        })?;
        let rows = flight_data_to_arrow_batch(message, schema.clone(), &HashMap::new())?;
        Ok(Decoded::Rows(rows))
    };
    panic::catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_panic| Err(ArrowError::IpcError("the message is malformed".to_owned())))
        .map_err(|error| wrong(error.to_string()))
}

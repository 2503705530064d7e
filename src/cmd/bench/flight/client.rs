//! A client in Rust: streams read to their end, and the messages of one exchange.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use arrow_flight::{
    FlightData, FlightDescriptor, Ticket, flight_service_client::FlightServiceClient,
};
use tokio_stream::StreamExt;
use tonic::transport::Channel;

/// Bytes of a frame at most. Unless a client asks for more they are 16 KiB, and what they cost counts.
const FRAME: u32 = 256 << 10;

/// Bytes that may be on their way in one stream. With more of them what eight clients wait for does
/// not fit the cache.
const WINDOW: u32 = 1 << 20;

/// What was read in some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    /// Bytes of the messages.
    pub(super) bytes: u64,
    /// Seconds.
    pub(super) seconds: f64,
}

impl Read {
    /// Bytes per second.
    pub(super) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate is read to three digits")]
        let bytes = self.bytes as f64;
        bytes / self.seconds.max(1e-9)
    }
}

async fn connect(uri: &str) -> anyhow::Result<FlightServiceClient<Channel>> {
    let channel = Channel::from_shared(uri.to_owned())?
        .max_frame_size(FRAME)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .connect()
        .await?;
    Ok(FlightServiceClient::new(channel).max_decoding_message_size(64 << 20))
}

/// All messages of a stream.
pub(super) async fn messages(uri: &str, ticket: &str) -> anyhow::Result<Vec<FlightData>> {
    let stream = connect(uri).await?.do_get(Ticket::new(ticket.to_owned())).await?;
    Ok(stream.into_inner().collect::<Result<_, _>>().await?)
}

/// Reads streams to their end, `consumers` side by side, again and again for so long.
pub(super) async fn drain(
    uri: &str,
    ticket: &str,
    consumers: usize,
    time: Duration,
) -> anyhow::Result<Read> {
    let since = Instant::now();
    let one = async || -> anyhow::Result<u64> {
        let mut client = connect(uri).await?;
        let mut bytes = 0;
        while since.elapsed() < time {
            let ticket = Ticket::new(ticket.to_owned());
            let mut stream = client.do_get(ticket).await?.into_inner();
            while let Some(data) = stream.message().await? {
                bytes += (data.data_header.len() + data.data_body.len()) as u64;
            }
        }
        Ok(bytes)
    };
    let mut bytes = 0;
    for read in futures((0..consumers).map(|_| one())).await {
        bytes += read?;
    }
    Ok(Read { bytes, seconds: since.elapsed().as_secs_f64() })
}

/// Waits for all of some futures, side by side on this thread.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|ctx| {
        let mut is_done = true;
        for (future, result) in &mut pending {
            if result.is_none() {
                match future.as_mut().poll(ctx) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, result)| result).collect()
}

/// The messages with which a session of environments begins, and its first answer, for a server
/// that repeats them.
pub(super) async fn exchange(
    uri: &str,
    opening: &str,
) -> anyhow::Result<(Vec<FlightData>, FlightData)> {
    let first = FlightData::new()
        .with_descriptor(FlightDescriptor::new_path(vec!["env".to_owned()]))
        .with_app_metadata(opening.to_owned());
    let reset = FlightData::new().with_app_metadata(r#"{"reset": {}}"#);
    let requests = tokio_stream::iter(vec![first, reset]);
    let mut client = connect(uri).await?.max_decoding_message_size(256 << 20);
    let mut answers = client.do_exchange(requests).await?.into_inner();
    let mut next = async || answers.message().await?.context("the session ended");
    let greeting = vec![next().await?, next().await?];
    Ok((greeting, next().await?))
}

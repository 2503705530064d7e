//! The methods of Flight that send rows, answered from where the rows lie.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow_flight::{
    FlightData, Ticket as FlightTicket, flight_service_server::FlightServiceServer,
};
use axum::http::{self, HeaderValue, header::CONTENT_TYPE};
use prost::Message;
use tokio_stream::Stream;
use tonic::{
    Request, Status, Streaming, body::Body, codec::Codec, codegen::Service as Answering,
    metadata::MetadataMap, server::NamedService,
};
use tonic_prost::ProstCodec;

use super::{Scattered, body::Answer};
use crate::serve::{server::MESSAGE_BYTES, service::Service};

const DO_GET: &str = "/arrow.flight.protocol.FlightService/DoGet";
const DO_EXCHANGE: &str = "/arrow.flight.protocol.FlightService/DoExchange";

/// Arrow Flight, whose rows are not copied on their way out. All but those two methods, and all that
/// clients send, is tonic's.
#[derive(Clone)]
pub(in crate::serve) struct Methods {
    service: Arc<Service>,
    others: FlightServiceServer<Service>,
}

impl Methods {
    /// The methods of a service.
    pub(in crate::serve) fn of(service: Service) -> Self {
        let service = Arc::new(service);
        let others = FlightServiceServer::from_arc(service.clone());
        Self { service, others: others.max_decoding_message_size(MESSAGE_BYTES) }
    }
}

impl NamedService for Methods {
    const NAME: &'static str = FlightServiceServer::<Service>::NAME;
}

impl Answering<http::Request<Body>> for Methods {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.service.clone();
        match request.uri().path() {
            DO_GET => Box::pin(async move {
                let asked = one::<FlightTicket>(request).await;
                Ok(answered(asked.and_then(|ticket| service.rows(ticket))))
            }),
            DO_EXCHANGE => Box::pin(async move {
                let answers = service.exchange(many::<FlightData>(request));
                Ok(answered(answers))
            }),
            _ => self.others.call(request),
        }
    }
}

/// What a client sends in a stream.
fn many<T: Message + Default + 'static>(request: http::Request<Body>) -> Request<Streaming<T>> {
    let (head, body) = request.into_parts();
    let decoder = ProstCodec::<FlightData, T>::default().decoder();
    let messages = Streaming::new_request(decoder, body, None, Some(MESSAGE_BYTES));
    Request::from_parts(MetadataMap::from_headers(head.headers), head.extensions, messages)
}

/// The one message that a client sends.
async fn one<T: Message + Default + 'static>(
    request: http::Request<Body>,
) -> Result<Request<T>, Status> {
    let (metadata, extensions, mut messages) = many::<T>(request).into_parts();
    let message = messages.message().await?;
    let message = message.ok_or_else(|| Status::internal("the request has no message"))?;
    // To the end of what is sent, so that the connection has not to break it off.
    messages.trailers().await?;
    Ok(Request::from_parts(metadata, extensions, message))
}

fn answered<S>(answer: Result<S, Status>) -> http::Response<Body>
where
    S: Stream<Item = Result<Scattered, Status>> + Send + Unpin + 'static,
{
    match answer {
        Ok(messages) => {
            let mut response = http::Response::new(Body::new(Answer::new(messages)));
            let grpc = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(CONTENT_TYPE, grpc);
            response
        }
        Err(status) => status.into_http(),
    }
}

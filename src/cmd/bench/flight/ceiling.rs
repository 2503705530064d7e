//! The ceiling: a server that does nothing but send messages that were made beforehand.

use std::{net::SocketAddr, pin::Pin, sync::Arc, thread};

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
    flight_service_server::{FlightService, FlightServiceServer},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{Stream, StreamExt, iter, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, async_trait, transport::server::TcpIncoming};

/// Sends `messages` to whoever calls `DoGet`, and answers every message of `DoExchange` by
/// `answer`.
struct Ceiling {
    messages: Arc<Vec<FlightData>>,
    greeting: Arc<Vec<FlightData>>,
    answer: FlightData,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Starts the server on a free port, on a thread of its own, which lasts as long as the process.
///
/// # Errors
///
/// No free port.
pub(super) fn start(
    messages: Vec<FlightData>,
    greeting: Vec<FlightData>,
    answer: FlightData,
) -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let address = listener.local_addr()?;
    let service = Ceiling { messages: Arc::new(messages), greeting: Arc::new(greeting), answer };
    thread::spawn(move || {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tonic::transport::Server::builder()
            .add_service(FlightServiceServer::new(service).max_decoding_message_size(64 << 20))
            .serve_with_incoming(incoming);
        runtime.block_on(serving)
    });
    Ok(address)
}

fn none<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the ceiling has no such method"))
}

#[async_trait]
impl FlightService for Ceiling {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn handshake(
        &self,
        _request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        none()
    }

    async fn list_flights(
        &self,
        _request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        none()
    }

    async fn get_flight_info(
        &self,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        none()
    }

    async fn poll_flight_info(
        &self,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        none()
    }

    async fn get_schema(
        &self,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        none()
    }

    async fn do_get(
        &self,
        _request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let messages = self.messages.clone();
        let each = (0..messages.len()).map(move |index| Ok(messages[index].clone()));
        Ok(Response::new(Box::pin(iter(each))))
    }

    async fn do_put(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        none()
    }

    async fn do_action(
        &self,
        _request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        none()
    }

    async fn list_actions(
        &self,
        _request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        none()
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        let mut requests = request.into_inner();
        let (greeting, answer) = (self.greeting.clone(), self.answer.clone());
        let (out, answers) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut is_greeted = false;
            while let Some(Ok(request)) = requests.next().await {
                // As the real server does: the opening has a greeting, the schema no answer.
                let messages = match (is_greeted, request.app_metadata.is_empty()) {
                    (false, true) => Vec::new(),
                    (false, false) => {
                        is_greeted = true;
                        greeting.to_vec()
                    }
                    (true, _) => vec![answer.clone()],
                };
                for message in messages {
                    if out.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

//! The thread of the network: every service on one port, and the page of metrics.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_stream::StreamExt as _;
use tonic::{
    service::interceptor::InterceptedService,
    transport::{
        Server,
        server::{TcpConnectInfo, TcpIncoming, TlsConnectInfo},
    },
};
use tracing::{Span, info_span};

use super::{
    ServeError, ServerConfig,
    access::Scope,
    capped::Capped,
    consolidated::Consolidated,
    games::{GameServiceServer, Games, Gate},
    health, metrics,
    scatter::Methods,
    service::Service,
};

/// How often the server looks for environments that nobody came back to.
const REAPING: Duration = Duration::from_secs(1);

/// Bytes that a client may send ahead, in a stream: a batch of actions for many environments.
const WINDOW_BYTES: u32 = 1 << 20;

/// Requests and streams of one connection; how many streams there are is limited elsewhere.
const CONCURRENT: u32 = 100_000;

/// Where the server listens.
pub(super) struct Listeners {
    /// The address of the services, with the port that was free.
    pub(super) address: SocketAddr,
    services: TcpListener,
    /// The page of metrics, if there is one.
    pub(super) metrics: Option<TcpListener>,
}

/// Listens where a server is to, with what runs the network's thread.
///
/// # Errors
///
/// [`ServeError::Listen`] that names the address.
pub(super) fn listen(config: &ServerConfig) -> Result<(Runtime, Listeners), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ServeError::Thread { name: "network", source })?;
    let listeners = Listeners::bind(&runtime, config)?;
    Ok((runtime, listeners))
}

impl Listeners {
    fn bind(runtime: &Runtime, config: &ServerConfig) -> Result<Self, ServeError> {
        let listen = |address: SocketAddr| {
            let failed = move |source| ServeError::Listen { address, source };
            runtime.block_on(TcpListener::bind(address)).map_err(failed)
        };
        let services = listen(config.address)?;
        let address = services.local_addr();
        let failed = |source| ServeError::Listen { address: config.address, source };
        let metrics = config.metrics.map(listen).transpose()?;
        Ok(Self { address: address.map_err(failed)?, services, metrics })
    }
}

/// Serves until it is told to stop and its streams have ended, or their grace time has.
pub(super) fn run(
    runtime: &Runtime,
    builder: Server,
    listeners: Listeners,
    service: Service,
    stopped: watch::Receiver<bool>,
    config: &ServerConfig,
) -> Result<(), ServeError> {
    let Listeners { services, metrics, .. } = listeners;
    // Small messages are not held back to be sent together.
    let incoming = TcpIncoming::from(services).with_nodelay(Some(true));
    let incoming = incoming.map(|connection| connection.map(Consolidated::new));
    let sessions = service.sources.sessions.clone();
    let sources = service.sources.clone();
    let live = sources.live.clone();
    let games = Games::new(live.clone());
    let gate = Arc::new(Gate::new(service.access.clone(), &config.live));
    let check = move |request: tonic::Request<()>| gate.check(request);
    let access = service.access.clone();
    let may_read = move |request: tonic::Request<()>| {
        access.check(request.metadata(), Scope::Read)?;
        Ok(request)
    };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1()?;
    // What clients asked for before version 1, grpcio's library among them.
    let reflection_alpha = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .build_v1alpha()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    runtime.block_on(async {
        let serving = builder
            .trace_fn(span)
            .http2_keepalive_interval(Some(config.keepalive))
            .http2_keepalive_timeout(Some(config.keepalive))
            .max_concurrent_streams(CONCURRENT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES)
            .add_service(Capped(Methods::of(service)))
            .add_service(GameServiceServer::with_interceptor(games, check))
            .add_service(health)
            .add_service(InterceptedService::new(reflection, may_read.clone()))
            .add_service(InterceptedService::new(reflection_alpha, may_read))
            .serve_with_incoming_shutdown(incoming, told_to_stop(stopped.clone()));
        let sessions_left = async {
            loop {
                tokio::time::sleep(REAPING).await;
                sessions.give_up_late();
            }
        };
        let telling = async {
            match metrics {
                Some(listener) => {
                    let _ended = axum::serve(listener, metrics::router(sources)).await;
                }
                None => std::future::pending().await,
            }
        };
        let overdue = async {
            told_to_stop(stopped.clone()).await;
            // Streams that nobody reads do not end by themselves.
            tokio::time::sleep(config.grace).await;
        };
        tokio::select! {
            result = serving => result.map_err(ServeError::from),
            () = overdue => Ok(()),
            () = sessions_left => Ok(()),
            () = telling => Ok(()),
            () = health::report(reporter, &live, told_to_stop(stopped.clone())) => Ok(()),
        }
    })
}

async fn told_to_stop(mut stopped: watch::Receiver<bool>) {
    // A server that was dropped is to stop as well.
    let _is_alive = stopped.wait_for(|&is_stopped| is_stopped).await.is_ok();
}

/// What events of a request are logged with: nothing of its headers, which have the token.
fn span(request: &axum::http::Request<()>) -> Span {
    let plain = request.extensions().get::<TcpConnectInfo>();
    let tls = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let peer = plain.or(tls.map(TlsConnectInfo::get_ref)).and_then(TcpConnectInfo::remote_addr);
    let peer = peer.map_or_else(String::new, |peer: SocketAddr| peer.to_string());
    info_span!("request", method = request.uri().path(), peer)
}

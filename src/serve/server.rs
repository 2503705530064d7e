//! Starting and ending the server.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::Duration,
};

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tonic::transport::{Certificate, Identity, ServerTlsConfig, server::TcpIncoming};

use super::{
    ServeError,
    access::{Access, Scope, Token},
    datasets::Datasets,
    envs::{Limits, Sessions},
    flights::Offer,
    games::{GameServiceServer, Games, RequestLimit},
    log::Log,
    service::Service,
    share::Shares,
    simulation::{Simulated, Simulation},
};
use crate::live::{
    Arena, LiveConfig, LiveHandle,
    archive::{ArchiveConfig, Archivist},
};

/// How often the server looks for environments that nobody came back to.
const REAPING: Duration = Duration::from_secs(1);

/// Bytes that a client may send ahead, in a stream: a batch of actions for many environments.
const WINDOW_BYTES: u32 = 1 << 20;

/// Bytes of a message that a client sends.
const MESSAGE_BYTES: usize = 16 << 20;

/// How the server runs.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens; port 0 takes any that is free.
    pub address: SocketAddr,
    /// Memory for the rows that are kept, in bytes.
    pub retain_bytes: usize,
    /// Streams that may be open at a time.
    pub max_streams: usize,
    /// How long the world waits for a blocking stream that takes nothing.
    pub patience: Duration,
    /// Who may do what; everybody may do everything if there are no tokens.
    pub tokens: Vec<Token>,
    /// The certificate, where connections are encrypted.
    pub tls: Option<Tls>,
    /// Whether other machines may connect without TLS or without tokens.
    pub is_insecure: bool,
    /// Closed datasets that are offered beside what is played: folders by name.
    pub datasets: BTreeMap<String, PathBuf>,
    /// Environments of all remote sessions together.
    pub max_envs: usize,
    /// How long environments wait for a client whose connection broke.
    pub env_grace: Duration,
    /// How long streams may take to end after [`Server::stop`].
    pub grace: Duration,
    /// How often an idle connection is asked whether its client is alive, and how long the answer
    /// may take. A client whose machine is gone is found after both.
    pub keepalive: Duration,
    /// What is allowed of live games.
    pub live: LiveConfig,
    /// Where finished live games are kept.
    pub archive: Option<ArchiveConfig>,
}

impl ServerConfig {
    /// The usual numbers, at an address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            retain_bytes: 64 << 20,
            max_streams: 1024,
            patience: Duration::from_secs(60),
            tokens: Vec::new(),
            tls: None,
            is_insecure: false,
            datasets: BTreeMap::new(),
            max_envs: 1 << 16,
            env_grace: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            keepalive: Duration::from_secs(10),
            live: LiveConfig::default(),
            archive: None,
        }
    }
}

/// Certificates and keys in PEM.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, and those that it was signed with.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Who signs the certificates of clients, where they need one.
    pub client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("is_mutual", &self.client_ca.is_some()).finish_non_exhaustive()
    }
}

impl Tls {
    fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        let config = ServerTlsConfig::new().identity(identity);
        match &self.client_ca {
            Some(ca) => config.client_ca_root(Certificate::from_pem(ca)),
            None => config,
        }
    }
}

/// A server at work. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    log: Arc<Log>,
    live: LiveHandle,
    stop: watch::Sender<bool>,
    simulation: Option<JoinHandle<Result<(), ServeError>>>,
    network: Option<JoinHandle<Result<(), ServeError>>>,
    archivist: Option<Archivist>,
}

impl Server {
    /// Listens, and starts the world.
    ///
    /// # Errors
    ///
    /// Addresses that cannot be listened on, games that cannot be played.
    pub fn start(config: &ServerConfig, simulated: Simulated) -> Result<Self, ServeError> {
        let is_open = config.tls.is_none() || config.tokens.is_empty();
        if is_open && !config.is_insecure && !config.address.ip().is_loopback() {
            return Err(ServeError::Exposed { address: config.address });
        }
        let mut builder = tonic::transport::Server::builder();
        if let Some(tls) = &config.tls {
            builder = builder.tls_config(tls.config()).map_err(ServeError::Tls)?;
        }
        let format = simulated.format;
        let simulation = Simulation::new(simulated)?;
        let (schema, policies) =
            (simulation.rows().schema().clone(), simulation.rows().policies().clone());
        let shares = Arc::new(Shares::new(schema, policies, format));
        let datasets = Datasets::open(&config.datasets, config.max_streams)?;
        let offer = Arc::new(Offer { shares, datasets });
        let log = Log::new(config.retain_bytes, config.max_streams, config.patience);
        let (stop, stopped) = watch::channel(false);
        let limits = Limits { envs: config.max_envs, grace: config.env_grace };
        let sessions = Sessions::new(limits, stopped.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| ServeError::Thread { name: "network", source })?;
        let listen = |source| ServeError::Listen { address: config.address, source };
        let listener = runtime.block_on(TcpListener::bind(config.address)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let access = Access::new(&config.tokens);
        let archive = config.archive.clone().map(Archivist::start).transpose();
        let archive = archive.map_err(|source| ServeError::Thread { name: "archive", source })?;
        let (archivist, finished) = archive.unzip();
        let (mut arena, live) = Arena::new(config.live.clone(), finished);
        let games = Games::new(live.clone());
        let (rows_log, live_games, pass) = (log.clone(), live.clone(), access.clone());
        let service = Service { log: rows_log, offer, sessions, access: pass, live: live_games };
        let config = config.clone();
        let network = spawn("network", move || {
            network(&runtime, builder, listener, (service, games, access), stopped, &config)
        })?;
        let world_log = log.clone();
        let simulation = spawn("simulation", move || simulation.run(&world_log, &mut arena))?;
        let (simulation, network) = (Some(simulation), Some(network));
        Ok(Self { address, log, live, stop, simulation, network, archivist })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The live games.
    pub fn live(&self) -> LiveHandle {
        self.live.clone()
    }

    /// Ends the world, lets streams end with their last batch, and closes the connections.
    ///
    /// # Errors
    ///
    /// What went wrong in the world or in the network while they ran.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.log.stop();
        self.live.stop();
        let world = ended("simulation", self.simulation.take());
        self.stop.send_replace(true);
        let network = ended("network", self.network.take());
        // The arena is gone, and with it who sends games.
        let archive = match self.archivist.take().map(Archivist::finish) {
            None => Ok(()),
            Some(None) => Err(ServeError::Panicked("archive")),
            Some(Some(written)) => written.map_err(ServeError::from),
        };
        world.and(network).and(archive)
    }

    /// Whether a thread has ended that only ends by itself if something is wrong.
    pub fn has_failed(&self) -> bool {
        self.network.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.log.stop();
        self.live.stop();
        self.stop.send_replace(true);
    }
}

/// Starts a thread with a name.
pub(super) fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ServeError> {
    let spawned = Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|source: io::Error| ServeError::Thread { name, source })
}

fn ended(
    name: &'static str,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
) -> Result<(), ServeError> {
    let Some(thread) = thread else { return Ok(()) };
    thread.join().unwrap_or(Err(ServeError::Panicked(name)))
}

fn network(
    runtime: &Runtime,
    builder: tonic::transport::Server,
    listener: TcpListener,
    (rows, games, access): (Service, Games, Access),
    stopped: watch::Receiver<bool>,
    config: &ServerConfig,
) -> Result<(), ServeError> {
    // Small messages are not held back to be sent together.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let stop = |mut stopped: watch::Receiver<bool>| async move {
        // A server that was dropped is to stop as well.
        let _is_alive = stopped.wait_for(|&is_stopped| is_stopped).await.is_ok();
    };
    let sessions = rows.sessions.clone();
    let limit = Arc::new(RequestLimit::new(config.live.requests_per_second));
    let check = move |request: tonic::Request<()>| {
        access.check(request.metadata(), Scope::Drive)?;
        limit.check(request)
    };
    let flights = FlightServiceServer::new(rows).max_decoding_message_size(MESSAGE_BYTES);
    runtime.block_on(async {
        let serving = builder
            .http2_keepalive_interval(Some(config.keepalive))
            .http2_keepalive_timeout(Some(config.keepalive))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES)
            .add_service(flights)
            .add_service(GameServiceServer::with_interceptor(games, check))
            .serve_with_incoming_shutdown(incoming, stop(stopped.clone()));
        let sessions_left = async {
            loop {
                tokio::time::sleep(REAPING).await;
                sessions.give_up_late();
            }
        };
        let overdue = async {
            stop(stopped).await;
            // Streams that nobody reads do not end by themselves.
            tokio::time::sleep(config.grace).await;
        };
        tokio::select! {
            result = serving => result.map_err(ServeError::from),
            () = overdue => Ok(()),
            () = sessions_left => Ok(()),
        }
    })
}

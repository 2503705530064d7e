//! Starting and ending the server.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::Duration,
};

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tonic::transport::server::TcpIncoming;

use super::{
    ServeError,
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
            grace: Duration::from_secs(10),
            keepalive: Duration::from_secs(10),
            live: LiveConfig::default(),
            archive: None,
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
        let format = simulated.format;
        let simulation = Simulation::new(simulated)?;
        let (schema, policies) =
            (simulation.rows().schema().clone(), simulation.rows().policies().clone());
        let shares = Arc::new(Shares::new(schema, policies, format));
        let log = Log::new(config.retain_bytes, config.max_streams, config.patience);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| ServeError::Thread { name: "network", source })?;
        let listen = |source| ServeError::Listen { address: config.address, source };
        let listener = runtime.block_on(TcpListener::bind(config.address)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = watch::channel(false);
        let service = Service { log: log.clone(), shares };
        let archive = config.archive.clone().map(Archivist::start).transpose();
        let archive = archive.map_err(|source| ServeError::Thread { name: "archive", source })?;
        let (archivist, finished) = archive.unzip();
        let (mut arena, live) = Arena::new(config.live.clone(), finished);
        let games = Games::new(live.clone());
        let config = config.clone();
        let network = spawn("network", move || {
            network(&runtime, listener, (service, games), stopped, &config)
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
    listener: TcpListener,
    (rows, games): (Service, Games),
    stopped: watch::Receiver<bool>,
    config: &ServerConfig,
) -> Result<(), ServeError> {
    // Small messages are not held back to be sent together.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let stop = |mut stopped: watch::Receiver<bool>| async move {
        // A server that was dropped is to stop as well.
        let _is_alive = stopped.wait_for(|&is_stopped| is_stopped).await.is_ok();
    };
    let limit = Arc::new(RequestLimit::new(config.live.requests_per_second));
    let check = move |request| limit.check(request);
    runtime.block_on(async {
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(config.keepalive))
            .http2_keepalive_timeout(Some(config.keepalive))
            .add_service(FlightServiceServer::new(rows))
            .add_service(GameServiceServer::with_interceptor(games, check))
            .serve_with_incoming_shutdown(incoming, stop(stopped.clone()));
        let overdue = async {
            stop(stopped).await;
            // Streams that nobody reads do not end by themselves.
            tokio::time::sleep(config.grace).await;
        };
        tokio::select! {
            result = serving => result.map_err(ServeError::from),
            () = overdue => Ok(()),
        }
    })
}

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

use tokio::sync::watch;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tracing::{error, info};

use super::{
    ServeError,
    access::{Access, Token},
    collect::LiveCollector,
    datasets::Datasets,
    envs::{self, Sessions},
    flights::Offer,
    log::{Log, LogConfig},
    network,
    put::Taker,
    put_games::Referee,
    service::Service,
    share::Shares,
    simulation::{Simulated, Simulation},
    snapshot::Director,
    sources::Sources,
    spill::{self, Spill, SpillConfig},
};
use crate::live::{
    Arena, LiveConfig, LiveHandle,
    archive::{ArchiveConfig, Archivist, Keeper},
};

/// Bytes of a message that a client sends.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;

/// Bytes of the snapshots of all remote sessions: 1 GiB.
const SNAPSHOT_BYTES: u64 = 1 << 30;

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
    /// How many times each row is to be read before the world goes on, all streams together.
    pub samples_per_insert: Option<f64>,
    /// Where metrics are told over HTTP, to everybody who can connect; nowhere without an address.
    pub metrics: Option<SocketAddr>,
    /// Who may do what; everybody may do everything if there are no tokens.
    pub tokens: Vec<Token>,
    /// The certificate, where connections are encrypted.
    pub tls: Option<Tls>,
    /// Whether other machines may connect without TLS or without tokens.
    pub is_insecure: bool,
    /// Names of policies that play elsewhere and whose rows are taken.
    pub learners: Vec<String>,
    /// Closed datasets that are offered beside what is played: folders by name.
    pub datasets: BTreeMap<String, PathBuf>,
    /// Environments of all remote sessions together.
    pub max_envs: usize,
    /// How long environments wait for a client whose connection broke.
    pub env_grace: Duration,
    /// Where rows go that slow streams have not taken; nowhere without a folder.
    pub spill: Option<SpillConfig>,
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
            patience: Duration::from_mins(1),
            samples_per_insert: None,
            metrics: None,
            tokens: Vec::new(),
            tls: None,
            is_insecure: false,
            learners: Vec::new(),
            datasets: BTreeMap::new(),
            max_envs: 1 << 16,
            env_grace: Duration::from_mins(1),
            spill: None,
            grace: Duration::from_secs(10),
            keepalive: Duration::from_secs(10),
            live: LiveConfig::default(),
            archive: None,
        }
    }
}

impl ServerConfig {
    /// Refuses addresses that strangers can reach without showing who they are.
    fn check_exposed(&self) -> Result<(), ServeError> {
        if self.is_insecure {
            return Ok(());
        }
        let is_open = self.tls.is_none() || self.tokens.is_empty();
        if is_open && !self.address.ip().is_loopback() {
            return Err(ServeError::Exposed { address: self.address });
        }
        match self.metrics.filter(|address| !address.ip().is_loopback()) {
            Some(address) => Err(ServeError::ExposedMetrics { address }),
            None => Ok(()),
        }
    }

    fn log(&self) -> LogConfig {
        LogConfig {
            capacity: self.retain_bytes,
            readers_at_most: self.max_streams,
            patience: self.patience,
            samples_per_insert: self.samples_per_insert,
            spill_grace: self.spill.as_ref().map(|spill| spill.grace),
        }
    }

    fn builder(&self) -> Result<tonic::transport::Server, ServeError> {
        let builder = tonic::transport::Server::builder();
        match &self.tls {
            Some(tls) => builder.tls_config(tls.config()).map_err(ServeError::Tls),
            None => Ok(builder),
        }
    }

    /// Who keeps finished games, if they are kept, and where to send them.
    fn archivist(&self) -> Result<Option<(Archivist, Keeper)>, ServeError> {
        let archive = self.archive.clone().map(Archivist::start).transpose();
        archive.map_err(|source| ServeError::Thread { name: "archive", source })
    }

    fn limits(&self) -> Limits {
        Limits {
            streams: self.max_streams,
            retain_bytes: self.retain_bytes,
            message_bytes: MESSAGE_BYTES,
            envs: self.max_envs,
        }
    }
}

/// What the server allows at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Streams that are open.
    pub(super) streams: usize,
    /// Bytes of the rows that are kept.
    pub(super) retain_bytes: usize,
    /// Bytes of a message that a client sends.
    pub(super) message_bytes: usize,
    /// Environments of all sessions together.
    pub(super) envs: usize,
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
    metrics_address: Option<SocketAddr>,
    log: Arc<Log>,
    live: LiveHandle,
    stop: watch::Sender<bool>,
    simulation: Option<JoinHandle<Result<(), ServeError>>>,
    network: Option<JoinHandle<Result<(), ServeError>>>,
    spill: Option<JoinHandle<Result<(), ServeError>>>,
    archivist: Option<Archivist>,
}

impl Server {
    /// Listens, and starts the world.
    ///
    /// # Errors
    ///
    /// Addresses that cannot be listened on, games that cannot be played.
    pub fn start(config: &ServerConfig, simulated: Simulated) -> Result<Self, ServeError> {
        config.check_exposed()?;
        let builder = config.builder()?;
        let (format, reward) = (simulated.format, simulated.reward);
        let (director, commands) = Director::new(&simulated);
        let simulation = Simulation::new(simulated, &config.learners, commands)?;
        let rows = simulation.rows();
        let (schema, policies) = (rows.schema().clone(), rows.policies().clone());
        let log = Log::new(config.log());
        let spill = config.spill.as_ref().map(|spill| Spill::open(spill, &schema, &policies));
        let spill = spill.transpose()?.map(Arc::new);
        let pool = simulation.pool().clone();
        let (columns, names) = (schema.clone(), policies.clone());
        let collector = Box::new(LiveCollector::new(log.clone(), pool, format, columns, names));
        let collection = envs::Collection { log: log.clone(), format, policies: policies.clone() };
        let referee = Referee::new(format, reward, schema.clone(), policies.clone())?;
        let (stop, stopped) = watch::channel(false);
        let (columns, names) = (schema.clone(), policies.clone());
        let taker = Taker::new(log.clone(), columns, names, format, referee, stopped.clone());
        let shares = Arc::new(Shares::new(schema, policies, format));
        let datasets = Datasets::open(&config.datasets, &shares.sent)?;
        let limits = envs::Limits {
            envs: config.max_envs,
            snapshot_bytes: SNAPSHOT_BYTES,
            grace: config.env_grace,
        };
        let sessions = Sessions::new(limits, stopped.clone(), collection);
        let (runtime, listeners) = network::listen(config)?;
        let address = listeners.address;
        let metrics_address = listeners.metrics.as_ref().and_then(|page| page.local_addr().ok());
        let (archivist, finished) = config.archivist()?.unzip();
        let (mut arena, live) = Arena::new(config.live.clone(), finished, Some(collector));
        let offer = Arc::new(Offer { shares, datasets, analytics: arena.analytics() });
        let sources = Sources {
            log: log.clone(),
            spill: spill.clone(),
            offer,
            sessions,
            live: live.clone(),
            simulation: simulation.stats(),
            taker: Arc::new(taker),
            director,
        };
        let access = Access::new(&config.tokens);
        let service = Service { sources, access, limits: config.limits() };
        info!(%address, tls = config.tls.is_some(), tokens = config.tokens.len(), "listening");
        let config = config.clone();
        let network = spawn("network", move || {
            told("network", network::run(&runtime, builder, listeners, service, stopped, &config))
        })?;
        let world_log = log.clone();
        let simulation = spawn("simulation", move || {
            told("simulation", simulation.run(&world_log, &mut arena))
        })?;
        let (simulation, network) = (Some(simulation), Some(network));
        let spill_log = log.clone();
        let keep = |spill: Arc<Spill>| {
            spawn("spill", move || told("spill", spill::keep(&spill_log, &spill)))
        };
        let spill = spill.map(keep).transpose()?;
        Ok(Self {
            address,
            metrics_address,
            log,
            live,
            stop,
            simulation,
            network,
            spill,
            archivist,
        })
    }

    /// Where metrics are told, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
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
        info!("stopping");
        self.log.stop();
        self.live.stop();
        let world = ended("simulation", self.simulation.take());
        self.stop.send_replace(true);
        let network = ended("network", self.network.take());
        // No stream takes rows any more: those that clients may come back for are synced.
        self.log.flush_spill();
        let spill = ended("spill", self.spill.take());
        // The arena is gone, and with it who sends games.
        let archive = match self.archivist.take().map(Archivist::finish) {
            None => Ok(()),
            Some(None) => Err(ServeError::Panicked("archive")),
            Some(Some(written)) => written.map_err(ServeError::from),
        };
        info!("stopped");
        world.and(network).and(spill).and(archive)
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
        self.log.flush_spill();
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

/// Logs with what error a thread ended, which the caller hears of when the server stops.
fn told(thread: &'static str, result: Result<(), ServeError>) -> Result<(), ServeError> {
    result.inspect_err(|error| error!(thread, error = error.to_string(), "a thread failed"))
}

fn ended(
    name: &'static str,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
) -> Result<(), ServeError> {
    let Some(thread) = thread else { return Ok(()) };
    thread.join().unwrap_or(Err(ServeError::Panicked(name)))
}

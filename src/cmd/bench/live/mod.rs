//! Live games over loopback: how late ticks are, what they cost, and whether updates are whole.

mod crowd;
mod machine;
mod training;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bivouac::{
    live::{LiveConfig, LiveHandle, stats::LiveStats},
    serve::{Server, ServerConfig},
};
use proto::v1::{ListGamesRequest, game_service_client::GameServiceClient};
use serde::Serialize;
use tokio::{sync::watch, task::JoinSet};
use tonic::transport::Channel;

pub(super) use self::{
    crowd::march,
    machine::busy,
    training::{read_rows, simulated},
};
use self::{
    crowd::{By, Counts, Watcher},
    machine::{resident, threads},
};
use crate::cmd::progress::float;

pub(super) type Client = GameServiceClient<Channel>;

/// Milliseconds of a turn.
const TURN_MS: u32 = 500;

/// A load on the server, and what it may come to.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    /// Games; those with one player have a policy in the other seat.
    games: usize,
    /// Players who join each game, 0 to 2: a game that is not full stays in its lobby.
    players: usize,
    /// Seats that are played by a policy.
    policies: usize,
    /// Players who watch.
    watchers: usize,
    connections: usize,
    by: By,
    /// Whether simulated games are played at full speed beside.
    trains: bool,
    limits: Limits,
}

/// What the load may come to at its full size.
#[derive(Clone, Copy)]
struct Limits {
    /// Games created and joined a second, at least.
    created_per_second: f64,
    /// Milliseconds of lateness that 99 % of ticks stay within.
    late_p99_ms: f64,
    server_cores: f64,
    bytes_per_game: f64,
}

impl Limits {
    const NONE: Self = Self {
        created_per_second: 0.0,
        late_p99_ms: f64::MAX,
        server_cores: f64::MAX,
        bytes_per_game: f64::MAX,
    };
}

const LOADS: [Load; 5] = [
    Load {
        name: "10,000 games, 1,000 watched",
        games: 10_000,
        players: 1,
        policies: 1,
        watchers: 1_000,
        connections: 50,
        by: By::One,
        trains: false,
        limits: Limits {
            late_p99_ms: 20.0,
            server_cores: 1.0,
            bytes_per_game: 4096.0,
            ..Limits::NONE
        },
    },
    Load {
        name: "the same beside training",
        games: 10_000,
        players: 1,
        policies: 1,
        watchers: 1_000,
        connections: 50,
        by: By::One,
        trains: true,
        // What training takes is not counted among the limits.
        limits: Limits { late_p99_ms: 20.0, ..Limits::NONE },
    },
    Load {
        name: "5,000 games, all 10,000 players watching",
        games: 5_000,
        players: 2,
        policies: 0,
        watchers: 10_000,
        connections: 200,
        by: By::One,
        trains: false,
        limits: Limits { late_p99_ms: 50.0, ..Limits::NONE },
    },
    Load {
        name: "20,000 games of two, created and joined 100 with each request",
        games: 20_000,
        players: 2,
        policies: 0,
        watchers: 0,
        connections: 50,
        by: By::Many(100),
        trains: false,
        limits: Limits { created_per_second: 20_000.0, ..Limits::NONE },
    },
    Load {
        name: "100,000 games in the lobby",
        games: 100_000,
        players: 0,
        policies: 0,
        watchers: 0,
        connections: 50,
        by: By::One,
        trains: false,
        limits: Limits { server_cores: 0.01, bytes_per_game: 4096.0, ..Limits::NONE },
    },
];

impl Load {
    /// A share of it, in percent.
    fn scaled(self, percent: usize) -> Self {
        let share = |n: usize| (n * percent).div_ceil(100);
        let (games, watchers) = (share(self.games), share(self.watchers));
        Self { games, watchers, connections: self.connections.min(games), ..self }
    }
}

/// What a load came to.
#[derive(Serialize)]
pub(super) struct Lived {
    load: &'static str,
    games: usize,
    /// Games created, with their joins, a second.
    created_per_second: f64,
    seconds: f64,
    ticks_per_second: f64,
    updates_per_second: f64,
    orders_per_second: f64,
    /// Updates whose number did not follow the one before, or that did not fit the board.
    missing_updates: u64,
    /// Boards that were held against the server's in the end, and those that were not equal.
    boards: u64,
    wrong_boards: u64,
    /// Times that the server threw a backlog away.
    overflows: u64,
    /// Upper bounds of the lateness of half and of 99 % of ticks, in milliseconds; none: over a second.
    late_p50_ms: Option<f64>,
    late_p99_ms: Option<f64>,
    /// Cores that the server's threads kept busy, and while the watched games were paused.
    server_cores: f64,
    paused_cores: Option<f64>,
    /// Bytes of memory that a game took, before anybody watched; none where what is in flight takes more.
    bytes_per_game: Option<f64>,
    /// Threads of the process that came with the games and the watchers.
    more_threads: u64,
    /// What is over its limit.
    missed: Vec<String>,
}

impl Lived {
    /// Whether every update came and every board was the server's, and no thread came with a game.
    pub(super) fn is_right(&self) -> bool {
        self.missing_updates == 0 && self.wrong_boards == 0 && self.more_threads == 0
    }

    /// Whether it stayed within its limits.
    pub(super) fn is_within_limits(&self) -> bool {
        self.missed.is_empty()
    }

    fn judge(mut self, limits: Limits) -> Self {
        let late = self.late_p99_ms.unwrap_or(f64::INFINITY);
        for (what, found, most) in [
            ("milliseconds of lateness (p99)", late, limits.late_p99_ms),
            ("cores", self.server_cores, limits.server_cores),
            ("bytes a game", self.bytes_per_game.unwrap_or(0.0), limits.bytes_per_game),
        ] {
            if found > most {
                self.missed.push(format!("{found:.2} {what}, at most {most} are wanted"));
            }
        }
        let (created, least) = (self.created_per_second, limits.created_per_second);
        if created < least {
            self.missed.push(format!("{created:.0} games created a second, {least} are wanted"));
        }
        self
    }
}

/// Puts every load on a server of its own for so many seconds, at this share of its size.
pub(super) fn measure(seconds: f64, percent: usize) -> anyhow::Result<Vec<Lived>> {
    LOADS.iter().map(|load| on_server(load.scaled(percent), seconds).context(load.name)).collect()
}

fn on_server(load: Load, seconds: f64) -> anyhow::Result<Lived> {
    let live = LiveConfig { max_games: 200_000, ..LiveConfig::default() };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let grace = Duration::from_millis(100);
    let config = ServerConfig { live, grace, ..ServerConfig::at(address) };
    let server = Server::start(&config, simulated(load.trains))?;
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lived = clients.block_on(put(load, &server, seconds))?;
    // Streams are still open: they end with their clients.
    drop(clients);
    server.stop()?;
    Ok(lived)
}

async fn put(load: Load, server: &Server, seconds: f64) -> anyhow::Result<Lived> {
    let handle = server.live();
    let counts = Arc::new(Counts::default());
    let clients = connect(load, &format!("http://{}", server.address())).await?;
    let since = Instant::now();
    // What grows with the number of games is what a game takes: buffers of requests in flight and of
    // connections have their size by the time that a fifth of the games are there, and threads that the
    // first game needs have begun. Tables grow by doubling: the more games, the less that matters.
    let first = load.games / 5;
    let mut seats = crowd::create_all(&clients, load, 0..first).await?;
    let (memory, threads_before) = (resident(), threads()?);
    seats.extend(crowd::create_all(&clients, load, first..load.games).await?);
    let created_per_second = float(load.games as u64) / since.elapsed().as_secs_f64();
    let grown = resident().saturating_sub(memory);
    let is_told = load.limits.bytes_per_game < f64::MAX;
    let bytes_per_game = is_told.then(|| float(grown) / float((load.games - first) as u64));
    seats.truncate(load.watchers);
    let (stand, stands) = watch::channel(false);
    let mut watchers = JoinSet::new();
    for (number, seat) in seats.iter().cloned().enumerate() {
        let client = clients[number % load.connections].clone();
        watchers.spawn(Watcher::new(client, seat, number, &counts).play(stands.clone()));
    }
    // What the beginning cost is not what is measured: on a slow machine ten thousand streams take
    // seconds to open, and each tells its board as soon as it does.
    while counts.updates.load(Ordering::Relaxed) < 2 * seats.len() as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let window = Window::measure(&handle, &counts, seconds).await?;
    let more_threads = threads()?.saturating_sub(threads_before);
    // Boards can be compared while their games stand.
    crowd::pause_all(&clients, seats).await?;
    let paused_cores = if load.watchers > 0 && !load.trains {
        Some(busy_while_paused(seconds).await?)
    } else {
        None
    };
    stand.send_replace(true);
    while let Some(watched) = watchers.join_next().await {
        watched??;
    }
    let lived = Lived {
        load: load.name,
        games: load.games,
        created_per_second,
        seconds: window.seconds,
        ticks_per_second: float(window.stats.ticks) / window.seconds,
        updates_per_second: float(window.updates) / window.seconds,
        orders_per_second: float(window.orders) / window.seconds,
        missing_updates: of(&counts.missing),
        boards: of(&counts.compared),
        wrong_boards: of(&counts.wrong_boards),
        overflows: window.stats.overflows,
        late_p50_ms: window.late(0.5),
        late_p99_ms: window.late(0.99),
        server_cores: window.server_cores,
        paused_cores,
        bytes_per_game,
        more_threads,
        missed: Vec::new(),
    };
    Ok(lived.judge(load.limits))
}

/// What happened while it was measured.
struct Window {
    seconds: f64,
    /// Ticks and their lateness in that time; all else since the server began.
    stats: LiveStats,
    updates: u64,
    orders: u64,
    server_cores: f64,
}

impl Window {
    async fn measure(handle: &LiveHandle, counts: &Counts, seconds: f64) -> anyhow::Result<Self> {
        let (before, busy_before, began) = (handle.stats().await?, busy()?, Instant::now());
        let (updates, orders) = (of(&counts.updates), of(&counts.orders));
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let mut stats = handle.stats().await?;
        stats.ticks -= before.ticks;
        for (count, before) in stats.lateness.iter_mut().zip(before.lateness) {
            *count -= before;
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Self {
            seconds,
            stats,
            updates: of(&counts.updates) - updates,
            orders: of(&counts.orders) - orders,
            server_cores: (busy()? - busy_before) / seconds,
        })
    }

    /// Milliseconds of lateness that this share of ticks stayed within; none: over a second.
    fn late(&self, share: f64) -> Option<f64> {
        let late = self.stats.lateness_quantile(share);
        (late != u64::MAX).then(|| float(late) / 1000.0)
    }
}

fn of(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The connections of the players, and that of the trainer if there is one.
async fn connect(load: Load, uri: &str) -> anyhow::Result<Vec<Client>> {
    if load.trains {
        tokio::spawn(read_rows(uri.to_owned()));
    }
    let mut clients = Vec::new();
    for _ in 0..load.connections {
        let channel = Channel::from_shared(uri.to_owned())?.connect().await?;
        let mut client = GameServiceClient::new(channel);
        // What a connection needs for itself is no game's.
        client.list_games(ListGamesRequest::default()).await?;
        clients.push(client);
    }
    Ok(clients)
}

/// Cores that the server keeps busy when the watched games stand.
async fn busy_while_paused(seconds: f64) -> anyhow::Result<f64> {
    // The last updates are on their way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, began) = (busy()?, Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds / 2.0)).await;
    Ok((busy()? - before) / began.elapsed().as_secs_f64())
}

/// Prints what the loads came to.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub(super) fn print(lived: &[Lived]) {
    for lived in lived {
        println!("{}", lived.load);
        let bytes = lived.bytes_per_game.map(|bytes| format!("{bytes:.0} bytes a game, "));
        println!(
            "  {:.0} games/s created and joined, {}{} more threads",
            lived.created_per_second,
            bytes.unwrap_or_default(),
            lived.more_threads
        );
        println!(
            "  {:.0} ticks/s, {:.0} updates/s, {:.0} orders/s, {} updates missing, {} overflows",
            lived.ticks_per_second,
            lived.updates_per_second,
            lived.orders_per_second,
            lived.missing_updates,
            lived.overflows
        );
        println!("  {} boards compared in the end, {} wrong", lived.boards, lived.wrong_boards);
        println!(
            "  lateness p50 {}, p99 {}; the server {:.2} cores",
            milliseconds(lived.late_p50_ms),
            milliseconds(lived.late_p99_ms),
            lived.server_cores
        );
        if let Some(cores) = lived.paused_cores {
            println!("  with the watched games paused {cores:.2} cores");
        }
        for missed in &lived.missed {
            println!("  missed: {missed}");
        }
    }
}

/// An upper bound as text.
fn milliseconds(bound: Option<f64>) -> String {
    bound.map_or_else(|| "> 1000 ms".to_owned(), |bound| format!("<= {bound} ms"))
}

//! Live games over loopback: how late ticks are, what they cost, and whether updates are whole.

use std::{
    fs,
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bivouac::{
    live::LiveConfig,
    serve::{Server, ServerConfig, Simulated},
};
use proto::v1::{
    CreateGameRequest, JoinGameRequest, ListGamesRequest, Pace, StreamGameRequest, Update,
    game_service_client::GameServiceClient, update::Board,
};
use serde::Serialize;
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::WorldConfig,
};
use tokio::task::JoinSet;
use tonic::{Streaming, transport::Channel};

use crate::cmd::progress::float;

/// Milliseconds of a turn.
const TURN_MS: u32 = 500;

/// Games that are created at a time over each connection.
const AT_ONCE: usize = 16;

/// A load on the server.
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
    /// Whether simulated games are played at full speed beside.
    trains: bool,
}

const LOADS: [Load; 4] = [
    Load {
        name: "10,000 games, 1,000 watched",
        games: 10_000,
        players: 1,
        policies: 1,
        watchers: 1_000,
        connections: 50,
        trains: false,
    },
    Load {
        name: "the same beside training",
        games: 10_000,
        players: 1,
        policies: 1,
        watchers: 1_000,
        connections: 50,
        trains: true,
    },
    Load {
        name: "5,000 games, all 10,000 players watching",
        games: 5_000,
        players: 2,
        policies: 0,
        watchers: 10_000,
        connections: 200,
        trains: false,
    },
    Load {
        name: "100,000 games in the lobby",
        games: 100_000,
        players: 0,
        policies: 0,
        watchers: 0,
        connections: 50,
        trains: false,
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
    /// Updates whose number did not follow the one before.
    missing_updates: u64,
    /// Times that the server threw a backlog away.
    overflows: u64,
    /// Upper bounds of the lateness of half and of 99 % of ticks, in milliseconds.
    late_p50_ms: f64,
    late_p99_ms: f64,
    /// Cores that the server's threads kept busy.
    server_cores: f64,
    /// Bytes of memory that a game took, before anybody watched.
    bytes_per_game: f64,
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
    let uri = format!("http://{}", server.address());
    let counts = Arc::new(Counts::default());
    if load.trains {
        let trainer = read_rows(uri.clone());
        tokio::spawn(trainer);
    }
    let mut clients = Vec::new();
    for _ in 0..load.connections {
        let channel = Channel::from_shared(uri.clone())?.connect().await?;
        let mut client = GameServiceClient::new(channel);
        // What a connection needs for itself is no game's.
        client.list_games(ListGamesRequest::default()).await?;
        clients.push(client);
    }
    let since = Instant::now();
    // What grows with the number of games is what a game takes: buffers of requests in flight and of
    // connections have their size by the time that half of the games are there.
    let half = load.games / 2;
    let mut seats = create_all(&clients, load, 0..half).await?;
    let memory = resident();
    seats.extend(create_all(&clients, load, half..load.games).await?);
    let created_per_second = float(load.games as u64) / since.elapsed().as_secs_f64();
    let grown = resident().saturating_sub(memory);
    let bytes_per_game = float(grown) / float((load.games - half) as u64);
    for (number, watch) in seats.into_iter().take(load.watchers).enumerate() {
        let client = &mut clients[number % load.connections];
        let stream = client.stream_game(watch).await?.into_inner();
        tokio::spawn(follow(stream, counts.clone()));
    }
    // What the beginning cost is not what is measured.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, busy, began) = (handle.stats().await?, busy()?, Instant::now());
    let updates = counts.updates.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let after = handle.stats().await?;
    let (elapsed, updates) =
        (began.elapsed().as_secs_f64(), counts.updates.load(Ordering::Relaxed) - updates);
    let server_cores = (self::busy()? - busy) / elapsed;
    let mut during = after.clone();
    during.ticks -= before.ticks;
    during.lateness.iter_mut().zip(before.lateness).for_each(|(count, before)| *count -= before);
    let late = |share| float(during.lateness_quantile(share)) / 1000.0;
    let lived = Lived {
        load: load.name,
        games: load.games,
        created_per_second,
        seconds: elapsed,
        ticks_per_second: float(during.ticks) / elapsed,
        updates_per_second: float(updates) / elapsed,
        missing_updates: counts.missing.load(Ordering::Relaxed),
        overflows: after.overflows,
        late_p50_ms: late(0.5),
        late_p99_ms: late(0.99),
        server_cores,
        bytes_per_game,
    };
    Ok(lived)
}

/// Creates these games, some at a time on every connection, and returns the seats that were taken, as
/// far as they are to be watched.
async fn create_all(
    clients: &[GameServiceClient<Channel>],
    load: Load,
    games: Range<usize>,
) -> anyhow::Result<Vec<StreamGameRequest>> {
    let at_once = clients.len() * AT_ONCE;
    let wanted = load.watchers.div_ceil(2);
    let mut creators = JoinSet::new();
    for number in 0..at_once {
        let share = games.clone().skip(number).step_by(at_once).len();
        creators.spawn(create(clients[number % clients.len()].clone(), load, share));
    }
    let mut seats = Vec::with_capacity(wanted);
    while let Some(created) = creators.join_next().await {
        let left = wanted - seats.len();
        seats.extend(created??.into_iter().take(left));
    }
    Ok(seats)
}

/// Creates so many games and returns the seats that were taken.
async fn create(
    mut client: GameServiceClient<Channel>,
    load: Load,
    share: usize,
) -> anyhow::Result<Vec<StreamGameRequest>> {
    let mut seats = Vec::with_capacity(share * load.players);
    for _ in 0..share {
        let created = client
            .create_game(CreateGameRequest {
                pace: Pace::Timed.into(),
                turn_ms: TURN_MS,
                max_ticks: 1_000_000,
                policies: vec!["expander".to_owned(); load.policies],
                join_as: (load.players > 0).then(|| "player 0".to_owned()),
                ..CreateGameRequest::default()
            })
            .await?
            .into_inner();
        if let Some(joined) = created.joined {
            let game_id = created.game_id.clone();
            seats.push(StreamGameRequest { game_id, token: joined.token });
        }
        for player in 1..load.players {
            let (game_id, name) = (created.game_id.clone(), format!("player {player}"));
            let joining = JoinGameRequest { game_id, name, seat: None };
            let token = client.join_game(joining).await?.into_inner().token;
            let game_id = created.game_id.clone();
            seats.push(StreamGameRequest { game_id, token });
        }
    }
    Ok(seats)
}

#[derive(Default)]
struct Counts {
    updates: AtomicU64,
    missing: AtomicU64,
}

/// Reads a stream and counts what comes and what is missing.
async fn follow(mut stream: Streaming<Update>, counts: Arc<Counts>) {
    let mut seq = None;
    while let Ok(Some(update)) = stream.message().await {
        let is_whole = matches!(update.board, Some(Board::View(_)));
        if !is_whole && seq.is_some_and(|seq| update.seq != seq + 1) {
            counts.missing.fetch_add(1, Ordering::Relaxed);
        }
        seq = Some(update.seq);
        counts.updates.fetch_add(1, Ordering::Relaxed);
    }
}

/// A trainer who takes rows as fast as they come.
pub(super) async fn read_rows(uri: String) {
    use arrow_flight::{Ticket, flight_service_client::FlightServiceClient};
    let Ok(channel) = Channel::from_shared(uri) else { return };
    let Ok(channel) = channel.connect().await else { return };
    let ticket = Ticket::new(r#"{"follow": true, "slow": "drop_oldest"}"#);
    let Ok(rows) = FlightServiceClient::new(channel).do_get(ticket).await else { return };
    let mut rows = rows.into_inner();
    while let Ok(Some(_)) = rows.message().await {}
}

/// Simulated games without end, or none.
pub(super) fn simulated(trains: bool) -> Simulated {
    if !trains {
        return Simulated::nothing();
    }
    let ruleset = Arc::new(Ruleset::named("generals").expect("it is built in"));
    let map = MapSpec::free_for_all(ruleset.map.kind, 2);
    let spec = RolloutSpec {
        seed: 0,
        first_game: 0,
        games: u64::MAX,
        maps: Maps::Generated(MapSpec { size: Size::Fixed { width: 20, height: 20 }, ..map }),
        ruleset,
        max_ticks: 500,
        policies: vec![Policy::Random],
        has_fog: true,
    };
    let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
    let reward = Reward::SPARSE;
    Simulated { spec, format, reward, at_once: 1024, world: WorldConfig::default() }
}

/// Seconds that the server's threads have been at work, from what Linux tells of each.
pub(super) fn busy() -> anyhow::Result<f64> {
    let mut ticks = 0;
    for task in fs::read_dir("/proc/self/task").context("this needs Linux's /proc")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?;
        if !["simulation", "network", "publisher"].contains(&name.trim()) {
            continue;
        }
        let stat = fs::read_to_string(task.join("stat"))?;
        // After the name in brackets: the 12th and 13th fields are user and system time.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let times = fields.skip(11).take(2).filter_map(|time| time.parse::<u64>().ok());
        ticks += times.sum::<u64>();
    }
    // Linux tells times to programs in hundredths of a second.
    Ok(float(ticks) / 100.0)
}

/// Bytes of memory in use.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// Prints what the loads came to.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub(super) fn print(lived: &[Lived]) {
    for lived in lived {
        println!("{}", lived.load);
        println!(
            "  {:.0} games/s created and joined, {:.0} bytes a game",
            lived.created_per_second, lived.bytes_per_game
        );
        println!(
            "  {:.0} ticks/s, {:.0} updates/s, {} missing, {} overflows",
            lived.ticks_per_second,
            lived.updates_per_second,
            lived.missing_updates,
            lived.overflows
        );
        println!(
            "  lateness p50 <= {} ms, p99 <= {} ms; the server {:.2} cores",
            lived.late_p50_ms, lived.late_p99_ms, lived.server_cores
        );
    }
}

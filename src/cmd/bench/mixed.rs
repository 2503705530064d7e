//! Everything at once: games that nobody watches, games in the lobby, training, and players who play
//! one game after another and lose their connections at random. Every game has to end as the rules
//! say, and every board has to be the one the server has.

mod ends;
mod player;

use std::{
    net::SocketAddr,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use bivouac::{
    live::{LiveConfig, LiveHandle, game::Phase, stats::LiveStats},
    serve::{Server, ServerConfig},
};
use proto::v1::{self, CreateGameRequest, game_service_client::GameServiceClient};
use serde::Serialize;
use systems::dice::Dice;
use tokio::{task::JoinSet, time};
use tonic::transport::Channel;

use self::{ends::Counts, player::Player};
use super::live::{busy, read_rows, simulated};
use crate::cmd::progress::float;

type Client = GameServiceClient<Channel>;

/// What the load is called.
const NAME: &str = "everything at once, with disconnects";

/// Games that nobody watches, games that wait in the lobby, players, and their connections.
const STANDING: usize = 5_000;
const WAITING: usize = 20_000;
const PLAYERS: usize = 1_000;
const CONNECTIONS: usize = 50;

/// Time in which a player who was cut off has to come back.
const GRACE: Duration = Duration::from_secs(1);

/// How long the last games may take after the time is up.
const PATIENCE: Duration = Duration::from_mins(20);

/// What it came to.
#[derive(Default, Serialize)]
pub(super) struct Mixed {
    load: &'static str,
    seconds: f64,
    /// Games that were created, and that came to an end of any kind.
    created: u64,
    over: u64,
    /// Games that were played to their end, and that were given up: deleted, or nobody joined.
    ended: u64,
    aborted: u64,
    /// Ends of players' games that were looked at, by kind.
    won: u64,
    lost: u64,
    drawn: u64,
    truncated: u64,
    deleted: u64,
    /// What players did beside playing.
    disconnects: u64,
    reconnects: u64,
    vanished: u64,
    surrendered: u64,
    updates: u64,
    /// Updates that were missing or did not fit, and last boards that were not the server's.
    wrong_boards: u64,
    /// Ends that the rules do not allow.
    wrong_ends: u64,
    wrong: Vec<String>,
    late_p50_ms: f64,
    late_p99_ms: f64,
    server_cores: f64,
}

impl Mixed {
    /// What the players counted, and how the server stands in the end.
    fn of(counts: &Counts, last: &LiveStats) -> Self {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let kept = [Phase::Ended, Phase::Aborted].map(|phase| last.games[phase as usize]);
        Self {
            created: last.created,
            over: kept.iter().sum::<u64>() + last.removed,
            ended: last.ended,
            aborted: last.aborted,
            won: of(&counts.won),
            lost: of(&counts.lost),
            drawn: of(&counts.drawn),
            truncated: of(&counts.truncated),
            deleted: of(&counts.deleted),
            disconnects: of(&counts.disconnects),
            reconnects: of(&counts.reconnects),
            vanished: of(&counts.vanished),
            surrendered: of(&counts.surrendered),
            updates: of(&counts.updates),
            wrong_boards: of(&counts.wrong_boards),
            wrong_ends: of(&counts.wrong_ends),
            wrong: counts.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..Self::default()
        }
    }

    /// Whether every game ended as the rules say, and every board was the server's.
    pub(super) fn is_right(&self) -> bool {
        self.wrong_ends == 0 && self.wrong_boards == 0 && self.created == self.over
    }
}

/// Puts everything on a server for so many seconds, at this share of its size, and sees each game
/// to its end.
pub(super) fn measure(seconds: f64, percent: usize) -> anyhow::Result<Mixed> {
    let time = Duration::from_secs_f64(seconds);
    let live = LiveConfig {
        max_games: 1_000_000,
        lobby: time,
        grace: GRACE,
        // Ends are looked at afterwards.
        keep_ended: Duration::from_hours(1),
        ..LiveConfig::default()
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let grace = Duration::from_millis(100);
    let config = ServerConfig { live, grace, ..ServerConfig::at(address) };
    let server = Server::start(&config, simulated(true))?;
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mixed = clients.block_on(put(&server, time, percent))?;
    drop(clients);
    server.stop()?;
    Ok(mixed)
}

async fn put(server: &Server, time: Duration, percent: usize) -> anyhow::Result<Mixed> {
    let share = |n: usize| (n * percent).div_ceil(100);
    let uri = format!("http://{}", server.address());
    let handle = server.live();
    tokio::spawn(read_rows(uri.clone()));
    let mut channels = Vec::new();
    for _ in 0..share(CONNECTIONS) {
        channels.push(Channel::from_shared(uri.clone())?.connect().await?);
    }
    let counts = Arc::new(Counts::default());
    let (began, busy_before) = (Instant::now(), busy()?);
    let until = began + time;
    let mut players = JoinSet::new();
    for number in 0..share(PLAYERS) {
        let client = Client::new(channels[number % channels.len()].clone());
        let player = Player { client, uri: uri.clone(), dice: Dice::new(number as u64) };
        players.spawn(player.play_until(until, counts.clone()));
    }
    let turns = u32::try_from(time.as_millis() / 500).unwrap_or(u32::MAX).max(1);
    let mut standing = JoinSet::new();
    for (number, channel) in channels.iter().enumerate() {
        let of = |games: usize| (number..share(games)).step_by(channels.len()).count();
        let client = Client::new(channel.clone());
        standing.spawn(create_standing(client, turns, of(STANDING), of(WAITING)));
    }
    while let Some(done) = standing.join_next().await {
        done??;
    }
    time::sleep_until(until.into()).await;
    let stats = handle.stats().await?;
    let (elapsed, busy) = (began.elapsed().as_secs_f64(), busy()? - busy_before);
    while let Some(done) = players.join_next().await {
        done??;
    }
    let last = all_over(&handle).await?;
    check_standing(&mut Client::new(channels[0].clone()), turns, &counts).await?;
    let late = |share| float(stats.lateness_quantile(share)) / 1000.0;
    Ok(Mixed {
        load: NAME,
        seconds: elapsed,
        late_p50_ms: late(0.5),
        late_p99_ms: late(0.99),
        server_cores: busy / elapsed,
        ..Mixed::of(&counts, &last)
    })
}

/// Creates games of two policies, of so many ticks at most, and games that wait for players.
async fn create_standing(
    mut client: Client,
    max_ticks: u32,
    games: usize,
    waiting: usize,
) -> anyhow::Result<()> {
    for _ in 0..games {
        let policies = vec!["expander".to_owned(), "hunter".to_owned()];
        let game = CreateGameRequest { turn_ms: 500, max_ticks, policies, ..Default::default() };
        client.create_game(game).await?;
    }
    for _ in 0..waiting {
        client.create_game(CreateGameRequest::default()).await?;
    }
    Ok(())
}

/// Waits until no game can go on, and returns how the server stands then.
async fn all_over(handle: &LiveHandle) -> anyhow::Result<LiveStats> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = handle.stats().await?;
        let open = [Phase::Lobby, Phase::Starting, Phase::Running, Phase::Paused];
        let left: u64 = open.iter().map(|&phase| stats.games[phase as usize]).sum();
        if left == 0 {
            return Ok(stats);
        }
        ensure!(Instant::now() < deadline, "{left} games do not end");
        time::sleep(Duration::from_millis(100)).await;
    }
}

/// Looks at every game that is still known: it has ended within its ticks, or nobody joined it.
async fn check_standing(client: &mut Client, turns: u32, counts: &Counts) -> anyhow::Result<()> {
    let mut page_token = String::new();
    loop {
        let request = v1::ListGamesRequest { page_size: 1000, page_token, ..Default::default() };
        let page = client.list_games(request).await?.into_inner();
        for game in page.games {
            let is_standing = game.players.iter().all(|player| player.is_policy);
            let is_right = match game.phase() {
                v1::Phase::Ended => game.tick <= game.max_ticks && game.tick > 0,
                v1::Phase::Aborted => game.tick == 0 && !is_standing,
                _ => false,
            };
            if !is_right || is_standing && game.max_ticks != turns {
                counts.wrong_end(format!("{} at tick {}", game.phase().as_str_name(), game.tick));
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

/// Prints what it came to.
#[expect(clippy::print_stdout, reason = "the table is the command's output")]
pub(super) fn print(mixed: &Mixed) {
    println!("{}", mixed.load);
    println!(
        "  {} games created, {} over ({} ended, {} given up), {} wrong ends",
        mixed.created, mixed.over, mixed.ended, mixed.aborted, mixed.wrong_ends
    );
    println!(
        "  players: {} won, {} lost, {} drawn, {} cut off at the tick limit, {} deleted",
        mixed.won, mixed.lost, mixed.drawn, mixed.truncated, mixed.deleted
    );
    println!(
        "  {} disconnects, {} reconnects, {} never came back, {} surrendered",
        mixed.disconnects, mixed.reconnects, mixed.vanished, mixed.surrendered
    );
    println!("  {} updates, {} wrong boards", mixed.updates, mixed.wrong_boards);
    println!(
        "  lateness p50 <= {} ms, p99 <= {} ms; the server {:.2} cores",
        mixed.late_p50_ms, mixed.late_p99_ms, mixed.server_cores
    );
    for what in &mixed.wrong {
        println!("  wrong: {what}");
    }
}

//! The clients of a load: they create games, take seats, watch, and send orders now and then.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use bivouac::play::board::Board;
use proto::v1::{
    self, CreateGameRequest, CreateGamesRequest, GetGameStateRequest, JoinGameRequest, Order, Pace,
    PauseGameRequest, StreamGameRequest, SubmitActionRequest, Update, game_creation, order,
};
use systems::dice::Dice;
use tokio::{sync::watch, task::JoinSet, time};
use tonic::Streaming;

use super::{Client, Load, TURN_MS};

/// Games that are created at a time over each connection.
const AT_ONCE: usize = 16;

/// Of so many updates a player answers one with an order.
const IDLENESS: u32 = 10;

/// How long the last update of a game that stands may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A seat that was taken.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    number: u8,
    watch: StreamGameRequest,
}

impl Seat {
    fn taken(game_id: &str, joined: v1::JoinGameResponse) -> anyhow::Result<Self> {
        let number = u8::try_from(joined.seat).context("a seat")?;
        let watch = StreamGameRequest { game_id: game_id.to_owned(), token: joined.token };
        Ok(Self { number, watch })
    }
}

/// What the watchers count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Updates that came.
    pub(super) updates: AtomicU64,
    /// Updates whose number did not follow the one before, or that did not fit the board.
    pub(super) missing: AtomicU64,
    /// Orders that were sent.
    pub(super) orders: AtomicU64,
    /// Boards that were held against the server's in the end, and those that were not equal.
    pub(super) compared: AtomicU64,
    pub(super) wrong_boards: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// How games are created: each with requests of its own, or many with one.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A request for the game and its first player, and one for each further player.
    One,
    /// So many games with their players at a time.
    Many(usize),
}

/// Creates these games, some at a time on every connection, and returns the seats that were taken, as
/// far as they are to be watched.
pub(super) async fn create_all(
    clients: &[Client],
    load: Load,
    games: Range<usize>,
) -> anyhow::Result<Vec<Seat>> {
    let at_once = match load.by {
        By::One => clients.len() * AT_ONCE,
        By::Many(_) => clients.len(),
    };
    let wanted = (load.watchers * games.len()).div_ceil(load.games.max(1));
    let mut creators = JoinSet::new();
    for number in 0..at_once {
        let share = games.clone().skip(number).step_by(at_once).len();
        // What else clients remember would look like memory of the server, whose process is this one.
        let kept = (wanted * share).div_ceil(games.len().max(1));
        let client = clients[number % clients.len()].clone();
        creators.spawn(async move {
            match load.by {
                By::One => create_each(client, load, share, kept).await,
                By::Many(together) => create_together(client, load, share, together, kept).await,
            }
        });
    }
    let mut seats = Vec::with_capacity(wanted);
    while let Some(created) = creators.join_next().await {
        let left = wanted - seats.len();
        seats.extend(created??.into_iter().take(left));
    }
    Ok(seats)
}

/// The game of a load, without players.
fn game(load: Load) -> CreateGameRequest {
    CreateGameRequest {
        pace: Pace::Timed.into(),
        turn_ms: TURN_MS,
        max_ticks: 100_000,
        policies: vec!["expander".to_owned(); load.policies],
        ..CreateGameRequest::default()
    }
}

fn names(load: Load) -> impl Iterator<Item = String> {
    (0..load.players).map(|player| format!("player {player}"))
}

/// Creates so many games and returns some of the seats that were taken.
async fn create_each(
    mut client: Client,
    load: Load,
    share: usize,
    kept: usize,
) -> anyhow::Result<Vec<Seat>> {
    let mut seats = Vec::with_capacity(kept + load.players);
    for _ in 0..share {
        let mut names = names(load);
        let request = CreateGameRequest { join_as: names.next(), ..game(load) };
        let created = client.create_game(request).await?.into_inner();
        if let Some(joined) = created.joined {
            seats.push(Seat::taken(&created.game_id, joined)?);
        }
        for name in names {
            let joining = JoinGameRequest { game_id: created.game_id.clone(), name, seat: None };
            let joined = client.join_game(joining).await?.into_inner();
            seats.push(Seat::taken(&created.game_id, joined)?);
        }
        seats.truncate(kept);
    }
    Ok(seats)
}

/// The same, some games with each request.
async fn create_together(
    mut client: Client,
    load: Load,
    share: usize,
    together: usize,
    kept: usize,
) -> anyhow::Result<Vec<Seat>> {
    let mut seats = Vec::with_capacity(kept + load.players);
    let mut left = share;
    while left > 0 {
        let some = left.min(together);
        left -= some;
        let game = CreateGameRequest { further_players: names(load).collect(), ..game(load) };
        let request = CreateGamesRequest { games: vec![game; some] };
        for made in client.create_games(request).await?.into_inner().games {
            let made = made.result.context("an answer without a result")?;
            let game_creation::Result::Created(created) = made else { bail!("{made:?}") };
            for joined in created.further {
                seats.push(Seat::taken(&created.game_id, joined)?);
            }
            seats.truncate(kept);
        }
    }
    Ok(seats)
}

/// Stops the clocks of the games of these seats, each by its first seat.
pub(super) async fn pause_all(clients: &[Client], seats: Vec<Seat>) -> anyhow::Result<()> {
    let mut pausing = JoinSet::new();
    let mut shares = vec![Vec::new(); clients.len()];
    let first = seats.into_iter().filter(|seat| seat.number == 0);
    for (number, seat) in first.enumerate() {
        shares[number % clients.len()].push(seat);
    }
    for (client, share) in clients.iter().zip(shares) {
        let mut client = client.clone();
        pausing.spawn(async move {
            for Seat { watch: StreamGameRequest { game_id, token }, .. } in share {
                client.pause_game(PauseGameRequest { game_id, token }).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(paused) = pausing.join_next().await {
        paused??;
    }
    Ok(())
}

/// A player at the stream of a seat.
pub(super) struct Watcher {
    client: Client,
    watch: StreamGameRequest,
    board: Board,
    dice: Dice,
    counts: Arc<Counts>,
}

impl Watcher {
    /// The player with this number.
    pub(super) fn new(client: Client, seat: Seat, number: usize, counts: &Arc<Counts>) -> Self {
        let (board, dice) = (Board::new(seat.number), Dice::new(number as u64));
        Self { client, watch: seat.watch, board, dice, counts: counts.clone() }
    }

    /// Follows the stream and sends orders until the game is told to stand, and then holds the board
    /// against the one that the server has.
    pub(super) async fn play(mut self, mut stands: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut stream = self.client.stream_game(self.watch.clone()).await?.into_inner();
        loop {
            tokio::select! {
                update = stream.message() => {
                    let update = update?.context("the stream of a game that goes on ended")?;
                    self.apply(&update);
                    if self.board.phase == v1::Phase::Running && self.dice.below(IDLENESS) == 0 {
                        march(&mut self.client, &self.board, &self.watch, &mut self.dice).await?;
                        add(&self.counts.orders);
                    }
                }
                // Who told it may be gone, which is the end as well.
                // What it returns holds a lock, which must not be held over the other branch.
                _told = async { stands.wait_for(|&stands| stands).await.is_ok() } => break,
            }
        }
        self.compare(stream).await
    }

    fn apply(&mut self, update: &Update) {
        add(&self.counts.updates);
        if self.board.apply(update).is_err() {
            add(&self.counts.missing);
        }
    }

    async fn compare(mut self, mut stream: Streaming<Update>) -> anyhow::Result<()> {
        let StreamGameRequest { game_id, token } = self.watch.clone();
        let asked = GetGameStateRequest { game_id, token };
        let answer = self.client.get_game_state(asked).await?.into_inner();
        let state = answer.state.context("a state")?;
        let deadline = time::Instant::now() + PATIENCE;
        while self.board.tick < state.tick {
            let Ok(update) = time::timeout_at(deadline, stream.message()).await else { break };
            self.apply(&update?.context("the stream of a game that stands ended")?);
        }
        let mut served = self.board.clone();
        served.reopened();
        let is_equal = served.apply(&state).is_ok()
            && (served.tick, &served.tiles) == (self.board.tick, &self.board.tiles);
        add(&self.counts.compared);
        if !is_equal {
            add(&self.counts.wrong_boards);
        }
        Ok(())
    }
}

/// Sends some army to some neighbour.
pub(in crate::cmd::bench) async fn march(
    client: &mut Client,
    board: &Board,
    watch: &StreamGameRequest,
    dice: &mut Dice,
) -> anyhow::Result<()> {
    let is_able =
        |tile: &usize| board.tiles[*tile].owner == board.seat && board.tiles[*tile].army > 1;
    let able: Vec<usize> = (0..board.tiles.len()).filter(is_able).collect();
    let Ok(count @ 1..) = u32::try_from(able.len()) else { return Ok(()) };
    let tile = u32::try_from(able[dice.below(count) as usize])?;
    let kind = Some(order::Kind::Action((tile * 4 + dice.below(4)) * 2));
    let StreamGameRequest { game_id, token } = watch.clone();
    let orders = vec![Order { kind }];
    let request = SubmitActionRequest { game_id, token, orders, ..Default::default() };
    // A march into a mountain or off the board is refused, as is one after the end.
    let _is_taken = client.submit_action(request).await.is_ok();
    Ok(())
}

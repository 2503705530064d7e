//! A player who plays one game after another, and loses the connection at random.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bivouac::play::board::Board;
use proto::v1::{
    self, BoardSize, CreateGameRequest, DeleteGameRequest, GetGameStateRequest, JoinGameRequest,
    MapChoice, Pace, StreamGameRequest, SurrenderRequest, map_choice::Map,
};
use systems::dice::Dice;
use tokio::time;
use tonic::transport::Channel;

use super::{
    Client,
    ends::{Counts, add},
};
use crate::cmd::bench::live::march;

/// Milliseconds of a turn.
const TURN_MS: u32 = 200;

/// What a player does with a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Plays it to its end.
    Stay,
    /// Loses the connection so many times, and comes back.
    Return(u32),
    /// Loses the connection and does not come back.
    Vanish,
    Surrender,
    /// Removes the game.
    Delete,
}

/// Somebody who plays one game after another.
pub(super) struct Player {
    pub(super) client: Client,
    pub(super) uri: String,
    pub(super) dice: Dice,
}

/// A game of a player.
pub(super) struct Seat {
    pub(super) watch: StreamGameRequest,
    pub(super) owner_token: String,
    pub(super) max_ticks: u32,
    pub(super) board: Board,
    pub(super) has_given_up: bool,
}

impl Player {
    pub(super) async fn play_until(
        mut self,
        until: Instant,
        counts: Arc<Counts>,
    ) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.play(&counts).await?;
        }
        Ok(())
    }

    fn fate(&mut self) -> Fate {
        match self.dice.below(10) {
            0..=3 => Fate::Stay,
            4..=6 => Fate::Return(1 + self.dice.below(3)),
            7 => Fate::Vanish,
            8 => Fate::Surrender,
            _ => Fate::Delete,
        }
    }

    /// Plays a game, and looks at its end.
    async fn play(&mut self, counts: &Counts) -> anyhow::Result<()> {
        let mut seat = self.sit_down().await?;
        let fate = self.fate();
        let mut cuts = match fate {
            Fate::Stay => 0,
            Fate::Return(times) => times,
            Fate::Vanish | Fate::Surrender | Fate::Delete => 1,
        };
        loop {
            let updates = (cuts > 0).then(|| 1 + self.dice.below(12));
            if self.watch(&mut seat, updates, counts).await? {
                break;
            }
            if cuts == 0 {
                // The server ended the stream of a game that goes on.
                add(&counts.wrong_boards);
            }
            cuts = cuts.saturating_sub(1);
            add(&counts.disconnects);
            match fate {
                Fate::Stay | Fate::Return(_) => {
                    time::sleep(Duration::from_millis(self.dice.below(500).into())).await;
                    add(&counts.reconnects);
                }
                Fate::Vanish => {
                    seat.has_given_up = true;
                    add(&counts.vanished);
                    break;
                }
                Fate::Surrender => {
                    let StreamGameRequest { game_id, token } = seat.watch.clone();
                    // The game may have ended a moment before.
                    let given_up = self.client.surrender(SurrenderRequest { game_id, token }).await;
                    seat.has_given_up = given_up.is_ok();
                    add(&counts.surrendered);
                }
                Fate::Delete => {
                    let (game_id, owner_token) = (seat.watch.game_id, seat.owner_token);
                    self.client.delete_game(DeleteGameRequest { game_id, owner_token }).await?;
                    add(&counts.deleted);
                    return Ok(());
                }
            }
        }
        self.look_at_end(seat, counts).await
    }

    /// Creates a game against a policy and takes its seat.
    async fn sit_down(&mut self) -> anyhow::Result<Seat> {
        let max_ticks = 10 + self.dice.below(30);
        let size = BoardSize { width: 12, height: 12 };
        let game = CreateGameRequest {
            map: Some(MapChoice { map: Some(Map::Size(size)) }),
            pace: Pace::Timed.into(),
            turn_ms: TURN_MS,
            max_ticks,
            policies: vec!["hunter".to_owned()],
            ..CreateGameRequest::default()
        };
        let created = self.client.create_game(game).await?.into_inner();
        let game_id = created.game_id;
        let joining =
            JoinGameRequest { game_id: game_id.clone(), name: "ada".to_owned(), seat: None };
        let token = self.client.join_game(joining).await?.into_inner().token;
        let watch = StreamGameRequest { game_id, token };
        let owner_token = created.owner_token;
        Ok(Seat { watch, owner_token, max_ticks, board: Board::new(0), has_given_up: false })
    }

    /// Follows a stream over so many updates, or to its end; returns whether the game is over. Some
    /// streams have a connection of their own, which goes with them.
    async fn watch(
        &mut self,
        seat: &mut Seat,
        updates: Option<u32>,
        counts: &Counts,
    ) -> anyhow::Result<bool> {
        let mut client = match self.dice.below(8) {
            0 => Client::new(Channel::from_shared(self.uri.clone())?.connect().await?),
            _ => self.client.clone(),
        };
        seat.board.reopened();
        let mut stream = client.stream_game(seat.watch.clone()).await?.into_inner();
        let mut heard = 0;
        while updates.is_none_or(|updates| heard < updates) {
            let Some(update) = stream.message().await? else { break };
            heard += 1;
            add(&counts.updates);
            if seat.board.apply(&update).is_err() {
                add(&counts.wrong_boards);
            }
            if seat.board.phase == v1::Phase::Running && self.dice.below(4) == 0 {
                march(&mut self.client, &seat.board, &seat.watch, &mut self.dice).await?;
            }
        }
        Ok(seat.board.is_over())
    }

    /// Waits until the game is over for the server too, and holds it against the rules.
    async fn look_at_end(&mut self, mut seat: Seat, counts: &Counts) -> anyhow::Result<()> {
        let StreamGameRequest { game_id, token } = seat.watch.clone();
        let asked = GetGameStateRequest { game_id, token };
        let state = loop {
            let state = self.client.get_game_state(asked.clone()).await?.into_inner();
            let state = state.state.context("a state")?;
            if matches!(state.phase(), v1::Phase::Ended | v1::Phase::Aborted) {
                break state;
            }
            time::sleep(Duration::from_millis(TURN_MS.into())).await;
        };
        let known = seat.board.is_over().then(|| seat.board.tiles.clone());
        seat.board.reopened();
        let is_readable = seat.board.apply(&state).is_ok();
        if !is_readable || known.is_some_and(|known| known != seat.board.tiles) {
            add(&counts.wrong_boards);
        }
        counts.end(&seat);
        Ok(())
    }
}

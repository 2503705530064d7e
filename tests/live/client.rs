//! A server of live games, and clients that play them.

use std::{sync::Arc, time::Duration};

use bivouac::{
    live::{LiveConfig, LiveHandle},
    serve::{Server, ServerConfig, Simulated},
};
use proto::v1::{
    self, BoardSize, CreateGameRequest, Event, JoinGameRequest, MapChoice, Order, Pace, Phase,
    SubmitActionRequest, Update, event, game_service_client::GameServiceClient, map_choice::Map,
    order, update::Board,
};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    reward::Reward,
    rollout::{Maps, RolloutSpec},
    rows::RowFormat,
    rules::ruleset::Ruleset,
    world::WorldConfig,
};
use tonic::{Response, Status, Streaming, transport::Channel};

pub(crate) type Client = GameServiceClient<Channel>;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(1200);

/// So many simulated games beside the live ones.
pub(crate) fn simulated(games: u64) -> Simulated {
    let ruleset = Arc::new(Ruleset::named("generals").unwrap());
    let map = MapSpec::free_for_all(ruleset.map.kind, 2);
    let maps = Maps::Generated(MapSpec { size: Size::Fixed { width: 8, height: 8 }, ..map });
    let spec = RolloutSpec {
        seed: 1,
        first_game: 0,
        games,
        maps,
        ruleset,
        max_ticks: 60,
        policies: vec![Policy::Random],
        has_fog: true,
    };
    let format = RowFormat { height: 8, width: 8, has_builds: false, has_owners: false };
    let world = WorldConfig { threads: 1, ..WorldConfig::default() };
    Simulated { spec, format, reward: Reward::named("sparse").unwrap(), at_once: 16, world }
}

/// Runs a test with a server of live games, which has to stop without an error.
pub(crate) fn with_server(live: LiveConfig, test: impl AsyncFnOnce(Client, LiveHandle)) {
    with_games(live, 0, test);
}

/// The same with simulated games beside.
pub(crate) fn with_games(live: LiveConfig, games: u64, test: impl AsyncFnOnce(Client, LiveHandle)) {
    with_uri(live, games, async |uri, live| {
        let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
        test(GameServiceClient::new(channel), live).await;
    });
}

/// The same for who makes connections.
pub(crate) fn with_uri(live: LiveConfig, games: u64, test: impl AsyncFnOnce(String, LiveHandle)) {
    let config = ServerConfig { live, ..ServerConfig::at(([127, 0, 0, 1], 0).into()) };
    with_config(config, games, test);
}

/// The same with all that a server can be told.
pub(crate) fn with_config(
    config: ServerConfig,
    games: u64,
    test: impl AsyncFnOnce(String, LiveHandle),
) {
    let server = Server::start(&config, simulated(games)).unwrap();
    let uri = format!("http://{}", server.address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let test = test(uri, server.live());
        tokio::time::timeout(PATIENCE, test).await.expect("it ends in reasonable time");
    });
    // Closes what connections the test left open, which would use up the time that streams get to end.
    drop(runtime);
    server.stop().unwrap();
}

/// A lockstep game for two on a board of 8x8 without a deadline that could come.
pub(crate) fn lockstep() -> CreateGameRequest {
    CreateGameRequest {
        map: Some(MapChoice { map: Some(Map::Size(BoardSize { width: 8, height: 8 })) }),
        pace: Pace::Lockstep.into(),
        turn_ms: 3_600_000,
        seed: Some(7),
        ..CreateGameRequest::default()
    }
}

/// The same with a board drawn as text.
pub(crate) fn drawn(text: &str) -> CreateGameRequest {
    let map = Some(MapChoice { map: Some(Map::Text(text.to_owned())) });
    CreateGameRequest { map, ..lockstep() }
}

/// The reason in a failed call.
pub(crate) fn reason<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> String {
    let status = answer.unwrap_err();
    assert!(!status.message().is_empty(), "{status:?}");
    let reason = status.metadata().get("bivouac-reason").expect("a refusal has a reason");
    reason.to_str().unwrap().to_owned()
}

/// A game and its creator.
#[derive(Clone, Debug)]
pub(crate) struct Game {
    pub(crate) id: String,
    pub(crate) owner: String,
}

/// Creates a game.
pub(crate) async fn create(client: &mut Client, request: CreateGameRequest) -> Game {
    let created = client.create_game(request).await.unwrap().into_inner();
    Game { id: created.game_id, owner: created.owner_token }
}

/// A seat and how to play it.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) client: Client,
    pub(crate) game: String,
    pub(crate) seat: u32,
    pub(crate) token: String,
}

/// Takes a seat.
pub(crate) async fn join(client: &Client, game: &str, name: &str) -> Seat {
    let request = JoinGameRequest { game_id: game.to_owned(), name: name.to_owned(), seat: None };
    let joined = client.clone().join_game(request).await.unwrap().into_inner();
    Seat { client: client.clone(), game: game.to_owned(), seat: joined.seat, token: joined.token }
}

/// A game of two players, begun.
pub(crate) async fn pair(client: &mut Client, request: CreateGameRequest) -> (Game, [Seat; 2]) {
    let game = create(client, request).await;
    let seats = [join(client, &game.id, "ada").await, join(client, &game.id, "bob").await];
    (game, seats)
}

/// An order by its action; `None`: a pass.
pub(crate) fn order(action: Option<u32>) -> Order {
    Order { kind: action.map(order::Kind::Action) }
}

/// A march.
pub(crate) fn march(from: (u32, u32), to: (u32, u32)) -> Order {
    let march = v1::March {
        from_row: from.0,
        from_column: from.1,
        to_row: to.0,
        to_column: to.1,
        half: false,
    };
    Order { kind: Some(order::Kind::March(march)) }
}

impl Seat {
    /// The request to send some orders.
    pub(crate) fn orders(&self, orders: Vec<Order>) -> SubmitActionRequest {
        SubmitActionRequest {
            game_id: self.game.clone(),
            token: self.token.clone(),
            orders,
            ..SubmitActionRequest::default()
        }
    }

    /// Sends one order.
    pub(crate) async fn submit(
        &self,
        order: Order,
    ) -> Result<Response<v1::SubmitActionResponse>, Status> {
        self.client.clone().submit_action(self.orders(vec![order])).await
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self) -> Watcher {
        let request =
            v1::StreamGameRequest { game_id: self.game.clone(), token: self.token.clone() };
        let stream = self.client.clone().stream_game(request).await.unwrap().into_inner();
        Watcher { stream, mirror: Mirror::default() }
    }

    /// The game as this seat sees it.
    pub(crate) async fn state(&self) -> v1::GetGameStateResponse {
        let request =
            v1::GetGameStateRequest { game_id: self.game.clone(), token: self.token.clone() };
        self.client.clone().get_game_state(request).await.unwrap().into_inner()
    }

    /// The same, put together.
    pub(crate) async fn mirror(&self) -> Mirror {
        let mut mirror = Mirror::default();
        mirror.apply(&self.state().await.state.unwrap());
        mirror
    }
}

/// A stream, and the picture that its updates give.
pub(crate) struct Watcher {
    pub(crate) stream: Streaming<Update>,
    pub(crate) mirror: Mirror,
}

impl Watcher {
    /// The next update, applied; none after the last.
    pub(crate) async fn next(&mut self) -> Option<Update> {
        let update = self.stream.message().await.unwrap()?;
        self.mirror.apply(&update);
        Some(update)
    }

    /// Reads until something is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Mirror) -> bool) {
        while !wanted(&self.mirror) {
            self.next().await.expect("it comes before the stream ends");
        }
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// What a client knows, from updates alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) seq: Option<u64>,
    pub(crate) tick: u32,
    pub(crate) phase: i32,
    pub(crate) size: (u32, u32),
    pub(crate) faces: Vec<u8>,
    pub(crate) owners: Vec<u8>,
    pub(crate) armies: Vec<i32>,
    pub(crate) land: Vec<u32>,
    pub(crate) army: Vec<u32>,
    pub(crate) alive: u32,
    pub(crate) queued: u32,
    pub(crate) skipped: Vec<u32>,
    pub(crate) events: Vec<Event>,
    /// Whole views seen.
    pub(crate) views: u32,
}

impl Mirror {
    /// Brings the picture up to date.
    pub(crate) fn apply(&mut self, update: &Update) {
        match (&update.board, self.seq) {
            (Some(Board::View(_)), _) | (_, None) => {}
            // In a lobby there is no board yet, and who plays is all.
            _ if !update.players.is_empty() => {}
            (_, Some(seq)) => assert_eq!(update.seq, seq + 1, "no update is left out"),
        }
        self.seq = Some(update.seq);
        (self.tick, self.phase, self.queued) = (update.tick, update.phase, update.queued);
        let numbers = |bytes: &[u8]| -> Vec<i32> {
            bytes.chunks(4).map(|n| i32::from_le_bytes(n.try_into().unwrap())).collect()
        };
        match &update.board {
            Some(Board::View(view)) => {
                self.views += 1;
                self.size = (view.height, view.width);
                (self.faces, self.owners) = (view.faces.to_vec(), view.owners.to_vec());
                self.armies = numbers(&view.armies);
                let tiles = (view.width * view.height) as usize;
                assert_eq!([self.faces.len(), self.owners.len(), self.armies.len()], [tiles; 3]);
            }
            Some(Board::Delta(delta)) => {
                let armies = numbers(&delta.armies);
                assert!(armies.len() * 5 <= self.armies.len(), "large changes are whole views");
                for (i, tile) in delta.tiles.chunks(2).enumerate() {
                    let tile = usize::from(u16::from_le_bytes([tile[0], tile[1]]));
                    self.faces[tile] = delta.faces[i];
                    self.owners[tile] = delta.owners[i];
                    self.armies[tile] = armies[i];
                }
            }
            None => {}
        }
        if let Some(scoreboard) = &update.scoreboard {
            self.land.clone_from(&scoreboard.land);
            self.army.clone_from(&scoreboard.army);
            self.alive = scoreboard.alive;
        }
        self.skipped.extend(&update.skipped_actions);
        self.events.extend(update.events.iter().cloned());
    }

    /// The part that two clients have to agree on.
    pub(crate) fn picture(&self) -> Self {
        Self {
            seq: None,
            skipped: Vec::new(),
            events: Vec::new(),
            views: 0,
            queued: 0,
            ..self.clone()
        }
    }

    /// Whether the game is over.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == i32::from(Phase::Ended) || self.phase == i32::from(Phase::Aborted)
    }

    /// How the game ended.
    pub(crate) fn ended(&self) -> v1::Ended {
        let ended = self.events.iter().find_map(|event| match &event.kind {
            Some(event::Kind::Ended(ended)) => Some(ended.clone()),
            _ => None,
        });
        ended.expect("the end is told")
    }

    /// The kinds of events so far, in order, as names.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let name = |event: &Event| {
            let text = format!("{:?}", event.kind.as_ref().unwrap());
            text.split('(').next().unwrap().to_owned()
        };
        self.events.iter().map(name).collect()
    }

    /// The legal marches as actions, from what is seen alone.
    pub(crate) fn legal(&self, seat: u32) -> Vec<u32> {
        let (height, width) = self.size;
        let mut legal = Vec::new();
        for row in 0..height {
            for column in 0..width {
                let tile = (row * width + column) as usize;
                if u32::from(self.owners[tile]) != seat || self.armies[tile] < 2 {
                    continue;
                }
                let to = [(-1, 0), (1, 0), (0, -1), (0, 1)];
                for (direction, (down, right)) in (0..).zip(to) {
                    let (Some(row), Some(column)) =
                        (row.checked_add_signed(down), column.checked_add_signed(right))
                    else {
                        continue;
                    };
                    let is_inside = row < height && column < width;
                    if is_inside && self.faces[(row * width + column) as usize] != 2 {
                        legal.push((u32::try_from(tile).unwrap() * 4 + direction) * 2);
                    }
                }
            }
        }
        legal
    }
}

/// Numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    /// One of the list, or none if it is empty.
    pub(crate) fn pick(&mut self, list: &[u32]) -> Option<u32> {
        (!list.is_empty()).then(|| list[self.below(list.len())])
    }
}

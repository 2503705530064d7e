//! Live games over gRPC: the service translates between wire messages and the arena's requests.

mod client;
mod limit;
pub(super) mod metrics;
mod play;
mod settings;
mod wire;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use prost::Message;
use proto::v1::{self, game_service_server::GameService};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming, async_trait};

pub use proto::v1::game_service_server::GameServiceServer;

pub(in crate::serve) use self::client::Gate;
use self::{
    client::{Client, StreamPlace},
    settings::Rulesets,
};
use crate::live::{
    LiveError, LiveHandle,
    lobby::{parse_id, show},
    mailbox::Watching,
    request::{self, Created, Creator, Joined, Joining, Listing, SeatKey, Wanted},
    token::Token,
};

/// Games of a page, if nothing is said, and at most.
const PAGE: (usize, usize) = (100, 1000);

/// Games that are created with one request at most.
const TOGETHER: usize = 1000;

/// Of these the arena creates so many before it looks at the clocks of others: in some half millisecond.
const AT_ONCE: usize = 32;

/// What answers requests about live games.
pub struct Games {
    live: LiveHandle,
    rulesets: Rulesets,
}

impl Games {
    /// The service of an arena.
    #[must_use]
    pub fn new(live: LiveHandle) -> Self {
        Self { live, rulesets: Rulesets::built_in() }
    }

    /// The game that a client wants, and whether its creator is the first who joins.
    fn wanted(&self, mut request: v1::CreateGameRequest, creator: Creator) -> (Wanted, HasJoined) {
        let has_joined = request.join_as.is_some();
        let wanted = settings::joining(&mut request).and_then(|joining| {
            let settings = Box::new(self.rulesets.settings(request)?);
            Ok((settings, Creator { joining, ..creator }))
        });
        (wanted, has_joined)
    }
}

/// A stream of updates as the wire has them.
pub struct Updates {
    watching: Watching,
    /// Held until the stream is dropped, whoever ends it.
    _place: StreamPlace,
}

impl Stream for Updates {
    type Item = Result<v1::Update, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.watching).poll_next(context);
        next.map(|update| {
            update.map(|update| {
                let update = update?;
                let update = wire::update(&update);
                self.watching.sent(update.encoded_len());
                Ok(update)
            })
        })
    }
}

fn key(game: &str, token: &str) -> Result<SeatKey, LiveError> {
    // A text that can be no game's id is refused as such. One that can be is looked up only with a
    // token that can be one.
    Ok(SeatKey { game: parse_id(game)?, token: Token::parse(token)? })
}

fn joined(joined: Joined) -> v1::JoinGameResponse {
    v1::JoinGameResponse {
        seat: joined.seat.into(),
        token: joined.token.reveal(),
        phase: wire::phase(joined.phase).into(),
    }
}

/// Whether the first who joined a game is its creator.
type HasJoined = bool;

fn created(game: Created, has_joined: HasJoined) -> v1::CreateGameResponse {
    let mut seats = game.joined.into_iter().map(joined);
    v1::CreateGameResponse {
        game_id: show(game.game),
        owner_token: game.owner.reveal(),
        seed: game.seed,
        joined: if has_joined { seats.next() } else { None },
        further: seats.collect(),
    }
}

fn creation((made, has_joined): (Result<Created, LiveError>, HasJoined)) -> v1::GameCreation {
    let result = match made {
        Ok(game) => v1::game_creation::Result::Created(created(game, has_joined)),
        Err(error) => v1::game_creation::Result::Failure(wire::failure(&error)),
    };
    v1::GameCreation { result: Some(result) }
}

#[async_trait]
impl GameService for Games {
    type StreamGameStream = Updates;
    type PlayStream = Pin<Box<dyn Stream<Item = Result<v1::PlayResponse, Status>> + Send>>;
    type SpectateStream = Updates;

    async fn create_game(
        &self,
        request: Request<v1::CreateGameRequest>,
    ) -> Result<Response<v1::CreateGameResponse>, Status> {
        let creator = Client::of(&request).creator();
        let (wanted, has_joined) = self.wanted(request.into_inner(), creator);
        let (settings, creator) = wanted?;
        let game = self.live.ask(|to| request::Request::Create(settings, creator, to)).await?;
        Ok(Response::new(created(game, has_joined)))
    }

    async fn create_games(
        &self,
        request: Request<v1::CreateGamesRequest>,
    ) -> Result<Response<v1::CreateGamesResponse>, Status> {
        let client = Client::of(&request);
        let requests = client.messages();
        let mut games = request.into_inner().games.into_iter();
        if games.len() > TOGETHER {
            let reason = format!("{} are too many at a time: use up to {TOGETHER}", games.len());
            return Err(LiveError::invalid("games", reason).into());
        }
        let mut results = Vec::with_capacity(games.len());
        while games.len() > 0 {
            let some = games.by_ref().take(AT_ONCE).map(|game| match requests.check() {
                Ok(()) => self.wanted(game, client.creator()),
                Err(refusal) => (Err(refusal), false),
            });
            let (some, have_joined): (Vec<_>, Vec<_>) = some.unzip();
            let made = self.live.ask(|to| request::Request::CreateAll(some, to)).await?;
            results.extend(made.into_iter().zip(have_joined).map(creation));
        }
        Ok(Response::new(v1::CreateGamesResponse { games: results }))
    }

    async fn join_game(
        &self,
        request: Request<v1::JoinGameRequest>,
    ) -> Result<Response<v1::JoinGameResponse>, Status> {
        let v1::JoinGameRequest { game_id, name, seat } = request.into_inner();
        let (game, joining) = (parse_id(&game_id)?, Joining { name, seat });
        let join = |answer| request::Request::Join { game, joining, answer };
        Ok(Response::new(joined(self.live.ask(join).await?)))
    }

    async fn leave_game(
        &self,
        request: Request<v1::LeaveGameRequest>,
    ) -> Result<Response<v1::LeaveGameResponse>, Status> {
        let v1::LeaveGameRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        self.live.ask(|to| request::Request::Leave(key, to)).await?;
        Ok(Response::new(v1::LeaveGameResponse {}))
    }

    async fn submit_action(
        &self,
        request: Request<v1::SubmitActionRequest>,
    ) -> Result<Response<v1::SubmitActionResponse>, Status> {
        let request = request.into_inner();
        let key = key(&request.game_id, &request.token)?;
        Ok(Response::new(play::submit(&self.live, key, request).await?))
    }

    async fn clear_queue(
        &self,
        request: Request<v1::ClearQueueRequest>,
    ) -> Result<Response<v1::ClearQueueResponse>, Status> {
        let v1::ClearQueueRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        let cleared = self.live.ask(|to| request::Request::ClearQueue(key, to)).await?;
        Ok(Response::new(v1::ClearQueueResponse { cleared }))
    }

    async fn surrender(
        &self,
        request: Request<v1::SurrenderRequest>,
    ) -> Result<Response<v1::SurrenderResponse>, Status> {
        let v1::SurrenderRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        self.live.ask(|to| request::Request::Surrender(key, to)).await?;
        Ok(Response::new(v1::SurrenderResponse {}))
    }

    async fn get_game_state(
        &self,
        request: Request<v1::GetGameStateRequest>,
    ) -> Result<Response<v1::GetGameStateResponse>, Status> {
        let v1::GetGameStateRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        let state = self.live.ask(|to| request::Request::State(key, to)).await?;
        Ok(Response::new(v1::GetGameStateResponse {
            state: Some(wire::update(&state.update)),
            action_mask: state.mask.into(),
            info: Some(wire::info(&state.info)),
            seat: state.seat.into(),
        }))
    }

    async fn stream_game(
        &self,
        request: Request<v1::StreamGameRequest>,
    ) -> Result<Response<Self::StreamGameStream>, Status> {
        let client = Client::of(&request);
        let v1::StreamGameRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        let place = client.stream()?;
        let watching = self.live.ask(|to| request::Request::Watch(key, to)).await?;
        Ok(Response::new(Updates { watching, _place: place }))
    }

    async fn play(
        &self,
        request: Request<Streaming<v1::PlayRequest>>,
    ) -> Result<Response<Self::PlayStream>, Status> {
        let client = Client::of(&request);
        // Before it says whose it is, so that a stream that says nothing counts too.
        let place = client.stream()?;
        let responses = play::open(self.live.clone(), client, request.into_inner()).await?;
        // The place is free again when the stream is dropped, whoever ends it.
        Ok(Response::new(Box::pin(responses.map(move |response| {
            let _place = &place;
            response
        }))))
    }

    async fn spectate(
        &self,
        request: Request<v1::SpectateRequest>,
    ) -> Result<Response<Self::SpectateStream>, Status> {
        let client = Client::of(&request);
        let game = parse_id(&request.into_inner().game_id)?;
        let place = client.stream()?;
        let watching = self.live.ask(|to| request::Request::Spectate(game, to)).await?;
        Ok(Response::new(Updates { watching, _place: place }))
    }

    async fn list_games(
        &self,
        request: Request<v1::ListGamesRequest>,
    ) -> Result<Response<v1::ListGamesResponse>, Status> {
        let listing = listing(request.into_inner())?;
        let page = self.live.ask(|to| request::Request::List(listing, to)).await?;
        Ok(Response::new(v1::ListGamesResponse {
            games: page.games.iter().map(wire::info).collect(),
            next_page_token: page.next.map_or_else(String::new, |next| next.to_string()),
        }))
    }

    async fn delete_game(
        &self,
        request: Request<v1::DeleteGameRequest>,
    ) -> Result<Response<v1::DeleteGameResponse>, Status> {
        let v1::DeleteGameRequest { game_id, owner_token } = request.into_inner();
        let key = key(&game_id, &owner_token)?;
        self.live.ask(|to| request::Request::Delete(key, to)).await?;
        Ok(Response::new(v1::DeleteGameResponse {}))
    }

    async fn pause_game(
        &self,
        request: Request<v1::PauseGameRequest>,
    ) -> Result<Response<v1::PauseGameResponse>, Status> {
        let v1::PauseGameRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        self.live.ask(|to| request::Request::Pause(key, to)).await?;
        Ok(Response::new(v1::PauseGameResponse {}))
    }

    async fn resume_game(
        &self,
        request: Request<v1::ResumeGameRequest>,
    ) -> Result<Response<v1::ResumeGameResponse>, Status> {
        let v1::ResumeGameRequest { game_id, token } = request.into_inner();
        let key = key(&game_id, &token)?;
        self.live.ask(|to| request::Request::Resume(key, to)).await?;
        Ok(Response::new(v1::ResumeGameResponse {}))
    }
}

fn listing(request: v1::ListGamesRequest) -> Result<Listing, LiveError> {
    let phases = request.phases.into_iter().map(wire::read_phase).collect::<Result<_, _>>()?;
    let number = |field, number: u32| {
        usize::try_from(number).map_err(|_range| LiveError::invalid(field, "too large"))
    };
    let page_size = match number("page_size", request.page_size)? {
        0 => PAGE.0,
        size => size.min(PAGE.1),
    };
    let from = match request.page_token.as_str() {
        "" => 0,
        text => text.parse().map_err(|_no_number| {
            LiveError::invalid("page_token", "use next_page_token of the page before")
        })?,
    };
    let players = number("players", request.players)?;
    Ok(Listing { phases, ruleset: request.ruleset, players, page_size, from })
}

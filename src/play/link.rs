//! The connection to a server: creating and joining a game, and a `Play` stream that is opened again
//! when it breaks.

use std::time::Duration;

use proto::v1::{self, game_service_client::GameServiceClient, play_request, play_response::Kind};
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::PlayError;

/// Messages on their way in each direction.
const IN_FLIGHT: usize = 64;

/// Time between attempts to open a stream again.
const RETRY: Duration = Duration::from_millis(500);

/// How often a silent connection is asked whether it is alive, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A server, and what it lets a client in by.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Its address: `grpc://host:port`, `grpc+tls://host:port`, or the same with http and https.
    pub uri: String,
    /// The token, for a server that asks for one.
    pub token: Option<String>,
    /// Certificates that vouch for the server's (PEM); those of loopback need none.
    pub authority: Option<Vec<u8>>,
}

/// A seat of a game on a server.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The game.
    pub game_id: String,
    /// What plays the seat.
    pub token: String,
    /// Its number.
    pub number: u8,
    /// What the game was created with.
    pub info: v1::GameInfo,
    pub(super) client: Client,
}

/// What comes over the link.
pub(super) enum Heard {
    /// The stream was opened.
    Opened,
    /// The server says something.
    Response(Box<v1::PlayResponse>),
    /// The stream broke, and is being opened again.
    Lost(String),
    /// The server does not want to go on.
    Refused(PlayError),
}

/// A client of a server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    service: GameServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Server {
    async fn connect(&self) -> Result<Client, PlayError> {
        let bad = |reason: String| PlayError::BadAddress { uri: self.uri.clone(), reason };
        let (scheme, rest) = self.uri.split_once("://").unwrap_or(("grpc", &self.uri));
        let is_encrypted = match scheme {
            "grpc" | "grpc+tcp" | "http" => false,
            "grpc+tls" | "grpcs" | "https" => true,
            _ => return Err(bad(format!("{scheme:?} is none of grpc and grpc+tls"))),
        };
        let uri = format!("{}://{rest}", if is_encrypted { "https" } else { "http" });
        let mut endpoint = Endpoint::from_shared(uri)
            .map_err(|error| bad(error.to_string()))?
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        if is_encrypted {
            let mut tls = ClientTlsConfig::new();
            if let Some(pem) = &self.authority {
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| bad(error.to_string()))?;
        }
        let token = self.token.as_ref().map(|token| format!("Bearer {token}").parse());
        let authorization = token.transpose().map_err(|_unprintable| {
            bad("the token has characters that cannot be sent".to_owned())
        })?;
        let channel = endpoint.connect().await.map_err(|error| {
            // What went wrong is inside.
            let mut reason = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                reason = inner.to_string();
                cause = inner.source();
            }
            PlayError::Unreachable { uri: self.uri.clone(), reason }
        })?;
        Ok(Client { service: GameServiceClient::new(channel), authorization })
    }

    /// Creates a game and returns its id.
    ///
    /// # Errors
    ///
    /// [`PlayError`] if the server is not there or refuses.
    pub async fn create(&self, game: v1::CreateGameRequest) -> Result<String, PlayError> {
        let mut client = self.connect().await?;
        let request = client.request(game);
        Ok(client.service.create_game(request).await?.into_inner().game_id)
    }

    /// Takes a seat of a game: the first that is free, unless one is named.
    ///
    /// # Errors
    ///
    /// [`PlayError`] if the server is not there or refuses.
    pub async fn join(
        &self,
        game_id: &str,
        name: &str,
        seat: Option<u32>,
    ) -> Result<Seat, PlayError> {
        let mut client = self.connect().await?;
        let (game_id, name) = (game_id.to_owned(), name.to_owned());
        let request = client.request(v1::JoinGameRequest { game_id: game_id.clone(), name, seat });
        let joined = client.service.join_game(request).await?.into_inner();
        client.seat(game_id, joined.token).await
    }

    /// Comes back to a seat that was taken before.
    ///
    /// # Errors
    ///
    /// [`PlayError`] if the server is not there or refuses.
    pub async fn rejoin(&self, game_id: &str, token: &str) -> Result<Seat, PlayError> {
        self.connect().await?.seat(game_id.to_owned(), token.to_owned()).await
    }
}

impl Client {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    /// The seat that a token plays.
    async fn seat(mut self, game_id: String, token: String) -> Result<Seat, PlayError> {
        let asked = v1::GetGameStateRequest { game_id: game_id.clone(), token: token.clone() };
        let asked = self.request(asked);
        let state = self.service.get_game_state(asked).await?.into_inner();
        let number = u8::try_from(state.seat)
            .map_err(|_range| PlayError::BadUpdate(format!("seat {}", state.seat)))?;
        Ok(Seat { game_id, token, number, info: state.info.unwrap_or_default(), client: self })
    }

    async fn open(
        &mut self,
        watch: v1::StreamGameRequest,
    ) -> Result<(mpsc::Sender<v1::PlayRequest>, Streaming<v1::PlayResponse>), Status> {
        let (requests, outgoing) = mpsc::channel(IN_FLIGHT);
        let first = v1::PlayRequest { kind: Some(play_request::Kind::Watch(watch)), id: 0 };
        // There is room: the channel is new.
        let _is_queued = requests.try_send(first).is_ok();
        let request = self.request(ReceiverStream::new(outgoing));
        Ok((requests, self.service.play(request).await?.into_inner()))
    }
}

/// Keeps a seat's stream open until the game is over, the server refuses, or nobody listens.
pub(super) async fn keep_open(
    seat: Seat,
    mut requests: mpsc::Receiver<v1::PlayRequest>,
    heard: mpsc::Sender<Heard>,
) {
    let Seat { game_id, token, mut client, .. } = seat;
    loop {
        let watch = v1::StreamGameRequest { game_id: game_id.clone(), token: token.clone() };
        let status = match client.open(watch).await {
            Err(status) => status,
            Ok((outgoing, incoming)) => {
                if heard.send(Heard::Opened).await.is_err() {
                    return;
                }
                match converse(outgoing, incoming, &mut requests, &heard).await {
                    Some(status) => status,
                    None => return,
                }
            }
        };
        let may_pass = matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled);
        let news = if may_pass {
            Heard::Lost(status.message().to_owned())
        } else {
            Heard::Refused(status.into())
        };
        if heard.send(news).await.is_err() || !may_pass {
            return;
        }
        time::sleep(RETRY).await;
    }
}

/// Hands messages on in both directions until the stream breaks; nothing if the game is over or the
/// player is gone.
async fn converse(
    outgoing: mpsc::Sender<v1::PlayRequest>,
    mut incoming: Streaming<v1::PlayResponse>,
    requests: &mut mpsc::Receiver<v1::PlayRequest>,
    heard: &mpsc::Sender<Heard>,
) -> Option<Status> {
    let mut is_over = false;
    loop {
        tokio::select! {
            response = incoming.message() => match response {
                Ok(Some(response)) => {
                    if let Some(Kind::Update(update)) = &response.kind {
                        is_over = matches!(update.phase(), v1::Phase::Ended | v1::Phase::Aborted);
                    }
                    heard.send(Heard::Response(Box::new(response))).await.ok()?;
                }
                _ if is_over => return None,
                Ok(None) => return Some(Status::unavailable("the server ended the stream")),
                Err(status) => return Some(status),
            },
            request = requests.recv() => {
                // A stream that is closed is found out by its other direction.
                let _is_sent = outgoing.send(request?).await.is_ok();
            }
        }
    }
}

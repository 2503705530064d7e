//! Whose requests about live games are, and how much each client may have.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tonic::{Request, Status};

use super::limit::RequestLimit;
use crate::{
    live::{LiveConfig, LiveError, request::Creator},
    serve::{
        access::{Access, Pass, Scope},
        status::at_the_gate,
    },
};

/// Lets requests in, and notes whose they are.
#[derive(Debug)]
pub(in crate::serve) struct Gate {
    access: Access,
    requests: Arc<RequestLimit>,
    streams: Arc<Streams>,
    max_games: usize,
    max_streams: usize,
    patience: Duration,
}

/// Whoever sends a request: the holder of a token, or an address where tokens are not asked for.
#[derive(Clone, Debug)]
pub(super) struct Client {
    name: Arc<str>,
    max_games: usize,
    max_streams: usize,
    streams: Arc<Streams>,
    requests: Arc<RequestLimit>,
    patience: Duration,
    /// It counts as a request under way while this is held.
    _pass: Pass,
}

/// The streams that are open.
#[derive(Debug)]
struct Streams {
    /// As many as there may be, of all clients together.
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// Those of each client that has any.
    of: HashMap<Arc<str>, usize>,
}

/// A client's place for a stream, until it is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    client: Arc<str>,
    streams: Arc<Streams>,
}

/// Counts the messages that a client sends inside a stream, which is no request under way.
#[derive(Debug)]
pub(super) struct Messages {
    client: Arc<str>,
    requests: Arc<RequestLimit>,
}

impl Gate {
    /// A gate for who has one of some tokens, or for everybody if there are none.
    pub(in crate::serve) fn new(access: Access, config: &LiveConfig) -> Self {
        Self {
            access,
            requests: Arc::new(RequestLimit::new(config.requests_per_second)),
            streams: Arc::new(Streams::new(config.max_streams)),
            patience: config.patience,
            max_games: config.games_per_client,
            max_streams: config.streams_per_client,
        }
    }

    /// Lets a request through, or refuses it.
    ///
    /// # Errors
    ///
    /// Wrong tokens, and [`LiveError::TooManyRequests`], as a status.
    pub(in crate::serve) fn check(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let pass = self.access.check(request.metadata(), Scope::Drive).map_err(at_the_gate)?;
        let (mut max_games, mut max_streams) = (self.max_games, self.max_streams);
        let name: Arc<str> = match pass.token() {
            Some(token) => {
                max_games = max_games.min(token.max_games);
                max_streams = max_streams.min(token.max_streams);
                token.name.as_str().into()
            }
            None => {
                request.remote_addr().map(|peer| peer.ip().to_string()).unwrap_or_default().into()
            }
        };
        self.requests.check(&name)?;
        let (streams, requests) = (self.streams.clone(), self.requests.clone());
        let patience = self.patience;
        let client =
            Client { name, max_games, max_streams, streams, requests, patience, _pass: pass };
        request.extensions_mut().insert(client);
        Ok(request)
    }
}

impl Client {
    /// Who sent a request. One that did not come through the gate is nobody's, without limits.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self {
            name: "".into(),
            max_games: usize::MAX,
            max_streams: usize::MAX,
            streams: Arc::new(Streams::new(usize::MAX)),
            requests: Arc::new(RequestLimit::new(0)),
            patience: LiveConfig::default().patience,
            _pass: Pass::default(),
        })
    }

    /// What counts its messages inside a stream.
    pub(super) fn messages(&self) -> Messages {
        Messages { client: self.name.clone(), requests: self.requests.clone() }
    }

    /// How long it may take to say whose a stream is.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// What the arena has to know of it.
    pub(super) fn creator(&self) -> Creator {
        Creator { client: self.name.clone(), max_games: self.max_games, joining: Vec::new() }
    }

    /// A place for a stream.
    ///
    /// # Errors
    ///
    /// [`LiveError::TooManyStreams`] and [`LiveError::TooManyStreamsOfClient`].
    pub(super) fn stream(&self) -> Result<StreamPlace, LiveError> {
        let mut open = self.streams.lock();
        let streams = open.of.get(&self.name).copied().unwrap_or(0);
        if streams >= self.max_streams {
            return Err(LiveError::TooManyStreamsOfClient(self.max_streams));
        }
        if open.all >= self.streams.most {
            return Err(LiveError::TooManyStreams(self.streams.most));
        }
        open.all += 1;
        open.of.insert(self.name.clone(), streams + 1);
        Ok(StreamPlace { client: self.name.clone(), streams: self.streams.clone() })
    }
}

impl Messages {
    /// Lets a message through, as if it were a request.
    ///
    /// # Errors
    ///
    /// [`LiveError::TooManyRequests`].
    pub(super) fn check(&self) -> Result<(), LiveError> {
        self.requests.check(&self.client)
    }
}

impl Streams {
    fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        open.all -= 1;
        if let Entry::Occupied(mut streams) = open.of.entry(self.client.clone()) {
            *streams.get_mut() -= 1;
            if *streams.get() == 0 {
                streams.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, streams: &Arc<Streams>) -> Client {
        let streams = streams.clone();
        Client { name: name.into(), max_streams: 2, streams, ..Client::of(&Request::new(())) }
    }

    #[test]
    fn places_are_counted_by_client_and_free_again_when_streams_end() {
        let streams = Arc::new(Streams::new(3));
        let (one, other) = (client("one", &streams), client("other", &streams));
        let first = one.stream().unwrap();
        let second = one.stream().unwrap();
        let error = one.stream().unwrap_err();
        assert_eq!(error, LiveError::TooManyStreamsOfClient(2));
        let others = other.stream().unwrap();
        assert_eq!(other.stream().unwrap_err(), LiveError::TooManyStreams(3));
        drop(first);
        let third = one.stream().unwrap();
        drop((third, second, others));
        let open = streams.lock();
        assert_eq!((open.all, open.of.len()), (0, 0));
    }
}

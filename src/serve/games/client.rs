//! Whose requests about live games are, and how much each client may have.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tonic::{Request, Status};

use super::limit::RequestLimit;
use crate::{
    live::{LiveConfig, LiveError, request::Creator},
    serve::access::{Access, Pass, Scope},
};

/// Lets requests in, and notes whose they are.
#[derive(Debug)]
pub(in crate::serve) struct Gate {
    access: Access,
    requests: RequestLimit,
    streams: Arc<Streams>,
    max_games: usize,
    max_streams: usize,
}

/// Whoever sends a request: the holder of a token, or an address where tokens are not asked for.
#[derive(Clone, Debug)]
pub(super) struct Client {
    name: Arc<str>,
    max_games: usize,
    max_streams: usize,
    streams: Arc<Streams>,
    /// It counts as a request under way while this is held.
    _pass: Pass,
}

/// Open streams of each client that has any.
#[derive(Debug, Default)]
struct Streams(Mutex<HashMap<Arc<str>, usize>>);

/// A client's place for a stream, until it is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    client: Arc<str>,
    streams: Arc<Streams>,
}

impl Gate {
    /// A gate for who has one of some tokens, or for everybody if there are none.
    pub(in crate::serve) fn new(access: Access, config: &LiveConfig) -> Self {
        Self {
            access,
            requests: RequestLimit::new(config.requests_per_second),
            streams: Arc::default(),
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
        let pass = self.access.check(request.metadata(), Scope::Drive)?;
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
        let streams = self.streams.clone();
        let client = Client { name, max_games, max_streams, streams, _pass: pass };
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
            streams: Arc::default(),
            _pass: Pass::default(),
        })
    }

    /// What the arena has to know of it.
    pub(super) fn creator(&self) -> Creator {
        Creator { client: self.name.clone(), max_games: self.max_games, joining: None }
    }

    /// A place for a stream.
    ///
    /// # Errors
    ///
    /// [`LiveError::TooManyStreamsOfClient`].
    pub(super) fn stream(&self) -> Result<StreamPlace, LiveError> {
        let mut open = self.streams.lock();
        let streams = open.entry(self.name.clone()).or_insert(0);
        if *streams >= self.max_streams {
            return Err(LiveError::TooManyStreamsOfClient(self.max_streams));
        }
        *streams += 1;
        Ok(StreamPlace { client: self.name.clone(), streams: self.streams.clone() })
    }
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut open) = self.streams.lock().entry(self.client.clone()) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, streams: &Arc<Streams>) -> Client {
        let (name, streams) = (name.into(), streams.clone());
        Client { name, max_games: 1, max_streams: 2, streams, _pass: Pass::default() }
    }

    #[test]
    fn places_are_counted_by_client_and_free_again_when_streams_end() {
        let streams = Arc::default();
        let (one, other) = (client("one", &streams), client("other", &streams));
        let first = one.stream().unwrap();
        let second = one.stream().unwrap();
        let error = one.stream().unwrap_err();
        assert_eq!(error, LiveError::TooManyStreamsOfClient(2));
        let others = other.stream().unwrap();
        drop(first);
        let third = one.stream().unwrap();
        drop((third, second, others));
        assert!(streams.lock().is_empty());
    }
}

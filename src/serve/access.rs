//! Who may do what: bearer tokens with scopes, and limits of each token.
//!
//! Tokens are compared as digests of equal length, all of them every time, so that how long it
//! takes tells nothing. They are neither kept in the clear nor logged.

use std::{fmt, sync::Arc};

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::metadata::MetadataMap;

use super::ServeError;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Flights, streams and statistics.
    Read,
    /// Environments to play, and rows to submit.
    Drive,
    /// Limits, and ending what others began.
    Admin,
}

impl Scope {
    /// All scopes with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Read, "read"), (Self::Drive, "drive"), (Self::Admin, "admin")];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A token, and what it allows.
#[derive(Clone)]
pub struct Token {
    /// The name by which it is told of.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Streams of rows that may be open with it at a time, and as many of live games.
    pub max_streams: usize,
    /// Requests that may be under way with it at a time, streams not counted.
    pub max_requests: usize,
    /// Environments that its sessions may have together.
    pub max_envs: usize,
    /// Live games that it may have created at a time, ended ones included.
    pub max_games: usize,
    /// Bytes of a message that is sent with it.
    pub max_message_bytes: usize,
    /// Rows of a batch that is sent with it, or received.
    pub max_batch_rows: usize,
    digest: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// A token without limits of its own.
    #[must_use]
    pub fn new(name: &str, secret: &str, scopes: Vec<Scope>) -> Self {
        let most = Semaphore::MAX_PERMITS;
        Self {
            name: name.to_owned(),
            scopes,
            max_streams: most,
            max_requests: most,
            max_envs: most,
            max_games: usize::MAX,
            max_message_bytes: usize::MAX,
            max_batch_rows: usize::MAX,
            digest: digest(secret.as_bytes()),
        }
    }

    /// Whether another token would be taken for this one.
    #[must_use]
    pub fn has_secret_of(&self, other: &Self) -> bool {
        self.digest.ct_eq(&other.digest).into()
    }
}

fn digest(secret: &[u8]) -> [u8; 32] {
    *blake3::hash(secret).as_bytes()
}

/// The tokens of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    holders: Vec<Arc<Holder>>,
}

/// Whoever has a token, and what is under way with it.
#[derive(Debug)]
pub(super) struct Holder {
    token: Token,
    streams: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

/// A request that was let in. It counts against its token's limit until it is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass {
    holder: Option<Arc<Holder>>,
    _request: Option<Arc<OwnedSemaphorePermit>>,
}

impl Access {
    /// Lets in who has one of these tokens; everybody if there are none.
    pub(super) fn new(tokens: &[Token]) -> Self {
        let holder = |token: &Token| {
            let places = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
            let (streams, requests) = (places(token.max_streams), places(token.max_requests));
            Arc::new(Holder { token: token.clone(), streams, requests })
        };
        Self { holders: tokens.iter().map(holder).collect() }
    }

    /// Lets a request in that needs a scope.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unauthenticated`], [`ServeError::Forbidden`], and [`ServeError::Limit`] for too
    /// many requests under way.
    pub(super) fn check(&self, metadata: &MetadataMap, scope: Scope) -> Result<Pass, ServeError> {
        if self.holders.is_empty() {
            return Ok(Pass::default());
        }
        let holder = self.find(bearer(metadata)?)?;
        if !holder.token.scopes.contains(&scope) {
            let name = holder.token.name.clone();
            return Err(ServeError::Forbidden { name, scope: scope.name() });
        }
        let request = holder.requests.clone().try_acquire_owned();
        let request = request.map_err(|_none_left| ServeError::Limit {
            what: "requests under way with one token",
            most: holder.token.max_requests as u64,
            fix: "wait for the answer to one, or raise its max-requests",
        })?;
        Ok(Pass { holder: Some(holder.clone()), _request: Some(Arc::new(request)) })
    }

    /// Whoever has this token. Every token is compared, and no comparison ends early.
    fn find(&self, given: &str) -> Result<&Arc<Holder>, ServeError> {
        let given = digest(given.as_bytes());
        let mut found = u64::MAX;
        for (place, holder) in (0_u64..).zip(&self.holders) {
            let is_it: Choice = holder.token.digest.ct_eq(&given);
            found.conditional_assign(&place, is_it);
        }
        let found = usize::try_from(found).ok().and_then(|place| self.holders.get(place));
        found.ok_or(ServeError::Unauthenticated("the server does not know this token"))
    }

    /// The token of a name and password, for clients that ask for one by a basic handshake.
    ///
    /// # Errors
    ///
    /// [`ServeError::Unauthenticated`].
    pub(super) fn handshake(&self, metadata: &MetadataMap) -> Result<String, ServeError> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let missing = ServeError::Unauthenticated(
            "send the header \"authorization: Basic …\" with the token's name and the token",
        );
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let basic = header.and_then(|header| header.strip_prefix("Basic ")).ok_or(missing)?;
        let decoded = BASE64_STANDARD.decode(basic.trim()).ok();
        let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let unknown = || ServeError::Unauthenticated("the server does not know this token");
        let pair = pair.ok_or_else(unknown)?;
        let (name, token) = pair.split_once(':').ok_or_else(unknown)?;
        let holder = self.find(token)?;
        if holder.token.name != name {
            return Err(unknown());
        }
        Ok(format!("Bearer {token}"))
    }
}

fn bearer(metadata: &MetadataMap) -> Result<&str, ServeError> {
    let header = metadata.get("authorization").ok_or(ServeError::Unauthenticated(
        "the server wants a token: send the header \"authorization: Bearer …\"",
    ))?;
    let header = header.to_str().ok().and_then(|header| header.strip_prefix("Bearer "));
    header.ok_or(ServeError::Unauthenticated("write the header as \"authorization: Bearer …\""))
}

impl Pass {
    /// A place for a stream, until it is dropped; none where tokens are not asked for.
    ///
    /// # Errors
    ///
    /// [`ServeError::Limit`] if as many are open as the token may have.
    pub(super) fn stream(&self) -> Result<Option<OwnedSemaphorePermit>, ServeError> {
        let Some(holder) = &self.holder else { return Ok(None) };
        let place = holder.streams.clone().try_acquire_owned();
        place.map(Some).map_err(|_none_left| ServeError::Limit {
            what: "streams open with one token",
            most: holder.token.max_streams as u64,
            fix: "close one, or raise its max-streams",
        })
    }

    /// The token; none where tokens are not asked for.
    pub(super) fn token(&self) -> Option<&Token> {
        self.holder.as_ref().map(|holder| &holder.token)
    }

    /// What the token allows at most; null where tokens are not asked for.
    pub(super) fn limits(&self) -> serde_json::Value {
        let Some(holder) = &self.holder else { return serde_json::Value::Null };
        let Token { name, scopes, max_streams, max_requests, max_envs, max_games, .. } =
            &holder.token;
        let Token { max_message_bytes, max_batch_rows, .. } = &holder.token;
        let most = |number: usize| (number < Semaphore::MAX_PERMITS).then_some(number);
        serde_json::json!({
            "name": name,
            "scopes": scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
            "streams": most(*max_streams),
            "requests": most(*max_requests),
            "envs": most(*max_envs),
            "games": most(*max_games),
            "message_bytes": most(*max_message_bytes),
            "batch_rows": most(*max_batch_rows),
        })
    }

    /// Checks a message that was sent with it.
    ///
    /// # Errors
    ///
    /// [`ServeError::Limit`] for one that is larger than the token allows.
    pub(super) fn check_message(&self, bytes: usize) -> Result<(), ServeError> {
        let most = self.token().map_or(usize::MAX, |token| token.max_message_bytes);
        if bytes <= most {
            return Ok(());
        }
        Err(ServeError::Limit {
            what: "bytes of a message with one token",
            most: most as u64,
            fix: "send smaller batches, or raise its max-message-bytes",
        })
    }

    /// Rows of a batch at most.
    pub(super) fn batch_rows(&self) -> usize {
        self.token().map_or(usize::MAX, |token| token.max_batch_rows)
    }

    /// Checks a batch that was sent with it, or is asked for.
    ///
    /// # Errors
    ///
    /// [`ServeError::Limit`] for one of more rows than the token allows.
    pub(super) fn check_rows(&self, rows: usize) -> Result<(), ServeError> {
        let most = self.batch_rows();
        if rows <= most {
            return Ok(());
        }
        Err(ServeError::Limit {
            what: "rows of a batch with one token",
            most: most as u64,
            fix: "use smaller batches, or raise its max-batch-rows",
        })
    }

    /// The name of the token, and how many environments its sessions may have.
    pub(super) fn envs(&self) -> (String, usize) {
        self.holder.as_ref().map_or((String::new(), usize::MAX), |holder| {
            (holder.token.name.clone(), holder.token.max_envs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", value.parse().unwrap());
        metadata
    }

    fn access() -> Access {
        Access::new(&[
            Token::new("reader", "sesame", vec![Scope::Read]),
            Token {
                max_requests: 1,
                ..Token::new("both", "open", vec![Scope::Read, Scope::Drive])
            },
        ])
    }

    #[test]
    fn without_tokens_everybody_is_let_in() {
        Access::default().check(&MetadataMap::new(), Scope::Admin).unwrap();
    }

    #[test]
    fn a_token_allows_its_scopes_alone() {
        let access = access();
        access.check(&header("Bearer sesame"), Scope::Read).unwrap();
        for (value, scope, wanted) in
            [("Bearer sesame", Scope::Drive, "drive"), ("Bearer open", Scope::Admin, "admin")]
        {
            let error = access.check(&header(value), scope).unwrap_err();
            assert!(matches!(error, ServeError::Forbidden { .. }), "{error}");
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }

    #[test]
    fn unknown_tokens_are_refused_and_not_repeated() {
        let access = access();
        for value in ["Bearer wrong", "Bearer ", "Basic sesame", "sesame", "Bearer sesame2"] {
            let error = access.check(&header(value), Scope::Read).unwrap_err();
            assert!(matches!(error, ServeError::Unauthenticated(_)), "{error}");
            assert!(!error.to_string().contains("sesame") && !error.to_string().contains("wrong"));
        }
        assert!(access.check(&MetadataMap::new(), Scope::Read).is_err());
        assert!(!format!("{access:?}").contains("sesame"));
    }

    #[test]
    fn requests_under_way_are_limited() {
        let access = access();
        let pass = access.check(&header("Bearer open"), Scope::Read).unwrap();
        let error = access.check(&header("Bearer open"), Scope::Read).unwrap_err();
        assert!(matches!(error, ServeError::Limit { most: 1, .. }), "{error}");
        drop(pass);
        access.check(&header("Bearer open"), Scope::Read).unwrap();
    }

    #[test]
    fn a_basic_handshake_gives_the_bearer_token() {
        // "reader:sesame", "reader:open" and "reader".
        let access = access();
        let given = access.handshake(&header("Basic cmVhZGVyOnNlc2FtZQ==")).unwrap();
        assert_eq!(given, "Bearer sesame");
        for value in ["Basic cmVhZGVyOm9wZW4=", "Basic cmVhZGVy", "Basic ?", "Bearer sesame"] {
            assert!(access.handshake(&header(value)).is_err(), "{value}");
        }
    }
}

//! How many requests a client may send.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::live::LiveError;

/// Clients that are remembered before those that may send all they want again are forgotten.
const CLIENTS: usize = 10_000;

/// A bucket of requests for each client: it fills evenly and holds those of a second.
#[derive(Debug)]
pub(super) struct RequestLimit {
    per_second: u32,
    clients: Mutex<HashMap<Arc<str>, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    filled: Instant,
}

impl RequestLimit {
    /// So many requests a second for each client; 0: as many as it likes.
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, clients: Mutex::default() }
    }

    /// Lets a request of a client through, or refuses it.
    ///
    /// # Errors
    ///
    /// [`LiveError::TooManyRequests`].
    pub(super) fn check(&self, client: &Arc<str>) -> Result<(), LiveError> {
        if self.per_second == 0 || self.take(client, Instant::now()) {
            return Ok(());
        }
        Err(LiveError::TooManyRequests(self.per_second))
    }

    fn take(&self, client: &Arc<str>, now: Instant) -> bool {
        let most = f64::from(self.per_second);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS {
            // A full bucket is as good as none.
            clients.retain(|_, bucket| bucket.at(now, most) < most);
        }
        let bucket = clients.entry(client.clone()).or_insert(Bucket { left: most, filled: now });
        bucket.left = bucket.at(now, most);
        bucket.filled = now;
        let is_allowed = bucket.left >= 1.0;
        if is_allowed {
            bucket.left -= 1.0;
        }
        is_allowed
    }
}

impl Bucket {
    /// Requests that are left at this time.
    fn at(&self, now: Instant, most: f64) -> f64 {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        (self.left + passed * most).min(most)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_client_has_its_requests_of_a_second_and_no_other_clients() {
        let limit = RequestLimit::new(10);
        let (one, other) = ("10.0.0.1".into(), "10.0.0.2".into());
        let now = Instant::now();
        let allowed = |client, now| (0..20).filter(|_| limit.take(client, now)).count();
        assert_eq!(allowed(&one, now), 10);
        assert_eq!(allowed(&other, now), 10);
        assert_eq!(allowed(&one, now + Duration::from_millis(300)), 3);
        assert_eq!(allowed(&one, now + Duration::from_mins(1)), 10);
    }

    #[test]
    fn clients_that_are_gone_are_forgotten() {
        let limit = RequestLimit::new(1);
        let now = Instant::now();
        for client in 0..30_000_u32 {
            let at = now + Duration::from_secs(2 * u64::from(client / 10_000));
            assert!(limit.take(&client.to_string().into(), at));
        }
        assert!(limit.clients.lock().unwrap().len() <= CLIENTS);
    }
}

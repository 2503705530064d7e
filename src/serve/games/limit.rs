//! How many requests a client may send.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tonic::{Request, Status};

use crate::live::LiveError;

/// Clients that are remembered before those that may send all they want again are forgotten.
const CLIENTS: usize = 10_000;

/// A bucket of requests for each client address: it fills evenly and holds those of a second.
#[derive(Debug)]
pub struct RequestLimit {
    per_second: u32,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    filled: Instant,
}

impl RequestLimit {
    /// So many requests a second for each address; 0: as many as it likes.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second, clients: Mutex::default() }
    }

    /// Lets a request through, or refuses it.
    ///
    /// # Errors
    ///
    /// [`LiveError::TooManyRequests`] as a status.
    pub fn check(&self, request: Request<()>) -> Result<Request<()>, Status> {
        let address = request.remote_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
        if self.per_second == 0 || self.take(address, Instant::now()) {
            return Ok(request);
        }
        Err(LiveError::TooManyRequests(self.per_second).into())
    }

    fn take(&self, address: IpAddr, now: Instant) -> bool {
        let most = f64::from(self.per_second);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS {
            // A full bucket is as good as none.
            clients.retain(|_, bucket| bucket.at(now, most) < most);
        }
        let bucket = clients.entry(address).or_insert(Bucket { left: most, filled: now });
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
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Instant::now();
        let allowed = |address, now| (0..20).filter(|_| limit.take(address, now)).count();
        assert_eq!(allowed(one, now), 10);
        assert_eq!(allowed(other, now), 10);
        assert_eq!(allowed(one, now + Duration::from_millis(300)), 3);
        assert_eq!(allowed(one, now + Duration::from_mins(1)), 10);
    }

    #[test]
    fn clients_that_are_gone_are_forgotten() {
        let limit = RequestLimit::new(1);
        let now = Instant::now();
        for client in 0..30_000_u32 {
            let at = now + Duration::from_secs(2 * u64::from(client / 10_000));
            assert!(limit.take(IpAddr::from(client.to_be_bytes()), at));
        }
        assert!(limit.clients.lock().unwrap().len() <= CLIENTS);
    }
}

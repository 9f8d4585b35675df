//! Counts tries of passwords, so that guessing is slow, whether the account exists or not.
//!
//! A try is counted before its password is looked at, so that many at once are no more than many in a row, and given back
//! where it was right. Tries of one name from one address are refused past a limit. Tries of one name from all addresses are
//! only slowed down: a stranger must not be able to lock an account's owner out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// Counts kept at once; past it the oldest are forgotten.
const MAX_COUNTS: usize = 20_000;

/// What a count is of. A digest has the same size whatever name was sent.
type Digest = [u8; 16];

pub struct LoginGuard {
    attempts: u32,
    window: Duration,
    counts: Mutex<HashMap<Digest, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    tries: u32,
    latest: Instant,
}

/// A counted try, whose password may be looked at.
#[must_use]
pub struct Attempt {
    of_name: Digest,
    of_address: Digest,
    tries_of_name: u32,
    attempts: u32,
}

impl Attempt {
    /// The name was tried too often, from whatever addresses: the answer may wait.
    pub fn is_slowed(&self) -> bool {
        self.tries_of_name > self.attempts
    }

    /// It is the last try of the name that is not slowed down.
    pub fn is_last(&self) -> bool {
        self.tries_of_name == self.attempts
    }
}

impl LoginGuard {
    pub fn new(attempts: u32, lock_s: i64) -> Self {
        let window = Duration::from_secs(lock_s.unsigned_abs());
        Self { attempts, window, counts: Mutex::default() }
    }

    /// Counts a try of the name from the address; `Err` with the seconds to wait where these two have had too many.
    pub fn reserve(&self, username: &str, address: IpAddr) -> Result<Attempt, u32> {
        let (of_name, of_address) = (digest(username, None), digest(username, Some(address)));
        let mut counts = self.lock();
        if let Some(count) = counts.get(&of_address)
            && count.tries >= self.attempts
        {
            let left = self.window.saturating_sub(count.latest.elapsed());
            if !left.is_zero() {
                return Err(u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX));
            }
        }
        self.count(&mut counts, of_address);
        let tries_of_name = self.count(&mut counts, of_name);
        Ok(Attempt { of_name, of_address, tries_of_name, attempts: self.attempts })
    }

    /// The password was right: the address's tries of the name are forgotten, and the name's count is one lower.
    pub fn succeeded(&self, attempt: &Attempt) {
        let mut counts = self.lock();
        counts.remove(&attempt.of_address);
        lower(&mut counts, attempt.of_name);
    }

    /// The password was not looked at.
    pub fn give_back(&self, attempt: &Attempt) {
        let mut counts = self.lock();
        lower(&mut counts, attempt.of_address);
        lower(&mut counts, attempt.of_name);
    }

    fn count(&self, counts: &mut HashMap<Digest, Count>, of: Digest) -> u32 {
        if counts.len() >= MAX_COUNTS && !counts.contains_key(&of) {
            self.make_room(counts);
        }
        let now = Instant::now();
        let count = counts.entry(of).or_insert(Count { tries: 0, latest: now });
        if now.duration_since(count.latest) >= self.window {
            count.tries = 0;
        }
        *count = Count { tries: count.tries.saturating_add(1), latest: now };
        count.tries
    }

    fn make_room(&self, counts: &mut HashMap<Digest, Count>) {
        counts.retain(|_, count| count.latest.elapsed() < self.window);
        let oldest = counts.iter().min_by_key(|(_, count)| count.latest).map(|(of, _)| *of);
        if counts.len() >= MAX_COUNTS
            && let Some(oldest) = oldest
        {
            counts.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lower(counts: &mut HashMap<Digest, Count>, of: Digest) {
    if let Some(count) = counts.get_mut(&of) {
        count.tries = count.tries.saturating_sub(1);
    }
}

/// Of a name, or of a name and an address. Who has one IPv6 address has its whole /64.
fn digest(username: &str, address: Option<IpAddr>) -> Digest {
    let mut hash = Sha256::new();
    match address {
        None => hash.update([0]),
        Some(IpAddr::V4(address)) => hash.update([&[4][..], &address.octets()].concat()),
        Some(IpAddr::V6(address)) => hash.update([&[6][..], &address.octets()[..8]].concat()),
    }
    hash.update(username.as_bytes());
    hash.finalize()[..16].try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn elsewhere(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    #[test]
    fn tries_under_way_count_and_right_ones_are_given_back() {
        let guard = LoginGuard::new(3, 60);
        let under_way: Vec<_> = (0..8).map(|_| guard.reserve("ann", HERE)).collect();
        assert_eq!(under_way.iter().filter(|attempt| attempt.is_ok()).count(), 3);
        let guard = LoginGuard::new(3, 60);
        for _ in 0..20 {
            let attempt = guard.reserve("ann", HERE).unwrap();
            assert!(!attempt.is_slowed());
            guard.succeeded(&attempt);
        }
        for _ in 0..20 {
            let attempt = guard.reserve("ann", HERE).unwrap();
            guard.give_back(&attempt);
        }
        assert!(guard.reserve("ann", HERE).is_ok());
    }

    #[test]
    fn a_stranger_slows_a_name_down_and_locks_nobody_out() {
        let guard = LoginGuard::new(3, 60);
        let tries: Vec<_> = (0..9).map(|_| guard.reserve("ann", elsewhere(1))).collect();
        assert!(tries[2].as_ref().is_ok_and(Attempt::is_last) && tries[3].is_err());
        let own = guard.reserve("ann", HERE).expect("another address is let in");
        assert!(own.is_slowed());
        assert!(guard.reserve("bob", elsewhere(1)).is_ok_and(|attempt| !attempt.is_slowed()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let guard = LoginGuard::new(1, 60);
        assert!(guard.reserve("ann", "2001:db8::1".parse().unwrap()).is_ok());
        assert!(guard.reserve("ann", "2001:db8::2".parse().unwrap()).is_err());
        assert!(guard.reserve("ann", "2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn memory_is_bounded_whatever_names_are_tried() {
        let guard = LoginGuard::new(3, 60);
        for number in 0..MAX_COUNTS {
            let _ = guard.reserve(&number.to_string(), HERE);
        }
        assert_eq!(guard.lock().len(), MAX_COUNTS);
    }
}

//! Counts tries of passwords, so that guessing is slow, whether the account exists or not.
//!
//! Wrong tries of one name from one address are refused past a limit. Those whose hash is still under way count as wrong
//! meanwhile, so that many at once are no more than many in a row; a try past the limit waits for them, because terminals
//! that share an account log in at once with the right password. Tries of one name from all addresses are only slowed down:
//! a stranger must not be able to lock an account's owner out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

/// Counts that are kept at once. The count of a try under way is kept beyond that.
const MAX_COUNTS: usize = 20_000;
/// Counts that are forgotten at once when there are too many. Finding them takes a look at all, which no new name may cost.
const FORGOTTEN_AT_ONCE: usize = MAX_COUNTS / 10;

/// The key of a count. It is a digest, which has the same size whatever name was sent.
type Digest = [u8; 16];
type Counts = HashMap<Digest, Count>;

pub struct LoginGuard {
    attempts: u32,
    window: Duration,
    counts: Mutex<Counts>,
    /// Notified whenever a try is settled.
    settled: Notify,
}

#[derive(Clone, Copy)]
struct Count {
    wrong: u32,
    under_way: u32,
    latest: Instant,
}

/// Why a password is not looked at.
enum NotNow {
    /// The limit is reached should all tries under way turn out wrong.
    Wait,
    /// The limit is reached, and lifted in so many seconds.
    Locked(u32),
}

/// What came of a try.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Right,
    Wrong,
    NotLookedAt,
}

/// A counted try, whose password may be looked at. One that is dropped unsettled counts as not looked at: the task that looks
/// must settle it even where the client has hung up, or guesses would be free.
#[must_use]
pub struct Attempt {
    guard: Arc<LoginGuard>,
    of_name: Digest,
    of_address: Digest,
    is_slowed: bool,
    is_settled: bool,
}

impl Attempt {
    /// Whether the name was tried too often from all addresses together, so that the answer must wait.
    pub fn is_slowed(&self) -> bool {
        self.is_slowed
    }

    /// Settles a try whose password was right: wrong tries of the name from this address are forgotten.
    pub fn right(mut self) {
        self.settle(Outcome::Right);
    }

    /// Settles a try whose password was wrong. `true` where it brings the name to the limit from which on its tries are slowed
    /// down.
    pub fn wrong(mut self) -> bool {
        self.settle(Outcome::Wrong) == self.guard.attempts
    }

    /// Ends the try in both its counts, and gives the wrong tries of the name.
    fn settle(&mut self, outcome: Outcome) -> u32 {
        self.is_settled = true;
        let mut counts = self.guard.lock();
        self.guard.ended(&mut counts, self.of_address, outcome);
        // Other addresses share the count of the name: a right password does not excuse their wrong tries.
        let of_name = if outcome == Outcome::Right { Outcome::NotLookedAt } else { outcome };
        let wrong = self.guard.ended(&mut counts, self.of_name, of_name);
        drop(counts);
        self.guard.settled.notify_waiters();
        wrong
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settle(Outcome::NotLookedAt);
        }
    }
}

impl LoginGuard {
    pub fn new(attempts: u32, lock_s: i64) -> Self {
        let window = Duration::from_secs(lock_s.unsigned_abs());
        Self { attempts, window, counts: Mutex::default(), settled: Notify::new() }
    }

    /// Counts a try of the name from the address. Where too many of these two were wrong, `Err` has the seconds to wait. While
    /// that depends on tries under way, it waits for them.
    pub async fn reserve(self: &Arc<Self>, username: &str, address: IpAddr) -> Result<Attempt, u32> {
        loop {
            // It listens before it looks, so that a try that is settled between the two is not missed.
            let settled = self.settled.notified();
            match self.try_reserve(username, address) {
                Ok(attempt) => return Ok(attempt),
                Err(NotNow::Locked(wait_s)) => return Err(wait_s),
                Err(NotNow::Wait) => settled.await,
            }
        }
    }

    fn try_reserve(self: &Arc<Self>, username: &str, address: IpAddr) -> Result<Attempt, NotNow> {
        let (of_name, of_address) = (digest(username, None), digest(username, Some(address)));
        let mut counts = self.lock();
        let count = self.count(&counts, of_address);
        if count.wrong >= self.attempts {
            let left = self.window.saturating_sub(count.latest.elapsed());
            return Err(NotNow::Locked(u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX)));
        }
        if count.wrong + count.under_way >= self.attempts {
            return Err(NotNow::Wait);
        }
        self.begun(&mut counts, of_address);
        let is_slowed = self.begun(&mut counts, of_name) > self.attempts;
        Ok(Attempt { guard: self.clone(), of_name, of_address, is_slowed, is_settled: false })
    }

    /// Counts a try as under way, and gives the tries that were wrong or may turn out to be.
    fn begun(&self, counts: &mut Counts, of: Digest) -> u32 {
        if counts.len() >= MAX_COUNTS && !counts.contains_key(&of) {
            self.make_room(counts);
        }
        let mut count = self.count(counts, of);
        count.under_way += 1;
        count.latest = Instant::now();
        counts.insert(of, count);
        count.wrong.saturating_add(count.under_way)
    }

    /// Counts a try as ended, and gives the tries that were wrong. A count of none is forgotten, so that only wrong tries take
    /// memory for long.
    fn ended(&self, counts: &mut Counts, of: Digest, outcome: Outcome) -> u32 {
        let mut count = self.count(counts, of);
        count.under_way = count.under_way.saturating_sub(1);
        match outcome {
            Outcome::Right => count.wrong = 0,
            Outcome::Wrong => {
                count.wrong = count.wrong.saturating_add(1);
                count.latest = Instant::now();
            }
            Outcome::NotLookedAt => {}
        }
        if count.wrong == 0 && count.under_way == 0 {
            counts.remove(&of);
        } else {
            counts.insert(of, count);
        }
        count.wrong
    }

    /// The count as it stands. After a window without a try, wrong ones no longer count.
    fn count(&self, counts: &Counts, of: Digest) -> Count {
        let none = Count { wrong: 0, under_way: 0, latest: Instant::now() };
        let mut count = counts.get(&of).copied().unwrap_or(none);
        if count.latest.elapsed() >= self.window {
            count.wrong = 0;
        }
        count
    }

    /// Forgets the counts that are outdated or, where none is, a tenth of all. Those that refuse nothing go first, so that tries
    /// of many names cannot lift a lock; then the oldest. The count of a try under way stays, because the try ends in it.
    fn make_room(&self, counts: &mut Counts) {
        counts.retain(|_, count| count.under_way > 0 || count.latest.elapsed() < self.window);
        if counts.len() < MAX_COUNTS {
            return;
        }
        let settled = counts.iter().filter(|(_, count)| count.under_way == 0);
        let mut settled: Vec<_> =
            settled.map(|(of, count)| (count.wrong >= self.attempts, count.latest, *of)).collect();
        settled.sort_unstable();
        for (_, _, of) in settled.into_iter().take(FORGOTTEN_AT_ONCE) {
            counts.remove(&of);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of the count of a name, or of a name and an address. Of an IPv6 address only the first 64 bits are used, because a
/// client that has one address has all that share them.
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

    fn guard(attempts: u32) -> Arc<LoginGuard> {
        Arc::new(LoginGuard::new(attempts, 60))
    }

    fn locked(guard: &Arc<LoginGuard>, name: &str, address: IpAddr) -> bool {
        matches!(guard.try_reserve(name, address), Err(NotNow::Locked(_)))
    }

    fn waits(guard: &Arc<LoginGuard>, name: &str, address: IpAddr) -> bool {
        matches!(guard.try_reserve(name, address), Err(NotNow::Wait))
    }

    #[tokio::test]
    async fn many_at_once_are_no_more_than_many_in_a_row() {
        let guard = guard(3);
        let mut under_way = [(); 3].map(|()| guard.try_reserve("ann", HERE).ok().unwrap()).into_iter();
        assert!(waits(&guard, "ann", HERE));
        let (woken, ()) = tokio::join!(guard.reserve("ann", HERE), async {
            drop(under_way.next());
        });
        let woken = woken.unwrap();
        for attempt in under_way {
            assert!(!attempt.wrong());
        }
        let (refused, was_last) = tokio::join!(guard.reserve("ann", HERE), async { woken.wrong() });
        assert!(was_last && refused.is_err());
        assert!(locked(&guard, "ann", HERE));
    }

    #[test]
    fn a_client_that_hangs_up_before_its_password_is_looked_at_has_not_tried() {
        let guard = guard(3);
        for _ in 0..10 {
            drop(guard.try_reserve("ann", HERE).ok().unwrap());
        }
        assert!(guard.try_reserve("ann", HERE).is_ok_and(|attempt| !attempt.is_slowed()));
    }

    #[tokio::test]
    async fn no_right_password_is_refused_however_many_come_at_once() {
        let guard = guard(3);
        let log_in = async || {
            let attempt = guard.reserve("ann", HERE).await.unwrap();
            assert!(!attempt.is_slowed());
            tokio::task::yield_now().await;
            attempt.right();
        };
        let ten = async || {
            tokio::join!(log_in(), log_in(), log_in(), log_in(), log_in());
            tokio::join!(log_in(), log_in(), log_in(), log_in(), log_in());
        };
        tokio::join!(ten(), ten());
        assert!(guard.lock().is_empty(), "nothing is left to be remembered");
    }

    #[test]
    fn a_stranger_slows_a_name_down_and_locks_nobody_out() {
        let guard = guard(3);
        let wrong = |from| guard.try_reserve("ann", from).ok().unwrap().wrong();
        assert_eq!([(); 3].map(|()| wrong(elsewhere(1))), [false, false, true]);
        assert!(locked(&guard, "ann", elsewhere(1)));
        assert!(guard.try_reserve("ann", HERE).is_ok_and(|own| own.is_slowed()));
        assert!(guard.try_reserve("bob", elsewhere(1)).is_ok_and(|other| !other.is_slowed()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let guard = guard(1);
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let _ = guard.try_reserve("ann", address("2001:db8::1")).ok().unwrap().wrong();
        assert!(locked(&guard, "ann", address("2001:db8::2")));
        assert!(guard.try_reserve("ann", address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_a_flood_of_names_lifts_no_lock() {
        let guard = guard(2);
        let under_way = guard.try_reserve("joe", HERE).ok().unwrap();
        for _ in 0..2 {
            let _ = guard.try_reserve("ann", HERE).ok().unwrap().wrong();
        }
        for number in 0..2 * MAX_COUNTS {
            let name = number.to_string();
            drop(guard.try_reserve(&name, HERE));
            let _ = guard.try_reserve(&name, HERE).ok().unwrap().wrong();
            assert!(guard.lock().len() <= MAX_COUNTS);
        }
        assert!(locked(&guard, "ann", HERE));
        assert!(guard.lock().contains_key(&digest("joe", None)), "its try is under way");
        assert!(!under_way.wrong());
    }
}

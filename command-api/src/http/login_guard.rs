//! Counts wrong passwords by username, so that guessing is slow, whether the account exists or not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Names remembered at once; past it the oldest are forgotten.
const MAX_NAMES: usize = 10_000;

pub struct LoginGuard {
    attempts: u32,
    window: Duration,
    names: Mutex<HashMap<String, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: Instant,
}

impl LoginGuard {
    pub fn new(attempts: u32, lock_s: i64) -> Self {
        let window = Duration::from_secs(lock_s.unsigned_abs());
        Self { attempts, window, names: Mutex::default() }
    }

    /// Seconds to wait, where the name has failed too often.
    pub fn wait_s(&self, username: &str) -> Option<u32> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = names.get(username)?;
        let left = self.window.saturating_sub(failures.since.elapsed());
        (failures.count >= self.attempts && !left.is_zero())
            .then(|| u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX))
    }

    /// Notes a wrong password; whether it was the last that is allowed.
    pub fn failed(&self, username: &str) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, failures| failures.since.elapsed() < self.window);
        if names.len() >= MAX_NAMES
            && let Some(oldest) =
                names.iter().min_by_key(|(_, failures)| failures.since).map(|(name, _)| name.clone())
        {
            names.remove(&oldest);
        }
        let failures =
            names.entry(username.to_owned()).or_insert(Failures { count: 0, since: Instant::now() });
        failures.count += 1;
        failures.since = Instant::now();
        failures.count == self.attempts
    }

    /// Forgets the name: the password was right.
    pub fn succeeded(&self, username: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(username);
    }
}

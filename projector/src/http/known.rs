//! What was found out moments ago, so that it need not be found out for each request.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most that is known at once.
const MOST: usize = 10_000;

/// What is known of keys, each for a time. Clones share it.
pub struct Known<K, V> {
    found: Arc<Mutex<HashMap<K, (Instant, V)>>>,
    fresh: Duration,
}

impl<K, V> Clone for Known<K, V> {
    fn clone(&self) -> Self {
        Self { found: Arc::clone(&self.found), fresh: self.fresh }
    }
}

impl<K: Eq + Hash, V: Clone> Known<K, V> {
    /// Knows nothing yet, and everything for as long as this.
    #[must_use]
    pub fn for_as_long_as(fresh: Duration) -> Self {
        Self { found: Arc::default(), fresh }
    }

    /// What is known of the key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        self.get_at(key, Instant::now())
    }

    /// Notes what was found of the key. It was true when it was looked up, at `since`.
    pub fn put(&self, key: K, since: Instant, value: V) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= MOST {
            found.retain(|_, (since, _)| since.elapsed() < self.fresh);
        }
        // So many callers within a moment are looked up rather than kept.
        if found.len() < MOST {
            found.insert(key, (since, value));
        }
    }

    fn get_at(&self, key: &K, now: Instant) -> Option<V> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = found.get(key)?;
        (now.duration_since(*since) < self.fresh).then(|| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_found_is_known_for_its_time() {
        let (known, now) = (Known::for_as_long_as(FRESH), Instant::now());
        known.put("a", now, 1);
        assert_eq!(known.get_at(&"a", now), Some(1));
        assert_eq!(known.get_at(&"a", now + FRESH), None);
        assert_eq!(known.get_at(&"b", now), None);
        known.put("a", now + FRESH, 2);
        assert_eq!(known.clone().get_at(&"a", now + FRESH), Some(2));
    }

    #[test]
    fn no_more_is_known_than_there_is_room_for_and_what_is_old_makes_room() {
        let now = Instant::now();
        let full = |fresh| {
            let known = Known::for_as_long_as(fresh);
            (0..=MOST).for_each(|key| known.put(key, now, ()));
            known.found.lock().unwrap().len()
        };
        assert_eq!(full(FRESH), MOST);
        assert_eq!(full(Duration::ZERO), 1);
    }
}

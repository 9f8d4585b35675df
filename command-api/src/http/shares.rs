//! What each caller may hold at once of something that all share, so that one of them never has all of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// A semaphore for each caller, which is remembered as long as somebody holds it or a permit of it.
pub struct Shares {
    each: usize,
    of_callers: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Shares {
    /// Semaphores of `each` permits.
    pub fn new(each: usize) -> Self {
        Self { each, of_callers: Mutex::default() }
    }

    /// The semaphore of the caller of this name.
    pub fn of(&self, username: &str) -> Arc<Semaphore> {
        let mut of_callers = self.of_callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = of_callers.get(username).and_then(Weak::upgrade) {
            return own;
        }
        of_callers.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.each));
        of_callers.insert(username.to_owned(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_while_it_is_held_and_forgotten_then() {
        let shares = Shares::new(2);
        let (ann, bob) = (shares.of("ann"), shares.of("bob"));
        assert!(Arc::ptr_eq(&ann, &shares.of("ann")) && !Arc::ptr_eq(&ann, &bob));
        drop((ann, bob));
        let _joe = shares.of("joe");
        assert_eq!(shares.of_callers.lock().unwrap().len(), 1);
    }
}

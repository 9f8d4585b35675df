//! What each caller may hold at once of something that all share, so that no caller ever has all of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// Callers remembered before those that hold nothing are looked for.
const LEAST_REMEMBERED: usize = 16;

/// A semaphore for each caller. It is forgotten some time after the caller's last permit is dropped, so that memory holds about
/// as many as there are callers at once.
pub struct Shares {
    permits_each: usize,
    of_callers: Mutex<Callers>,
}

#[derive(Default)]
struct Callers {
    semaphores: HashMap<String, Weak<Semaphore>>,
    /// With so many callers those that hold nothing are forgotten: twice as many as were left the last time.
    sweep_at: usize,
}

impl Shares {
    /// Gives each caller so many permits.
    #[must_use]
    pub fn new(permits_each: usize) -> Self {
        Self { permits_each, of_callers: Mutex::default() }
    }

    /// The semaphore of one caller: the same one for as long as somebody has it, waits for it or holds a permit of it.
    #[must_use]
    pub fn of(&self, caller: &str) -> Arc<Semaphore> {
        let mut callers = self.of_callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = callers.semaphores.get(caller).and_then(Weak::upgrade) {
            return own;
        }
        if callers.semaphores.len() >= callers.sweep_at {
            callers.semaphores.retain(|_, own| own.strong_count() > 0);
            callers.sweep_at = LEAST_REMEMBERED.max(2 * callers.semaphores.len());
        }
        let own = Arc::new(Semaphore::new(self.permits_each));
        callers.semaphores.insert(caller.to_owned(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_one_semaphore_while_anything_of_it_is_held() {
        let shares = Shares::new(2);
        let (ann, bob) = (shares.of("ann"), shares.of("bob"));
        assert!(Arc::ptr_eq(&ann, &shares.of("ann")) && !Arc::ptr_eq(&ann, &bob));
        let permit = ann.try_acquire_owned().unwrap();
        assert_eq!(shares.of("ann").available_permits(), 1);
        drop(permit);
        assert_eq!(shares.of("ann").available_permits(), 2);
    }

    #[test]
    fn callers_that_hold_nothing_are_forgotten_and_others_are_not() {
        let shares = Shares::new(1);
        let held: Vec<_> = (0..100).map(|number| shares.of(&format!("held-{number}"))).collect();
        for number in 0..10_000 {
            drop(shares.of(&format!("gone-{number}")));
        }
        assert!(
            held.iter()
                .enumerate()
                .all(|(number, own)| Arc::ptr_eq(own, &shares.of(&format!("held-{number}"))))
        );
        assert!(shares.of_callers.lock().unwrap().semaphores.len() <= 200);
    }
}

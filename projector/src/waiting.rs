//! How many reads may wait at the same time: in all, and of one caller, so that no caller can take every turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::Problem;

/// Turns of reads that wait.
#[derive(Clone)]
pub struct Waiting(Arc<Turns>);

struct Turns {
    most: usize,
    most_of_a_caller: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Only of callers that have some.
    by_caller: HashMap<String, usize>,
}

/// A read's turn; dropping it gives it back.
pub struct Turn {
    turns: Arc<Turns>,
    caller: String,
}

impl Waiting {
    /// So many turns in all, and so many of one caller.
    #[must_use]
    pub fn new(most: usize, most_of_a_caller: usize) -> Self {
        Self(Arc::new(Turns { most, most_of_a_caller, taken: Mutex::default() }))
    }

    /// Takes a turn for a read of this caller.
    ///
    /// # Errors
    /// 429 where the caller has all of its own already, 503 where all callers together have all there are.
    pub fn enter(&self, caller: &str) -> Result<Turn, Problem> {
        let turns = &self.0;
        let mut taken = turns.taken();
        let of_caller = taken.by_caller.get(caller).copied().unwrap_or_default();
        if of_caller >= turns.most_of_a_caller {
            let detail = format!(
                "{of_caller} reads of this caller wait already for what they must have seen; send the next one when one is answered, or read without Till-Position and Till-Consistency"
            );
            return Err(Problem::too_many(detail, 1));
        }
        if taken.all >= turns.most {
            return Err(Problem::unavailable("too many reads wait for a position already", 1));
        }
        taken.all += 1;
        taken.by_caller.insert(caller.to_owned(), of_caller + 1);
        drop(taken);
        Ok(Turn { turns: Arc::clone(turns), caller: caller.to_owned() })
    }
}

impl Turns {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken();
        taken.all -= 1;
        if let Some(count) = taken.by_caller.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn one_caller_cannot_take_the_turns_of_others_and_turns_come_back() {
        let waiting = Waiting::new(5, 3);
        let status = |caller| waiting.enter(caller).err().map(|problem| problem.status());
        let greedy: Vec<_> = (0..3).map(|_| waiting.enter("greedy").ok().unwrap()).collect();
        assert_eq!(status("greedy"), Some(StatusCode::TOO_MANY_REQUESTS));
        let others: Vec<_> = (0..2).map(|_| waiting.enter("other").ok().unwrap()).collect();
        assert_eq!(status("third"), Some(StatusCode::SERVICE_UNAVAILABLE));
        drop(greedy);
        assert_eq!((status("greedy"), status("third")), (None, None));
        drop(others);
        assert!(waiting.0.taken().by_caller.is_empty());
    }
}

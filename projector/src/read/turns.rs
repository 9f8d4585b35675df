//! Turns bound how many reads do the same thing at once, in all and of one caller, so that no caller can have all turns.

use std::sync::Arc;
use std::time::Duration;

use runtime::shares::Shares;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns there are. Clones share them.
#[derive(Clone)]
pub struct Turns(Arc<Shared>);

struct Shared {
    all: Arc<Semaphore>,
    most_of_a_caller: usize,
    of_callers: Shares,
}

/// A read's turn. It is given back when it is dropped.
pub struct Turn {
    _of_caller: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// The caller has all turns that one caller may have: so many.
    OfCaller(usize),
    /// All callers together have all turns.
    OfAll,
}

impl Turns {
    /// Makes `most` turns, of which one caller may have `most_of_a_caller`.
    #[must_use]
    pub fn new(most: usize, most_of_a_caller: usize) -> Self {
        let (all, of_callers) = (Arc::new(Semaphore::new(most)), Shares::new(most_of_a_caller));
        Self(Arc::new(Shared { all, most_of_a_caller, of_callers }))
    }

    /// Takes a turn for a read of this caller, if there is one.
    ///
    /// # Errors
    /// See [`NoTurn`].
    pub fn try_take(&self, caller: &str) -> Result<Turn, NoTurn> {
        let of_caller =
            self.0.of_callers.of(caller).try_acquire_owned().map_err(|_| self.none_of_caller())?;
        let of_all = Arc::clone(&self.0.all).try_acquire_owned().map_err(|_| NoTurn::OfAll)?;
        Ok(Turn { _of_caller: of_caller, _of_all: of_all })
    }

    /// Takes a turn for a read of this caller as soon as there is one. A caller's reads get theirs in the order they came.
    ///
    /// # Errors
    /// See [`NoTurn`], if there is none for as long as `longest`.
    pub async fn take(&self, caller: &str, longest: Duration) -> Result<Turn, NoTurn> {
        let deadline = tokio::time::Instant::now() + longest;
        // The caller's own turn first: a read that waits for it takes nobody else's.
        let of_caller = self.0.of_callers.of(caller).acquire_owned();
        let of_caller = tokio::time::timeout_at(deadline, of_caller).await;
        let Ok(Ok(of_caller)) = of_caller else { return Err(self.none_of_caller()) };
        let of_all = tokio::time::timeout_at(deadline, Arc::clone(&self.0.all).acquire_owned()).await;
        let Ok(Ok(of_all)) = of_all else { return Err(NoTurn::OfAll) };
        Ok(Turn { _of_caller: of_caller, _of_all: of_all })
    }

    fn none_of_caller(&self) -> NoTurn {
        NoTurn::OfCaller(self.0.most_of_a_caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_caller_cannot_take_the_turns_of_others_and_turns_come_back() {
        let turns = Turns::new(5, 3);
        let refused = |caller| turns.try_take(caller).err();
        let mut greedy: Vec<_> = (0..3).map(|_| turns.try_take("greedy").ok().unwrap()).collect();
        assert_eq!(refused("greedy"), Some(NoTurn::OfCaller(3)));
        assert_eq!(turns.take("greedy", Duration::ZERO).await.err(), Some(NoTurn::OfCaller(3)));
        let others: Vec<_> = (0..2).map(|_| turns.try_take("other").ok().unwrap()).collect();
        assert_eq!(refused("third"), Some(NoTurn::OfAll));
        assert_eq!(turns.take("third", Duration::ZERO).await.err(), Some(NoTurn::OfAll));
        drop(greedy.pop());
        assert_eq!((refused("greedy"), refused("third")), (None, None));
        drop((greedy, others));
        assert!((0..3).all(|_| refused("greedy").is_none()));
    }

    #[tokio::test]
    async fn a_read_that_waits_gets_the_turn_that_is_given_back() {
        let turns = Turns::new(2, 1);
        let first = turns.try_take("caller").ok().unwrap();
        let waiting = turns.take("caller", Duration::from_secs(600));
        let giving_back = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(waiting, giving_back);
        drop(second.ok().unwrap());
        assert!(turns.try_take("caller").is_ok());
    }
}

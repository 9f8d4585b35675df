//! The turns of batches: few are under way at once, and never all of one caller.

use std::sync::Arc;
use std::time::Duration;

use runtime::shares::Shares;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{framed, outgoing, window};
use crate::http::ApiError;
use crate::http::error::overloaded;

/// Batches under way at once: each takes a few MiB.
const BATCHES: usize = 8;
/// Batches of one caller under way at once, however slowly they come.
const BATCHES_OF_ONE: usize = 4;
/// Memory for forwarded batches, KiB. They take no turns here: each is a part of a batch that has one at another replica.
const FORWARDED_KIB: usize = 12 * 1024;
/// Memory of a batch, at most: a receipt that has come in part, the window, and the lines held for the client.
const ROOM_BYTES: usize = framed::MAX_RECEIPT_BYTES + window::MAX_BYTES + outgoing::HELD_BYTES;
/// How long a batch waits for others to end before 503.
const WITHIN: Duration = Duration::from_secs(3);

/// The batches that are under way.
pub struct Turns {
    all: Arc<Semaphore>,
    of_callers: Shares,
    forwarded: Arc<Semaphore>,
}

/// What a batch holds while it is under way.
pub struct Turn {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(BATCHES)),
            of_callers: Shares::new(BATCHES_OF_ONE),
            forwarded: Arc::new(Semaphore::new(FORWARDED_KIB)),
        }
    }
}

impl Turns {
    /// Waits for a turn of the caller; 503 where none comes in [`WITHIN`].
    pub async fn take(&self, username: &str) -> Result<Turn, ApiError> {
        let permits = tokio::time::timeout(WITHIN, self.wait(username)).await.ok().flatten();
        permits.map(|permits| Turn { _permits: permits }).ok_or_else(|| overloaded().into())
    }

    /// Takes memory for a forwarded batch, as much as its declared bytes need at most; 503 where there is none. It waits for no
    /// turn: the batch that it is a part of has one at the replica it came from, and two replicas that waited for turns of each
    /// other would wait for ever.
    pub fn take_forwarded(&self, declared_bytes: Option<usize>) -> Result<Turn, ApiError> {
        let bytes = declared_bytes.unwrap_or(ROOM_BYTES).min(ROOM_BYTES);
        let kib = u32::try_from(bytes / 1024 + 1).expect("a few MiB");
        let memory = self.forwarded.clone().try_acquire_many_owned(kib);
        memory.map(|memory| Turn { _permits: vec![memory] }).map_err(|_| overloaded().into())
    }

    /// Takes the caller's own permit first: while a batch waits for it, it holds no permit that others need.
    async fn wait(&self, username: &str) -> Option<Vec<OwnedSemaphorePermit>> {
        let own = self.of_callers.of(username).acquire_owned().await.ok()?;
        let shared = self.all.clone().acquire_owned().await.ok()?;
        Some(vec![own, shared])
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_caller_never_has_all_the_turns() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for username in ["ann", "bob"] {
            for _ in 0..BATCHES_OF_ONE {
                taken.push(turns.take(username).await.expect("a turn is left"));
            }
            assert!(turns.wait(username).now_or_never().is_none(), "one more waits");
        }
        assert!(turns.wait("joe").now_or_never().is_none(), "all are taken");
        assert!(turns.take("joe").await.is_err(), "who waits in vain is told so");
        taken.truncate(1);
        assert!(turns.take("joe").await.is_ok());
    }
}

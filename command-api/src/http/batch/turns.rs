//! The turns of batches: few are under way at once, and never all of one caller.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use runtime::auth::Caller;
use runtime::shares::Shares;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ROOM_BYTES;
use crate::http::ApiError;
use crate::http::client_address::Peer;
use crate::http::error::overloaded;
use crate::http::forward::{FORWARDED, declared_length};

/// Batches under way at once: each takes a few MiB.
const BATCHES: usize = 8;
/// Batches of one caller under way at once, however slowly they come.
const BATCHES_OF_ONE: usize = 4;
/// Memory for forwarded batches, KiB. They take no turns here: each is a part of a batch that has one at another replica.
const FORWARDED_KIB: usize = 12 * 1024;
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
    /// Waits for a turn; 503 where none comes in [`WITHIN`]. A forwarded batch waits for none: it is a part of one that has a turn
    /// at the replica it came from, and two replicas that waited for turns of each other would wait for ever. Only a trusted peer
    /// is believed that it forwards.
    pub async fn take(&self, caller: &Caller, headers: &HeaderMap, peer: Peer) -> Result<Turn, ApiError> {
        let permits = if peer.is_trusted && headers.contains_key(FORWARDED) {
            let bytes = declared_length(headers).unwrap_or(ROOM_BYTES).min(ROOM_BYTES);
            let kib = u32::try_from(bytes / 1024 + 1).expect("a few MiB");
            self.forwarded.clone().try_acquire_many_owned(kib).ok().map(|memory| vec![memory])
        } else {
            tokio::time::timeout(WITHIN, self.wait(&caller.username)).await.ok().flatten()
        };
        let permits = permits.ok_or_else(|| ApiError::Problem(overloaded()))?;
        Ok(Turn { _permits: permits })
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
    use super::*;

    async fn take(turns: &Turns, username: &str) -> Option<Turn> {
        let caller = Caller { username: username.into(), roles: Vec::new(), places: Vec::new() };
        turns.take(&caller, &HeaderMap::new(), Peer { is_trusted: true }).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_trusted_peer_forwards_batches_past_the_turns() {
        let (turns, mut headers) = (Turns::default(), HeaderMap::new());
        headers.insert(FORWARDED, "1".parse().unwrap());
        headers.insert("content-length", "1000".parse().unwrap());
        let caller = Caller { username: "ann".into(), roles: Vec::new(), places: Vec::new() };
        let take = async |is_trusted| turns.take(&caller, &headers, Peer { is_trusted }).await.ok();
        let mut taken = Vec::new();
        for _ in 0..BATCHES_OF_ONE {
            taken.push(take(false).await.expect("a turn is left"));
        }
        assert!(take(false).await.is_none(), "it has its four");
        assert!(take(true).await.is_some(), "its batch has a turn at the replica that forwards it");
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_never_has_all_the_turns() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for username in ["ann", "bob"] {
            for _ in 0..BATCHES_OF_ONE {
                taken.push(take(&turns, username).await.expect("a turn is left"));
            }
            assert!(take(&turns, username).await.is_none(), "one more waits in vain");
        }
        assert!(take(&turns, "joe").await.is_none(), "all are taken");
        taken.truncate(1);
        assert!(take(&turns, "joe").await.is_some());
    }
}

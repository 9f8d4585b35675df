//! Tending the keys of persons: each is put under the first of the master keys, or deleted where no living person has it.
//!
//! A shard's owner does it, because only the owner writes keys. It decides each key by itself, so a change or an erasure
//! that comes between is never undone.

use domain::people::TendKey;
use domain::person::{is_erased, is_held};
use futures_util::{StreamExt, stream};
use schemas::keys::PersonKeyed;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::App;
use crate::shard::{Origin, Refusal};

/// The path at which an owner tends the keys of its shards. nginx does not serve it.
pub const PATH: &str = "/internal/keys";
/// The most keys of a page, and how many of them are decided at once.
const MOST: usize = 2_000;
const SIDE_BY_SIDE: usize = 256;

/// A page of a shard's keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub shard: i32,
    /// The subject after which the page begins; `None`: at the first key.
    pub after: Option<Uuid>,
}

/// What was done with a page.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tended {
    /// How many keys were looked at.
    pub looked_at: usize,
    /// How many were put under the first master key.
    pub rewrapped: usize,
    /// How many were deleted, because no living person has them.
    pub deleted: usize,
    /// How many cannot be opened by any of this replica's master keys.
    pub unopened: usize,
    /// The subject after which the next page begins; `None` at the end.
    pub next: Option<Uuid>,
}

/// What a key needs.
enum Need {
    Nothing,
    Rewrap(TendKey),
    Delete(TendKey),
    AnotherMaster,
}

/// Tends a page of the keys of a shard that is served here.
pub async fn page(app: &App, Page { shard, after }: Page) -> Result<Tended, Refusal> {
    let keys: Vec<_> =
        app.store.keys(after).filter(|key| app.shards.shard_of(&key.home) == shard).take(MOST).collect();
    let next = keys.last().filter(|_| keys.len() == MOST).map(|key| key.subject);
    if let Some(first) = keys.first() {
        app.shards.served_here(&first.home).await?;
    }
    let looked_at = keys.len();
    let outcomes = stream::iter(keys).map(|key| tend(app, key)).buffer_unordered(SIDE_BY_SIDE);
    let start = Ok(Tended { looked_at, next, ..Tended::default() });
    outcomes.fold(start, |tended, outcome| async { Ok(counted(tended?, &outcome?)) }).await
}

async fn tend(app: &App, key: PersonKeyed) -> Result<Need, Refusal> {
    let need = need(app, key);
    if let Need::Rewrap(command) | Need::Delete(command) = &need {
        match app.shards.submit(command.clone(), Origin::default()).await {
            // Somebody else has rewritten the key meanwhile, under the present master key, or has deleted it.
            Ok(_) | Err(Refusal::Rejected(_)) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(need)
}

fn need(app: &App, key: PersonKeyed) -> Need {
    let states = app.store.as_ref();
    if is_erased(&states, key.subject) || !is_held(&states, key.subject) {
        let PersonKeyed { home, subject, wrapped: former, .. } = key;
        return Need::Delete(TendKey { home, subject, former, rewrapped: None });
    }
    match app.vault.rewrapped(&key) {
        Ok(None) => Need::Nothing,
        Ok(rewrapped) => {
            let PersonKeyed { home, subject, wrapped: former, .. } = key;
            Need::Rewrap(TendKey { home, subject, former, rewrapped })
        }
        Err(error) => {
            tracing::error!(subject = %key.subject, %error, "a person's key cannot be opened");
            Need::AnotherMaster
        }
    }
}

fn counted(mut tended: Tended, need: &Need) -> Tended {
    match need {
        Need::Nothing => {}
        Need::Rewrap(_) => tended.rewrapped += 1,
        Need::Delete(_) => tended.deleted += 1,
        Need::AnotherMaster => tended.unopened += 1,
    }
    tended
}

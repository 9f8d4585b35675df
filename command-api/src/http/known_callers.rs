//! Callers that were looked up, for as long as nothing happens that may change what a caller may do: most requests come from a
//! few terminals, and a look-up takes as long as the rest of a small request.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use domain::account::terminal::TerminalKey;
use runtime::auth::{Caller, Credential};

/// The most that are known at once.
const MOST: usize = 10_000;

/// Who a credential speaks for.
pub struct Found {
    pub caller: Caller,
    /// The terminal's key, where it is one.
    pub key: Option<TerminalKey>,
}

/// The callers that are known.
#[derive(Default)]
pub struct KnownCallers(RwLock<AtRevision>);

/// What was found in a store at a [revision](crate::shard::store::Store::callers_revision). At another one it is worth nothing.
#[derive(Default)]
struct AtRevision {
    revision: u64,
    found: HashMap<Credential, Arc<Found>>,
}

impl KnownCallers {
    /// Who a credential speaks for at this revision, where that is known.
    pub fn get(&self, revision: u64, credential: &Credential) -> Option<Arc<Found>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.found.get(credential).filter(|_| known.revision == revision).cloned()
    }

    /// Notes who a credential speaks for. The revision was read before that was looked up.
    pub fn put(&self, revision: u64, credential: Credential, found: Arc<Found>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.revision < revision {
            *known = AtRevision { revision, found: HashMap::new() };
        }
        // So many callers between two changes are looked up rather than kept.
        if known.revision == revision && known.found.len() < MOST {
            known.found.insert(credential, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use runtime::auth::Bearer;

    use super::*;

    fn credential(number: i64) -> Credential {
        Credential::Token(Bearer { realm: "till".into(), number, generation: 1, revision: 1 })
    }

    fn found(number: i64) -> Arc<Found> {
        let (realm, roles, places) = ("till".into(), Vec::new(), Vec::new());
        Arc::new(Found { caller: Caller { realm, number, roles, places, is_terminal_key: false }, key: None })
    }

    fn number(known: &KnownCallers, revision: u64, number: i64) -> Option<i64> {
        known.get(revision, &credential(number)).map(|found| found.caller.number)
    }

    #[test]
    fn a_caller_is_known_until_something_changes() {
        let known = KnownCallers::default();
        known.put(0, credential(1), found(1));
        assert_eq!(number(&known, 0, 1), Some(1));
        assert_eq!(number(&known, 0, 2), None);
        assert_eq!(number(&known, 1, 1), None);
        known.put(1, credential(2), found(2));
        assert_eq!((number(&known, 1, 1), number(&known, 1, 2)), (None, Some(2)));
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_known_after_it() {
        let known = KnownCallers::default();
        known.put(1, credential(1), found(1));
        known.put(0, credential(2), found(2));
        assert_eq!(number(&known, 1, 2), None);
        known.put(0, credential(1), found(7));
        assert_eq!(number(&known, 1, 1), Some(1));
    }

    #[test]
    fn no_more_are_known_than_there_is_room_for() {
        let known = KnownCallers::default();
        (0..=MOST as i64).for_each(|number| known.put(0, credential(number), found(number)));
        assert_eq!(known.0.read().unwrap().found.len(), MOST);
    }
}

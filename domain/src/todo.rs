//! To-dos: what a state still owes the world, raised and settled by `evolve` alone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::States;

/// Keys of to-dos begin with this, then two bytes of partition, big-endian.
const PREFIX: u8 = b't';

/// Something to be done once its time has come. It ends in an event on the stream that raised it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todo {
    /// The event that raised it.
    pub cause: Uuid,
    /// The aggregate it belongs to: to-dos of one aggregate are worked off in order.
    pub aggregate: String,
    /// Not before this instant.
    pub due: DateTime<Utc>,
    /// What to do.
    pub kind: TodoKind,
}

/// The kinds of to-do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TodoKind {
    /// End a login lock: a timer.
    EndLoginLock {
        /// The account's realm.
        realm: String,
        /// The account's name.
        username: String,
    },
}

impl Todo {
    /// What a store's keys of to-dos of a partition of the accounts topic begin with.
    #[must_use]
    pub fn prefix(partition: i32) -> Vec<u8> {
        let [_, _, high, low] = partition.to_be_bytes();
        vec![PREFIX, high, low]
    }

    /// Whether a state's key is a to-do's.
    #[must_use]
    pub fn is_key(key: &[u8]) -> bool {
        key.first() == Some(&PREFIX)
    }

    /// The to-do under a store's key.
    #[must_use]
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    fn key(partition: i32, cause: Uuid) -> Vec<u8> {
        let mut key = Self::prefix(partition);
        key.extend_from_slice(cause.as_bytes());
        key
    }

    pub(crate) fn raise(&self, states: &mut impl States, partition: i32) {
        let value = serde_json::to_vec(self).expect("a to-do has text keys only");
        states.put(Self::key(partition, self.cause), value);
    }

    pub(crate) fn settle(states: &mut impl States, partition: i32, cause: Uuid) {
        states.remove(Self::key(partition, cause));
    }
}

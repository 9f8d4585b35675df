//! States as bytes under keys. A fold reads and writes them through [`States`], so it does not care whether they lie in
//! a batch, a store or a map.

use schemas::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The states that a fold reads and writes.
pub trait States {
    /// The bytes under a key; `None` where there are none.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// Puts bytes under a key, in place of those that were there.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
    /// Takes a key and its bytes away; a key without bytes may be removed too.
    fn remove(&mut self, key: Vec<u8>);
}

/// Where an event was recorded, and under which id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The event's position. Within a batch that is not committed its offset is provisional: -1, -2, ….
    pub position: Position,
    /// The event's own id, as in the header `event-id`.
    pub event_id: Uuid,
}

/// Reads a state in the form postcard, which has no names: the aggregate's `FOLD_VERSION` counts up with every change of
/// its type.
pub(crate) fn load<S: DeserializeOwned>(states: &impl States, key: &[u8]) -> Option<S> {
    postcard::from_bytes(&states.get(key)?).ok()
}

/// Writes a state in the form postcard.
pub(crate) fn save(states: &mut impl States, key: Vec<u8>, state: &impl Serialize) {
    states.put(key, postcard::to_allocvec(state).expect("a state has a length"));
}

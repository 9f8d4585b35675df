//! Where states are kept: bytes under keys, so that a fold does not care whether it runs over a batch, a
//! store or a map.

use schemas::Position;
use uuid::Uuid;

/// The states a fold reads and writes.
pub trait States {
    /// The bytes under a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// Keeps bytes under a key.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);
    /// Forgets a key.
    fn remove(&mut self, key: Vec<u8>);
}

/// Where and as what an event was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the log.
    pub position: Position,
    /// Its id.
    pub event_id: Uuid,
}

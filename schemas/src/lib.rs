//! The contract that all services share: topics and their partitioner, events, every Avro schema version ever released,
//! exact numbers, positions, and the codec between events and records.
//!
//! Nothing here does I/O. A reader follows [`Topic`] -> [`record`] -> [`codec`] -> [`Event`] -> [`Position`].

pub mod codec;
mod datum;
mod events;
mod fixed;
pub mod headers;
pub mod history;
pub mod personal;
pub mod place;
mod position;
pub mod record;
pub mod registry;
pub mod time;
mod topic;

pub use events::*;
pub use fixed::{Exact, Fixed, FixedError, Money, Qty, exact};
pub use headers::EventHeaders;
pub use personal::{Clear, Personal};
pub use position::{Position, PositionError};
pub use topic::{Kind, Topic, partition_of};

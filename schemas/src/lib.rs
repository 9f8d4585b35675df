//! The contract that all services share: topics and their partitioner, events, every Avro schema version ever released,
//! money, positions, and the codec between events and records.
//!
//! Nothing here does I/O. A reader follows [`Topic`] -> [`record`] -> [`codec`] -> [`Event`] -> [`Position`].

pub mod codec;
mod datum;
mod events;
pub mod headers;
pub mod history;
mod money;
mod position;
pub mod record;
pub mod registry;
pub mod time;
mod topic;

pub use events::*;
pub use headers::EventHeaders;
pub use money::{Money, MoneyError, exact};
pub use position::{Position, PositionError};
pub use topic::{Kind, Topic, partition_of};

//! Kafka: clients with all their options, the log as it is read and written, its topics, and where they end.

mod attendance;
mod cluster;
mod ends;
mod identity;
mod log;
mod record;
mod renewed;
mod standstill;
mod topics;
mod whole;
mod writer;

pub(crate) use cluster::{parse_options, refused_options};

pub use attendance::{Attendance, Away, Positions, at_or_past, is_too_long};
pub use cluster::{BULK_TRANSACTION_TIMEOUT, Cluster, Isolation, REQUEST_TIMEOUT};
pub use ends::{Ends, WatchedEnds, end_offsets};
pub use identity::{LastRead, difference};
pub use log::{LogError, LogReader};
pub use record::{Message, Record, Unreadable};
pub use renewed::{Renewed, end};
pub use standstill::Standstill;
pub use topics::{TopicError, TopicSpec, add_partitions, await_topics, ensure_topics, partition_count};
pub use whole::{ReadError, read_to_end};
pub use writer::{ProducerRecord, RecordWriter};

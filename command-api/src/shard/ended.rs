//! Why a replica does not serve a shard, or serves it no more.

use std::time::Duration;

use rdkafka::error::KafkaError;
use schemas::Topic;

use super::store::Overtaken;

/// How long a takeover may wait for the fold up to the end of the log. After that the takeover is tried again.
pub const FOLD_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a shard is no longer served.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The group gave the shard to another replica, or the process stops.
    #[error("it was given back")]
    GivenBack,
    /// The shard could not be taken over.
    #[error("it could not be taken over: {0}")]
    NotTakenOver(#[from] TakeoverError),
    /// A transaction did not end cleanly, so nobody knows whether it was committed.
    #[error("a transaction's outcome is unknown: {0}")]
    Unknown(KafkaError),
    /// librdkafka may have sent an EndTxn twice, and the late one would end the next transaction.
    #[error(
        "a broker connection broke or a commit was slow: its producer is fenced before the next transaction"
    )]
    Doubtful,
    /// Another thread of this process folded the shard's partitions into the store: the follower, or a later owner.
    #[error(transparent)]
    Overtaken(#[from] Overtaken),
    /// Another process appended to the shard's partitions.
    #[error(
        "{topic:?}/{partition}: the batch's event is at {offset}, which is not where this owner's next one belongs: somebody else wrote"
    )]
    NotAlone {
        /// The topic of the event that stands where it should not.
        topic: Topic,
        /// The partition of that event.
        partition: i32,
        /// The offset of that event.
        offset: i64,
    },
}

/// Why a shard could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The group gave the shard to another replica while this one took it over.
    #[error("it was given back before it was served")]
    GivenBack,
    /// A connection broke during the announcement. Its EndTxn may come a second time, late, and would then end the
    /// transaction of the first batch.
    #[error("a broker connection broke before it was served")]
    ConnectionBroke,
    #[error("the local store did not reach the end of the log within {FOLD_TIMEOUT:?}")]
    Behind,
    #[error(
        "the log is at topology epoch {newest}, this process at {own}: it was resharded; start it again with the new TILL_SHARDS"
    )]
    OldTopology { own: i32, newest: i32 },
}

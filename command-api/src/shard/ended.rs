//! Why a shard is not served here, or not any more.

use std::time::Duration;

use rdkafka::error::KafkaError;
use schemas::Topic;

use super::store::Overtaken;

/// How long the fold up to the end of the log may take; ownership tries again after it.
pub const FOLD_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a shard is no longer served.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The group gave it to somebody else, or the process stops.
    #[error("it was given back")]
    GivenBack,
    /// It could not be taken over.
    #[error("it could not be taken over: {0}")]
    NotTakenOver(#[from] TakeoverError),
    /// A transaction did not end cleanly.
    #[error("a transaction's outcome is unknown: {0}")]
    Unknown(KafkaError),
    /// librdkafka may have sent an EndTxn twice.
    #[error(
        "a broker connection broke or a commit was slow: its producer is fenced before the next transaction"
    )]
    Doubtful,
    /// Somebody else folded its partitions.
    #[error(transparent)]
    Overtaken(#[from] Overtaken),
    /// Somebody else appended to its partitions.
    #[error(
        "{topic:?}/{partition}: the batch's event is at {offset}, which is not where this owner's next one belongs: somebody else wrote"
    )]
    NotAlone {
        /// The topic.
        topic: Topic,
        /// Its partition.
        partition: i32,
        /// Where the event stands.
        offset: i64,
    },
}

/// Why a shard could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The group gave it to somebody else meanwhile.
    #[error("it was given back before it was served")]
    GivenBack,
    /// A late EndTxn of the announcement would end the first batch's transaction.
    #[error("a broker connection broke before it was served")]
    ConnectionBroke,
    #[error("the local store did not reach the end of the log within {FOLD_TIMEOUT:?}")]
    Behind,
    #[error(
        "the log is at topology epoch {newest}, this process at {own}: it was resharded; start it again with the new TILL_SHARDS"
    )]
    OldTopology { own: i32, newest: i32 },
}

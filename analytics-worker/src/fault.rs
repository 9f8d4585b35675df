//! Why a run of the worker ended before its work was done.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use schemas::record::Newer;

/// None of them ends the process: the worker begins again from what the log says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The process is to end.
    #[error("shutting down")]
    Stopped,
    /// Another replica holds the transactional id or has closed the window.
    #[error("another replica is closing windows")]
    Overtaken,
    /// Kafka did not answer, or refused.
    #[error("Kafka, {doing}: {source}")]
    Kafka { doing: &'static str, source: KafkaError },
    /// Nothing could be read for long.
    #[error(
        "{topic}/{partition} could not be read past offset {position} (of {horizon}): an open transaction, or its broker is not reachable"
    )]
    Stalled { topic: String, partition: i32, position: i64, horizon: i64 },
    /// The log is shorter than it was.
    #[error(
        "{topic}/{partition} ends at offset {end}, but was read up to {position} before: records were lost, or the log is another one"
    )]
    Truncated { topic: String, partition: i32, end: i64, position: i64 },
    /// Written by a newer Till.
    #[error("{topic}/{partition} at {offset}: {newer}")]
    Unreadable { topic: String, partition: i32, offset: i64, newer: Newer },
    /// Figures that no Till has written.
    #[error("{0}")]
    Inconsistent(String),
}

impl Fault {
    /// For `map_err`: what was being done when Kafka failed.
    pub(crate) fn kafka(doing: &'static str) -> impl Fn(KafkaError) -> Self {
        move |source| match source.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Overtaken,
            _ => Self::Kafka { doing, source },
        }
    }
}

//! Why a run of the worker ended before its work was done.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use runtime::kafka::{BULK_TRANSACTION_TIMEOUT, LogError, Unreadable};

use crate::window::Window;

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
    /// Kafka refuses to be read on, or a position is outside the log.
    #[error("Kafka, reading: {0}")]
    Log(LogError),
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
    /// The log has other records than those that were read.
    #[error(
        "{topic} is not the log it was: {difference}: see \"A log that lost records\" in docs/operations.md"
    )]
    AnotherLog { topic: String, difference: String },
    /// This machine's clock is ahead of the broker's.
    #[error("window {window} is not over: this machine's clock is {ahead_s} s ahead of the broker's")]
    NotOver { window: Window, ahead_s: i64 },
    /// The broker has ended the transaction before it was done.
    #[error(
        "the transaction of window {window} ({events} events, {bytes} bytes) was not done within {took_s} s, and the broker ends it after {} s", BULK_TRANSACTION_TIMEOUT.as_secs()
    )]
    Overlong { window: Window, events: u64, bytes: u64, took_s: u64 },
    /// A record to be counted is a newer Till's: a newer worker can count it.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
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

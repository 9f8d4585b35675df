//! Whether a log is still the one that was read.
//!
//! A log that lost its tail, or was deleted and made anew, and has grown again since, is as long as a reader
//! remembers it. What tells is that the last record that was read has another id now, or is not there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schemas::{Topic, headers};
use uuid::Uuid;

use super::{end_offsets, header};

const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The last record that was read of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRead {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its event's id: see [`event_id`].
    pub event_id: Uuid,
}

/// The id of the event in a record.
#[must_use]
pub fn event_id(topic: Topic, message: &BorrowedMessage<'_>) -> Uuid {
    let value = message.payload().unwrap_or_default();
    let id = header(message, headers::EVENT_ID);
    schemas::record::event_id(id, topic, message.partition(), message.offset(), value)
}

/// Whether an offset is outside the log: Till's readers are configured to say so instead of jumping.
#[must_use]
pub fn is_outside_the_log(error: &KafkaError) -> bool {
    let outside = [RDKafkaErrorCode::AutoOffsetReset, RDKafkaErrorCode::OffsetOutOfRange];
    error.rdkafka_error_code().is_some_and(|code| outside.contains(&code))
}

/// Reads each of these records again, one a partition, and describes the first that is another now or is gone; `None`
/// where the log is still the one that was read. `reader` is an [`super::Isolation::Uncommitted`] one of its own, with nothing
/// assigned.
///
/// Blocks.
///
/// # Errors
/// When Kafka cannot be read, or says nothing for [`READ_TIMEOUT`].
pub fn difference(
    reader: &BaseConsumer,
    topic_prefix: &str,
    last_read: &[LastRead],
) -> KafkaResult<Option<String>> {
    if last_read.is_empty() {
        return Ok(None);
    }
    let mut expected: HashMap<_, _> =
        last_read.iter().map(|last| ((last.topic.name(topic_prefix), last.partition), *last)).collect();
    if let Some(shorter) = shorter(reader, topic_prefix, last_read)? {
        return Ok(Some(shorter));
    }
    let mut assignment = TopicPartitionList::new();
    for ((name, partition), last) in &expected {
        assignment.add_partition_offset(name, *partition, Offset::Offset(last.offset))?;
    }
    reader.assign(&assignment)?;
    compare(reader, &mut expected, READ_TIMEOUT)
}

/// Silence is no evidence: a broker that is paused, or behind a link that swallows everything, says nothing either.
fn compare(
    reader: &BaseConsumer,
    expected: &mut HashMap<(String, i32), LastRead>,
    timeout: Duration,
) -> KafkaResult<Option<String>> {
    let deadline = Instant::now() + timeout;
    while !expected.is_empty() {
        let message = match reader.poll(Duration::from_millis(20)) {
            Some(Ok(message)) => message,
            Some(Err(error)) if is_outside_the_log(&error) => {
                return Ok(Some("a record that was read is outside the log now".to_owned()));
            }
            Some(Err(error)) => return Err(error),
            None if Instant::now() > deadline => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            None => match passed(reader, expected)? {
                Some(gone) => return Ok(Some(gone)),
                None => continue,
            },
        };
        let place = (message.topic().to_owned(), message.partition());
        let Some(last) = expected.remove(&place) else { continue };
        if message.offset() != last.offset || event_id(last.topic, &message) != last.event_id {
            return Ok(Some(format!("{}/{} has another event at offset {}", place.0, place.1, last.offset)));
        }
    }
    Ok(None)
}

/// A partition that ends before its record.
fn shorter(reader: &BaseConsumer, topic_prefix: &str, last_read: &[LastRead]) -> KafkaResult<Option<String>> {
    let mut counts = HashMap::new();
    for last in last_read {
        let count = counts.entry(last.topic.name(topic_prefix)).or_insert(0);
        *count = (last.partition + 1).max(*count);
    }
    let topics: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let ends = end_offsets(reader, &topics)?;
    let shorter = last_read.iter().find_map(|last| {
        let name = last.topic.name(topic_prefix);
        let end = ends.get(&(name.clone(), last.partition)).copied().unwrap_or(0);
        let text = || format!("{name}/{} ends at {end}, and offset {} was read", last.partition, last.offset);
        (end <= last.offset).then(text)
    });
    Ok(shorter)
}

/// A partition whose record was passed without being read: the marker of a transaction stands there.
fn passed(reader: &BaseConsumer, expected: &HashMap<(String, i32), LastRead>) -> KafkaResult<Option<String>> {
    let positions = reader.position()?;
    let passed = expected.iter().find(|((name, partition), last)| {
        let position = positions.find_partition(name, *partition).map(|at| at.offset());
        matches!(position, Some(Offset::Offset(next)) if next > last.offset)
    });
    let text = |((name, partition), last): (&(String, i32), &LastRead)| {
        format!("{name}/{partition} has no event at offset {} any more", last.offset)
    };
    Ok(passed.map(text))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::Common;
    use crate::kafka::{Cluster, Isolation};

    #[test]
    fn a_broker_that_says_nothing_is_an_error_and_not_another_log() {
        // Connections are made and nobody reads from them, as with a broker that is paused.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let kafka_brokers = silent.local_addr().unwrap().to_string();
        let cluster = Cluster::new(&Common { kafka_brokers, ..Common::defaults() });
        let reader = cluster.reader(Isolation::Uncommitted).unwrap();
        let last = LastRead { topic: Topic::Receipts, partition: 0, offset: 5, event_id: Uuid::nil() };
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset("till.receipts", 0, Offset::Offset(5)).unwrap();
        reader.assign(&assignment).unwrap();
        let mut expected = HashMap::from([(("till.receipts".to_owned(), 0), last)]);
        let compared = compare(&reader, &mut expected, Duration::from_millis(500));
        assert_eq!(compared, Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)));
    }
}

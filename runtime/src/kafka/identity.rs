//! Whether a log is still the one that was read.
//!
//! A log that lost its tail, or was deleted and made anew, may have grown again since. It is then as long as a reader remembers
//! it, so its length tells nothing. The reader therefore reads its last record again: in another log that record has another id,
//! or is not there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use schemas::{Position, Topic};
use uuid::Uuid;

use super::cluster::{Cluster, Isolation};
use super::ends::end_offsets;
use super::log::{LogError, LogReader};

/// Silence is no evidence: a broker that is paused, or behind a link that swallows everything, says nothing either. So the
/// comparison fails after this time.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// The last record that was read of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRead {
    /// The topic it was read from.
    pub topic: Topic,
    /// The partition of that topic.
    pub partition: i32,
    /// The offset at which another read must find it again.
    pub offset: i64,
    /// The id of its event: see [`schemas::record::event_id`].
    pub event_id: Uuid,
}

type Expected = HashMap<(Topic, i32), LastRead>;

/// Reads each of these records again, one a partition, and describes the first that is another now or is gone; `None`
/// where the log is still the one that was read.
///
/// Blocks.
///
/// # Errors
/// When Kafka cannot be read, or says nothing for [`READ_TIMEOUT`].
pub fn difference(
    cluster: &Cluster,
    topic_prefix: &str,
    last_read: &[LastRead],
) -> KafkaResult<Option<String>> {
    if last_read.is_empty() {
        return Ok(None);
    }
    let reader = LogReader::new(cluster, topic_prefix, Isolation::Uncommitted)?;
    if let Some(shorter) = shorter(&reader, topic_prefix, last_read)? {
        return Ok(Some(shorter));
    }
    let mut expected: Expected = last_read.iter().map(|last| ((last.topic, last.partition), *last)).collect();
    reader.add(expected.iter().map(|(partition, last)| (*partition, last.offset)))?;
    compare(&reader, &mut expected, READ_TIMEOUT)
}

/// Describes a partition that ends before the record that was read of it.
fn shorter(reader: &LogReader, topic_prefix: &str, last_read: &[LastRead]) -> KafkaResult<Option<String>> {
    let mut counts = HashMap::new();
    for last in last_read {
        let count = counts.entry(last.topic.name(topic_prefix)).or_insert(0);
        *count = (last.partition + 1).max(*count);
    }
    let topics: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let ends = end_offsets(&reader.consumer, &topics)?;
    let shorter = last_read.iter().find_map(|last| {
        let name = last.topic.name(topic_prefix);
        let end = ends.get(&(name.clone(), last.partition)).copied().unwrap_or(0);
        let text = || format!("{name}/{} ends at {end}, and offset {} was read", last.partition, last.offset);
        (end <= last.offset).then(text)
    });
    Ok(shorter)
}

fn compare(reader: &LogReader, expected: &mut Expected, timeout: Duration) -> KafkaResult<Option<String>> {
    let deadline = Instant::now() + timeout;
    while !expected.is_empty() {
        let message = match reader.poll(POLL) {
            Ok(Some(message)) => message,
            Err(LogError::OutsideTheLog) => {
                return Ok(Some("a record that was read is outside the log now".to_owned()));
            }
            Err(error) => return Err(error.into()),
            Ok(None) if Instant::now() > deadline => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            Ok(None) => match passed(reader, expected)? {
                Some(gone) => return Ok(Some(gone)),
                None => continue,
            },
        };
        let Position { topic, partition, offset } = message.position();
        let Some(last) = expected.remove(&(topic, partition)) else { continue };
        if offset != last.offset || message.event_id() != last.event_id {
            let topic = topic.short_name();
            return Ok(Some(format!("{topic}/{partition} has another event at offset {}", last.offset)));
        }
    }
    Ok(None)
}

/// Describes a partition whose record the reader's position has passed although no poll gave it: a transaction's marker stands
/// in its place.
fn passed(reader: &LogReader, expected: &Expected) -> KafkaResult<Option<String>> {
    let positions = reader.positions()?;
    let passed = positions
        .into_iter()
        .find_map(|(partition, next)| expected.get(&partition).filter(|last| next > last.offset));
    let text = |last: &LastRead| {
        let topic = last.topic.short_name();
        format!("{topic}/{} has no event at offset {} any more", last.partition, last.offset)
    };
    Ok(passed.map(text))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::Common;

    #[test]
    fn a_broker_that_says_nothing_is_an_error_and_not_another_log() {
        // Connections are made and nobody reads from them, as with a broker that is paused.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let kafka_brokers = silent.local_addr().unwrap().to_string();
        let cluster = Cluster::new(&Common { kafka_brokers, ..Common::defaults() });
        let reader = LogReader::new(&cluster, "till", Isolation::Uncommitted).unwrap();
        let last = LastRead { topic: Topic::Receipts, partition: 0, offset: 5, event_id: Uuid::nil() };
        let mut expected = Expected::from([((Topic::Receipts, 0), last)]);
        reader.add([((Topic::Receipts, 0), 5)]).unwrap();
        let compared = compare(&reader, &mut expected, Duration::from_millis(500));
        assert_eq!(compared, Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)));
    }
}

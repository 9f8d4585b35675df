//! Is the store a prefix of this log? The last record folded of each partition is read again: where its
//! event id differs, the log was recreated or lost its tail.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Isolation, end_offsets};
use schemas::Topic;
use uuid::Uuid;

use super::record;
use super::store::Store;

const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The last event folded of a partition, by the topic's name: topic, offset and id.
type Expected = HashMap<(String, i32), (Topic, i64, Uuid)>;

/// The first difference between store and log, if there is one.
pub fn difference(
    store: &Store,
    cluster: &Cluster,
    prefix: &str,
    partitions: i32,
) -> KafkaResult<Option<String>> {
    let names = Topic::COMMANDED.map(|topic| (topic, topic.name(prefix)));
    let reader = cluster.reader(Isolation::Uncommitted)?;
    let asked: Vec<_> = names.iter().map(|(_, name)| (name.as_str(), partitions)).collect();
    let ends = end_offsets(&reader, &asked)?;
    let mut expected = Expected::new();
    for (topic, name) in &names {
        for partition in 0..partitions {
            let folded = store.folded(*topic, partition);
            let end = ends.get(&(name.clone(), partition)).copied().unwrap_or(0);
            if folded.next > end {
                return Ok(Some(format!(
                    "{name}/{partition} ends at {end}, the store is at {}",
                    folded.next
                )));
            }
            if let Some((offset, event_id)) = folded.last {
                expected.insert((name.clone(), partition), (*topic, offset, event_id));
            }
        }
    }
    read_again(&reader, expected)
}

fn read_again(reader: &BaseConsumer, mut expected: Expected) -> KafkaResult<Option<String>> {
    let mut assignment = TopicPartitionList::new();
    for ((name, partition), (_, offset, _)) in &expected {
        assignment.add_partition_offset(name, *partition, Offset::Offset(*offset))?;
    }
    reader.assign(&assignment)?;
    let deadline = Instant::now() + READ_TIMEOUT;
    while !expected.is_empty() {
        let message = match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(error)) if is_outside_the_log(&error) => {
                return Ok(Some("a position of the store is outside the log".to_owned()));
            }
            Some(Err(error)) => return Err(error),
            // Where the record should be, nothing is read: control records have taken its place.
            None if Instant::now() > deadline => {
                return Ok(Some(format!("{} records of the store are not in the log", expected.len())));
            }
            None => continue,
        };
        let place = (message.topic().to_owned(), message.partition());
        let Some((topic, offset, event_id)) = expected.remove(&place) else { continue };
        if message.offset() != offset || record::event_id(topic, &message) != event_id {
            return Ok(Some(format!("{}/{} has another record at {offset}", place.0, place.1)));
        }
    }
    Ok(None)
}

/// The reader was configured to say so instead of jumping.
pub fn is_outside_the_log(error: &KafkaError) -> bool {
    let outside = [RDKafkaErrorCode::AutoOffsetReset, RDKafkaErrorCode::OffsetOutOfRange];
    error.rdkafka_error_code().is_some_and(|code| outside.contains(&code))
}

//! Is the store a fold of a prefix of this log? The last event that was folded of each partition is read again. Where
//! another event stands there, the log was recreated or lost its tail.

use rdkafka::error::KafkaResult;
use runtime::kafka::{self, Cluster, Isolation, LastRead, end_offsets};
use schemas::Topic;

use super::store::Store;

/// The first difference between store and log, in words; `None` where they agree.
pub fn difference(
    store: &Store,
    cluster: &Cluster,
    prefix: &str,
    partitions: i32,
) -> KafkaResult<Option<String>> {
    let names = Topic::OWNED.map(|topic| (topic, topic.name(prefix)));
    let reader = cluster.reader(Isolation::Uncommitted)?;
    let asked: Vec<_> = names.iter().map(|(_, name)| (name.as_str(), partitions)).collect();
    let ends = end_offsets(&reader, &asked)?;
    let mut last_read = Vec::new();
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
            // Compaction deletes the last record of a person's key once there is a later one, so it proves nothing.
            if let Some((offset, event_id)) = folded.last.filter(|_| topic.is_event_log()) {
                last_read.push(LastRead { topic: *topic, partition, offset, event_id });
            }
        }
    }
    kafka::difference(cluster, prefix, &last_read)
}

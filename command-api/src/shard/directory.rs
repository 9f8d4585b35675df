//! Who serves which shard, and the topology: a reader of `till.shards`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Isolation, end_offsets};
use schemas::{Event, ShardAnnounced, Topic, TopologyDeclared};
use tokio_util::sync::CancellationToken;

use super::record::{self, Unreadable};

/// What the topic says, newest record of each key.
#[derive(Default)]
struct Known {
    owners: HashMap<i32, ShardAnnounced>,
    topology: Option<TopologyDeclared>,
}

/// Why the topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<Known>>);

impl Directory {
    /// Reads the topic to its end, then goes on reading until `stopping`. A record this binary is too old for is
    /// given to `failed`, and ends the reading.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        shards: i32,
        stopping: CancellationToken,
        failed: impl FnOnce(Unreadable) + Send + 'static,
    ) -> Result<Self, DirectoryError> {
        let name = Topic::Shards.name(prefix);
        let ends = end_offsets(&cluster.reader(Isolation::Uncommitted)?, &[(&name, shards)])?;
        let reader = cluster.reader(Isolation::Committed)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..shards {
            assignment.add_partition_offset(&name, partition, Offset::Beginning)?;
        }
        reader.assign(&assignment)?;
        let directory = Self::default();
        directory.read_up_to(&reader, &ends)?;
        let reading = directory.clone();
        let read = move || {
            while !stopping.is_cancelled() {
                if let Err(error) = reading.read_one(&reader, Duration::from_millis(100)) {
                    return failed(error);
                }
            }
        };
        std::thread::Builder::new().name("directory".into()).spawn(read).expect("a thread can be started");
        Ok(directory)
    }

    /// Who announced a shard last.
    pub fn owner(&self, shard: i32) -> Option<ShardAnnounced> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).owners.get(&shard).cloned()
    }

    /// How partitions map to shards.
    pub fn topology(&self) -> Option<TopologyDeclared> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).topology
    }

    fn read_up_to(
        &self,
        reader: &BaseConsumer,
        ends: &HashMap<(String, i32), i64>,
    ) -> Result<(), DirectoryError> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            self.read_one(reader, Duration::from_millis(20))?;
            let positions = reader.position()?.to_topic_map();
            let reached = ends.iter().all(|(place, end)| {
                *end == 0 || matches!(positions.get(place), Some(Offset::Offset(next)) if next >= end)
            });
            if reached {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(KafkaError::Canceled.into());
            }
        }
    }

    fn read_one(&self, reader: &BaseConsumer, wait: Duration) -> Result<(), Unreadable> {
        // Errors are the broker's absence, which the client's own lines tell; reading goes on after it.
        let Some(Ok(message)) = reader.poll(wait) else { return Ok(()) };
        let event = record::read(Topic::Shards, &message)?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event.map(|(event, _)| event) {
            Some(Event::ShardAnnounced(announced)) => {
                known.owners.insert(announced.shard, announced);
            }
            Some(Event::TopologyDeclared(declared)) => {
                let newest = known.topology.is_none_or(|topology| topology.epoch <= declared.epoch);
                known.topology = if newest { Some(declared) } else { known.topology };
            }
            _ => {}
        }
        Ok(())
    }
}

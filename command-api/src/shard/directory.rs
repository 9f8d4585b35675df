//! Who serves which shard, and the topology: a reader of `till.shards`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use runtime::kafka::{Cluster, Ends, Isolation, Standstill, end_offsets, partition_count};
use schemas::{Event, ShardAnnounced, Topic, TopologyDeclared};
use tokio::sync::watch;

use super::record::{self, Unreadable};

/// The partition of `till.shards` that the topology's records are in.
pub const TOPOLOGY_PARTITION: i32 = 0;
/// Longer than a dead owner's open transaction can hold back committed readers.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Bounds how long a position that only control records moved goes unnoticed.
const POLL: Duration = Duration::from_millis(10);

/// What the topic says, newest record of each key.
#[derive(Default)]
pub struct Known {
    owners: HashMap<i32, ShardAnnounced>,
    topology: Option<TopologyDeclared>,
    /// The topology's partition is read up to here.
    read_to: i64,
}

/// Why the topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

#[derive(Clone)]
pub struct Directory {
    topic: String,
    known: Arc<watch::Sender<Known>>,
}

impl Directory {
    /// Reads the topic to its end, then goes on reading for the life of the process. A record this binary is too
    /// old for is given to `failed`, and ends the reading.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        ends_of: Arc<Ends>,
        failed: impl FnOnce(Unreadable) + Send + 'static,
    ) -> Result<Self, DirectoryError> {
        let topic = Topic::Shards.name(prefix);
        let asking = cluster.reader(Isolation::Uncommitted)?;
        // More than K, where the log was resharded to fewer.
        let partitions = partition_count(&asking, &topic)?;
        let ends = end_offsets(&asking, &[(&topic, partitions)])?;
        let directory = Self { topic, known: Arc::new(watch::channel(Known::default()).0) };
        let reader = directory.reader(cluster, partitions, |_| Offset::Beginning)?;
        directory.read_up_to(&reader, &ends)?;
        let reading =
            Reading { directory: directory.clone(), cluster: cluster.clone(), ends: ends_of, partitions };
        let read = move || {
            if let Err(error) = reading.read(reader) {
                failed(error);
            }
        };
        std::thread::Builder::new().name("directory".into()).spawn(read).expect("a thread can be started");
        Ok(directory)
    }

    /// Who announced a shard last, in the log's topology.
    pub fn owner(&self, shard: i32) -> Option<ShardAnnounced> {
        let known = self.known.borrow();
        let epoch = known.topology?.epoch;
        known.owners.get(&shard).filter(|owner| owner.topology_epoch == epoch).cloned()
    }

    /// How partitions map to shards, as far as the topic has been read.
    pub fn topology(&self) -> Option<TopologyDeclared> {
        self.known.borrow().topology
    }

    /// How partitions map to shards, with all that was declared before this call. Blocks.
    pub fn topology_now(&self, ends: &Ends) -> KafkaResult<Option<TopologyDeclared>> {
        let only_its = TOPOLOGY_PARTITION + 1;
        let ends = ends.ask(&[(&self.topic, only_its)])?;
        let end = ends.get(&(self.topic.clone(), TOPOLOGY_PARTITION)).copied().unwrap_or_default();
        let deadline = Instant::now() + READ_TIMEOUT;
        loop {
            {
                let known = self.known.borrow();
                if known.read_to >= end {
                    return Ok(known.topology);
                }
            }
            if Instant::now() > deadline {
                return Err(KafkaError::Canceled);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Tells of each change of what [`Self::owner`] and [`Self::topology`] say.
    pub fn changes(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    fn reader(
        &self,
        cluster: &Cluster,
        partitions: i32,
        from: impl Fn(i32) -> Offset,
    ) -> KafkaResult<BaseConsumer> {
        let reader = cluster.reader(Isolation::Committed)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(&self.topic, partition, from(partition))?;
        }
        reader.assign(&assignment)?;
        Ok(reader)
    }

    fn read_up_to(
        &self,
        reader: &BaseConsumer,
        ends: &HashMap<(String, i32), i64>,
    ) -> Result<(), DirectoryError> {
        let deadline = Instant::now() + FIRST_READ_TIMEOUT;
        loop {
            self.read_one(reader, POLL)?;
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
        if let Some(Ok(message)) = reader.poll(wait) {
            match record::read(Topic::Shards, &message)?.map(|(event, _)| event) {
                Some(Event::ShardAnnounced(announced)) => self.note_owner(announced),
                Some(Event::TopologyDeclared(declared)) => self.note_topology(declared),
                _ => {}
            }
        }
        let Ok(positions) = reader.position() else { return Ok(()) };
        let found = positions.find_partition(&self.topic, TOPOLOGY_PARTITION).map(|found| found.offset());
        if let Some(Offset::Offset(next)) = found {
            // Nobody waits for it by notification.
            self.known.send_if_modified(|known| {
                known.read_to = next;
                false
            });
        }
        Ok(())
    }

    fn note_owner(&self, announced: ShardAnnounced) {
        self.known.send_modify(|known| drop(known.owners.insert(announced.shard, announced)));
    }

    fn note_topology(&self, declared: TopologyDeclared) {
        self.known.send_modify(|known| {
            if known.topology.is_none_or(|topology| topology.epoch <= declared.epoch) {
                known.topology = Some(declared);
            }
        });
    }
}

/// The directory's thread.
struct Reading {
    directory: Directory,
    cluster: Cluster,
    ends: Arc<Ends>,
    partitions: i32,
}

impl Reading {
    /// Reads for the life of the process; a reader that has come to a standstill is made anew.
    fn read(&self, mut reader: BaseConsumer) -> Result<(), Unreadable> {
        let mut standstill = Standstill::default();
        loop {
            self.directory.read_one(&reader, POLL)?;
            if !standstill.is_due() || !self.stands_still(&reader, &mut standstill) {
                continue;
            }
            tracing::warn!("the shards' topic is not read any more: its reader is made anew");
            let next = self.next_offsets(&reader);
            let from = |partition| next.get(&partition).copied().map_or(Offset::Beginning, Offset::Offset);
            // Where no reader can be made, the former one stays, and is looked at again.
            match self.directory.reader(&self.cluster, self.partitions, from) {
                Ok(renewed) => runtime::kafka::end(std::mem::replace(&mut reader, renewed)),
                Err(error) => tracing::warn!(%error, "no reader of the shards' topic"),
            }
        }
    }

    fn stands_still(&self, reader: &BaseConsumer, standstill: &mut Standstill<i32>) -> bool {
        let asked = [(self.directory.topic.as_str(), self.partitions)];
        let Ok(ends) = self.ends.ask(&asked) else { return false };
        let next = self.next_offsets(reader);
        // A partition that was never written has no position.
        let next_of = |partition: &i32| next.get(partition).copied().unwrap_or(0);
        standstill.note(ends.iter().map(|((_, p), end)| (*p, next_of(p), *end))).is_some()
    }

    fn next_offsets(&self, reader: &BaseConsumer) -> HashMap<i32, i64> {
        let positions = reader.position().unwrap_or_default();
        let next = positions.elements_for_topic(&self.directory.topic).into_iter();
        let known = |element: &TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(next) => Some((element.partition(), next)),
            _ => None,
        };
        next.filter_map(|element| known(&element)).collect()
    }
}

//! Who serves which shard, and the topology: a reader of `till.shards`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult};
use runtime::kafka::{
    Cluster, Ends, Isolation, LogReader, Standstill, Unreadable, WatchedEnds, end_offsets, partition_count,
};
use schemas::shards::{self, ShardAnnounced, TopologyDeclared};
use schemas::{Event, Topic};
use tokio::sync::watch;

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
    stands_still: Arc<AtomicBool>,
}

impl Directory {
    /// Reads the topic to its end, then goes on reading for the life of the process. A record this binary is too
    /// old for is given to `failed`, and ends the reading.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        watching: Arc<Ends>,
        failed: impl FnOnce(Unreadable) + Send + 'static,
    ) -> Result<Self, DirectoryError> {
        let topic = Topic::Shards.name(prefix);
        let asking = cluster.reader(Isolation::Uncommitted)?;
        // More than K, where the log was resharded to fewer.
        let partitions = partition_count(&asking, &topic)?;
        let ends = end_offsets(&asking, &[(&topic, partitions)])?;
        let directory = Self {
            topic: topic.clone(),
            known: Arc::new(watch::channel(Known::default()).0),
            stands_still: Arc::default(),
        };
        let mut reading = Reading::begin(directory.clone(), cluster.clone(), prefix, partitions)?;
        reading.read_up_to(&ends)?;
        let ends = WatchedEnds::start(watching, vec![(topic, partitions)]);
        let read = move || {
            if let Err(error) = reading.read(ends) {
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

    /// Whether the topic goes on and is not read, also with a reader made anew.
    pub fn stands_still(&self) -> bool {
        self.stands_still.load(Ordering::Acquire)
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
    prefix: String,
    reader: LogReader,
    /// Where each partition is read on. A reader made anew has no position before its first record.
    next: HashMap<i32, i64>,
}

impl Reading {
    fn begin(directory: Directory, cluster: Cluster, prefix: &str, partitions: i32) -> KafkaResult<Self> {
        let next = (0..partitions).map(|partition| (partition, 0)).collect();
        let reader = reader(&cluster, prefix, &next)?;
        Ok(Self { directory, cluster, prefix: prefix.to_owned(), reader, next })
    }

    fn read_up_to(&mut self, ends: &HashMap<(String, i32), i64>) -> Result<(), DirectoryError> {
        let deadline = Instant::now() + FIRST_READ_TIMEOUT;
        while !ends.iter().all(|((_, partition), end)| self.next[partition] >= *end) {
            self.read_one()?;
            if Instant::now() > deadline {
                return Err(KafkaError::Canceled.into());
            }
        }
        Ok(())
    }

    /// Reads for the life of the process; a reader that has come to a standstill is made anew.
    fn read(&mut self, mut ends: WatchedEnds) -> Result<(), Unreadable> {
        let mut standstill = Standstill::default();
        loop {
            self.read_one()?;
            let Some(ends) = ends.news() else { continue };
            let places = ends.iter().map(|((_, partition), end)| (*partition, self.next[partition], *end));
            let standing = standstill.note(places);
            self.directory.stands_still.store(standstill.lasts(), Ordering::Release);
            if standing.is_some() {
                self.renew();
            }
        }
    }

    fn renew(&mut self) {
        tracing::warn!("the shards' topic is not read any more: its reader is made anew");
        // Where no reader can be made, the former one stays, and is looked at again.
        match reader(&self.cluster, &self.prefix, &self.next) {
            Ok(renewed) => runtime::kafka::end(std::mem::replace(&mut self.reader, renewed)),
            Err(error) => tracing::warn!(%error, "no reader of the shards' topic"),
        }
    }

    fn read_one(&mut self) -> Result<(), Unreadable> {
        // Errors are the broker's absence, which the client's own lines tell; reading goes on after it.
        if let Ok(Some(message)) = self.reader.poll(POLL)
            && let Some(Event::Shards(event)) = message.record().into_event()?
        {
            match event {
                shards::Event::ShardAnnounced(announced) => self.directory.note_owner(announced),
                shards::Event::TopologyDeclared(declared) => self.directory.note_topology(declared),
            }
        }
        self.follow_positions();
        Ok(())
    }

    /// Positions pass control records too. A partition of which nothing was read yet has none.
    fn follow_positions(&mut self) {
        let Ok(positions) = self.reader.positions() else { return };
        self.next.extend(positions.into_iter().map(|((_, partition), next)| (partition, next)));
        let read_to = self.next[&TOPOLOGY_PARTITION];
        // Nobody waits for it by notification.
        self.directory.known.send_if_modified(|known| {
            known.read_to = read_to;
            false
        });
    }
}

/// A reader of the topic from these offsets on.
fn reader(cluster: &Cluster, prefix: &str, next: &HashMap<i32, i64>) -> KafkaResult<LogReader> {
    let reader = LogReader::new(cluster, prefix, Isolation::Committed)?;
    reader.add(next.iter().map(|(partition, next)| ((Topic::Shards, *partition), *next)))?;
    Ok(reader)
}

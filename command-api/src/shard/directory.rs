//! The directory says which replica serves a shard, what the topology is, and which secrets the log was written with. It
//! is a reader of `till.shards`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult};
use runtime::kafka::{
    Cluster, Ends, Isolation, LogReader, Standstill, Unreadable, WatchedEnds, end_offsets, partition_count,
};
use schemas::shards::{self, DECLARATIONS_PARTITION, SecretsDeclared, ShardAnnounced, TopologyDeclared};
use schemas::{Event, Topic};
use tokio::sync::watch;

/// How long [`Directory::topology_now`] and [`Directory::secrets_now`] wait for the topic's end. A dead owner's open transaction holds committed
/// readers back for less than this.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a poll waits. Control records end no poll, so a position that only they moved goes unnoticed for as long.
const POLL: Duration = Duration::from_millis(10);
/// How long a poll waits once nothing has come in so many polls: a look at the positions costs more than the poll. A record ends
/// every poll.
const RESTING_POLL: Duration = Duration::from_millis(50);
const RESTS_AFTER: u32 = 20;

/// What the newest record of each key in the topic says.
#[derive(Default)]
pub struct Known {
    owners: HashMap<i32, ShardAnnounced>,
    topology: Option<TopologyDeclared>,
    secrets: Option<SecretsDeclared>,
    /// The offset up to which the partition of declarations is read.
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
    /// Reads the topic to its end, and from then on for the life of the process. A record that this binary is too old
    /// for ends the reading, and is given to `failed`.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        watching: Arc<Ends>,
        failed: impl FnOnce(Unreadable) + Send + 'static,
    ) -> Result<Self, DirectoryError> {
        let topic = Topic::Shards.name(prefix);
        let asking = cluster.reader(Isolation::Uncommitted)?;
        // The topic has more than K partitions where the log was resharded to fewer shards.
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

    /// The replica that announced the shard last, under the topology that the log has now.
    pub fn owner(&self, shard: i32) -> Option<ShardAnnounced> {
        let known = self.known.borrow();
        let epoch = known.topology?.epoch;
        known.owners.get(&shard).filter(|owner| owner.topology_epoch == epoch).cloned()
    }

    /// How partitions map to shards, as far as the topic has been read. `None` where no topology was read yet.
    pub fn topology(&self) -> Option<TopologyDeclared> {
        self.known.borrow().topology
    }

    /// How partitions map to shards, with all that was declared before this call. It blocks until the topic is read
    /// that far.
    pub fn topology_now(&self, ends: &Ends) -> KafkaResult<Option<TopologyDeclared>> {
        self.await_declarations(ends)?;
        Ok(self.topology())
    }

    /// The checks of the deployment's secrets, as far as the topic has been read.
    pub fn secrets(&self) -> Option<SecretsDeclared> {
        self.known.borrow().secrets.clone()
    }

    /// The checks of the deployment's secrets, with all that was declared before this call. It blocks until the topic is
    /// read that far.
    pub fn secrets_now(&self, ends: &Ends) -> KafkaResult<Option<SecretsDeclared>> {
        self.await_declarations(ends)?;
        Ok(self.secrets())
    }

    /// Waits until all is read that was declared before this call.
    fn await_declarations(&self, ends: &Ends) -> KafkaResult<()> {
        let only_its = DECLARATIONS_PARTITION + 1;
        let ends = ends.ask(&[(&self.topic, only_its)])?;
        let end = ends.get(&(self.topic.clone(), DECLARATIONS_PARTITION)).copied().unwrap_or_default();
        let deadline = Instant::now() + READ_TIMEOUT;
        while self.known.borrow().read_to < end {
            if Instant::now() > deadline {
                return Err(KafkaError::Canceled);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// A receiver that is notified of each change of what [`Self::owner`] and [`Self::topology`] say.
    pub fn changes(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Whether the topic goes on and the directory does not read it, although its reader was made anew.
    pub fn stands_still(&self) -> bool {
        self.stands_still.load(Ordering::Acquire)
    }

    fn note_owner(&self, announced: ShardAnnounced) {
        self.known.send_modify(|known| drop(known.owners.insert(announced.shard, announced)));
    }

    fn note_secrets(&self, declared: SecretsDeclared) {
        self.known.send_modify(|known| known.secrets = Some(declared));
    }

    fn note_topology(&self, declared: TopologyDeclared) {
        self.known.send_modify(|known| {
            if known.topology.is_none_or(|topology| topology.epoch <= declared.epoch) {
                known.topology = Some(declared);
            }
        });
    }
}

/// The part of the directory that reads, on a thread of its own.
struct Reading {
    directory: Directory,
    cluster: Cluster,
    prefix: String,
    reader: LogReader,
    /// The offset from which each partition is read on. It is kept here because a reader that is made anew has no
    /// position before its first record.
    next: HashMap<i32, i64>,
    /// The polls since a record last came.
    idle_polls: u32,
}

impl Reading {
    fn begin(directory: Directory, cluster: Cluster, prefix: &str, partitions: i32) -> KafkaResult<Self> {
        let next = (0..partitions).map(|partition| (partition, 0)).collect();
        let reader = reader(&cluster, prefix, &next)?;
        Ok(Self { directory, cluster, prefix: prefix.to_owned(), reader, next, idle_polls: 0 })
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

    /// Reads for the life of the process. A reader that stands still while the topic goes on is made anew.
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
        // Where no new reader can be made, the former one stays, and the next look decides again.
        match reader(&self.cluster, &self.prefix, &self.next) {
            Ok(renewed) => runtime::kafka::end(std::mem::replace(&mut self.reader, renewed)),
            Err(error) => tracing::warn!(%error, "no reader of the shards' topic"),
        }
    }

    fn read_one(&mut self) -> Result<(), Unreadable> {
        // An error means that no broker is there, which librdkafka's own log lines tell. Reading goes on when one is
        // back.
        let wait = if self.idle_polls < RESTS_AFTER { POLL } else { RESTING_POLL };
        self.idle_polls = self.idle_polls.saturating_add(1);
        if let Ok(Some(message)) = self.reader.poll(wait) {
            self.idle_polls = 0;
            self.note(message.record().into_event()?);
        }
        self.follow_positions();
        Ok(())
    }

    fn note(&self, event: Option<Event>) {
        let Some(Event::Shards(event)) = event else { return };
        match event {
            shards::Event::ShardAnnounced(announced) => self.directory.note_owner(announced),
            shards::Event::TopologyDeclared(declared) => self.directory.note_topology(declared),
            shards::Event::SecretsDeclared(declared) => self.directory.note_secrets(declared),
        }
    }

    /// Notes the reader's positions, which pass control records too. A partition of which nothing was read yet has no
    /// position.
    fn follow_positions(&mut self) {
        let Ok(positions) = self.reader.positions() else { return };
        self.next.extend(positions.into_iter().map(|((_, partition), next)| (partition, next)));
        let read_to = self.next[&DECLARATIONS_PARTITION];
        // `await_declarations` looks again and again, and nobody else needs `read_to`: no receiver is woken.
        self.directory.known.send_if_modified(|known| {
            known.read_to = read_to;
            false
        });
    }
}

/// A reader of the topic that begins at these offsets.
fn reader(cluster: &Cluster, prefix: &str, next: &HashMap<i32, i64>) -> KafkaResult<LogReader> {
    let reader = LogReader::new(cluster, prefix, Isolation::Committed)?;
    reader.add(next.iter().map(|(partition, next)| ((Topic::Shards, *partition), *next)))?;
    Ok(reader)
}

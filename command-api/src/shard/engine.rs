//! The engine: the parts that all shards served by this process share, built from the settings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Ends, Isolation, RecordWriter};
use runtime::vault::Vault;
use schemas::Topic;
use schemas::codec::Framing;
use schemas::shards::TopologyDeclared;
use uuid::Uuid;

use super::barrier::Barrier;
use super::declaration::DeclarationError;
use super::directory::{Directory, DirectoryError};
use super::ended::TakeoverError;
use super::follower::{Follower, partitions_of};
use super::membership::{self, Rebalances};
use super::secrets;
use super::shards::Shards;
use super::source::Source;
use super::store::Store;
use super::topology;
use super::verify;
use crate::effects::tell::Teller;
use crate::settings::Settings;

/// The parts that owners, takeovers and readers of one process have in common.
pub struct Engine {
    pub(super) cluster: Cluster,
    pub(super) prefix: String,
    pub(super) partitions: i32,
    /// The epoch of the topology that this process was started under.
    pub(super) topology_epoch: i32,
    pub(super) records: RecordWriter,
    /// The URL at which other replicas reach this one.
    pub(super) url: String,
    /// An id that this process alone has, drawn at its start.
    pub(super) instance: Uuid,
    pub(super) shards: Arc<Shards>,
    pub(super) store: Arc<Store>,
    pub(super) source: Arc<Source>,
    pub(super) follower: Follower,
    pub(super) directory: Directory,
    /// The member of the group whose assignment is ownership.
    pub(super) membership: Arc<BaseConsumer<Rebalances>>,
    /// Asks for the ends of partitions, for takeovers alone. Followers and directories, which only watch, have a client
    /// of their own, so that a takeover never waits for them.
    pub(super) ends: Ends,
    pub(super) teller: Teller,
    pub(super) barrier: Barrier,
    /// Seals what stands in the clear.
    pub(super) vault: Vault,
    /// The metadata of a group that has no members. Committing an offset for it proves that a producer is not fenced.
    pub(super) refusals: ConsumerGroupMetadata,
    /// The most commands that a batch takes.
    pub(super) batch: usize,
    /// How long a batch waits at most for the commands that follow the answers just given.
    pub(super) pause: Duration,
}

/// Why the engine did not start.
pub enum Unstarted {
    /// Kafka does not answer. The start works when Kafka is back.
    Kafka(KafkaError),
    /// The start fails until an operator changes something; the text says what.
    Refused(String),
}

impl Engine {
    /// Opens the store, begins to follow the log, and agrees with the log on the topology and on the secrets. It blocks.
    pub fn start(
        settings: &Settings,
        framing: Framing,
        replicas: reqwest::Client,
    ) -> Result<Self, Unstarted> {
        let (common, own) = (&settings.common, &settings.own);
        let cluster = Cluster::new(common);
        let (prefix, partitions) = (common.topic_prefix.clone(), common.partitions);
        let store = Arc::new(open_store(settings, &cluster)?);
        let ends = Ends::new(&cluster);
        let watching = Arc::new(Ends::new(&cluster));
        let directory = Directory::start(&cluster, &prefix, Arc::clone(&watching), |error| end(&error))?;
        let topology_epoch = topology::agreed(&cluster, common, &directory, &ends, &framing)?;
        let vault = Vault::new(&own.vault);
        secrets::agree(&cluster, &prefix, &directory, &ends, &framing, &vault)?;
        let shards = Arc::new(Shards::new(common, own, directory.clone()));
        let source = Arc::new(Source::new(&cluster, &prefix));
        let teller = Teller::new(&shards, &source, replicas, own);
        let barrier = Barrier::start(&cluster, &prefix, partitions, &store, &shards);
        let membership = membership::member(&cluster, &prefix, Arc::clone(&shards))?;
        let refusals = refusals(&cluster, &prefix)?;
        // The follower starts last: it keeps the store open, and where something above fails the next start needs the
        // store.
        let failed = |error| end(&error);
        let follower = Follower::start(&cluster, &prefix, partitions, Arc::clone(&store), watching, failed)?;
        Ok(Self {
            membership,
            refusals,
            partitions,
            topology_epoch,
            records: RecordWriter::new(&prefix, framing),
            url: own.advertised_url(),
            instance: Uuid::now_v7(),
            shards,
            store,
            source,
            follower,
            directory,
            ends,
            teller,
            barrier,
            vault,
            batch: own.shard_batch,
            pause: Duration::from_micros(own.shard_pause_us),
            prefix,
            cluster,
        })
    }

    /// The shards, as requests see them.
    pub const fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// The local store: the fold of all event partitions.
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The reader of single events by their positions.
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// What seals and opens.
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The part that tells to-dos' commands to other replicas.
    pub const fn teller(&self) -> &Teller {
        &self.teller
    }

    /// What handlers pass before they rely on states of other homes.
    pub const fn barrier(&self) -> &Barrier {
        &self.barrier
    }

    /// Whether the store has been near the end of the log at least once.
    pub fn is_near_the_end(&self) -> bool {
        self.follower.is_near_the_end()
    }

    /// Which part does not go on although the log does, in words; `None` where all parts go on.
    pub fn stands_still(&self) -> Option<&'static str> {
        if self.follower.stands_still() {
            Some("the log goes on and the local store does not follow")
        } else if self.directory.stands_still() {
            Some("the shards' topic goes on and is not read: their owners are not known")
        } else {
            None
        }
    }

    /// Ends the follower, once its batch is written.
    pub fn stop_following(&self) {
        self.follower.stop();
    }

    /// The partitions that belong to a shard.
    pub(super) fn partitions_of(&self, shard: i32) -> impl Iterator<Item = (Topic, i32)> + Clone + use<> {
        partitions_of(shard, self.shards.count(), self.partitions)
    }

    /// Proves that this process is a member of the group in its current generation: from any other process the
    /// coordinator refuses the offset.
    pub(super) fn prove_membership(&self, shard: i32) -> KafkaResult<()> {
        self.membership.commit(&self.shard_offset(shard)?, CommitMode::Sync)
    }

    /// An offset for the shard's partition of `till.shards`. Its value means nothing; only whether it can be committed
    /// does.
    pub(super) fn shard_offset(&self, shard: i32) -> KafkaResult<TopicPartitionList> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&Topic::Shards.name(&self.prefix), shard, Offset::Offset(0))?;
        Ok(offsets)
    }

    /// Fails where the log's topology, read to its end, is newer than this process's.
    pub(super) fn check_topology(&self) -> Result<(), TakeoverError> {
        self.compare_epoch(self.directory.topology_now(&self.ends)?)
    }

    /// Fails where the log's topology, as far as the directory has read it, is newer than this process's.
    pub(super) fn notice_topology(&self) -> Result<(), TakeoverError> {
        self.compare_epoch(self.directory.topology())
    }

    fn compare_epoch(&self, topology: Option<TopologyDeclared>) -> Result<(), TakeoverError> {
        let own = self.topology_epoch;
        let newest = topology.map_or(own, |topology| topology.epoch);
        if newest > own { Err(TakeoverError::OldTopology { own, newest }) } else { Ok(()) }
    }

    /// The ends of the shard's partitions, with records of open transactions counted.
    pub(super) fn ends_of(&self, shard: i32) -> KafkaResult<HashMap<(Topic, i32), i64>> {
        let names = Topic::OWNED.map(|topic| topic.name(&self.prefix));
        let asked: Vec<_> = names.iter().map(|name| (name.as_str(), self.partitions)).collect();
        let ends = self.ends.ask(&asked)?;
        let end_of = |(topic, partition): (Topic, i32)| {
            let end = ends.get(&(topic.name(&self.prefix), partition)).copied();
            end.map(|end| ((topic, partition), end)).ok_or(KafkaError::Canceled)
        };
        self.partitions_of(shard).map(end_of).collect()
    }
}

fn end(error: &dyn std::fmt::Display) {
    tracing::error!(%error, "the log cannot be followed: this process ends");
    std::process::exit(1);
}

/// The metadata of the group for refusals. Its client may be dropped at once: a group without members has the same
/// metadata for ever.
fn refusals(cluster: &Cluster, prefix: &str) -> KafkaResult<ConsumerGroupMetadata> {
    let mut config = cluster.reader_config(Isolation::Committed);
    let client: BaseConsumer = config.set("group.id", format!("{prefix}-refusals")).create()?;
    client.group_metadata().ok_or(KafkaError::Canceled)
}

/// Opens the store and compares it with the log. A store that differs is discarded, and a new one opened.
fn open_store(settings: &Settings, cluster: &Cluster) -> Result<Store, Unstarted> {
    let (common, own) = (&settings.common, &settings.own);
    let origin = format!("{} {}", common.topic_prefix, common.partitions);
    let open = || {
        Store::open(&own.store_dir, &origin, own.store_cache_mib).map_err(|error| {
            let dir = own.store_dir.display();
            Unstarted::Refused(format!("cannot open the local store {dir}: {error}; TILL_STORE_DIR chooses another, each replica needs its own"))
        })
    };
    let store = open()?;
    let Some(difference) = verify::difference(&store, cluster, &common.topic_prefix, common.partitions)?
    else {
        return Ok(store);
    };
    tracing::warn!(difference, "the local store is not of this log: it is rebuilt");
    drop(store);
    Store::discard(&own.store_dir).map_err(|error| Unstarted::Refused(error.to_string()))?;
    open()
}

impl From<DirectoryError> for Unstarted {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Kafka(error) => Self::Kafka(error),
            DirectoryError::Unreadable(error) => Self::Refused(error.to_string()),
        }
    }
}

impl From<KafkaError> for Unstarted {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl From<DeclarationError> for Unstarted {
    fn from(error: DeclarationError) -> Self {
        match error {
            DeclarationError::Kafka(error) => Self::Kafka(error),
            DeclarationError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

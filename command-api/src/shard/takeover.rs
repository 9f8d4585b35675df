//! How a shard comes to be served here, in the order that makes it safe.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Ends, RecordWriter};
use schemas::shards::{ShardAnnounced, TopologyDeclared};
use schemas::{Event, EventHeaders, Topic};
use uuid::Uuid;

use super::assignment::Assignment;
use super::directory::Directory;
use super::follower::{Follower, partitions_of};
use super::ownership::Rebalances;
use super::store::Store;
use super::topology::{TURNS, transactional_id};
use super::transaction::Transactions;
use crate::effects::tell::Teller;

/// How long the fold up to the end of the log may take; ownership tries again after it.
const FOLD_TIMEOUT: Duration = Duration::from_secs(20);

/// What every shard served here shares.
pub struct Engine {
    pub cluster: Cluster,
    pub prefix: String,
    pub shards: i32,
    pub partitions: i32,
    /// The topology this process was started with.
    pub topology_epoch: i32,
    pub records: RecordWriter,
    pub url: String,
    pub instance: Uuid,
    pub store: Arc<Store>,
    pub follower: Follower,
    pub directory: Directory,
    /// Member of the group whose assignment is ownership.
    pub membership: Arc<BaseConsumer<Rebalances>>,
    /// Asks for high watermarks.
    pub ends: Arc<Ends>,
    pub teller: Teller,
    /// Of a group of its own, without members: its offsets prove that a producer is not fenced.
    pub refusals: ConsumerGroupMetadata,
    pub batch: usize,
    pub pause: Duration,
}

/// Why a shard could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The group gave it to somebody else meanwhile.
    #[error("it was given back before it was served")]
    GivenBack,
    /// A late EndTxn of the announcement would end the first batch's transaction.
    #[error("a broker connection broke before it was served")]
    ConnectionBroke,
    #[error("the local store did not reach the end of the log within {FOLD_TIMEOUT:?}")]
    Behind,
    #[error(
        "the log is at topology epoch {newest}, this process at {own}: it was resharded; start it again with the new TILL_SHARDS"
    )]
    OldTopology { own: i32, newest: i32 },
}

/// A shard's producers take turns: the broker still writes one's commit markers while the next one's
/// transaction begins. With one, librdkafka would back off 20 ms on CONCURRENT_TRANSACTIONS.
pub type Producers = [Transactions; TURNS];

/// Takes the shard over. When it returns, no former owner can write to it, and the store holds all that any
/// of them committed. An assignment that ends meanwhile ends the takeover at its next step.
pub fn take_over(engine: &Engine, shard: i32, assignment: &Assignment) -> Result<Producers, TakeoverError> {
    engine.prove_membership(shard)?;
    let mut producers = fence(engine, shard, assignment)?;
    // After a reshard, a stale process can still call `init_transactions` with an old id. It then reads the new epoch
    // here and stops.
    engine.check_topology()?;
    // Only after the fence: nothing can be appended to these partitions any more but by us.
    let ends = engine.ends_of(shard)?;
    if !engine.follower.release(ends, FOLD_TIMEOUT) {
        return Err(TakeoverError::Behind);
    }
    still_assigned(assignment)?;
    announce(engine, &mut producers[0], shard, assignment)?;
    if producers.iter().any(Transactions::connection_broke) {
        return Err(TakeoverError::ConnectionBroke);
    }
    still_assigned(assignment)?;
    Ok(producers)
}

fn still_assigned(assignment: &Assignment) -> Result<(), TakeoverError> {
    if assignment.has_ended() { Err(TakeoverError::GivenBack) } else { Ok(()) }
}

/// One id after the other. Another process whose second id is fenced later than this one's has fenced the first id later
/// too, so that this one's announcement, which uses the first, fails (ADR 7 has the proof). In parallel, each could
/// hold one valid id, and both would serve.
fn fence(engine: &Engine, shard: i32, assignment: &Assignment) -> Result<Producers, TakeoverError> {
    let fence = |turn| {
        still_assigned(assignment)?;
        let id = transactional_id(&engine.prefix, engine.topology_epoch, shard, turn);
        Ok::<_, TakeoverError>(Transactions::fence(&engine.cluster, &id)?)
    };
    // librdkafka tells the same of a broker once in 30 s: a producer that has told that a connection broke may keep the next
    // time to itself.
    let fence_well = |turn| match fence(turn)? {
        told if told.connection_broke() => {
            drop(told);
            fence(turn)
        }
        fenced => Ok(fenced),
    };
    Ok([fence_well(0)?, fence_well(1)?])
}

/// The first transaction. It carries the group's metadata of the assignment itself: with whichever is current, a process
/// that has lost the shard and is still a member would be believed.
fn announce(
    engine: &Engine,
    transactions: &mut Transactions,
    shard: i32,
    assignment: &Assignment,
) -> Result<(), TakeoverError> {
    let event = Event::from(ShardAnnounced {
        shard,
        topology_epoch: engine.topology_epoch,
        url: engine.url.clone(),
        instance: engine.instance,
    });
    let record = engine.records.record(&event, shard, &EventHeaders::new(Uuid::now_v7()));
    transactions.append(vec![record])?;
    transactions.send_offsets(&engine.shard_offset(shard)?, &assignment.group())?;
    transactions.commit()?;
    Ok(())
}

impl Engine {
    /// The coordinator refuses offsets of anyone who is not a member in the current generation.
    fn prove_membership(&self, shard: i32) -> KafkaResult<()> {
        self.membership.commit(&self.shard_offset(shard)?, CommitMode::Sync)
    }

    /// An offset of the shard's partition; its value has no meaning, that it can be written has.
    pub fn shard_offset(&self, shard: i32) -> KafkaResult<TopicPartitionList> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&Topic::Shards.name(&self.prefix), shard, Offset::Offset(0))?;
        Ok(offsets)
    }

    /// Reads the log's topology to its end.
    fn check_topology(&self) -> Result<(), TakeoverError> {
        self.compare_epoch(self.directory.topology_now(&self.ends)?)
    }

    /// Whether the log was resharded since this process started, as far as the directory has read.
    pub fn notice_topology(&self) -> Result<(), TakeoverError> {
        self.compare_epoch(self.directory.topology())
    }

    fn compare_epoch(&self, topology: Option<TopologyDeclared>) -> Result<(), TakeoverError> {
        let own = self.topology_epoch;
        let newest = topology.map_or(own, |topology| topology.epoch);
        if newest > own { Err(TakeoverError::OldTopology { own, newest }) } else { Ok(()) }
    }

    fn ends_of(&self, shard: i32) -> KafkaResult<HashMap<(Topic, i32), i64>> {
        let names = Topic::COMMANDED.map(|topic| topic.name(&self.prefix));
        let asked: Vec<_> = names.iter().map(|name| (name.as_str(), self.partitions)).collect();
        let ends = self.ends.ask(&asked)?;
        let mine = partitions_of(shard, self.shards, self.partitions);
        let end_of = |(topic, partition): (Topic, i32)| {
            let end = ends.get(&(topic.name(&self.prefix), partition)).copied();
            end.map(|end| ((topic, partition), end)).ok_or(KafkaError::Canceled)
        };
        mine.map(end_of).collect()
    }
}

//! The group whose assignment is ownership, and what it has assigned here.
//!
//! Callbacks only take note, except that a revoked shard is drained before the group may give it to somebody else.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use runtime::kafka::Cluster;

use super::assignment::Assignment;
use super::ended::Ended;
use super::shards::Shards;
use super::topology::group;

/// How long a shard that is taken away may still work on its batch.
pub const DRAIN: Duration = Duration::from_secs(1);

/// The shards assigned to this replica.
pub struct Rebalances {
    held: Mutex<HashMap<i32, Held>>,
    shards: Arc<Shards>,
}

/// A shard that is assigned here.
pub struct Held {
    pub assignment: Arc<Assignment>,
    pub not_serving_since: Instant,
    pub start_at: Instant,
    /// Says why the shard's thread has ended; `None` while there is no thread.
    pub thread: Option<Receiver<Ended>>,
}

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(revoked) => {
                let lost = consumer.assignment_lost();
                let shards = partitions_in(revoked);
                tracing::info!(shards = ?shards, lost, "shards are taken away");
                self.give_back(&shards, if lost { Duration::ZERO } else { DRAIN });
            }
            // Here and not after the assignment: until this callback returns, the client cannot join the next generation,
            // whose metadata would then be taken for this one's.
            Rebalance::Assign(assigned) => match consumer.group_metadata() {
                Some(group) => self.take(&partitions_in(assigned), &Arc::new(group)),
                None => tracing::error!("the group gives shards and no metadata: they are not served"),
            },
            Rebalance::Error(_) => {}
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(assigned) = rebalance
            // The assignment is all that is wanted of this consumer, not the records.
            && let Err(error) = consumer.pause(assigned)
        {
            tracing::warn!(%error, "the shards' topic could not be paused");
        }
    }
}

fn partitions_in(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(TopicPartitionListElem::partition).collect()
}

impl Rebalances {
    /// Notes what is assigned anew. Every generation calls for it, also one that adds nothing: what is held already stays
    /// here in that generation.
    fn take(&self, assigned: &[i32], group: &Arc<ConsumerGroupMetadata>) {
        let now = Instant::now();
        let mut held = self.lock();
        for held in held.values() {
            held.assignment.goes_on_in(Arc::clone(group));
        }
        // Further partitions are left over from a topology of more shards.
        for shard in assigned.iter().copied().filter(|shard| *shard < self.shards.count()) {
            tracing::info!(shard.id = shard, "a shard is assigned");
            let assignment = Arc::new(Assignment::new(Arc::clone(group)));
            held.insert(shard, Held { assignment, not_serving_since: now, start_at: now, thread: None });
        }
    }

    /// Stops the shards' threads and waits for them. One that takes longer is left behind: the next owner
    /// fences it, and the store refuses what it would still write. What it has not begun is given back without it.
    pub fn give_back(&self, shards: &[i32], at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let mut held = self.lock();
        let leaving: Vec<_> = shards.iter().filter_map(|shard| Some((*shard, held.remove(shard)?))).collect();
        for (_, held) in &leaving {
            held.assignment.end();
        }
        for (shard, held) in leaving {
            let Some(ended) = held.thread else { continue };
            if ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
                self.shards.set_serving(shard, false);
            }
        }
        self.shards.return_what_waits();
    }

    pub fn lock(&self) -> MutexGuard<'_, HashMap<i32, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates the group's member; it joins once it subscribes.
pub fn member(
    cluster: &Cluster,
    prefix: &str,
    shards: Arc<Shards>,
) -> KafkaResult<Arc<BaseConsumer<Rebalances>>> {
    cluster.member(&group(prefix), Rebalances { held: Mutex::default(), shards }).map(Arc::new)
}

//! The group whose assignment is ownership, and which shards it has assigned here.
//!
//! The callbacks only take note, with one exception: a revoked shard is drained before its callback returns, since the
//! group may give it to another replica afterwards.

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

/// The shards assigned to this replica. They change in the group's callbacks.
pub struct Rebalances {
    held: Mutex<HashMap<i32, Held>>,
    shards: Arc<Shards>,
}

/// A shard that is assigned here, and the thread that serves it.
pub struct Held {
    pub assignment: Arc<Assignment>,
    pub not_serving_since: Instant,
    pub start_at: Instant,
    /// Receives why the shard's thread has ended; `None` while there is no thread.
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
            // The metadata is read here and not after the assignment. Until this callback returns, the client cannot
            // join the next generation; afterwards that generation's metadata could be taken for this one's.
            Rebalance::Assign(assigned) => match consumer.group_metadata() {
                Some(group) => self.take(&partitions_in(assigned), &Arc::new(group)),
                None => tracing::error!("the group gives shards and no metadata: they are not served"),
            },
            Rebalance::Error(_) => {}
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(assigned) = rebalance
            // Of this consumer only the assignment is wanted, so its partitions are paused and no record is fetched.
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
    /// Notes the shards that are assigned anew. The group calls this in every generation, even in one that adds
    /// nothing: a shard that is held already stays here in that generation, too.
    fn take(&self, assigned: &[i32], group: &Arc<ConsumerGroupMetadata>) {
        let now = Instant::now();
        let mut held = self.lock();
        for held in held.values() {
            held.assignment.goes_on_in(Arc::clone(group));
        }
        // Partitions from K on are left over from a topology with more shards, and are nobody's.
        for shard in assigned.iter().copied().filter(|shard| *shard < self.shards.count()) {
            tracing::info!(shard.id = shard, "a shard is assigned");
            let assignment = Arc::new(Assignment::new(Arc::clone(group)));
            held.insert(shard, Held { assignment, not_serving_since: now, start_at: now, thread: None });
        }
    }

    /// Stops the threads of these shards, and waits for them `at_most` so long. A thread that takes longer is left
    /// behind: the next owner fences it, and the store refuses what it would still write. The commands it has not begun
    /// are given back without it.
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

/// Creates the member of the group. It joins when it subscribes.
pub fn member(
    cluster: &Cluster,
    prefix: &str,
    shards: Arc<Shards>,
) -> KafkaResult<Arc<BaseConsumer<Rebalances>>> {
    cluster.member(&group(prefix), Rebalances { held: Mutex::default(), shards }).map(Arc::new)
}

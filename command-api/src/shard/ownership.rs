//! Which shards this replica owns: being assigned partition k of `till.shards` is owning shard k.
//!
//! One thread polls the group and starts, restarts and stops the shards' threads. Callbacks only take note,
//! except that a revoked shard is drained before the group may give it to somebody else.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use runtime::kafka::{Cluster, REQUEST_TIMEOUT};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use super::Shards;
use super::assignment::Assignment;
use super::owner::{self, Ended};
use super::takeover::{Engine, TakeoverError};
use super::topology::{group, members};

/// How long a shard that is taken away may still work on its batch.
const DRAIN: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);
/// Wait before a shard that ended is taken over anew.
const RETRY: Duration = Duration::from_millis(200);

/// The shards assigned to this replica.
pub struct Rebalances {
    held: Mutex<HashMap<i32, Held>>,
    shards: Arc<Shards>,
}

/// How long [`own`] waits for what.
pub struct Patience {
    /// A shard that is assigned here and not served for so long ends the process.
    pub serving: Duration,
    /// Others have so long to take over what is given back.
    pub successors: Duration,
}

/// A shard that is assigned here.
struct Held {
    assignment: Arc<Assignment>,
    not_serving_since: Instant,
    start_at: Instant,
    /// Says why the shard's thread has ended; `None` while there is no thread.
    thread: Option<Receiver<Ended>>,
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
    fn give_back(&self, shards: &[i32], at_most: Duration) {
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

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates the group's member; it joins in [`own`].
pub fn member(
    cluster: &Cluster,
    prefix: &str,
    shards: Arc<Shards>,
) -> KafkaResult<Arc<BaseConsumer<Rebalances>>> {
    cluster.member(&group(prefix), Rebalances { held: Mutex::default(), shards }).map(Arc::new)
}

/// Joins the group, serves what it assigns until `stopping`, and gives it back. Blocks. `Err` ends the
/// process: a restart is the remedy.
pub fn own(
    engine: &Arc<Engine>,
    shards: &Arc<Shards>,
    patience: &Patience,
    stopping: &CancellationToken,
) -> Result<(), String> {
    let member = &engine.membership;
    let topic = Topic::Shards.name(&engine.prefix);
    member.subscribe(&[&topic]).map_err(|error| format!("cannot join the group of shards: {error}"))?;
    let ended = serve_assigned(engine, shards, patience.serving, stopping);
    leave(engine, shards, if ended.is_ok() { patience.successors } else { DRAIN });
    ended
}

fn serve_assigned(
    engine: &Arc<Engine>,
    shards: &Arc<Shards>,
    serving_timeout: Duration,
    stopping: &CancellationToken,
) -> Result<(), String> {
    let member = &engine.membership;
    let topic = Topic::Shards.name(&engine.prefix);
    while !stopping.is_cancelled() {
        // Errors are the broker's absence, which the client's own lines tell.
        let _ = member.poll(POLL);
        engine.notice_topology().map_err(|error| error.to_string())?;
        let reachable = || member.fetch_metadata(Some(&topic), REQUEST_TIMEOUT).is_ok();
        let context = member.context();
        start_and_reap(engine, shards, &mut context.lock())?;
        shards.return_what_waits();
        let stuck = context
            .lock()
            .iter()
            .find(|(_, held)| held.not_serving_since.elapsed() > serving_timeout)
            .map(|(shard, _)| *shard);
        // Without a broker nobody could serve it: a restart would not help.
        if let Some(shard) = stuck.filter(|_| reachable()) {
            return Err(format!("shard {shard} is assigned here but was not served for {serving_timeout:?}"));
        }
    }
    Ok(())
}

fn start_and_reap(
    engine: &Arc<Engine>,
    shards: &Arc<Shards>,
    held: &mut HashMap<i32, Held>,
) -> Result<(), String> {
    shards.set_assigned(|shard| held.contains_key(&shard));
    for (shard, held) in held {
        let ended = held.thread.as_ref().map(Receiver::try_recv);
        if matches!(ended, Some(Err(TryRecvError::Disconnected))) {
            return Err(format!("the thread of shard {shard} panicked"));
        }
        if let Some(Ok(ended)) = ended {
            tracing::warn!(shard.id = shard, reason = %ended, "a shard is taken over anew");
            if let Ended::NotTakenOver(error @ TakeoverError::OldTopology { .. }) = ended {
                return Err(error.to_string());
            }
            held.thread = None;
            held.start_at = Instant::now() + RETRY;
        }
        if held.thread.is_none() && held.start_at <= Instant::now() {
            held.thread = Some(start(engine, shards, *shard, &held.assignment));
        }
        if shards.is_serving(*shard) {
            held.not_serving_since = Instant::now();
        }
    }
    Ok(())
}

fn start(
    engine: &Arc<Engine>,
    shards: &Arc<Shards>,
    shard: i32,
    assignment: &Arc<Assignment>,
) -> Receiver<Ended> {
    let (sender, ended) = mpsc::channel();
    let (engine, shards, assignment) = (Arc::clone(engine), Arc::clone(shards), Arc::clone(assignment));
    let serve = move || {
        let ended = owner::serve(&engine, &shards, shard, &assignment);
        // Nobody listens where the shard was given back.
        let _ = sender.send(ended);
    };
    std::thread::Builder::new().name(format!("shard-{shard}")).spawn(serve).expect("a thread can be started");
    ended
}

/// Drains every shard, then leaves the group, so that the next owner need not wait for the session to end.
/// Until others serve what was given back, this replica goes on to take requests and forwards them: a planned
/// stop refuses none. Alone in the group it waits for nobody.
fn leave(engine: &Engine, shards: &Shards, at_most: Duration) {
    let member = engine.membership.as_ref();
    let given_back: Vec<_> = member.context().lock().keys().copied().collect();
    member.context().give_back(&given_back, DRAIN);
    shards.set_assigned(|_| false);
    member.unsubscribe();
    tracing::info!(shards = ?given_back, "leaving the group of shards");
    // A group that waits for a member that is gone lets nobody leave before it has noticed.
    let has_left = || member.assignment().is_ok_and(|assigned: TopicPartitionList| assigned.count() == 0);
    let is_taken =
        |shard: &i32| engine.directory.owner(*shard).is_some_and(|owner| owner.instance != engine.instance);
    let anybody_there = || members(member, &engine.prefix).is_ok_and(|members| members > 0);
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline && (!has_left() || !given_back.iter().all(is_taken) && anybody_there()) {
        let _ = member.poll(POLL);
        shards.return_what_waits();
    }
}

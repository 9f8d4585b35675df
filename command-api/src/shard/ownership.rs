//! Which shards this replica owns. Being assigned partition k of `till.shards` is owning shard k.
//!
//! One thread polls the group, and starts, restarts and stops the threads that serve shards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionList;
use runtime::kafka::REQUEST_TIMEOUT;
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use super::assignment::Assignment;
use super::ended::{Ended, TakeoverError};
use super::engine::Engine;
use super::membership::{DRAIN, Held};
use super::owner;
use super::topology::members;
use crate::settings::Own;

const POLL: Duration = Duration::from_millis(50);
/// The pause before a shard whose thread has ended is taken over anew.
const RETRY: Duration = Duration::from_millis(200);

/// Joins the group, serves the shards that it assigns until `stopping`, and gives them back. It blocks. An error ends
/// the process, because only a restart helps.
pub fn own(engine: &Arc<Engine>, settings: &Own, stopping: &CancellationToken) -> Result<(), String> {
    let member = &engine.membership;
    let topic = Topic::Shards.name(&engine.prefix);
    member.subscribe(&[&topic]).map_err(|error| format!("cannot join the group of shards: {error}"))?;
    let ended = serve_assigned(engine, Duration::from_millis(settings.serving_timeout_ms), stopping);
    // Other replicas have as long to take over what is given back as requests wait for a shard that moves.
    let move_timeout = Duration::from_millis(settings.move_timeout_ms);
    leave(engine, if ended.is_ok() { move_timeout } else { DRAIN });
    engine.shards.stop_waiting();
    ended
}

fn serve_assigned(
    engine: &Arc<Engine>,
    serving_timeout: Duration,
    stopping: &CancellationToken,
) -> Result<(), String> {
    let member = &engine.membership;
    let topic = Topic::Shards.name(&engine.prefix);
    while !stopping.is_cancelled() {
        // An error means that no broker is there, which librdkafka's own log lines tell.
        let _ = member.poll(POLL);
        engine.notice_topology().map_err(|error| error.to_string())?;
        let reachable = || member.fetch_metadata(Some(&topic), REQUEST_TIMEOUT).is_ok();
        let context = member.context();
        start_and_reap(engine, &mut context.lock())?;
        engine.shards.return_what_waits();
        let stuck = context
            .lock()
            .iter()
            .find(|(_, held)| held.not_serving_since.elapsed() > serving_timeout)
            .map(|(shard, _)| *shard);
        // Where no broker is reachable nobody could serve the shard, and a restart would not help.
        if let Some(shard) = stuck.filter(|_| reachable()) {
            return Err(format!("shard {shard} is assigned here but was not served for {serving_timeout:?}"));
        }
    }
    Ok(())
}

fn start_and_reap(engine: &Arc<Engine>, held: &mut HashMap<i32, Held>) -> Result<(), String> {
    engine.shards.set_assigned(|shard| held.contains_key(&shard));
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
            held.thread = Some(start(engine, *shard, &held.assignment));
        }
        if engine.shards.is_serving(*shard) {
            held.not_serving_since = Instant::now();
        }
    }
    Ok(())
}

fn start(engine: &Arc<Engine>, shard: i32, assignment: &Arc<Assignment>) -> Receiver<Ended> {
    let (sender, ended) = mpsc::channel();
    let (engine, assignment) = (Arc::clone(engine), Arc::clone(assignment));
    let serve = move || {
        let ended = owner::serve(&engine, shard, &assignment);
        // Where the shard was given back without waiting, nobody receives this any more.
        let _ = sender.send(ended);
    };
    std::thread::Builder::new().name(format!("shard-{shard}")).spawn(serve).expect("a thread can be started");
    ended
}

/// Drains every shard and leaves the group, so that the next owner need not wait for the session to end. Until other
/// replicas serve the shards, this one still takes requests and forwards them, so that a planned stop refuses none. A
/// replica that is alone in the group waits for nobody.
fn leave(engine: &Engine, at_most: Duration) {
    let member = engine.membership.as_ref();
    let given_back: Vec<_> = member.context().lock().keys().copied().collect();
    member.context().give_back(&given_back, DRAIN);
    engine.shards.set_assigned(|_| false);
    member.unsubscribe();
    tracing::info!(shards = ?given_back, "leaving the group of shards");
    // While a rebalance waits for a member that is gone, nobody can leave before the group has noticed that.
    let has_left = || member.assignment().is_ok_and(|assigned: TopicPartitionList| assigned.count() == 0);
    let is_taken =
        |shard: &i32| engine.directory.owner(*shard).is_some_and(|owner| owner.instance != engine.instance);
    let anybody_there = || members(member, &engine.prefix).is_ok_and(|members| members > 0);
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline && (!has_left() || !given_back.iter().all(is_taken) && anybody_there()) {
        let _ = member.poll(POLL);
        engine.shards.return_what_waits();
    }
}

//! Which shards this replica owns: being assigned partition k of `till.shards` is owning shard k.
//!
//! One thread polls the group and starts, restarts and stops the shards' threads.

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
/// Wait before a shard that ended is taken over anew.
const RETRY: Duration = Duration::from_millis(200);

/// Joins the group, serves what it assigns until `stopping`, and gives it back. Blocks. `Err` ends the
/// process: a restart is the remedy.
pub fn own(engine: &Arc<Engine>, settings: &Own, stopping: &CancellationToken) -> Result<(), String> {
    let member = &engine.membership;
    let topic = Topic::Shards.name(&engine.prefix);
    member.subscribe(&[&topic]).map_err(|error| format!("cannot join the group of shards: {error}"))?;
    let ended = serve_assigned(engine, Duration::from_millis(settings.serving_timeout_ms), stopping);
    // As long as requests wait for a shard that moves, others have to take over what is given back.
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
        // Errors are the broker's absence, which the client's own lines tell.
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
        // Without a broker nobody could serve it: a restart would not help.
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
        // Nobody listens where the shard was given back.
        let _ = sender.send(ended);
    };
    std::thread::Builder::new().name(format!("shard-{shard}")).spawn(serve).expect("a thread can be started");
    ended
}

/// Drains every shard, then leaves the group, so that the next owner need not wait for the session to end.
/// Until others serve what was given back, this replica goes on to take requests and forwards them: a planned
/// stop refuses none. Alone in the group it waits for nobody.
fn leave(engine: &Engine, at_most: Duration) {
    let member = engine.membership.as_ref();
    let given_back: Vec<_> = member.context().lock().keys().copied().collect();
    member.context().give_back(&given_back, DRAIN);
    engine.shards.set_assigned(|_| false);
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
        engine.shards.return_what_waits();
    }
}

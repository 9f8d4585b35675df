//! How a shard comes to be served here, in the order that makes it safe.

use schemas::shards::ShardAnnounced;
use schemas::{Event, EventHeaders};
use uuid::Uuid;

use super::assignment::Assignment;
use super::ended::{FOLD_TIMEOUT, TakeoverError};
use super::engine::Engine;
use super::topology::{TURNS, transactional_id};
use super::transaction::Transactions;

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

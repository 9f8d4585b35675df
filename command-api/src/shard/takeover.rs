//! How a shard comes to be served here. The order of the steps is what makes it safe.

use schemas::shards::ShardAnnounced;
use schemas::{Event, EventHeaders};
use uuid::Uuid;

use super::assignment::Assignment;
use super::ended::{FOLD_TIMEOUT, TakeoverError};
use super::engine::Engine;
use super::topology::{TURNS, transactional_id};
use super::transaction::Transactions;

/// A shard's two producers, which take turns: the broker still writes the markers of one's commit while the other's
/// transaction begins. With a single one, librdkafka would get CONCURRENT_TRANSACTIONS and back off for 20 ms.
pub type Producers = [Transactions; TURNS];

/// Takes the shard over. When this returns, no former owner can write to the shard, and the store holds all that any of
/// them committed. An assignment that ends meanwhile ends the takeover at its next step.
pub fn take_over(engine: &Engine, shard: i32, assignment: &Assignment) -> Result<Producers, TakeoverError> {
    engine.prove_membership(shard)?;
    let mut producers = fence(engine, shard, assignment)?;
    // After a reshard, a stale process can still call `init_transactions` with an old id. It then reads the new epoch
    // here and stops.
    engine.check_topology()?;
    // The ends are asked for only after the fence: from then on nobody but this process can append to these partitions.
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

/// Fences the shard's two ids, one after the other. Another process whose second id is fenced later than this one's has
/// also fenced the first id later. This one's announcement, which uses the first id, then fails (ADR 7 has the proof).
/// Fenced in parallel, each process could hold one valid id, and both would serve.
fn fence(engine: &Engine, shard: i32, assignment: &Assignment) -> Result<Producers, TakeoverError> {
    let fence = |turn| {
        still_assigned(assignment)?;
        let id = transactional_id(&engine.prefix, engine.topology_epoch, shard, turn);
        Ok::<_, TakeoverError>(Transactions::fence(&engine.cluster, &id)?)
    };
    // librdkafka reports the same of a broker only once in 30 s. So a producer that has reported a broken connection
    // while it fenced may not report the next one, and is replaced.
    let fence_well = |turn| match fence(turn)? {
        told if told.connection_broke() => {
            drop(told);
            fence(turn)
        }
        fenced => Ok(fenced),
    };
    Ok([fence_well(0)?, fence_well(1)?])
}

/// Announces this replica as the owner, in the shard's first transaction. It carries the group's metadata of the
/// assignment itself. With the metadata that is current, the coordinator would believe a process that is still a member
/// but has lost the shard.
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
    transactions.begin()?;
    transactions.append(vec![record])?;
    transactions.send_offsets(&engine.shard_offset(shard)?, &assignment.group())?;
    transactions.commit()?;
    Ok(())
}

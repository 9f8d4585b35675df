//! `command-api reshard` declares the next topology epoch, with another number of shards. Every command-api must be
//! stopped for it.
//!
//! Partitions stay where they are; only the shard that owns each changes. What must never be is an owner of the former
//! epoch beside one of the next. So all former transactional ids are fenced, then the next epoch is declared, then the
//! former ids are fenced once more. A takeover ([`crate::shard`]) first takes its ids and then reads the topology to
//! its end. A process that takes a former id after the second fence reads that the next epoch is declared, and stops.
//! One that took it before is fenced.

use std::sync::Arc;

use runtime::Common;
use runtime::kafka::{Cluster, Ends, Isolation, add_partitions, partition_count};
use schemas::Topic;
use schemas::codec::Framing;
use schemas::shards::TopologyDeclared;

use crate::shard::declaration::Declaration;
use crate::shard::directory::Directory;
use crate::shard::topology::{declare, fence_all, group, members};

/// What went wrong, in words for the operator.
type Failure = String;

/// Fences the former epoch and declares the next one with `shards`. Without `yes` it only says what it would do. It
/// blocks.
pub fn reshard(
    common: &Common,
    shards: i32,
    yes: bool,
    framing: &Framing,
    threads: &tokio::runtime::Handle,
) -> Result<(), Failure> {
    let prefix = &common.topic_prefix;
    let topic = Topic::Shards.name(prefix);
    let cluster = Cluster::new(common);
    let kafka = |error| format!("Kafka at {}: {error}", common.kafka_brokers);
    let asking = cluster.reader(Isolation::Uncommitted).map_err(kafka)?;
    let held = partition_count(&asking, &topic).map_err(kafka)?;
    let ends = Arc::new(Ends::new(&cluster));
    let unread = |error| eprintln!("command-api: {error}");
    let directory =
        Directory::start(&cluster, prefix, Arc::clone(&ends), unread).map_err(|error| error.to_string())?;
    let former = directory.topology().ok_or_else(|| nothing_to_reshard(&topic))?;
    check_shards(shards, former)?;
    match members(&asking, prefix).map_err(kafka)? {
        0 => {}
        members => return Err(still_running(members, prefix)),
    }
    let next = TopologyDeclared { epoch: former.epoch + 1, shards, partitions: former.partitions };
    println!("{}", plan(former, next, &topic, held));
    if !yes {
        println!("Nothing is changed. With --yes it is done.");
        return Ok(());
    }
    let mut declaration = Declaration::begin(&cluster, prefix, framing).map_err(kafka)?;
    if directory.topology_now(&ends).map_err(kafka)? != Some(former) {
        return Err("another reshard was faster: run it again".to_owned());
    }
    // The epoch before the former one is fenced too. A reshard that was interrupted after its declaration has not
    // fenced that one's ids a second time, so the next reshard does.
    let epochs = (former.epoch - 1).max(1)..=former.epoch;
    let most = held.max(shards);
    fence_all(&cluster, prefix, epochs.clone(), most).map_err(kafka)?;
    if shards > held {
        threads.block_on(add_partitions(&cluster, &topic, shards)).map_err(kafka)?;
    }
    declare(&mut declaration, next).map_err(kafka)?;
    fence_all(&cluster, prefix, epochs, most).map_err(kafka)?;
    println!("Done: topology epoch {}. Start command-api with TILL_SHARDS={shards}.", next.epoch);
    Ok(())
}

fn nothing_to_reshard(topic: &str) -> Failure {
    format!(
        "{topic} declares no topology yet: the first start of command-api declares it from TILL_SHARDS, there is nothing to reshard"
    )
}

fn check_shards(shards: i32, former: TopologyDeclared) -> Result<(), Failure> {
    if (1..=former.partitions).contains(&shards) {
        return Ok(());
    }
    Err(format!("--shards must be between 1 and {}, the partitions of each event topic", former.partitions))
}

fn still_running(members: usize, prefix: &str) -> Failure {
    format!(
        "{members} command-api are in the group {}: stop them all first (one that was killed leaves after its session of 6 s)",
        group(prefix)
    )
}

fn plan(former: TopologyDeclared, next: TopologyDeclared, topic: &str, held: i32) -> String {
    let partitions = match next.shards - held {
        more if more > 0 => format!("{topic} gets {more} more partitions."),
        0 => format!("{topic} has as many partitions."),
        fewer => format!("{} of {topic}'s partitions stay unused: Kafka cannot take any away.", -fewer),
    };
    format!(
        "From {} shards (topology epoch {}) to {} (epoch {}). {partitions}",
        former.shards, former.epoch, next.shards, next.epoch
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_says_what_becomes_of_partitions() {
        let former = TopologyDeclared { epoch: 1, shards: 2, partitions: 16 };
        let plan =
            |shards| plan(former, TopologyDeclared { epoch: 2, shards, partitions: 16 }, "till.shards", 2);
        assert!(plan(4).ends_with("(epoch 2). till.shards gets 2 more partitions."));
        assert!(plan(1).contains("1 of till.shards's partitions stay unused"));
        assert!(check_shards(16, former).is_ok());
        assert!(check_shards(0, former).is_err() && check_shards(17, former).is_err());
    }
}

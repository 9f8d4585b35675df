//! K and the topology epoch stand in the log. The first replica of a new log declares them, and only
//! `command-api reshard` changes them.

use std::ops::RangeInclusive;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use runtime::Common;
use runtime::kafka::{Cluster, Ends, Isolation, REQUEST_TIMEOUT, partition_count};
use schemas::Topic;
use schemas::codec::Framing;
use schemas::shards::TopologyDeclared;

use super::declaration::{Declaration, DeclarationError};
use super::directory::Directory;
use super::transaction::Transactions;

const FIRST_EPOCH: i32 = 1;
/// The number of producers that a shard has, which take turns.
pub const TURNS: usize = 2;

/// The epoch of the log's topology, if the settings agree with it. Where the log has no topology, the first one is
/// declared.
pub fn agreed(
    cluster: &Cluster,
    common: &Common,
    directory: &Directory,
    ends: &Ends,
    framing: &Framing,
) -> Result<i32, DeclarationError> {
    let topology = match directory.topology() {
        Some(topology) => topology,
        None => declare_first(cluster, common, directory, ends, framing)?,
    };
    let topic = Topic::Shards.name(&common.topic_prefix);
    let settings = (common.shards, common.partitions);
    let held = partition_count(&cluster.reader(Isolation::Uncommitted)?, &topic)?;
    match disagreement(topology, settings, &topic, held) {
        Some(refusal) => Err(DeclarationError::Refused(refusal)),
        None => Ok(topology.epoch),
    }
}

/// Declares the first topology. Where several replicas start together, one declares it; the others are fenced, or read
/// what it has declared.
fn declare_first(
    cluster: &Cluster,
    common: &Common,
    directory: &Directory,
    ends: &Ends,
    framing: &Framing,
) -> KafkaResult<TopologyDeclared> {
    let mut declaration = Declaration::begin(cluster, &common.topic_prefix, framing)?;
    if let Some(topology) = directory.topology_now(ends)? {
        return Ok(topology);
    }
    let topology =
        TopologyDeclared { epoch: FIRST_EPOCH, shards: common.shards, partitions: common.partitions };
    declare(&mut declaration, topology)?;
    Ok(topology)
}

/// Why no process can work with these settings, and what to change; `None` where it can.
fn disagreement(
    topology: TopologyDeclared,
    (set_shards, set_partitions): (i32, i32),
    topic: &str,
    held: i32,
) -> Option<String> {
    let TopologyDeclared { epoch, shards, partitions } = topology;
    if set_shards != shards {
        return Some(format!(
            "the log has {shards} shards (topology epoch {epoch}), and TILL_SHARDS is {set_shards}: set TILL_SHARDS={shards}, or stop every command-api and run `command-api reshard --shards {set_shards} --yes`"
        ));
    }
    if set_partitions != partitions {
        return Some(format!(
            "the log has {partitions} partitions a topic (topology epoch {epoch}), and TILL_PARTITIONS is {set_partitions}: set TILL_PARTITIONS={partitions}"
        ));
    }
    (held < shards).then(|| {
        format!(
            "{topic} has {held} partitions, and {shards} shards need as many: stop every command-api and run `command-api reshard --shards {shards} --yes`, which adds them"
        )
    })
}

/// Declares a topology, which counts from the commit on.
pub fn declare(declaration: &mut Declaration, topology: TopologyDeclared) -> KafkaResult<()> {
    declaration.declare(topology)?;
    tracing::info!(
        topology.epoch = topology.epoch,
        topology.shards = topology.shards,
        "the log's topology is declared"
    );
    Ok(())
}

/// Fences every process that holds a transactional id of these epochs. Its unfinished transactions are aborted, and it
/// can begin no further one.
pub fn fence_all(
    cluster: &Cluster,
    prefix: &str,
    epochs: RangeInclusive<i32>,
    shards: i32,
) -> KafkaResult<()> {
    for epoch in epochs {
        for (shard, turn) in (0..shards).flat_map(|shard| (0..TURNS).map(move |turn| (shard, turn))) {
            Transactions::fence(cluster, &transactional_id(prefix, epoch, shard, turn))?;
        }
    }
    Ok(())
}

/// The id `<prefix>-<topology epoch>-shard-<k>-<turn>`.
pub fn transactional_id(prefix: &str, epoch: i32, shard: i32, turn: usize) -> String {
    format!("{prefix}-{epoch}-shard-{shard}-{turn}")
}

/// The name of the group whose assignment is ownership.
pub fn group(prefix: &str) -> String {
    format!("{prefix}-shards")
}

/// The number of replicas that are members of the group.
pub fn members<C: ConsumerContext>(asking: &BaseConsumer<C>, prefix: &str) -> KafkaResult<usize> {
    let group = group(prefix);
    let found = asking.fetch_group_list(Some(&group), REQUEST_TIMEOUT)?;
    Ok(found.groups().iter().filter(|found| found.name() == group).map(|found| found.members().len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(shards: i32, partitions: i32, held: i32) -> Option<String> {
        let topology = TopologyDeclared { epoch: 2, shards: 3, partitions: 16 };
        disagreement(topology, (shards, partitions), "till.shards", held)
    }

    #[test]
    fn settings_that_differ_from_the_log_are_refused_with_what_to_set() {
        assert_eq!(refusal(3, 16, 3), None);
        assert_eq!(refusal(3, 16, 5), None, "partitions are only ever added: some may be left over");
        assert!(refusal(2, 16, 3).unwrap().contains("TILL_SHARDS=3"));
        assert!(refusal(3, 8, 3).unwrap().contains("TILL_PARTITIONS=16"));
        assert!(refusal(3, 16, 2).unwrap().contains("reshard --shards 3 --yes"));
    }
}

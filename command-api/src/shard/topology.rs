//! K and the topology epoch are in the log: the first replica of a new log declares them.

use rdkafka::error::KafkaResult;
use runtime::Common;
use runtime::kafka::Cluster;
use schemas::codec::{self, Framing};
use schemas::{Event, EventHeaders, Topic, TopologyDeclared};
use uuid::Uuid;

use super::directory::Directory;
use super::record;
use super::transaction::{Append, Transactions};

const FIRST_EPOCH: i32 = 1;

/// The epoch of the log's topology; declares the first one where the log has none. Replicas that start
/// together declare the same.
pub fn declared(
    cluster: &Cluster,
    common: &Common,
    directory: &Directory,
    framing: &Framing,
) -> KafkaResult<i32> {
    if let Some(topology) = directory.topology() {
        return Ok(topology.epoch);
    }
    let topology =
        TopologyDeclared { epoch: FIRST_EPOCH, shards: common.shards, partitions: common.partitions };
    let event = Event::from(topology);
    let encoded = codec::encode(&event, framing);
    let headers = record::write_headers(&event, &encoded.fingerprint, &EventHeaders::new(Uuid::now_v7()));
    let topic = Topic::Shards.name(&common.topic_prefix);
    let key = event.key();
    let record = Append { topic: &topic, partition: 0, key: key.as_bytes(), value: &encoded.value, headers };
    let mut transactions = Transactions::fence(cluster, &format!("{}-topology", common.topic_prefix))?;
    transactions.append(vec![record])?;
    transactions.commit()?;
    tracing::info!(
        topology.epoch = FIRST_EPOCH,
        topology.shards = common.shards,
        "the log's topology is declared"
    );
    Ok(FIRST_EPOCH)
}

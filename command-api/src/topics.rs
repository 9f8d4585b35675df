//! The topics command-api needs: all of Till's.

use runtime::Common;
use runtime::kafka::{Cluster, TopicError, TopicSpec, ensure_topics};
use schemas::Topic;

/// Creates what is missing and checks all.
pub async fn ensure(common: &Common) -> Result<(), TopicError> {
    let specs = Topic::ALL.map(|topic| TopicSpec {
        name: topic.name(&common.topic_prefix),
        partitions: topic.partition_count(common.partitions, common.shards),
        replication_factor: common.replication_factor,
        config: topic.config(),
        from_the_beginning: topic.is_event_log(),
    });
    ensure_topics(&Cluster::new(common), &specs).await
}

//! The topics command-api needs: all of Till's.

use runtime::Common;
use runtime::kafka::TopicSpec;
use schemas::Topic;

/// What they must be like.
pub fn specs(common: &Common) -> [TopicSpec; Topic::ALL.len()] {
    Topic::ALL.map(|topic| TopicSpec {
        name: topic.name(&common.topic_prefix),
        partitions: topic.partition_count(common.partitions, common.shards),
        replication_factor: common.replication_factor,
        config: topic.config(),
        from_the_beginning: topic.is_event_log(),
    })
}

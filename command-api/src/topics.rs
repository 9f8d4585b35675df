//! The topics that command-api needs, which are all of Till's.

use runtime::Common;
use runtime::kafka::TopicSpec;
use schemas::Topic;

/// What each topic must be like: its partitions and settings.
pub fn specs(common: &Common) -> [TopicSpec; Topic::ALL.len()] {
    Topic::ALL.map(|topic| TopicSpec::of(topic, common))
}

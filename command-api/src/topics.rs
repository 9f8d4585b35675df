//! The topics command-api needs: all of Till's.

use runtime::Common;
use runtime::kafka::TopicSpec;
use schemas::Topic;

/// What they must be like.
pub fn specs(common: &Common) -> [TopicSpec; Topic::ALL.len()] {
    Topic::ALL.map(|topic| TopicSpec::of(topic, common))
}

//! The assignment of a shard to this replica, and what the group has said of it since.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::consumer::ConsumerGroupMetadata;

/// One assignment of a shard: from the callback that assigned it to the callback that takes it away.
pub struct Assignment {
    ended: AtomicBool,
    /// The group's metadata of the newest generation that is known to have left the shard here.
    group: Mutex<Arc<ConsumerGroupMetadata>>,
}

impl Assignment {
    /// `group` is the metadata of the generation that assigned the shard.
    pub fn new(group: Arc<ConsumerGroupMetadata>) -> Self {
        Self { ended: AtomicBool::new(false), group: Mutex::new(group) }
    }

    /// Notes that a later generation leaves the shard here, and that generation's metadata.
    pub fn goes_on_in(&self, group: Arc<ConsumerGroupMetadata>) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = group;
    }

    /// The metadata that proves to the coordinator that this process owns the shard. The coordinator refuses the
    /// metadata of a generation that is over.
    pub fn group(&self) -> Arc<ConsumerGroupMetadata> {
        Arc::clone(&self.group.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the assignment: the shard is taken away, or the process ends.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether [`Self::end`] was called.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

//! What the group has said of a shard that is assigned here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::consumer::ConsumerGroupMetadata;

/// From the callback that assigned the shard to the one that takes it away.
pub struct Assignment {
    ended: AtomicBool,
    /// Of the newest generation that is known to have left the shard here.
    group: Mutex<Arc<ConsumerGroupMetadata>>,
}

impl Assignment {
    /// `group` is the metadata of the generation that assigned the shard.
    pub fn new(group: Arc<ConsumerGroupMetadata>) -> Self {
        Self { ended: AtomicBool::new(false), group: Mutex::new(group) }
    }

    /// A later generation leaves the shard here.
    pub fn goes_on_in(&self, group: Arc<ConsumerGroupMetadata>) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = group;
    }

    /// What proves to the coordinator that this process owns the shard: it refuses the metadata of a generation that is
    /// over.
    pub fn group(&self) -> Arc<ConsumerGroupMetadata> {
        Arc::clone(&self.group.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The shard is taken away, or the process ends.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether [`Self::end`] was called.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

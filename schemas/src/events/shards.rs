//! Who serves which shard, and how partitions map to shards.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The replica named serves the shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardAnnounced {
    /// The shard.
    pub shard: i32,
    /// The topology it belongs to.
    pub topology_epoch: i32,
    /// Base URL other replicas forward to.
    pub url: String,
    /// The process that serves.
    pub instance: Uuid,
}

/// How event partitions map to shards from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyDeclared {
    /// Counts up with every reshard.
    pub epoch: i32,
    /// The number of shards, K: partition p belongs to shard p mod K.
    pub shards: i32,
    /// The number of partitions of every event topic.
    pub partitions: i32,
}

stream! { Shards keyed by key;
    ShardAnnounced: "shard_announced/v1";
    TopologyDeclared: "topology_declared/v1";
}

fn key(event: &Event) -> Cow<'_, str> {
    match event {
        Event::ShardAnnounced(event) => format!("shard-{}", event.shard).into(),
        Event::TopologyDeclared(_) => "topology".into(),
    }
}

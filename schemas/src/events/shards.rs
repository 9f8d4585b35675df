//! Who serves which shard, and how partitions map to shards.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The partition of the topic that declarations are in, which concern all shards.
pub const DECLARATIONS_PARTITION: i32 = 0;

/// A replica serves a shard from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardAnnounced {
    /// The number of the shard, from 0.
    pub shard: i32,
    /// The epoch of the topology that the shard belongs to.
    pub topology_epoch: i32,
    /// The base URL that other replicas forward to.
    pub url: String,
    /// The process that serves the shard. A replica has the same URL after a restart, but another instance.
    pub instance: Uuid,
}

/// How event partitions map to shards from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyDeclared {
    /// The epoch counts up with every reshard, from 1.
    pub epoch: i32,
    /// K, the number of shards: partition p belongs to shard p mod K.
    pub shards: i32,
    /// N, the number of partitions of every event topic.
    pub partitions: i32,
}

/// The secrets of the deployment, by values that check them and tell nothing of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsDeclared {
    /// The check of the index key, which is for ever.
    #[serde(with = "super::bytes")]
    pub index_check: Vec<u8>,
    /// The checks of all master keys that were ever in use.
    pub masters: Vec<MasterCheck>,
}

/// The check of one master key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterCheck {
    /// The number of the master key.
    pub number: i32,
    /// 16 bytes that only this key gives.
    #[serde(with = "super::bytes")]
    pub check: Vec<u8>,
}

stream! { Shards keyed by key;
    ShardAnnounced: "shard_announced/v1";
    TopologyDeclared: "topology_declared/v1";
    SecretsDeclared: "secrets_declared/v1";
}

fn key(event: &Event) -> Cow<'_, str> {
    match event {
        Event::ShardAnnounced(event) => format!("shard-{}", event.shard).into(),
        Event::TopologyDeclared(_) => "topology".into(),
        Event::SecretsDeclared(_) => "secrets".into(),
    }
}

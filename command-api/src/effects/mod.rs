//! What reaches beyond one shard: to-dos that are told to others, and the tending of all keys.

pub mod tell;
pub mod tend;

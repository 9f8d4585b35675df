//! What to-dos do outside their own shard.

pub mod tell;

//! How to-dos reach other shards than their own.

pub mod tell;

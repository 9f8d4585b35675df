//! What is read from Kafka: records and batches of them, and where topics end.

pub mod ends;
pub mod reader;
pub mod record;

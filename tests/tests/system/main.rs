//! The whole-system tests, in one binary that has one Kafka and one Postgres. A test's name is the sentence that it
//! proves.

#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod access;
mod batch;
mod chaos;
mod common;
mod contract_receipts;
mod documents;
mod edge;
mod figures;
mod foreign;
mod forged;
mod garbage;
mod hang_ups;
mod harness;
mod load;
mod openapi;
mod ownership;
mod projections;
mod reads;
mod rebuild;
mod receipts;
mod registry;
mod replicas;
mod reshard;
mod settings;
mod store;
mod strong;
mod sums;
mod takeover;
mod todos;
mod worker;

//! The whole-system tests, in one binary that has one Kafka and one Postgres. A test's name is the sentence that it
//! proves.

#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod access;
mod accounts;
mod batch;
mod bindings;
mod chaos;
mod common;
mod contract_receipts;
mod contract_restaurant;
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
mod order_kills;
mod orders;
mod ownership;
mod people;
mod projections;
mod reads;
mod rebuild;
mod receipts;
mod registry;
mod replicas;
mod reshard;
mod revenue;
mod settings;
mod store;
mod strong;
mod sums;
mod takeover;
mod todos;
mod trade;
mod vault_kills;
mod worker;

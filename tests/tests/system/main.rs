//! The whole-system tests: one binary on one Kafka and one Postgres. A test's name is the sentence it proves.

#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod access;
mod common;
mod garbage;
mod harness;
mod ownership;
mod receipts;
mod settings;
mod store;

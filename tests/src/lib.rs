//! The harness of the whole-system tests: it starts a real Kafka, a real Postgres and the release binaries of the services
//! as child processes that can be killed, stopped, continued and restarted, and that end with the test process whatever
//! happens to it. Data and logs lie under `.till/test/`; a test that passes removes its own.
//!
//! The tests are in `tests/system`, one binary; the oracle that judges what the system did is Python, in `oracle/`, and
//! shares nothing with Till but the Avro schemas it reads as data.

pub mod apicurio;
pub mod client;
pub mod clock;
pub mod contracts;
pub mod front_door;
pub mod kafka;
pub mod kafka_proxy;
pub mod ledger;
pub mod log;
pub mod oracle;
pub mod places;
pub mod ports;
pub mod postgres;
pub mod postgres_proxy;
pub mod process;
pub mod receipts;
pub mod scratch;
pub mod servers;
pub mod siege;
pub mod till;

pub use apicurio::Apicurio;
pub use client::{Answer, Client};
pub use clock::Clock;
pub use front_door::FrontDoor;
pub use kafka::Kafka;
pub use kafka_proxy::KafkaProxy;
pub use ledger::Ledger;
pub use log::{Isolation, Log, RawRecord};
pub use postgres::Postgres;
pub use postgres_proxy::PostgresProxy;
pub use process::{Process, Spec};
pub use scratch::Scratch;
pub use servers::Servers;
pub use siege::Siege;
pub use till::{Service, Till};

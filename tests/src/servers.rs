//! Kafka and Postgres together: either one pair that a run's tests share, or a test's own pair.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::scratch::Scratch;

/// A running pair, which ends when this value is dropped.
pub struct Servers {
    /// The broker, which other tests may use too.
    pub kafka: Kafka,
    /// The database server, which other tests may use too.
    pub postgres: Postgres,
    /// The folder of both servers' data and logs.
    pub scratch: Scratch,
}

impl Servers {
    /// Starts a pair that the test does not share, and waits until both serve.
    pub async fn start(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let servers =
            Self { kafka: Kafka::start(scratch.path()), postgres: Postgres::start(scratch.path()), scratch };
        servers.kafka.ready().await;
        servers.postgres.ready().await;
        servers
    }

    /// The pair that the run's tests share. It lives as long as the test process.
    pub async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<Servers>> = OnceCell::const_new();
        SHARED.get_or_init(|| async { Arc::new(Self::start("shared").await) }).await.clone()
    }
}

//! Kafka and Postgres together: one pair shared by a run's tests, or one of a test's own.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::scratch::Scratch;

/// A running pair; it ends with the value.
pub struct Servers {
    /// The broker, which other tests may use too.
    pub kafka: Kafka,
    /// The database server, which other tests may use too.
    pub postgres: Postgres,
    /// Their data and logs.
    pub scratch: Scratch,
}

impl Servers {
    /// A pair of one's own, serving.
    pub async fn start(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let servers =
            Self { kafka: Kafka::start(scratch.path()), postgres: Postgres::start(scratch.path()), scratch };
        servers.kafka.ready().await;
        servers.postgres.ready().await;
        servers
    }

    /// The run's pair, which lives as long as the test process.
    pub async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<Servers>> = OnceCell::const_new();
        SHARED.get_or_init(|| async { Arc::new(Self::start("shared").await) }).await.clone()
    }
}

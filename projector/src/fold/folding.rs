//! What a leader and a rebuild share: folding a generation on from its positions, batch by batch.

use runtime::kafka::Cluster;
use sqlx::PgConnection;

use crate::fold::parked::Parked;
use crate::fold::write::{Standing, WriteError, write};
use crate::log::reader::{Limits, ReadError, Reader};
use crate::log::record::{Batch, LastRecords, Positions};
use crate::projections::definition::FoldError;
use crate::settings::Settings;
use crate::tables::generation::{Generation, GenerationError};
use crate::tables::identity::IdentityError;

/// Why folding ended. Nothing of the batch under way was written.
#[derive(Debug, thiserror::Error)]
pub enum FoldingError {
    /// The projection's tables.
    #[error("{0}")]
    Generation(#[from] GenerationError),
    /// The log.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// A batch.
    #[error("{0}")]
    Write(#[from] WriteError),
    /// The log is another one.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<FoldError> for FoldingError {
    fn from(error: FoldError) -> Self {
        Self::Write(error.into())
    }
}

/// A generation's fold under way.
pub struct Folding {
    reader: Reader,
    /// How far it has got.
    pub positions: Positions,
    /// The last records it has read; of partitions without any since its start, none.
    pub last: LastRecords,
    /// What is held back.
    pub parked: Parked,
}

impl Folding {
    /// Goes on from `positions`.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn start(
        settings: &Settings,
        cluster: &Cluster,
        standing: Standing,
        positions: Positions,
        parked: Parked,
    ) -> Result<Self, ReadError> {
        let (common, own) = (&settings.common, &settings.own);
        let events = match standing {
            Standing::Live => own.batch_events,
            // A rebuild is alone in its process, and nobody waits for a batch of its.
            Standing::Rebuilding => 2 * own.batch_events,
        };
        let limits = Limits { events, bytes: own.batch_bytes };
        let reader = Reader::start(cluster, &common.topic_prefix, &positions, limits)?;
        Ok(Self { reader, positions, last: LastRecords::new(), parked })
    }

    /// The next batch. May be cancelled.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self) -> Result<Batch, ReadError> {
        self.reader.next().await
    }

    /// Writes a batch into the generation: all of it or nothing; by how many offsets it moves.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(
        &mut self,
        connection: &mut PgConnection,
        generation: &Generation,
        standing: Standing,
        batch: &Batch,
    ) -> Result<i64, WriteError> {
        write(connection, generation, standing, batch, &mut self.parked).await?;
        Ok(self.advance(batch))
    }

    /// Moves the positions by a batch that was written; by how many offsets.
    pub fn advance(&mut self, batch: &Batch) -> i64 {
        for step in &batch.moves {
            self.positions.insert((step.topic, step.partition), step.to);
            self.last.extend(step.last.map(|last| ((step.topic, step.partition), last)));
        }
        batch.moves.iter().map(|step| step.to - step.from).sum()
    }

    /// Whether it has got as far as `target`.
    #[must_use]
    pub fn has_reached(&self, target: &Positions) -> bool {
        at_or_past(&self.positions, target)
    }
}

/// Whether positions are nowhere before `target`.
#[must_use]
pub fn at_or_past(positions: &Positions, target: &Positions) -> bool {
    target.iter().all(|(key, next)| positions.get(key).is_some_and(|own| own >= next))
}

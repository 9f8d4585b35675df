//! Folding a generation on from its positions, batch by batch: what a leader and a rebuild share.

use runtime::kafka::{Away, Cluster, at_or_past};
use sqlx::PgConnection;

use crate::fold::parked::Parked;
use crate::fold::write::{WriteError, Writer, write};
use crate::log::reader::{BatchLimits, ReadError, Reader};
use crate::log::record::{Batch, LastRecords, Positions};
use crate::projections::definition::FoldError;
use crate::settings::Settings;
use crate::tables::anew::Reason;
use crate::tables::generation::{Generation, GenerationError};
use crate::tables::identity::IdentityError;

/// Why folding has ended. Nothing of the batch under way was written.
#[derive(Debug, thiserror::Error)]
pub enum FoldingError {
    /// The generation's tables are missing, or are not this binary's.
    #[error("{0}")]
    Generation(#[from] GenerationError),
    /// The log could not be read on.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// A batch could not be written.
    #[error("{0}")]
    Write(#[from] WriteError),
    /// The log is not the one that was folded, or could not be compared with it.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The generation must be folded anew.
    #[error("{0}")]
    Anew(#[from] Reason),
    /// The fold may have missed deletions.
    #[error(transparent)]
    Away(#[from] Away),
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
    /// The next offset to fold of each partition.
    pub positions: Positions,
    /// The last record it has folded of each partition. A partition that had none since the start is left out.
    pub last: LastRecords,
    /// What it has parked.
    pub parked: Parked,
}

impl Folding {
    /// Starts to read from `positions`.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn start(
        settings: &Settings,
        cluster: &Cluster,
        writer: Writer,
        positions: Positions,
        parked: Parked,
    ) -> Result<Self, ReadError> {
        let (common, own) = (&settings.common, &settings.own);
        let events = match writer {
            Writer::Leader => own.batch_events,
            // A rebuild has its process to itself, and nobody waits for one of its batches.
            Writer::Rebuild => 2 * own.batch_events,
        };
        let limits = BatchLimits { events, bytes: own.batch_bytes };
        let reader = Reader::start(cluster, &common.topic_prefix, &positions, limits)?;
        Ok(Self { reader, positions, last: LastRecords::new(), parked })
    }

    /// The next batch of the log. Dropping the future loses no batch.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self) -> Result<Batch, ReadError> {
        self.reader.next().await
    }

    /// Writes a batch into the generation, all of it or nothing. Says by how many offsets that moves the positions.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(
        &mut self,
        connection: &mut PgConnection,
        generation: &Generation,
        writer: Writer,
        batch: &Batch,
    ) -> Result<i64, WriteError> {
        write(connection, generation, writer, batch, &mut self.parked).await?;
        Ok(self.advance(batch))
    }

    /// Moves the positions by a batch that was written. Says by how many offsets.
    pub fn advance(&mut self, batch: &Batch) -> i64 {
        for step in &batch.moves {
            self.positions.insert((step.topic, step.partition), step.to);
            self.last.extend(step.last.map(|last| ((step.topic, step.partition), last)));
        }
        batch.moves.iter().map(|step| step.to - step.from).sum()
    }

    /// Whether the positions are nowhere before `target`.
    #[must_use]
    pub fn has_reached(&self, target: &Positions) -> bool {
        at_or_past(&self.positions, target)
    }
}

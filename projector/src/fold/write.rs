//! One batch, one transaction: the guard, the rows, the positions. Events a fold cannot take are parked.

use sqlx::{Connection, PgConnection};

use crate::fold::parked::{Parked, Sieve};
use crate::log::record::{Batch, Record};
use crate::projections::definition::FoldError;
use crate::tables::generation::Generation;
use crate::tables::positions::move_positions;

/// Why a batch was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another generation is live.
    #[error("another generation is live")]
    Replaced,
    /// Someone else moved the positions.
    #[error("the positions were moved by another process")]
    Overtaken,
    /// The events are at fault.
    #[error("{0}")]
    Refused(FoldError),
    /// Most of the latest events are at fault: that is no bad event but a bad binary, and going on would only hide it.
    #[error(
        "more than half of the latest events cannot be folded: is this binary older than the writer of the log? The log lines and the table till.parked say why; then run `projector rebuild`"
    )]
    TooManyParked,
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<FoldError> for WriteError {
    fn from(error: FoldError) -> Self {
        if error.is_deterministic() {
            return Self::Refused(error);
        }
        match error {
            FoldError::Database(error) => Self::Database(error),
            FoldError::Overflow => Self::Refused(error),
        }
    }
}

/// What a write's transaction must check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// That the generation is live.
    Live,
    /// Nothing: it is being rebuilt, nobody reads it yet.
    Rebuilding,
}

/// Writes a batch into a generation: all of it or nothing.
///
/// # Errors
/// See [`WriteError`]; deterministic errors of single events do not count, they are parked.
pub async fn write(
    connection: &mut PgConnection,
    generation: &Generation,
    standing: Standing,
    batch: &Batch,
    parked: &mut Parked,
) -> Result<(), WriteError> {
    let attempt = Attempt { generation, standing, batch };
    let held = parked.held(connection, generation, &batch.records).await?;
    let sieve = || Sieve::new(generation, *parked, held.clone());
    *parked = match attempt.whole(connection, sieve()).await {
        Err(WriteError::Refused(error)) => {
            tracing::warn!(projection = generation.projection.name, %error, "looking for the events at fault");
            attempt.bisected(connection, sieve()).await?
        }
        other => other?,
    };
    Ok(())
}

struct Attempt<'b> {
    generation: &'b Generation,
    standing: Standing,
    batch: &'b Batch,
}

impl<'b> Attempt<'b> {
    /// The way of nearly all batches: one fold over everything.
    async fn whole(&self, connection: &mut PgConnection, mut sieve: Sieve<'b>) -> Result<Parked, WriteError> {
        let mut transaction = connection.begin().await?;
        self.guard(&mut transaction).await?;
        let events = sieve.sound(&self.batch.records);
        if !events.is_empty() {
            (self.generation.projection.fold)(&mut transaction, &events).await?;
        }
        let parked = sieve.note(&mut transaction).await?;
        transaction.commit().await?;
        Ok(parked)
    }

    /// Halves what was refused until the events at fault stand alone, each part in a savepoint, in order.
    async fn bisected(
        &self,
        connection: &mut PgConnection,
        mut sieve: Sieve<'b>,
    ) -> Result<Parked, WriteError> {
        let mut transaction = connection.begin().await?;
        self.guard(&mut transaction).await?;
        let mut parts: Vec<Vec<&'b Record>> = vec![self.batch.records.iter().collect()];
        while let Some(part) = parts.pop() {
            let mut events = sieve.sound(part);
            if events.is_empty() {
                continue;
            }
            let mut savepoint = transaction.begin().await?;
            match (self.generation.projection.fold)(&mut savepoint, &events).await {
                Ok(()) => savepoint.commit().await?,
                Err(error) if !error.is_deterministic() => return Err(error.into()),
                Err(error) => {
                    savepoint.rollback().await?;
                    if let [event] = events[..] {
                        sieve.park(&event, error.to_string());
                        continue;
                    }
                    let later = events.split_off(events.len() / 2);
                    parts.push(later.iter().map(|event| event.record).collect());
                    parts.push(events.iter().map(|event| event.record).collect());
                }
            }
        }
        let parked = sieve.note(&mut transaction).await?;
        if parked.is_most() {
            return Err(WriteError::TooManyParked);
        }
        transaction.commit().await?;
        Ok(parked)
    }

    async fn guard(&self, transaction: &mut PgConnection) -> Result<(), WriteError> {
        self.generation.enter(transaction).await?;
        if !move_positions(transaction, &self.batch.moves).await? {
            return Err(WriteError::Overtaken);
        }
        // A statement of its own, after the guard: a switch that held the positions until then is seen.
        if self.standing == Standing::Live && !self.generation.is_live(transaction).await? {
            return Err(WriteError::Replaced);
        }
        Ok(())
    }
}

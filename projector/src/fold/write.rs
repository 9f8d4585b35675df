//! A batch is one transaction: it moves the positions, which guards it against other writers, and writes the rows. Events that a
//! fold cannot take are parked.

use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::database::is_missing_table;
use crate::fold::parked::{Parked, ParkingFilter};
use crate::log::record::{Batch, Record};
use crate::projections::definition::FoldError;
use crate::tables::generation::Generation;
use crate::tables::positions::move_positions;

/// Why a batch was not written, not even a part of it.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The generation is not live any more: a rebuild or a rollback has replaced it.
    #[error("another generation is live")]
    Replaced,
    /// Another process has moved the positions, so it has folded these events, or others.
    #[error("the positions were moved by another process")]
    Overtaken,
    /// The same events would be refused again: they are at fault.
    #[error("{0}")]
    Refused(FoldError),
    /// Most of the latest events were refused. Then it is the binary that is bad, and going on would only hide that.
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

/// Who writes a batch, which says what its transaction must check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A leader: its generation must still be live, or its rows would be lost with the generation.
    Leader,
    /// A rebuild: nobody reads its generation yet, so there is nothing to check.
    Rebuild,
}

/// Writes a batch into a generation, all of it or nothing. An event that the fold refuses for good is parked, and counts as written.
///
/// # Errors
/// See [`WriteError`].
pub async fn write(
    connection: &mut PgConnection,
    generation: &Generation,
    writer: Writer,
    batch: &Batch,
    parked: &mut Parked,
) -> Result<(), WriteError> {
    let attempt = Attempt { generation, writer, batch };
    let held = parked.held(connection, generation, &batch.records).await?;
    let filter = || ParkingFilter::new(generation, *parked, held.clone());
    *parked = match attempt.whole(connection, filter()).await {
        Err(WriteError::Refused(error)) => {
            tracing::warn!(projection = generation.projection.name, %error, "looking for the events at fault");
            attempt.bisected(connection, filter()).await?
        }
        other => other?,
    };
    Ok(())
}

struct Attempt<'b> {
    generation: &'b Generation,
    writer: Writer,
    batch: &'b Batch,
}

impl<'b> Attempt<'b> {
    /// Folds the whole batch at once, which is enough for nearly every batch.
    async fn whole(
        &self,
        connection: &mut PgConnection,
        mut filter: ParkingFilter<'b>,
    ) -> Result<Parked, WriteError> {
        let mut transaction = self.begin(connection).await?;
        let events = filter.admit(&self.batch.records);
        if !events.is_empty() {
            (self.generation.projection.fold)(&mut transaction, &events).await?;
        }
        let parked = filter.note(&mut transaction).await?;
        transaction.commit().await?;
        Ok(parked)
    }

    /// Folds a batch that was refused as a whole: halves it, each part in a savepoint and in order, until the events at fault stand
    /// alone and are parked.
    async fn bisected(
        &self,
        connection: &mut PgConnection,
        mut filter: ParkingFilter<'b>,
    ) -> Result<Parked, WriteError> {
        let mut transaction = self.begin(connection).await?;
        let mut parts: Vec<Vec<&'b Record>> = vec![self.batch.records.iter().collect()];
        while let Some(part) = parts.pop() {
            let mut events = filter.admit(part);
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
                        filter.park(&event, error.to_string());
                        continue;
                    }
                    let later = events.split_off(events.len() / 2);
                    parts.push(later.iter().map(|event| event.record).collect());
                    parts.push(events.iter().map(|event| event.record).collect());
                }
            }
        }
        let parked = filter.note(&mut transaction).await?;
        if parked.is_most() {
            return Err(WriteError::TooManyParked);
        }
        transaction.commit().await?;
        Ok(parked)
    }

    /// Begins a transaction that moves the positions, if they are where the batch begins and this writer may still write.
    async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, WriteError> {
        let mut transaction = connection.begin().await?;
        self.generation.enter(&mut transaction).await?;
        match move_positions(&mut transaction, &self.batch.moves).await {
            Ok(true) => (),
            Ok(false) => return Err(WriteError::Overtaken),
            // A rebuild drops tables that are not kept as soon as others have replaced them.
            Err(error) if self.writer == Writer::Leader && is_missing_table(&error) => {
                return Err(WriteError::Replaced);
            }
            Err(error) => return Err(error.into()),
        }
        // A statement of its own, after the positions were moved. A switch to another generation locks them, so a switch that this
        // transaction has waited for is seen here.
        if self.writer == Writer::Leader && !self.generation.is_live(&mut transaction).await? {
            return Err(WriteError::Replaced);
        }
        Ok(transaction)
    }
}

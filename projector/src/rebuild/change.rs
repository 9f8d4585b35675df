//! What a rebuild and a rollback share: one process at a time changes which generation of a projection is live.

use sqlx::{Connection, PgConnection};

use crate::database::{LOCK_TIMEOUT, REBUILD_LOCK, connect_to_fold, execute, is_lock_timeout, try_lock};
use crate::fold::folding::FoldingError;
use crate::projections::definition::Projection;
use crate::settings::Settings;
use crate::tables::generation::{Generation, GenerationError};

/// Connects, and takes the lock that a process must hold to change which generation is live.
pub async fn connect_alone(
    settings: &Settings,
    what: &str,
    projection: Projection,
) -> Result<PgConnection, FoldingError> {
    let mut connection = connect_to_fold(settings, &format!("{what} {}", projection.name)).await?;
    if !try_lock(&mut connection, REBUILD_LOCK, projection.lock_number()).await? {
        return Err(GenerationError::UnderWay(projection.name).into());
    }
    Ok(connection)
}

/// Drops the generations that meet a condition. One that is still read stays until the next rebuild.
pub async fn drop_where(
    connection: &mut PgConnection,
    projection: Projection,
    condition: impl Fn(&Generation) -> bool,
) -> Result<(), FoldingError> {
    for generation in Generation::all(connection, projection).await?.iter().filter(|found| condition(found)) {
        let mut transaction = connection.begin().await?;
        execute(&mut transaction, LOCK_TIMEOUT).await?;
        match generation.drop(&mut transaction).await {
            Err(error) if is_lock_timeout(&error) => {
                tracing::warn!(schema = generation.schema, "still read: the next rebuild drops it");
                continue;
            }
            other => other?,
        }
        transaction.commit().await?;
    }
    Ok(())
}

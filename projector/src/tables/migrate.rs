//! `projector migrate`: makes the tables of every projection where they are missing.

use runtime::Common;
use sqlx::{Connection, PgConnection};

use super::generation::{Generation, GenerationError};
use super::positions::{beginning, insert_positions};
use crate::database::execute;
use crate::log::record::LastRecords;
use crate::projections::ALL;
use crate::projections::definition::Projection;

/// Makes the tables that are missing and leaves those that exist. Several processes may run it at once.
///
/// # Errors
/// When Postgres refuses, or live tables are of another version.
pub async fn migrate(connection: &mut PgConnection, common: &Common) -> Result<(), GenerationError> {
    let mut transaction = connection.begin().await?;
    // One after the other: `CREATE … IF NOT EXISTS` fails if another session creates the same at the same time.
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(28945)").execute(&mut *transaction).await?;
    execute(&mut transaction, include_str!("till.sql")).await?;
    for projection in ALL {
        for generation in Generation::all(&mut transaction, projection).await? {
            generation.complete_positions(&mut transaction).await?;
        }
        match Generation::live(&mut transaction, projection).await {
            Err(GenerationError::Missing) => first(&mut transaction, projection, common.partitions).await?,
            Err(GenerationError::Version { name, live, own }) => {
                tracing::warn!("{}", GenerationError::Version { name, live, own });
            }
            other => drop(other?),
        }
    }
    Ok(transaction.commit().await?)
}

async fn first(connection: &mut PgConnection, projection: Projection, partitions: i32) -> sqlx::Result<()> {
    let generation = Generation::new(projection, 1);
    generation.create(connection).await?;
    generation.create_keys(connection).await?;
    insert_positions(connection, &beginning(projection, partitions), &LastRecords::new()).await?;
    generation.publish(connection, None).await?;
    tracing::info!(projection = projection.name, schema = generation.schema, "made its tables");
    Ok(())
}

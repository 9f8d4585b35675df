//! `projector rollback`: goes back to the tables that a rebuild has replaced.

use sqlx::Connection;

use super::change::connect_alone;
use crate::database::{LOCK_TIMEOUT, execute};
use crate::fold::folding::FoldingError;
use crate::projections::definition::Projection;
use crate::settings::Settings;
use crate::tables::generation::{Generation, GenerationError};

/// Makes the generation before the live one live again. The leader folds on from that one's positions.
///
/// # Errors
/// When there is none, a rebuild is under way, or Postgres fails.
pub async fn roll_back(settings: &Settings, projection: Projection) -> Result<(), FoldingError> {
    if !projection.keeps_former {
        return Err(GenerationError::NoneKept(projection.name).into());
    }
    let mut connection = connect_alone(settings, "rollback", projection).await?;
    let (live, version) = Generation::live_of_any_version(&mut connection, projection).await?;
    let all = Generation::all(&mut connection, projection).await?;
    let before = all.into_iter().rev().find(|generation| generation.number < live.number);
    let before = before.ok_or(GenerationError::NoneBefore(projection.name))?;
    let own_version = before == Generation::new(projection, before.number);
    if !own_version {
        let (live, own) = (version, projection.version);
        return Err(GenerationError::Version { name: projection.name, live, own }.into());
    }
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, LOCK_TIMEOUT).await?;
    before.publish(&mut transaction, Some(version)).await?;
    transaction.commit().await?;
    println!("{}: generation {} is live again", projection.name, before.number);
    Ok(())
}

//! The zone of a generation's days.

use chrono_tz::Tz;
use sqlx::PgConnection;

use crate::projections::definition::FoldError;

/// The zone that the tables' days are of. Where nothing was folded yet, it is the service's from here on.
///
/// # Errors
/// When Postgres fails, or the tables were folded in a zone that this binary does not know.
pub async fn of_days(connection: &mut PgConnection) -> Result<Tz, FoldError> {
    let known = sqlx::query_scalar!("SELECT zone FROM revenue_zone").fetch_optional(&mut *connection).await?;
    let zone = match known {
        Some(zone) => zone,
        None => {
            sqlx::query_scalar!(
                "INSERT INTO revenue_zone (only_row, zone) VALUES (true, current_setting('till.business_timezone'))
                 RETURNING zone"
            )
            .fetch_one(connection)
            .await?
        }
    };
    let unknown = |_| sqlx::Error::Decode(format!("{zone} is no time zone that this binary knows").into());
    Ok(zone.parse::<Tz>().map_err(unknown)?)
}

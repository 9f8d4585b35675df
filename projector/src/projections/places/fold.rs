//! Adds what a batch of events changes to the rows of places, hours and categories.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::changes::{CategorySums, Changes, Place, Sums};
use crate::log::record::EventRecord;
use crate::projections::definition::FoldError;

/// Folds a batch of events, as a definition's `fold` does.
///
/// # Errors
/// See [`FoldError`].
pub async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let changes = Changes::of(events)?;
    let places = changes.in_key_order();
    if places.is_empty() {
        return Ok(());
    }
    add_places(connection, &places).await?;
    add_hours(connection, &places).await?;
    add_categories(connection, &places).await
}

async fn add_places(connection: &mut PgConnection, places: &BTreeMap<&str, &Place>) -> Result<(), FoldError> {
    let ids: Vec<_> = places.keys().copied().collect();
    let sums = SumColumns::of(places.values().map(|place| &place.sums));
    sqlx::query!(
        "INSERT INTO places AS p (place_id, purchases, total_amount, tax_amount, tips_amount)
         SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::numeric[], $4::numeric[], $5::numeric[])
         ON CONFLICT (place_id) DO UPDATE SET
             purchases = p.purchases + excluded.purchases,
             total_amount = p.total_amount + excluded.total_amount,
             tax_amount = p.tax_amount + excluded.tax_amount,
             tips_amount = p.tips_amount + excluded.tips_amount",
        &ids as _,
        &sums.purchases,
        &sums.total_amount,
        &sums.tax_amount,
        &sums.tips_amount
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_hours(connection: &mut PgConnection, places: &BTreeMap<&str, &Place>) -> Result<(), FoldError> {
    let rows =
        || places.iter().flat_map(|(id, place)| place.hours.iter().map(move |(at, hour)| (*id, *at, hour)));
    let ids: Vec<_> = rows().map(|(id, _, _)| id).collect();
    let hours: Vec<_> = rows().map(|(_, at, _)| at).collect();
    let sums = SumColumns::of(rows().map(|(_, _, hour)| &hour.sums));
    sqlx::query!(
        "INSERT INTO place_hours AS h (place_id, hour, purchases, total_amount, tax_amount, tips_amount)
         SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::bigint[], $4::numeric[], $5::numeric[], $6::numeric[])
         ON CONFLICT (place_id, hour) DO UPDATE SET
             purchases = h.purchases + excluded.purchases,
             total_amount = h.total_amount + excluded.total_amount,
             tax_amount = h.tax_amount + excluded.tax_amount,
             tips_amount = h.tips_amount + excluded.tips_amount",
        &ids as _,
        &hours,
        &sums.purchases,
        &sums.total_amount,
        &sums.tax_amount,
        &sums.tips_amount
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_categories(
    connection: &mut PgConnection,
    places: &BTreeMap<&str, &Place>,
) -> Result<(), FoldError> {
    let mut columns = CategoryColumns::default();
    for (id, place) in places {
        for (at, hour) in &place.hours {
            for (category, sums) in hour.in_key_order() {
                columns.push(id, *at, category, sums);
            }
        }
    }
    sqlx::query!(
        "INSERT INTO place_hour_categories AS c (place_id, hour, category, quantity, amount)
         SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::numeric[])
         ON CONFLICT (place_id, hour, category) DO UPDATE SET
             quantity = c.quantity + excluded.quantity,
             amount = c.amount + excluded.amount",
        &columns.place_id as _,
        &columns.hour,
        &columns.category as _,
        &columns.quantity,
        &columns.amount
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(Default)]
struct SumColumns {
    purchases: Vec<i64>,
    total_amount: Vec<Decimal>,
    tax_amount: Vec<Decimal>,
    tips_amount: Vec<Decimal>,
}

impl SumColumns {
    fn of<'s>(rows: impl Iterator<Item = &'s Sums>) -> Self {
        let mut columns = Self::default();
        for sums in rows {
            columns.purchases.push(sums.purchases);
            columns.total_amount.push(sums.total_amount);
            columns.tax_amount.push(sums.tax_amount);
            columns.tips_amount.push(sums.tips_amount);
        }
        columns
    }
}

#[derive(Default)]
struct CategoryColumns<'c> {
    place_id: Vec<&'c str>,
    hour: Vec<DateTime<Utc>>,
    category: Vec<&'c str>,
    quantity: Vec<i64>,
    amount: Vec<Decimal>,
}

impl<'c> CategoryColumns<'c> {
    fn push(&mut self, place_id: &'c str, hour: DateTime<Utc>, category: &'c str, sums: &CategorySums) {
        self.place_id.push(place_id);
        self.hour.push(hour);
        self.category.push(category);
        self.quantity.push(sums.quantity);
        self.amount.push(sums.amount);
    }
}

//! Adds what a batch of events changes to the rows of sellers, days, products and entries.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use schemas::Ref;
use sqlx::PgConnection;

use super::changes::{Account, Changes, Day, Entry, Sums};
use super::zone;
use crate::log::record::EventRecord;
use crate::projections::definition::FoldError;

/// Folds a batch of events, as a definition's `fold` does.
///
/// # Errors
/// See [`FoldError`].
pub async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let zone = zone::of_days(connection).await?;
    let changes = Changes::of(events, zone)?;
    if changes.accounts.is_empty() {
        return Ok(());
    }
    add_totals(connection, &changes).await?;
    add_days(connection, &changes).await?;
    add_products(connection, &changes).await?;
    add_entries(connection, &changes).await
}

async fn add_totals(connection: &mut PgConnection, changes: &Changes) -> Result<(), FoldError> {
    let accounts = AccountColumns::of(changes.accounts.keys());
    let sums = SumColumns::of(changes.accounts.values().map(|figures| &figures.totals));
    sqlx::query!(
        "INSERT INTO seller_totals AS t (seller_home, seller_id, scope, orders, quantity, sold, approved, refunded)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::numeric[], $6::numeric[], $7::numeric[],
             $8::numeric[])
         ON CONFLICT (seller_home, seller_id, scope) DO UPDATE SET
             orders = t.orders + excluded.orders,
             quantity = t.quantity + excluded.quantity,
             sold = t.sold + excluded.sold,
             approved = t.approved + excluded.approved,
             refunded = t.refunded + excluded.refunded",
        &accounts.home as _,
        &accounts.id as _,
        &accounts.scope as _,
        &sums.orders,
        &sums.quantity,
        &sums.sold,
        &sums.approved,
        &sums.refunded
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_days(connection: &mut PgConnection, changes: &Changes) -> Result<(), FoldError> {
    let accounts = AccountColumns::of(days(changes).map(|(account, ..)| account));
    let days_of: Vec<_> = days(changes).map(|(_, day, _)| day).collect();
    let sums = SumColumns::of(days(changes).map(|(.., day)| &day.sums));
    sqlx::query!(
        "INSERT INTO seller_days AS d (seller_home, seller_id, scope, day, orders, quantity, sold, approved, refunded)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::date[], $5::bigint[], $6::numeric[], $7::numeric[],
             $8::numeric[], $9::numeric[])
         ON CONFLICT (seller_home, seller_id, day, scope) DO UPDATE SET
             orders = d.orders + excluded.orders,
             quantity = d.quantity + excluded.quantity,
             sold = d.sold + excluded.sold,
             approved = d.approved + excluded.approved,
             refunded = d.refunded + excluded.refunded",
        &accounts.home as _,
        &accounts.id as _,
        &accounts.scope as _,
        &days_of,
        &sums.orders,
        &sums.quantity,
        &sums.sold,
        &sums.approved,
        &sums.refunded
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_products(connection: &mut PgConnection, changes: &Changes) -> Result<(), FoldError> {
    let rows = || {
        days(changes).flat_map(|(account, date, day)| {
            day.products.iter().map(move |(product, sums)| (account, date, product, sums))
        })
    };
    let accounts = AccountColumns::of(rows().map(|(account, ..)| account));
    let days_of: Vec<_> = rows().map(|(_, date, ..)| date).collect();
    let products = RefColumns::of(rows().map(|(_, _, product, _)| product));
    let sums = SumColumns::of(rows().map(|(.., sums)| sums));
    sqlx::query!(
        "INSERT INTO product_days AS d (seller_home, seller_id, scope, day, product_home, product_id, quantity, sold, approved,
             refunded)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::text[], $7::numeric[],
             $8::numeric[], $9::numeric[], $10::numeric[])
         ON CONFLICT (seller_home, seller_id, day, product_home, product_id, scope) DO UPDATE SET
             quantity = d.quantity + excluded.quantity,
             sold = d.sold + excluded.sold,
             approved = d.approved + excluded.approved,
             refunded = d.refunded + excluded.refunded",
        &accounts.home as _,
        &accounts.id as _,
        &accounts.scope as _,
        &days_of,
        &products.home as _,
        &products.id as _,
        &sums.quantity,
        &sums.sold,
        &sums.approved,
        &sums.refunded
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn add_entries(connection: &mut PgConnection, changes: &Changes) -> Result<(), FoldError> {
    let accounts = AccountColumns::of(entries(changes).map(|(account, ..)| account));
    let orders = RefColumns::of(entries(changes).map(|(_, order, _)| order));
    let at: Vec<DateTime<Utc>> = entries(changes).map(|(.., entry)| entry.at).collect();
    let sums = SumColumns::of(entries(changes).map(|(.., entry)| &entry.sums));
    sqlx::query!(
        "INSERT INTO seller_entries AS e (seller_home, seller_id, scope, order_home, order_id, at, sold, approved, refunded)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::numeric[],
             $8::numeric[], $9::numeric[])
         ON CONFLICT (seller_home, seller_id, order_home, order_id, scope) DO UPDATE SET
             at = least(e.at, excluded.at),
             sold = e.sold + excluded.sold,
             approved = e.approved + excluded.approved,
             refunded = e.refunded + excluded.refunded",
        &accounts.home as _,
        &accounts.id as _,
        &accounts.scope as _,
        &orders.home as _,
        &orders.id as _,
        &at,
        &sums.sold,
        &sums.approved,
        &sums.refunded
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn days(changes: &Changes) -> impl Iterator<Item = (&Account, NaiveDate, &Day)> {
    let accounts = changes.accounts.iter();
    accounts.flat_map(|(account, figures)| figures.days.iter().map(move |(date, day)| (account, *date, day)))
}

fn entries(changes: &Changes) -> impl Iterator<Item = (&Account, &Ref, &Entry)> {
    let accounts = changes.accounts.iter();
    accounts.flat_map(|(account, figures)| {
        figures.entries.iter().map(move |(order, entry)| (account, order, entry))
    })
}

#[derive(Default)]
struct AccountColumns<'c> {
    home: Vec<&'c str>,
    id: Vec<&'c str>,
    scope: Vec<&'c str>,
}

impl<'c> AccountColumns<'c> {
    fn of(rows: impl Iterator<Item = &'c Account>) -> Self {
        let mut columns = Self::default();
        for Account { seller, scope } in rows {
            columns.home.push(&seller.home);
            columns.id.push(&seller.id);
            columns.scope.push(scope);
        }
        columns
    }
}

#[derive(Default)]
struct RefColumns<'c> {
    home: Vec<&'c str>,
    id: Vec<&'c str>,
}

impl<'c> RefColumns<'c> {
    fn of(rows: impl Iterator<Item = &'c Ref>) -> Self {
        let mut columns = Self::default();
        for Ref { home, id } in rows {
            columns.home.push(home);
            columns.id.push(id);
        }
        columns
    }
}

#[derive(Default)]
struct SumColumns {
    orders: Vec<i64>,
    quantity: Vec<Decimal>,
    sold: Vec<Decimal>,
    approved: Vec<Decimal>,
    refunded: Vec<Decimal>,
}

impl SumColumns {
    fn of<'s>(rows: impl Iterator<Item = &'s Sums>) -> Self {
        let mut columns = Self::default();
        for sums in rows {
            columns.orders.push(sums.orders);
            columns.quantity.push(sums.quantity);
            columns.sold.push(sums.sold);
            columns.approved.push(sums.approved);
            columns.refunded.push(sums.refunded);
        }
        columns
    }
}

//! The rows of what is for sale, written many at once. A row that is written is inserted where it is new; when it was listed, and
//! that it was removed, stay as they are unless it is listed anew.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{Exact, Head, Money, Ref};
use sqlx::PgConnection;

use super::changes::{CashbackType, Place, Product, Seller, Written};
use crate::projections::definition::FoldError;

/// What is left at the end of the batch, and since when.
pub type Stocks<'e> = BTreeMap<Place<'e>, (Decimal, DateTime<Utc>)>;

/// What all kinds of rows have, in columns, as `UNNEST` takes them.
#[derive(Default)]
struct Columns<'e> {
    homes: Vec<&'e str>,
    ids: Vec<&'e str>,
    numbers: Vec<Option<i64>>,
    listed_at: Vec<Option<DateTime<Utc>>>,
    revisions: Vec<i32>,
    updated_at: Vec<DateTime<Utc>>,
}

impl<'e> Columns<'e> {
    fn of<T>(written: &BTreeMap<Place<'e>, Written<'e, T>>) -> Self {
        let mut columns = Self::default();
        for ((home, id), Written { listed_at, head, .. }) in written {
            columns.push(home, id, head);
            columns.listed_at.push(*listed_at);
        }
        columns
    }

    /// Of rows that are removed, where nothing is said of when they were listed.
    fn of_removed(removed: &BTreeMap<Place<'e>, &'e Head>) -> Self {
        let mut columns = Self::default();
        for ((home, id), head) in removed {
            columns.push(home, id, head);
        }
        columns
    }

    fn push(&mut self, home: &'e str, id: &'e str, head: &'e Head) {
        self.homes.push(home);
        self.ids.push(id);
        self.numbers.push(id.parse().ok());
        self.revisions.push(head.revision);
        self.updated_at.push(head.at);
    }
}

pub async fn write_sellers(
    connection: &mut PgConnection,
    written: &BTreeMap<Place<'_>, Written<'_, Seller<'_>>>,
) -> Result<(), FoldError> {
    if written.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(written);
    let of = |field: for<'e> fn(&Seller<'e>) -> &'e str| -> Vec<_> {
        written.values().map(|seller| field(&seller.content)).collect()
    };
    let managers: Vec<_> = written.values().map(|seller| accounts(seller.content.managers)).collect();
    sqlx::query!(
        "INSERT INTO sellers (home, id, number, scope, name, description, address, managers, revision, created_at, updated_at,
             removed_at)
         SELECT n.home, n.id, n.number, n.scope, n.name, n.description, n.address, string_to_array(n.managers, ','),
             n.revision, coalesce(n.listed_at, o.created_at, n.updated_at), n.updated_at,
             CASE WHEN n.listed_at IS NULL THEN o.removed_at END
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::integer[], $10::timestamptz[], $11::timestamptz[]) AS n(home, id, number, scope, name, description,
             address, managers, revision, listed_at, updated_at)
         LEFT JOIN sellers AS o ON o.home = n.home AND o.id = n.id
         ON CONFLICT (home, id) DO UPDATE SET scope = excluded.scope, name = excluded.name,
             description = excluded.description, address = excluded.address, managers = excluded.managers,
             revision = excluded.revision, created_at = excluded.created_at, updated_at = excluded.updated_at,
             removed_at = excluded.removed_at",
        &columns.homes as _,
        &columns.ids as _,
        &columns.numbers as _,
        &of(|seller| seller.scope) as _,
        &of(|seller| seller.name) as _,
        &of(|seller| seller.description) as _,
        &of(|seller| seller.address) as _,
        &managers,
        &columns.revisions,
        &columns.listed_at as _,
        &columns.updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Accounts as `realm/number`, separated by commas, because `UNNEST` takes no array of arrays whose lengths differ. Neither a
/// realm nor a number has a comma.
fn accounts(managers: &[Ref]) -> String {
    let names: Vec<_> = managers.iter().map(|Ref { home, id }| format!("{home}/{id}")).collect();
    names.join(",")
}

pub async fn write_products(
    connection: &mut PgConnection,
    written: &BTreeMap<Place<'_>, Written<'_, Product<'_>>>,
) -> Result<(), FoldError> {
    if written.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(written);
    let of = |field: for<'e> fn(&Product<'e>) -> Option<&'e str>| -> Vec<_> {
        written.values().map(|product| field(&product.content)).collect()
    };
    let is = |field: fn(&Product<'_>) -> bool| -> Vec<_> {
        written.values().map(|product| field(&product.content)).collect()
    };
    let prices: Vec<_> = written.values().map(|product| product.content.price.map(Money::decimal)).collect();
    sqlx::query!(
        "INSERT INTO products (home, id, number, scope, seller_home, seller_id, title, description, section, price, currency,
             active, counts_stock, keep_one, revision, created_at, updated_at, removed_at)
         SELECT n.home, n.id, n.number, n.scope, n.seller_home, n.seller_id, n.title, n.description, n.section, n.price,
             n.currency, n.active, n.counts_stock, n.keep_one, n.revision,
             coalesce(n.listed_at, o.created_at, n.updated_at), n.updated_at,
             CASE WHEN n.listed_at IS NULL THEN o.removed_at END
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::numeric[], $11::text[], $12::boolean[], $13::boolean[], $14::boolean[], $15::integer[],
             $16::timestamptz[], $17::timestamptz[]) AS n(home, id, number, scope, seller_home, seller_id, title,
             description, section, price, currency, active, counts_stock, keep_one, revision, listed_at, updated_at)
         LEFT JOIN products AS o ON o.home = n.home AND o.id = n.id
         ON CONFLICT (home, id) DO UPDATE SET scope = excluded.scope, seller_home = excluded.seller_home,
             seller_id = excluded.seller_id, title = excluded.title, description = excluded.description,
             section = excluded.section, price = excluded.price, currency = excluded.currency, active = excluded.active,
             counts_stock = excluded.counts_stock, keep_one = excluded.keep_one, revision = excluded.revision,
             created_at = excluded.created_at, updated_at = excluded.updated_at, removed_at = excluded.removed_at",
        &columns.homes as _,
        &columns.ids as _,
        &columns.numbers as _,
        &of(|product| Some(product.scope)) as _,
        &of(|product| product.seller.map(|seller| seller.home.as_str())) as _,
        &of(|product| product.seller.map(|seller| seller.id.as_str())) as _,
        &of(|product| Some(product.title)) as _,
        &of(|product| product.description) as _,
        &of(|product| Some(product.section)) as _,
        &prices as _,
        &of(|product| Some(product.currency)) as _,
        &is(|product| product.active),
        &is(|product| product.counts_stock),
        &is(|product| product.keep_one),
        &columns.revisions,
        &columns.listed_at as _,
        &columns.updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn write_cashback_types(
    connection: &mut PgConnection,
    written: &BTreeMap<Place<'_>, Written<'_, CashbackType<'_>>>,
) -> Result<(), FoldError> {
    if written.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(written);
    let scopes: Vec<_> = written.values().map(|kind| kind.content.scope).collect();
    let names: Vec<_> = written.values().map(|kind| kind.content.name).collect();
    let rates: Vec<_> = written.values().map(|kind| Exact::decimal(kind.content.rate)).collect();
    sqlx::query!(
        "INSERT INTO cashback_types (home, id, number, scope, name, rate, revision, created_at, updated_at, removed_at)
         SELECT n.home, n.id, n.number, n.scope, n.name, n.rate, n.revision,
             coalesce(n.listed_at, o.created_at, n.updated_at), n.updated_at,
             CASE WHEN n.listed_at IS NULL THEN o.removed_at END
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::numeric[], $7::integer[],
             $8::timestamptz[], $9::timestamptz[]) AS n(home, id, number, scope, name, rate, revision, listed_at,
             updated_at)
         LEFT JOIN cashback_types AS o ON o.home = n.home AND o.id = n.id
         ON CONFLICT (home, id) DO UPDATE SET scope = excluded.scope, name = excluded.name, rate = excluded.rate,
             revision = excluded.revision, created_at = excluded.created_at, updated_at = excluded.updated_at,
             removed_at = excluded.removed_at",
        &columns.homes as _,
        &columns.ids as _,
        &columns.numbers as _,
        &scopes as _,
        &names as _,
        &rates,
        &columns.revisions,
        &columns.listed_at as _,
        &columns.updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Declares the function that marks rows of a table as removed. The table's name is a literal, so that sqlx checks the statement.
macro_rules! remove {
    ($function:ident, $table:literal) => {
        pub async fn $function(
            connection: &mut PgConnection,
            removed: &BTreeMap<Place<'_>, &Head>,
        ) -> Result<(), FoldError> {
            if removed.is_empty() {
                return Ok(());
            }
            let columns = Columns::of_removed(removed);
            sqlx::query!(
                "UPDATE "
                    + $table
                    + " AS r SET removed_at = n.at, updated_at = n.at, revision = n.revision
                     FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::integer[]) AS n(home, id, at, revision)
                     WHERE r.home = n.home AND r.id = n.id",
                &columns.homes as _,
                &columns.ids as _,
                &columns.updated_at,
                &columns.revisions
            )
            .execute(connection)
            .await?;
            Ok(())
        }
    };
}

remove!(remove_sellers, "sellers");
remove!(remove_products, "products");
remove!(remove_cashback_types, "cashback_types");

pub async fn write_stocks(connection: &mut PgConnection, stocks: &Stocks<'_>) -> Result<(), FoldError> {
    if stocks.is_empty() {
        return Ok(());
    }
    let (homes, ids): (Vec<_>, Vec<_>) = stocks.keys().copied().unzip();
    let (available, updated_at): (Vec<Decimal>, Vec<_>) = stocks.values().copied().unzip();
    sqlx::query!(
        "INSERT INTO stock (home, id, available, updated_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::numeric[], $4::timestamptz[])
         ON CONFLICT (home, id) DO UPDATE SET available = excluded.available, updated_at = excluded.updated_at",
        &homes as _,
        &ids as _,
        &available,
        &updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

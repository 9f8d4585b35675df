//! Figures by business time: a place's, its hours' and its hours' categories'. Receipts add, voids take away, so
//! the order in which partitions are read does not matter.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::receipts::{self, Item, Receipt};
use schemas::{Event, Money};
use sqlx::PgConnection;

use crate::projection::{FoldError, add, count};
use crate::projections::business_time;
use crate::projections::copy::Copy;
use crate::record::Folded;

/// Rows a bulk load gathers in memory before it puts them aside; a row is about 100 bytes.
const MOST_ROWS_IN_MEMORY: usize = 100_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    purchases: i64,
    total_amount: Decimal,
    tax_amount: Decimal,
    tips_amount: Decimal,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CategorySums {
    quantity: i64,
    amount: Decimal,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hour {
    sums: Sums,
    categories: HashMap<String, CategorySums>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    sums: Sums,
    hours: BTreeMap<DateTime<Utc>, Hour>,
}

/// What events change, a row a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    places: HashMap<String, Place>,
    rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn of(self, amount: Money) -> Money {
        if self == Self::Plus { amount } else { -amount }
    }

    fn count(self, quantity: i64) -> Result<i64, FoldError> {
        if self == Self::Plus { Ok(quantity) } else { quantity.checked_neg().ok_or(FoldError::Overflow) }
    }
}

impl Sums {
    fn apply(&mut self, receipt: &Receipt, sign: Sign) -> Result<(), FoldError> {
        count(&mut self.purchases, sign.count(1)?)?;
        add(&mut self.total_amount, sign.of(receipt.total_amount))?;
        add(&mut self.tax_amount, sign.of(receipt.tax_amount))?;
        add(&mut self.tips_amount, sign.of(receipt.tips_amount))
    }
}

impl CategorySums {
    fn apply(&mut self, item: &Item, sign: Sign) -> Result<(), FoldError> {
        count(&mut self.quantity, sign.count(item.quantity)?)?;
        let amount = item.price.times(item.quantity).ok_or(FoldError::Overflow)?;
        add(&mut self.amount, sign.of(amount))
    }
}

impl Changes {
    fn of(events: &[Folded<'_>]) -> Result<Self, FoldError> {
        let mut changes = Self::default();
        changes.apply(events)?;
        Ok(changes)
    }

    fn apply(&mut self, events: &[Folded<'_>]) -> Result<(), FoldError> {
        for folded in events {
            let Event::Receipts(event) = folded.event else { continue };
            match event {
                receipts::Event::ReceiptRecorded(event) => self.receipt(&event.receipt, Sign::Plus)?,
                receipts::Event::ReceiptVoided(event) => self.receipt(&event.receipt, Sign::Minus)?,
            }
        }
        Ok(())
    }

    fn receipt(&mut self, receipt: &Receipt, sign: Sign) -> Result<(), FoldError> {
        let start = hour_of(business_time(receipt))?;
        // Looked up by reference first: nearly always the row is there, and then nothing is allocated.
        if !self.places.contains_key(&receipt.place_id) {
            self.places.insert(receipt.place_id.clone(), Place::default());
            self.rows += 1;
        }
        let place = self.places.get_mut(&receipt.place_id).expect("it was just put there");
        place.sums.apply(receipt, sign)?;
        let rows = &mut self.rows;
        let hour = place.hours.entry(start).or_insert_with(|| {
            *rows += 1;
            Hour::default()
        });
        hour.sums.apply(receipt, sign)?;
        for item in &receipt.items {
            if let Some(sums) = hour.categories.get_mut(&item.category) {
                sums.apply(item, sign)?;
                continue;
            }
            *rows += 1;
            hour.categories.entry(item.category.clone()).or_default().apply(item, sign)?;
        }
        Ok(())
    }

    fn in_key_order(&self) -> BTreeMap<&str, &Place> {
        self.places.iter().map(|(id, place)| (id.as_str(), place)).collect()
    }
}

impl Hour {
    fn in_key_order(&self) -> BTreeMap<&str, &CategorySums> {
        self.categories.iter().map(|(category, sums)| (category.as_str(), sums)).collect()
    }
}

fn hour_of(instant: DateTime<Utc>) -> Result<DateTime<Utc>, FoldError> {
    let seconds = instant.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(3600), 0).ok_or(FoldError::Overflow)
}

/// Adds what the events change to the rows.
///
/// # Errors
/// See [`FoldError`].
pub async fn fold(connection: &mut PgConnection, events: &[Folded<'_>]) -> Result<(), FoldError> {
    let changes = Changes::of(events)?;
    if changes.places.is_empty() {
        return Ok(());
    }
    let places = changes.in_key_order();
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

/// Fills empty tables: sums are gathered in memory, parts of them put aside by COPY, and added up at the end.
#[derive(Default)]
pub struct Bulk {
    changes: Changes,
    has_parts: bool,
}

impl Bulk {
    /// Takes events.
    ///
    /// # Errors
    /// See [`FoldError`].
    pub async fn take(
        &mut self,
        connection: &mut PgConnection,
        events: &[Folded<'_>],
    ) -> Result<(), FoldError> {
        self.changes.apply(events)?;
        if self.changes.rows > MOST_ROWS_IN_MEMORY { self.put_aside(connection).await } else { Ok(()) }
    }

    /// Adds the parts up. The tables have no keys.
    ///
    /// # Errors
    /// See [`FoldError`].
    pub async fn finish(mut self, connection: &mut PgConnection) -> Result<(), FoldError> {
        self.put_aside(connection).await?;
        crate::generation::execute(connection, include_str!("places_sum_parts.sql")).await?;
        Ok(())
    }

    async fn put_aside(&mut self, connection: &mut PgConnection) -> Result<(), FoldError> {
        if !self.has_parts {
            crate::generation::execute(connection, include_str!("places_parts.sql")).await?;
            self.has_parts = true;
        }
        let changes = std::mem::take(&mut self.changes);
        let (mut places, mut hours, mut categories) = (Copy::default(), Copy::default(), Copy::default());
        for (id, place) in changes.in_key_order() {
            let mut row = places.row();
            row.text(id);
            sums(&mut row, &place.sums);
            for (at, hour) in &place.hours {
                let mut row = hours.row();
                row.text(id).instant(*at);
                sums(&mut row, &hour.sums);
                for (category, sums) in hour.in_key_order() {
                    let mut row = categories.row();
                    row.text(id).instant(*at).text(category).shown(sums.quantity).shown(sums.amount);
                }
            }
        }
        places.send(connection, "COPY places_parts FROM STDIN").await?;
        hours.send(connection, "COPY place_hours_parts FROM STDIN").await?;
        categories.send(connection, "COPY place_hour_categories_parts FROM STDIN").await
    }
}

fn sums(row: &mut crate::projections::copy::Row<'_>, sums: &Sums) {
    row.shown(sums.purchases).shown(sums.total_amount).shown(sums.tax_amount).shown(sums.tips_amount);
}

#[cfg(test)]
mod tests;

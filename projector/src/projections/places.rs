//! Figures by business time: a place's, its hours' and its hours' categories'. Receipts add, voids take away, so
//! the order in which partitions are read does not matter.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{Event, Item, Money, Receipt};
use sqlx::PgConnection;

use crate::projection::{FoldError, add, count};
use crate::projections::copy::Copy;
use crate::record::{Folded, Record};

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

/// The latest receipt by business time, then id: whose name of the place counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Latest {
    at: DateTime<Utc>,
    transaction_id: String,
    place_name: String,
}

/// The first receipt by arrival: it made the place. A void comes after its receipt and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct First {
    at: DateTime<Utc>,
    partition: i32,
    offset: i64,
    place_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    latest: Latest,
    first: First,
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
            match folded.event {
                Event::ReceiptRecorded(event) => self.receipt(folded.record, &event.receipt, Sign::Plus)?,
                Event::ReceiptVoided(event) => self.receipt(folded.record, &event.receipt, Sign::Minus)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn receipt(&mut self, record: &Record, receipt: &Receipt, sign: Sign) -> Result<(), FoldError> {
        let start = hour_of(receipt.occurred_at)?;
        // Looked up by reference first: nearly always the row is there, and then nothing is allocated.
        if !self.places.contains_key(&receipt.place_id) {
            let (latest, first) = (latest(receipt), first(record, receipt));
            let place = Place { latest, first, sums: Sums::default(), hours: BTreeMap::new() };
            self.places.insert(receipt.place_id.clone(), place);
            self.rows += 1;
        }
        let place = self.places.get_mut(&receipt.place_id).expect("it was just put there");
        place.see(record, receipt);
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

impl Place {
    fn see(&mut self, record: &Record, receipt: &Receipt) {
        let key = (receipt.occurred_at, receipt.transaction_id.as_str());
        if key > (self.latest.at, self.latest.transaction_id.as_str()) {
            self.latest = latest(receipt);
        }
        let arrival = (record.recorded_at, record.partition, record.offset);
        if arrival < (self.first.at, self.first.partition, self.first.offset) {
            self.first = first(record, receipt);
        }
    }
}

impl Hour {
    fn in_key_order(&self) -> BTreeMap<&str, &CategorySums> {
        self.categories.iter().map(|(category, sums)| (category.as_str(), sums)).collect()
    }
}

fn latest(receipt: &Receipt) -> Latest {
    Latest {
        at: receipt.occurred_at,
        transaction_id: receipt.transaction_id.clone(),
        place_name: receipt.place_name.clone(),
    }
}

fn first(record: &Record, receipt: &Receipt) -> First {
    First {
        at: record.recorded_at,
        partition: record.partition,
        offset: record.offset,
        place_name: receipt.place_name.clone(),
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
    let names: Vec<_> = places.values().map(|place| place.latest.place_name.as_str()).collect();
    let latest_at: Vec<_> = places.values().map(|place| place.latest.at).collect();
    let latest_ids: Vec<_> = places.values().map(|place| place.latest.transaction_id.as_str()).collect();
    let first_at: Vec<_> = places.values().map(|place| place.first.at).collect();
    let first_partitions: Vec<_> = places.values().map(|place| place.first.partition).collect();
    let first_offsets: Vec<_> = places.values().map(|place| place.first.offset).collect();
    let first_names: Vec<_> = places.values().map(|place| place.first.place_name.as_str()).collect();
    let sums = SumColumns::of(places.values().map(|place| &place.sums));
    sqlx::query!(
        "INSERT INTO places AS p (place_id, place_name, latest_at, latest_transaction_id, first_at, first_partition,
             first_offset, first_name, purchases, total_amount, tax_amount, tips_amount)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[],
             $6::integer[], $7::bigint[], $8::text[], $9::bigint[], $10::numeric[], $11::numeric[], $12::numeric[])
         ON CONFLICT (place_id) DO UPDATE SET
             (place_name, latest_at, latest_transaction_id) = (SELECT l.place_name, l.at, l.id FROM (VALUES
                 (p.place_name, p.latest_at, p.latest_transaction_id),
                 (excluded.place_name, excluded.latest_at, excluded.latest_transaction_id)) AS l(place_name, at, id)
                 ORDER BY l.at DESC, l.id DESC LIMIT 1),
             (first_at, first_partition, first_offset, first_name) = (SELECT f.* FROM (VALUES
                 (p.first_at, p.first_partition, p.first_offset, p.first_name),
                 (excluded.first_at, excluded.first_partition, excluded.first_offset, excluded.first_name)) AS f
                 ORDER BY 1, 2, 3 LIMIT 1),
             purchases = p.purchases + excluded.purchases,
             total_amount = p.total_amount + excluded.total_amount,
             tax_amount = p.tax_amount + excluded.tax_amount,
             tips_amount = p.tips_amount + excluded.tips_amount",
        &ids as _,
        &names as _,
        &latest_at,
        &latest_ids as _,
        &first_at,
        &first_partitions,
        &first_offsets,
        &first_names as _,
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
            row.text(id).text(&place.latest.place_name).instant(place.latest.at);
            row.text(&place.latest.transaction_id).instant(place.first.at).shown(place.first.partition);
            row.shown(place.first.offset).text(&place.first.place_name);
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

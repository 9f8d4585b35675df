//! Figures by arrival. The analytics worker has worked them out, and its events become rows as they are: a row for a place and
//! window, whose categories may come in several events.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::analytics::{self, CategorySums, HourClosed, PlaceHourComputed, Slice};
use schemas::{Event, Topic};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::{EventRecord, Record};

/// The windows that the analytics worker has closed, and the figures of places in them.
pub const HOURS: Projection = &Definition {
    name: "hours",
    version: 2,
    topics: &[Topic::Analytics],
    tables: &["hours", "hour_places", "hour_sums", "hour_categories"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// Writes the windows closed and the figures of places in them.
///
/// If a transaction of the worker was torn, a part of its events stays, and the worker works the window out again. Then the last event
/// of each row counts, which is right because events carry totals, not differences.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let mut computed = Rows::default();
    for folded in events {
        let Event::Analytics(event) = folded.event else { continue };
        match event {
            analytics::Event::HourClosed(event) => close(connection, folded.record, event).await?,
            analytics::Event::PlaceHourComputed(event) => computed.take(event),
        }
    }
    if computed.sums.is_empty() && computed.categories.is_empty() {
        return Ok(());
    }
    see_places(connection, &computed.seen).await?;
    write_sums(connection, &computed.sums).await?;
    write_categories(connection, &computed.categories).await
}

/// Inserts a window. If two events close it, the first one counts, as for the worker: the next window begins where that one ends.
async fn close(connection: &mut PgConnection, record: &Record, event: &HourClosed) -> Result<(), FoldError> {
    let slice = |slice: &Slice| json!({"partition": slice.partition, "start": slice.start, "end": slice.end});
    let slices = event.slices.iter().map(slice).collect::<Value>().to_string();
    sqlx::query!(
        "INSERT INTO hours (window_start, window_end, slices, recorded, voided, places, closed_at)
         VALUES ($1, $2, $3::text::jsonb, $4, $5, $6, $7)
         ON CONFLICT (window_start) DO NOTHING",
        event.window_start,
        event.window_end,
        slices,
        event.recorded,
        event.voided,
        event.places,
        record.recorded_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The rows of a batch by their keys, because one statement may write a row only once.
#[derive(Default)]
struct Rows<'e> {
    seen: BTreeMap<&'e str, Seen<'e>>,
    /// By place and window. The sums of a place's window stand in the first of its events.
    sums: BTreeMap<(&'e str, DateTime<Utc>), &'e PlaceHourComputed>,
    /// By place, window and the category's name.
    categories: BTreeMap<(&'e str, DateTime<Utc>, &'e str), &'e CategorySums>,
}

/// The first window and the latest name of a place.
struct Seen<'e> {
    name: &'e str,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl<'e> Rows<'e> {
    /// Takes the next event of the log. A later event replaces the rows of an earlier one.
    fn take(&mut self, event: &'e PlaceHourComputed) {
        let (place_id, name, at) = (event.place_id.as_str(), event.place_name.as_str(), event.window_start);
        let seen = self.seen.entry(place_id).or_insert(Seen { name, first: at, last: at });
        seen.first = seen.first.min(at);
        if at >= seen.last {
            (seen.name, seen.last) = (name, at);
        }
        if event.part == 0 {
            self.sums.insert((place_id, at), event);
        }
        for category in &event.categories {
            self.categories.insert((place_id, at, &category.category), category);
        }
    }
}

async fn see_places(connection: &mut PgConnection, seen: &BTreeMap<&str, Seen<'_>>) -> Result<(), FoldError> {
    let ids: Vec<_> = seen.keys().copied().collect();
    let names: Vec<_> = seen.values().map(|place| place.name).collect();
    let first: Vec<_> = seen.values().map(|place| place.first).collect();
    let last: Vec<_> = seen.values().map(|place| place.last).collect();
    sqlx::query!(
        "INSERT INTO hour_places AS p (place_id, place_name, first_window, last_window)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
         ON CONFLICT (place_id) DO UPDATE SET
             place_name = CASE WHEN excluded.last_window > p.last_window THEN excluded.place_name ELSE p.place_name END,
             first_window = least(p.first_window, excluded.first_window),
             last_window = greatest(p.last_window, excluded.last_window)",
        &ids as _,
        &names as _,
        &first,
        &last
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_sums(
    connection: &mut PgConnection,
    sums: &BTreeMap<(&str, DateTime<Utc>), &PlaceHourComputed>,
) -> Result<(), FoldError> {
    let (ids, windows): (Vec<_>, Vec<_>) = sums.keys().copied().unzip();
    let counts =
        |of: fn(&PlaceHourComputed) -> i64| -> Vec<i64> { sums.values().map(|event| of(event)).collect() };
    let amounts = |of: fn(&PlaceHourComputed) -> schemas::Money| -> Vec<Decimal> {
        sums.values().map(|event| of(event).decimal()).collect()
    };
    sqlx::query!(
        "INSERT INTO hour_sums (place_id, window_start, recorded, voided, purchases, total_amount, tax_amount,
             tips_amount, average_receipt, running_purchases, running_total_amount, running_tax_amount,
             running_tips_amount)
         SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::numeric[],
             $7::numeric[], $8::numeric[], $9::numeric[], $10::bigint[], $11::numeric[], $12::numeric[],
             $13::numeric[])
         ON CONFLICT (place_id, window_start) DO UPDATE SET
             recorded = excluded.recorded, voided = excluded.voided, purchases = excluded.purchases,
             total_amount = excluded.total_amount, tax_amount = excluded.tax_amount,
             tips_amount = excluded.tips_amount, average_receipt = excluded.average_receipt,
             running_purchases = excluded.running_purchases,
             running_total_amount = excluded.running_total_amount,
             running_tax_amount = excluded.running_tax_amount,
             running_tips_amount = excluded.running_tips_amount",
        &ids as _,
        &windows,
        &counts(|event| event.recorded),
        &counts(|event| event.voided),
        &counts(|event| event.sums.purchases),
        &amounts(|event| event.sums.total_amount),
        &amounts(|event| event.sums.tax_amount),
        &amounts(|event| event.sums.tips_amount),
        &amounts(|event| event.average_receipt),
        &counts(|event| event.running.purchases),
        &amounts(|event| event.running.total_amount),
        &amounts(|event| event.running.tax_amount),
        &amounts(|event| event.running.tips_amount)
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_categories(
    connection: &mut PgConnection,
    rows: &BTreeMap<(&str, DateTime<Utc>, &str), &CategorySums>,
) -> Result<(), FoldError> {
    let ids: Vec<_> = rows.keys().map(|(place_id, _, _)| *place_id).collect();
    let windows: Vec<_> = rows.keys().map(|(_, window, _)| *window).collect();
    let categories: Vec<_> = rows.keys().map(|(_, _, category)| *category).collect();
    let quantities: Vec<_> = rows.values().map(|sums| sums.quantity).collect();
    let amounts: Vec<_> = rows.values().map(|sums| sums.amount.decimal()).collect();
    let running_quantities: Vec<_> = rows.values().map(|sums| sums.running_quantity).collect();
    let running_amounts: Vec<_> = rows.values().map(|sums| sums.running_amount.decimal()).collect();
    sqlx::query!(
        "INSERT INTO hour_categories (place_id, window_start, category, quantity, amount, running_quantity,
             running_amount)
         SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::numeric[], $6::bigint[],
             $7::numeric[])
         ON CONFLICT (place_id, window_start, category) DO UPDATE SET
             quantity = excluded.quantity, amount = excluded.amount,
             running_quantity = excluded.running_quantity, running_amount = excluded.running_amount",
        &ids as _,
        &windows,
        &categories as _,
        &quantities,
        &amounts,
        &running_quantities,
        &running_amounts
    )
    .execute(connection)
    .await?;
    Ok(())
}

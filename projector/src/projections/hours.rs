//! Figures by arrival: the worker's events as they are, a row a place and window, whose categories may come in parts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{Event, HourClosed, PlaceHourComputed, Slice};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::projection::FoldError;
use crate::record::{Folded, Record};

/// Inserts the windows closed and the figures of places in them.
///
/// # Errors
/// See [`FoldError`].
pub async fn fold(connection: &mut PgConnection, events: &[Folded<'_>]) -> Result<(), FoldError> {
    let mut computed: Vec<&PlaceHourComputed> = Vec::new();
    for folded in events {
        match folded.event {
            Event::HourClosed(event) => close(connection, folded.record, event).await?,
            Event::PlaceHourComputed(event) => computed.push(event),
            _ => {}
        }
    }
    if computed.is_empty() {
        return Ok(());
    }
    computed.sort_by_key(|event| (&event.place_id, event.window_start, event.part));
    see_places(connection, &computed).await?;
    insert_sums(connection, &computed).await?;
    insert_categories(connection, &computed).await
}

async fn close(connection: &mut PgConnection, record: &Record, event: &HourClosed) -> Result<(), FoldError> {
    let slice = |slice: &Slice| json!({"partition": slice.partition, "start": slice.start, "end": slice.end});
    let slices = event.slices.iter().map(slice).collect::<Value>().to_string();
    sqlx::query!(
        "INSERT INTO hours (window_start, window_end, slices, recorded, voided, places, closed_at)
         VALUES ($1, $2, $3::text::jsonb, $4, $5, $6, $7)",
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

struct Seen<'e> {
    name: &'e str,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

/// The first window and the latest name of each place; `computed` is in order of place and window.
async fn see_places(connection: &mut PgConnection, computed: &[&PlaceHourComputed]) -> Result<(), FoldError> {
    let mut seen: BTreeMap<&str, Seen<'_>> = BTreeMap::new();
    for event in computed {
        let (name, at) = (event.place_name.as_str(), event.window_start);
        let place = seen.entry(&event.place_id).or_insert(Seen { name, first: at, last: at });
        (place.name, place.last) = (name, at);
    }
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

/// The sums of a place's window stand in its first part.
async fn insert_sums(
    connection: &mut PgConnection,
    computed: &[&PlaceHourComputed],
) -> Result<(), FoldError> {
    let computed: Vec<_> = computed.iter().filter(|event| event.part == 0).collect();
    let ids: Vec<_> = computed.iter().map(|event| event.place_id.as_str()).collect();
    let windows: Vec<_> = computed.iter().map(|event| event.window_start).collect();
    let counts =
        |of: fn(&PlaceHourComputed) -> i64| -> Vec<i64> { computed.iter().map(|event| of(event)).collect() };
    let amounts = |of: fn(&PlaceHourComputed) -> schemas::Money| -> Vec<Decimal> {
        computed.iter().map(|event| of(event).decimal()).collect()
    };
    sqlx::query!(
        "INSERT INTO hour_sums (place_id, window_start, recorded, voided, purchases, total_amount, tax_amount,
             tips_amount, average_receipt, running_purchases, running_total_amount, running_tax_amount,
             running_tips_amount)
         SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::numeric[],
             $7::numeric[], $8::numeric[], $9::numeric[], $10::bigint[], $11::numeric[], $12::numeric[],
             $13::numeric[])",
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

async fn insert_categories(
    connection: &mut PgConnection,
    computed: &[&PlaceHourComputed],
) -> Result<(), FoldError> {
    let rows =
        || computed.iter().flat_map(|event| event.categories.iter().map(move |category| (*event, category)));
    let ids: Vec<_> = rows().map(|(event, _)| event.place_id.as_str()).collect();
    let windows: Vec<_> = rows().map(|(event, _)| event.window_start).collect();
    let categories: Vec<_> = rows().map(|(_, category)| category.category.as_str()).collect();
    let quantities: Vec<_> = rows().map(|(_, category)| category.quantity).collect();
    let amounts: Vec<_> = rows().map(|(_, category)| category.amount.decimal()).collect();
    let running_quantities: Vec<_> = rows().map(|(_, category)| category.running_quantity).collect();
    let running_amounts: Vec<_> = rows().map(|(_, category)| category.running_amount.decimal()).collect();
    sqlx::query!(
        "INSERT INTO hour_categories (place_id, window_start, category, quantity, amount, running_quantity,
             running_amount)
         SELECT * FROM UNNEST($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::numeric[], $6::bigint[],
             $7::numeric[])",
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

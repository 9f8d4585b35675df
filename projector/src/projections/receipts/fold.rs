//! Inserts the receipts recorded and marks the ones voided.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::Event;
use schemas::receipts::{self, ReceiptRecorded};
use sqlx::PgConnection;

use crate::log::record::{EventRecord, Record};
use crate::projections::business_time::business_time;
use crate::projections::definition::FoldError;

/// When, by whom and why a receipt was voided.
pub struct Void {
    pub at: DateTime<Utc>,
    pub by: String,
    pub reason: String,
}

/// Voids by transaction id; the first of a receipt counts.
pub type Voids = HashMap<String, Void>;

/// Folds a batch of events, as a definition's `fold` does.
///
/// # Errors
/// See [`FoldError`].
pub async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let mut rows = Columns::default();
    let mut voids = Voids::new();
    let mut in_key_order: Vec<_> = recorded(events).collect();
    in_key_order.sort_unstable_by(|(_, a), (_, b)| a.receipt.transaction_id.cmp(&b.receipt.transaction_id));
    for (record, event) in in_key_order {
        rows.push(record, event);
    }
    collect_voids(events, &mut voids);
    if !rows.transaction_id.is_empty() {
        rows.insert(connection).await?;
    }
    if !voids.is_empty() {
        mark_voided(connection, &voids).await?;
    }
    Ok(())
}

/// The receipts recorded among the events, in their order.
pub fn recorded<'r>(
    events: &'r [EventRecord<'r>],
) -> impl Iterator<Item = (&'r Record, &'r ReceiptRecorded)> {
    receipts(events).filter_map(|(record, event)| match event {
        receipts::Event::ReceiptRecorded(event) => Some((record, event)),
        receipts::Event::ReceiptVoided(_) => None,
    })
}

fn receipts<'r>(events: &'r [EventRecord<'r>]) -> impl Iterator<Item = (&'r Record, &'r receipts::Event)> {
    events.iter().filter_map(|folded| {
        let Event::Receipts(event) = folded.event else { return None };
        Some((folded.record, event))
    })
}

/// Adds the voids among the events.
pub fn collect_voids(events: &[EventRecord<'_>], voids: &mut Voids) {
    for (record, event) in receipts(events) {
        let event = match event {
            receipts::Event::ReceiptVoided(event) => event,
            receipts::Event::ReceiptRecorded(_) => continue,
        };
        voids.entry(event.receipt.transaction_id.clone()).or_insert_with(|| Void {
            at: record.recorded_at,
            by: event.voided_by.clone(),
            reason: event.reason.clone(),
        });
    }
}

#[derive(Default)]
struct Columns<'r> {
    transaction_id: Vec<&'r str>,
    place_id: Vec<&'r str>,
    place_name: Vec<&'r str>,
    occurred_at: Vec<DateTime<Utc>>,
    items: Vec<String>,
    total_amount: Vec<Decimal>,
    tax_amount: Vec<Decimal>,
    tips_amount: Vec<Decimal>,
    payment_method: Vec<&'r str>,
    totals_match: Vec<bool>,
    recorded_by: Vec<&'r str>,
    recorded_at: Vec<DateTime<Utc>>,
    partition: Vec<i32>,
    offset: Vec<i64>,
}

impl<'r> Columns<'r> {
    fn push(&mut self, record: &Record, event: &'r ReceiptRecorded) {
        let receipt = &event.receipt;
        self.transaction_id.push(&receipt.transaction_id);
        self.place_id.push(&receipt.place_id);
        self.place_name.push(&receipt.place_name);
        self.occurred_at.push(business_time(receipt));
        self.items.push(items(event));
        self.total_amount.push(receipt.total_amount.decimal());
        self.tax_amount.push(receipt.tax_amount.decimal());
        self.tips_amount.push(receipt.tips_amount.decimal());
        self.payment_method.push(&receipt.payment_method);
        self.totals_match.push(event.totals_match);
        self.recorded_by.push(&event.recorded_by);
        self.recorded_at.push(record.recorded_at);
        self.partition.push(record.partition);
        self.offset.push(record.offset);
    }

    async fn insert(&self, connection: &mut PgConnection) -> Result<(), FoldError> {
        sqlx::query!(
            r#"INSERT INTO receipts (transaction_id, place_id, place_name, occurred_at, items, total_amount, tax_amount,
                   tips_amount, payment_method, totals_match, recorded_by, recorded_at, partition, "offset")
               SELECT transaction_id, place_id, place_name, occurred_at, items::jsonb, total_amount, tax_amount,
                   tips_amount, payment_method, totals_match, recorded_by, recorded_at, partition, "offset"
               FROM UNNEST($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::numeric[],
                   $7::numeric[], $8::numeric[], $9::text[], $10::boolean[], $11::text[], $12::timestamptz[],
                   $13::integer[], $14::bigint[])
                   AS r(transaction_id, place_id, place_name, occurred_at, items, total_amount, tax_amount,
                   tips_amount, payment_method, totals_match, recorded_by, recorded_at, partition, "offset")"#,
            &self.transaction_id as _,
            &self.place_id as _,
            &self.place_name as _,
            &self.occurred_at,
            &self.items,
            &self.total_amount,
            &self.tax_amount,
            &self.tips_amount,
            &self.payment_method as _,
            &self.totals_match,
            &self.recorded_by as _,
            &self.recorded_at,
            &self.partition,
            &self.offset
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn items(event: &ReceiptRecorded) -> String {
    serde_json::to_string(&event.receipt.items).expect("items have text keys only")
}

/// Writes voids into the rows of their receipts. A row that has a void keeps it.
///
/// # Errors
/// See [`FoldError`].
pub async fn mark_voided(connection: &mut PgConnection, voids: &Voids) -> Result<(), FoldError> {
    let ids: Vec<_> = voids.keys().map(String::as_str).collect();
    let at: Vec<_> = voids.values().map(|void| void.at).collect();
    let by: Vec<_> = voids.values().map(|void| void.by.as_str()).collect();
    let reasons: Vec<_> = voids.values().map(|void| void.reason.as_str()).collect();
    sqlx::query!(
        "UPDATE receipts AS r SET voided_at = v.at, voided_by = v.by, void_reason = v.reason
         FROM UNNEST($1::text[], $2::timestamptz[], $3::text[], $4::text[]) AS v(transaction_id, at, by, reason)
         WHERE r.transaction_id = v.transaction_id AND r.voided_at IS NULL",
        &ids as _,
        &at,
        &by as _,
        &reasons as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

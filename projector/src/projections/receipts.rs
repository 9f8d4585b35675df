//! The journal: a row a receipt, as recorded, and its void.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::Event;
use schemas::receipts::{self, ReceiptRecorded};
use sqlx::PgConnection;

use crate::projection::FoldError;
use crate::projections::business_time;
use crate::projections::copy::{Copy, Row};
use crate::record::{Folded, Record};

/// A void, by what it says of its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Void {
    at: DateTime<Utc>,
    by: String,
    reason: String,
}

/// Voids by transaction id; the first of a receipt counts.
type Voids = HashMap<String, Void>;

/// Inserts the receipts recorded and marks the ones voided.
///
/// # Errors
/// See [`FoldError`].
pub async fn fold(connection: &mut PgConnection, events: &[Folded<'_>]) -> Result<(), FoldError> {
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

fn recorded<'r>(events: &'r [Folded<'r>]) -> impl Iterator<Item = (&'r Record, &'r ReceiptRecorded)> {
    receipts(events).filter_map(|(record, event)| match event {
        receipts::Event::ReceiptRecorded(event) => Some((record, event)),
        receipts::Event::ReceiptVoided(_) => None,
    })
}

fn receipts<'r>(events: &'r [Folded<'r>]) -> impl Iterator<Item = (&'r Record, &'r receipts::Event)> {
    events.iter().filter_map(|folded| {
        let Event::Receipts(event) = folded.event else { return None };
        Some((folded.record, event))
    })
}

fn collect_voids(events: &[Folded<'_>], voids: &mut Voids) {
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

async fn mark_voided(connection: &mut PgConnection, voids: &Voids) -> Result<(), FoldError> {
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

/// Voids a bulk load keeps before it marks their receipts, which have no key until its end.
const MOST_VOIDS_IN_MEMORY: usize = 20_000;

/// Fills an empty table: rows by COPY in the order of the log, voids at the end, when the key is there.
#[derive(Default)]
pub struct Bulk {
    voids: Voids,
    spilled: bool,
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
        let mut copy = Copy::default();
        for (record, event) in recorded(events) {
            let receipt = &event.receipt;
            let mut row = copy.row();
            row.text(&receipt.transaction_id).text(&receipt.place_id).text(&receipt.place_name);
            row.instant(business_time(receipt)).json(&receipt.items);
            row.shown(receipt.total_amount).shown(receipt.tax_amount).shown(receipt.tips_amount);
            row.text(&receipt.payment_method).shown(event.totals_match).text(&event.recorded_by);
            row.instant(record.recorded_at).shown(record.partition).shown(record.offset);
        }
        copy.send(
            connection,
            r#"COPY receipts (transaction_id, place_id, place_name, occurred_at, items, total_amount, tax_amount,
                   tips_amount, payment_method, totals_match, recorded_by, recorded_at, partition, "offset")
               FROM STDIN"#,
        )
        .await?;
        collect_voids(events, &mut self.voids);
        if self.voids.len() > MOST_VOIDS_IN_MEMORY {
            self.spill(connection).await?;
        }
        Ok(())
    }

    /// Puts voids aside in a table of the transaction's own; `position` keeps the first of a receipt first.
    async fn spill(&mut self, connection: &mut PgConnection) -> Result<(), FoldError> {
        if !self.spilled {
            let sql = "CREATE TEMPORARY TABLE spilled_voids (position bigint GENERATED ALWAYS AS IDENTITY,
                transaction_id text, at timestamptz, by text, reason text) ON COMMIT DROP";
            crate::generation::execute(connection, sql).await?;
            self.spilled = true;
        }
        let mut copy = Copy::default();
        for (id, void) in self.voids.drain() {
            let mut row: Row<'_> = copy.row();
            row.text(&id).instant(void.at).text(&void.by).text(&void.reason);
        }
        copy.send(connection, "COPY spilled_voids (transaction_id, at, by, reason) FROM STDIN").await
    }

    /// Marks the voided ones. The table has its keys.
    ///
    /// # Errors
    /// See [`FoldError`].
    pub async fn finish(self, connection: &mut PgConnection) -> Result<(), FoldError> {
        if self.spilled {
            let sql = "UPDATE receipts AS r SET voided_at = v.at, voided_by = v.by, void_reason = v.reason
                FROM (SELECT DISTINCT ON (transaction_id) * FROM spilled_voids ORDER BY transaction_id, position) AS v
                WHERE r.transaction_id = v.transaction_id";
            crate::generation::execute(connection, sql).await?;
        }
        // Of a receipt voided twice, what was spilled came first, and marking passes over it here.
        if self.voids.is_empty() { Ok(()) } else { mark_voided(connection, &self.voids).await }
    }
}

//! The rows of payments and refunds, written many at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::changes::{Part, PaymentChange, RefundChange};
use crate::projections::definition::FoldError;

/// Writes the payments of the batch: those that were made in it are inserted, the others are updated.
pub async fn write(
    connection: &mut PgConnection,
    payments: &BTreeMap<Part<'_, String>, PaymentChange<'_>>,
) -> Result<(), FoldError> {
    let (mut made, mut new, mut changed) = (Columns::default(), New::default(), Columns::default());
    for (part, change) in payments {
        match change.made {
            Some((payment, created_at)) => {
                made.push(part, change);
                new.methods.push(&payment.method);
                new.providers.push(&payment.provider);
                new.amounts.push(payment.amount.decimal());
                new.card_brands.push(payment.card.as_ref().map(|card| card.brand.as_str()));
                new.card_last4.push(payment.card.as_ref().map(|card| card.last4.as_str()));
                new.created_at.push(created_at);
            }
            None => changed.push(part, change),
        }
    }
    if !made.homes.is_empty() {
        made.insert(&new, connection).await?;
    }
    if !changed.homes.is_empty() {
        changed.update(connection).await?;
    }
    Ok(())
}

/// What changes of payments, in columns, as `UNNEST` takes them.
#[derive(Default)]
struct Columns<'p> {
    homes: Vec<&'p str>,
    orders: Vec<&'p str>,
    ids: Vec<&'p str>,
    statuses: Vec<Option<&'p str>>,
    provider_ids: Vec<Option<&'p str>>,
    qr_data: Vec<Option<&'p str>>,
    refunded: Vec<Decimal>,
    updated_at: Vec<DateTime<Utc>>,
}

/// What never changes of payments, in columns.
#[derive(Default)]
struct New<'p> {
    methods: Vec<&'p str>,
    providers: Vec<&'p str>,
    amounts: Vec<Decimal>,
    card_brands: Vec<Option<&'p str>>,
    card_last4: Vec<Option<&'p str>>,
    created_at: Vec<DateTime<Utc>>,
}

impl<'p> Columns<'p> {
    fn push(&mut self, ((home, order), id): &'p Part<'p, String>, change: &'p PaymentChange<'p>) {
        self.homes.push(home);
        self.orders.push(order);
        self.ids.push(id);
        self.statuses.push(change.status);
        self.provider_ids.push(change.provider_id);
        self.qr_data.push(change.qr_data);
        self.refunded.push(change.refunded);
        self.updated_at.push(change.updated_at);
    }

    async fn insert(&self, new: &New<'_>, connection: &mut PgConnection) -> Result<(), FoldError> {
        sqlx::query!(
            "INSERT INTO payments (home, order_id, id, status, provider_id, qr_data, refunded, updated_at, method, provider,
                 amount, card_brand, card_last4, created_at)
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::numeric[], $8::timestamptz[], $9::text[], $10::text[], $11::numeric[], $12::text[], $13::text[],
                 $14::timestamptz[])",
            &self.homes as _,
            &self.orders as _,
            &self.ids as _,
            &self.statuses as _,
            &self.provider_ids as _,
            &self.qr_data as _,
            &self.refunded,
            &self.updated_at,
            &new.methods as _,
            &new.providers as _,
            &new.amounts,
            &new.card_brands as _,
            &new.card_last4 as _,
            &new.created_at
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn update(&self, connection: &mut PgConnection) -> Result<(), FoldError> {
        sqlx::query!(
            "UPDATE payments AS p SET status = coalesce(n.status, p.status),
                 provider_id = coalesce(n.provider_id, p.provider_id), qr_data = coalesce(n.qr_data, p.qr_data),
                 refunded = p.refunded + n.refunded, updated_at = n.updated_at
             FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[],
                 $8::timestamptz[])
                 AS n(home, order_id, id, status, provider_id, qr_data, refunded, updated_at)
             WHERE p.home = n.home AND p.order_id = n.order_id AND p.id = n.id",
            &self.homes as _,
            &self.orders as _,
            &self.ids as _,
            &self.statuses as _,
            &self.provider_ids as _,
            &self.qr_data as _,
            &self.refunded,
            &self.updated_at
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Writes the refunds of the batch. What one asked for, and why, stays as it was asked.
pub async fn write_refunds(
    connection: &mut PgConnection,
    refunds: &BTreeMap<Part<'_, &str>, RefundChange<'_>>,
) -> Result<(), FoldError> {
    if refunds.is_empty() {
        return Ok(());
    }
    let (homes, orders): (Vec<_>, Vec<_>) = refunds.keys().map(|(place, _)| *place).unzip();
    let ids: Vec<_> = refunds.keys().map(|(_, id)| *id).collect();
    let payments: Vec<_> = refunds.values().map(|refund| refund.payment_id).collect();
    let statuses: Vec<_> = refunds.values().map(|refund| refund.status).collect();
    let amounts: Vec<_> = refunds.values().map(|refund| refund.amount.decimal()).collect();
    let provider_ids: Vec<_> = refunds.values().map(|refund| refund.provider_id).collect();
    let reasons: Vec<_> = refunds.values().map(|refund| refund.reason).collect();
    let created_at: Vec<_> = refunds.values().map(|refund| refund.begun_at).collect();
    let updated_at: Vec<_> = refunds.values().map(|refund| refund.updated_at).collect();
    sqlx::query!(
        "INSERT INTO refunds (home, order_id, id, payment_id, status, amount, provider_id, reason, created_at, updated_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[],
             $8::text[], $9::timestamptz[], $10::timestamptz[])
         ON CONFLICT (home, order_id, id) DO UPDATE SET status = excluded.status,
             provider_id = coalesce(excluded.provider_id, refunds.provider_id), updated_at = excluded.updated_at",
        &homes as _,
        &orders as _,
        &ids as _,
        &payments as _,
        &statuses as _,
        &amounts,
        &provider_ids as _,
        &reasons as _,
        &created_at,
        &updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

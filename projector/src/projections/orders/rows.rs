//! The rows of orders and of what happened to them, read and written many at once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::after::Place;
use super::changes::{Happened, Order, OrderRow};
use crate::projections::definition::FoldError;

/// The rows of these orders.
pub async fn read<'e>(
    connection: &mut PgConnection,
    orders: &BTreeSet<Place<'e>>,
) -> Result<BTreeMap<Place<'e>, OrderRow>, FoldError> {
    if orders.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places: Vec<_> = orders.iter().copied().collect();
    let (homes, ids): (Vec<_>, Vec<_>) = places.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"SELECT n.place AS "place!", stage, buyer_kind, buyer_home, buyer_id, buyer_subject, total, payment_id,
               payment_status, shown_payment_id, shown_payment_status, received_at, preparing_at, ready_at, finished_at,
               updated_at, revision, removed_at
           FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY AS n(home, id, place)
           JOIN orders AS o ON o.home = n.home AND o.id = n.id"#,
        &homes as _,
        &ids as _
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().filter_map(|row| {
        let place = usize::try_from(row.place - 1).ok().and_then(|place| places.get(place))?;
        let order = OrderRow {
            stage: row.stage,
            buyer_kind: row.buyer_kind,
            buyer_home: row.buyer_home,
            buyer_id: row.buyer_id,
            buyer_subject: row.buyer_subject,
            total: row.total,
            payment_id: row.payment_id,
            payment_status: row.payment_status,
            shown_payment_id: row.shown_payment_id,
            shown_payment_status: row.shown_payment_status,
            received_at: row.received_at,
            preparing_at: row.preparing_at,
            ready_at: row.ready_at,
            finished_at: row.finished_at,
            updated_at: row.updated_at,
            revision: row.revision,
            removed_at: row.removed_at,
        };
        Some((*place, order))
    });
    Ok(rows.collect())
}

/// What changes of orders, in columns, as `UNNEST` takes them.
#[derive(Default)]
struct Columns<'r> {
    homes: Vec<&'r str>,
    ids: Vec<&'r str>,
    stages: Vec<&'r str>,
    queue_ranks: Vec<Option<i16>>,
    buyer_kinds: Vec<Option<&'r str>>,
    buyer_homes: Vec<Option<&'r str>>,
    buyer_ids: Vec<Option<&'r str>>,
    buyer_subjects: Vec<Option<Uuid>>,
    totals: Vec<Decimal>,
    payment_ids: Vec<Option<&'r str>>,
    payment_statuses: Vec<&'r str>,
    shown_payment_ids: Vec<Option<&'r str>>,
    shown_payment_statuses: Vec<Option<&'r str>>,
    received_at: Vec<Option<DateTime<Utc>>>,
    preparing_at: Vec<Option<DateTime<Utc>>>,
    ready_at: Vec<Option<DateTime<Utc>>>,
    finished_at: Vec<Option<DateTime<Utc>>>,
    updated_at: Vec<DateTime<Utc>>,
    revisions: Vec<i32>,
    removed_at: Vec<Option<DateTime<Utc>>>,
}

impl<'r> Columns<'r> {
    fn push(&mut self, (home, id): Place<'r>, row: &'r OrderRow) {
        self.homes.push(home);
        self.ids.push(id);
        self.stages.push(&row.stage);
        self.queue_ranks.push(row.queue_rank());
        self.buyer_kinds.push(row.buyer_kind.as_deref());
        self.buyer_homes.push(row.buyer_home.as_deref());
        self.buyer_ids.push(row.buyer_id.as_deref());
        self.buyer_subjects.push(row.buyer_subject);
        self.totals.push(row.total);
        self.payment_ids.push(row.payment_id.as_deref());
        self.payment_statuses.push(&row.payment_status);
        self.shown_payment_ids.push(row.shown_payment_id.as_deref());
        self.shown_payment_statuses.push(row.shown_payment_status.as_deref());
        self.received_at.push(row.received_at);
        self.preparing_at.push(row.preparing_at);
        self.ready_at.push(row.ready_at);
        self.finished_at.push(row.finished_at);
        self.updated_at.push(row.updated_at);
        self.revisions.push(row.revision);
        self.removed_at.push(row.removed_at);
    }

    /// Writes what changes of orders whose rows are there.
    async fn update(&self, connection: &mut PgConnection) -> Result<(), FoldError> {
        sqlx::query!(
            "UPDATE orders AS o SET stage = n.stage, queue_rank = n.queue_rank, buyer_kind = n.buyer_kind,
                 buyer_home = n.buyer_home, buyer_id = n.buyer_id, buyer_subject = n.buyer_subject, total = n.total,
                 payment_id = n.payment_id, payment_status = n.payment_status, shown_payment_id = n.shown_payment_id,
                 shown_payment_status = n.shown_payment_status, received_at = n.received_at,
                 preparing_at = n.preparing_at, ready_at = n.ready_at, finished_at = n.finished_at,
                 updated_at = n.updated_at, revision = n.revision, removed_at = n.removed_at
             FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[],
                 $8::uuid[], $9::numeric[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[],
                 $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::integer[],
                 $20::timestamptz[]) AS n(home, id, stage, queue_rank, buyer_kind, buyer_home, buyer_id, buyer_subject,
                 total, payment_id, payment_status, shown_payment_id, shown_payment_status, received_at, preparing_at,
                 ready_at, finished_at, updated_at, revision, removed_at)
             WHERE o.home = n.home AND o.id = n.id",
            &self.homes as _,
            &self.ids as _,
            &self.stages as _,
            &self.queue_ranks as _,
            &self.buyer_kinds as _,
            &self.buyer_homes as _,
            &self.buyer_ids as _,
            &self.buyer_subjects as _,
            &self.totals,
            &self.payment_ids as _,
            &self.payment_statuses as _,
            &self.shown_payment_ids as _,
            &self.shown_payment_statuses as _,
            &self.received_at as _,
            &self.preparing_at as _,
            &self.ready_at as _,
            &self.finished_at as _,
            &self.updated_at,
            &self.revisions,
            &self.removed_at as _
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn insert(&self, fixed: &Fixed<'_>, connection: &mut PgConnection) -> Result<(), FoldError> {
        sqlx::query!(
            "INSERT INTO orders (home, id, stage, queue_rank, buyer_kind, buyer_home, buyer_id, buyer_subject, total, payment_id,
                 payment_status, shown_payment_id, shown_payment_status, received_at, preparing_at, ready_at,
                 finished_at, updated_at, revision, removed_at, number, scope, rules, fulfilment, currency,
                 ship_to_subject, ship_to, placed_at, kitchen_lines)
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[],
                 $7::text[], $8::uuid[], $9::numeric[], $10::text[], $11::text[], $12::text[], $13::text[],
                 $14::timestamptz[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[],
                 $19::integer[], $20::timestamptz[], $21::bigint[], $22::text[], $23::text[], $24::text[], $25::text[],
                 $26::uuid[], $27::bytea[], $28::timestamptz[], $29::text[])",
            &self.homes as _,
            &self.ids as _,
            &self.stages as _,
            &self.queue_ranks as _,
            &self.buyer_kinds as _,
            &self.buyer_homes as _,
            &self.buyer_ids as _,
            &self.buyer_subjects as _,
            &self.totals,
            &self.payment_ids as _,
            &self.payment_statuses as _,
            &self.shown_payment_ids as _,
            &self.shown_payment_statuses as _,
            &self.received_at as _,
            &self.preparing_at as _,
            &self.ready_at as _,
            &self.finished_at as _,
            &self.updated_at,
            &self.revisions,
            &self.removed_at as _,
            &fixed.numbers as _,
            &fixed.scopes as _,
            &fixed.rules as _,
            &fixed.fulfilments as _,
            &fixed.currencies as _,
            &fixed.ship_to_subjects as _,
            &fixed.ship_to as _,
            &fixed.placed_at,
            &fixed.kitchen_lines as _
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// What never changes of orders, in columns.
#[derive(Default)]
struct Fixed<'e> {
    numbers: Vec<Option<i64>>,
    scopes: Vec<&'e str>,
    rules: Vec<&'e str>,
    fulfilments: Vec<&'e str>,
    currencies: Vec<&'e str>,
    ship_to_subjects: Vec<Option<Uuid>>,
    ship_to: Vec<Option<&'e [u8]>>,
    placed_at: Vec<DateTime<Utc>>,
    kitchen_lines: Vec<Option<&'e str>>,
}

/// Writes the orders of the batch: those that were begun in it are inserted, the others are updated.
pub async fn write(
    connection: &mut PgConnection,
    orders: &BTreeMap<Place<'_>, Order<'_>>,
) -> Result<(), FoldError> {
    let (mut begun, mut fixed, mut changed) = (Columns::default(), Fixed::default(), Columns::default());
    for (place, order) in orders {
        let Some(new) = &order.begun else {
            changed.push(*place, &order.row);
            continue;
        };
        begun.push(*place, &order.row);
        fixed.numbers.push(place.1.parse().ok());
        fixed.scopes.push(new.scope);
        fixed.rules.push(new.rules);
        fixed.fulfilments.push(new.fulfilment);
        fixed.currencies.push(new.currency);
        fixed.ship_to_subjects.push(new.ship_to.map(|sealed| sealed.subject));
        fixed.ship_to.push(new.ship_to.map(|sealed| &sealed.sealed.0[..]));
        fixed.placed_at.push(new.at);
        fixed.kitchen_lines.push(new.kitchen_lines.as_deref());
    }
    if !begun.homes.is_empty() {
        begun.insert(&fixed, connection).await?;
    }
    if !changed.homes.is_empty() {
        changed.update(connection).await?;
    }
    Ok(())
}

/// Notes what happened.
pub async fn insert_history(
    connection: &mut PgConnection,
    history: &[Happened<'_>],
) -> Result<(), FoldError> {
    if history.is_empty() {
        return Ok(());
    }
    let (homes, ids): (Vec<_>, Vec<_>) = history.iter().map(|happened| happened.place).unzip();
    let offsets: Vec<_> = history.iter().map(|happened| happened.offset).collect();
    let revisions: Vec<_> = history.iter().map(|happened| happened.head.revision).collect();
    let at: Vec<_> = history.iter().map(|happened| happened.head.at).collect();
    let events: Vec<_> = history.iter().map(|happened| happened.event).collect();
    let stages: Vec<_> = history.iter().map(|happened| happened.stage.as_str()).collect();
    let by: Vec<_> = history.iter().map(|happened| happened.head.by.as_str()).collect();
    sqlx::query!(
        r#"INSERT INTO order_history (home, id, "offset", revision, at, event, stage, by)
           SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::integer[], $5::timestamptz[], $6::text[],
               $7::text[], $8::text[])"#,
        &homes as _,
        &ids as _,
        &offsets,
        &revisions,
        &at,
        &events as _,
        &stages as _,
        &by as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

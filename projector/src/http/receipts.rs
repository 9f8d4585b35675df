//! `/v1/receipts`: the journal.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::openapi::Money;
use runtime::openapi::responses::{OfCallers, OfReads};
use schemas::{Position, Topic};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::app::READERS;
use super::paging::{self, Cursor};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders, flag, id, interval};
use crate::projections::RECEIPTS;
use crate::read::failed;

/// The parameters of the list: `?place_id&from&to&totals_match&cursor&limit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// One place; all where it is missing.
    #[param(min_length = 1, max_length = 150, example = "cafe-1")]
    place_id: Option<String>,
    /// First instant within: RFC 3339, or a date, whose first instant in the service's time zone is meant.
    #[param(example = "2024-05-01T00:00:00Z")]
    from: Option<String>,
    /// First instant after.
    #[param(example = "2024-05-02")]
    to: Option<String>,
    /// Only receipts whose total is, or is not, the sum of their items.
    #[param(value_type = Option<bool>)]
    totals_match: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A receipt as answered: as it was sent, who sent it, when it arrived and where it stands in the log.
#[derive(Serialize, ToSchema)]
struct Receipt {
    #[schema(example = "demo-1")]
    transaction_id: String,
    /// Business time.
    timestamp: DateTime<Utc>,
    #[schema(value_type = Vec<Item>)]
    items: Box<RawValue>,
    #[schema(value_type = Money)]
    total_amount: String,
    #[schema(value_type = Money)]
    tax_amount: String,
    #[schema(value_type = Money)]
    tips_amount: String,
    #[schema(example = "card")]
    payment_method: String,
    #[schema(example = "cafe-1")]
    place_id: String,
    #[schema(example = "Corner Cafe")]
    place_name: String,
    /// Whether the total is the sum of the items. Only receipts of contracts may have it false.
    totals_match: bool,
    #[schema(example = "terminal")]
    recorded_by: String,
    /// Arrival, by the broker's clock.
    recorded_at: DateTime<Utc>,
    /// Its place in the log.
    #[schema(example = "r9-0")]
    position: String,
    /// `null` where it is not.
    #[schema(required)]
    voided: Option<Void>,
}

/// A line of a receipt, as the table has it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is described, not made")]
struct Item {
    #[schema(example = "espresso")]
    product_id: String,
    #[schema(example = 2)]
    quantity: i64,
    #[schema(example = "2.50")]
    price: Money,
    #[schema(example = "coffee")]
    category: String,
}

/// Since when, by whom and why a receipt is void.
#[derive(Serialize, ToSchema)]
struct Void {
    at: DateTime<Utc>,
    by: String,
    reason: String,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiptPage)]
struct Page {
    receipts: Vec<Receipt>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

struct Row {
    transaction_id: String,
    place_id: String,
    place_name: String,
    occurred_at: DateTime<Utc>,
    items: String,
    total_amount: String,
    tax_amount: String,
    tips_amount: String,
    payment_method: String,
    totals_match: bool,
    recorded_by: String,
    recorded_at: DateTime<Utc>,
    partition: i32,
    offset: i64,
    voided_at: Option<DateTime<Utc>>,
    voided_by: Option<String>,
    void_reason: Option<String>,
}

impl From<Row> for Receipt {
    fn from(row: Row) -> Self {
        let position = Position { topic: Topic::Receipts, partition: row.partition, offset: row.offset };
        let voided = row.voided_at.zip(row.voided_by).zip(row.void_reason);
        Self {
            transaction_id: row.transaction_id,
            timestamp: row.occurred_at,
            items: RawValue::from_string(row.items).expect("jsonb is JSON"),
            total_amount: row.total_amount,
            tax_amount: row.tax_amount,
            tips_amount: row.tips_amount,
            payment_method: row.payment_method,
            place_id: row.place_id,
            place_name: row.place_name,
            totals_match: row.totals_match,
            recorded_by: row.recorded_by,
            recorded_at: row.recorded_at,
            position: position.to_string(),
            voided: voided.map(|((at, by), reason)| Void { at, by, reason }),
        }
    }
}

/// One receipt: 404 where none of the id was recorded.
#[utoipa::path(
    get,
    path = "/v1/receipts/{transaction_id}",
    tag = "Receipts",
    operation_id = "readReceipt",
    params(("transaction_id" = String, Path, example = "demo-1"), ReadHeaders),
    responses(
        (status = 200, description = "The receipt.", body = Receipt),
        (status = 404, description = "None of the id was recorded.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "no receipt of this transaction_id was recorded"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    read.require(READERS)?;
    let mut snapshot = read.snapshot(&[RECEIPTS]).await?;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, place_id, place_name, occurred_at, items::text AS "items!",
               total_amount::text AS "total_amount!", tax_amount::text AS "tax_amount!",
               tips_amount::text AS "tips_amount!", payment_method, totals_match, recorded_by, recorded_at, partition,
               "offset", voided_at, voided_by, void_reason
           FROM receipts WHERE transaction_id = $1"#,
        id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    let none = || Problem::not_found("no receipt of this transaction_id was recorded");
    Ok(Json(Receipt::from(row.ok_or_else(none)?)).into_response())
}

/// The journal, by business time, newest first.
#[utoipa::path(
    get,
    path = "/v1/receipts",
    tag = "Receipts",
    operation_id = "listReceipts",
    params(ListQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of it.", body = Page),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<ListQuery>) -> Result<Response, Problem> {
    read.require(READERS)?;
    let place_id = id("place_id", read.query.place_id.as_deref())?;
    let within = interval(read.query.from.as_deref(), read.query.to.as_deref(), read.zone())?;
    let totals_match = flag("totals_match", read.query.totals_match.as_deref())?;
    let limit = paging::limit(read.query.limit.as_deref())?;
    let after = Cursor::parse(read.query.cursor.as_deref())?;
    // One bound for the index: the cursor stands before `to` already.
    let (before, before_id) = match (&after, within.to) {
        (Some(cursor), _) => (Some(cursor.at), cursor.id.clone()),
        (None, to) => (to, String::new()),
    };
    let mut snapshot = read.snapshot(&[RECEIPTS]).await?;
    let mut rows = match place_id {
        Some(place_id) => {
            of_place(&mut snapshot, &place_id, within.from, before, &before_id, totals_match, limit + 1).await
        }
        None => of_all(&mut snapshot, within.from, before, &before_id, totals_match, limit + 1).await,
    }
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|row| Cursor::new(row.occurred_at, &row.transaction_id).text());
    let receipts = rows.into_iter().map(Receipt::from).collect();
    Ok(Json(Page { receipts, next_cursor }).into_response())
}

async fn of_place(
    snapshot: &mut sqlx::PgConnection,
    place_id: &str,
    from: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
    before_id: &str,
    totals_match: Option<bool>,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, place_id, place_name, occurred_at, items::text AS "items!",
               total_amount::text AS "total_amount!", tax_amount::text AS "tax_amount!",
               tips_amount::text AS "tips_amount!", payment_method, totals_match, recorded_by, recorded_at, partition,
               "offset", voided_at, voided_by, void_reason
           FROM receipts
           WHERE place_id = $1 AND occurred_at >= coalesce($2, '-infinity'::timestamptz)
               AND (occurred_at, transaction_id) < (coalesce($3, 'infinity'::timestamptz), $4::text)
               AND ($5::boolean IS NULL OR totals_match = $5)
           ORDER BY occurred_at DESC, transaction_id DESC LIMIT $6"#,
        place_id,
        from,
        before,
        before_id,
        totals_match,
        limit
    )
    .fetch_all(snapshot)
    .await
}

async fn of_all(
    snapshot: &mut sqlx::PgConnection,
    from: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
    before_id: &str,
    totals_match: Option<bool>,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, place_id, place_name, occurred_at, items::text AS "items!",
               total_amount::text AS "total_amount!", tax_amount::text AS "tax_amount!",
               tips_amount::text AS "tips_amount!", payment_method, totals_match, recorded_by, recorded_at, partition,
               "offset", voided_at, voided_by, void_reason
           FROM receipts
           WHERE occurred_at >= coalesce($1, '-infinity'::timestamptz)
               AND (occurred_at, transaction_id) < (coalesce($2, 'infinity'::timestamptz), $3::text)
               AND ($4::boolean IS NULL OR totals_match = $4)
           ORDER BY occurred_at DESC, transaction_id DESC LIMIT $5"#,
        from,
        before,
        before_id,
        totals_match,
        limit
    )
    .fetch_all(snapshot)
    .await
}

//! `/v1/analytics/taxes-and-tips`: totals of an interval by business time, and its windows by arrival.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::openapi::Money;
use runtime::openapi::responses::{OfCallers, OfReads};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::intervals::{FiguresOf, FiguresQuery, Parts};
use crate::http::app::ANALYSTS;
use crate::http::paging::{self, Cursor};
use crate::http::parameters::{Interval, Read, ReadHeaders};
use crate::http::places::query_places;
use crate::projections::{HOURS, PLACES, RECEIPTS};
use crate::read::failed;

/// The answer. `totals` are by business time, exact for any interval; `hours` are the closed windows that begin in
/// the interval, by arrival, in order of window and place, a page of them.
#[derive(Serialize, ToSchema)]
struct TaxesAndTips {
    #[schema(required)]
    from: Option<DateTime<Utc>>,
    #[schema(required)]
    to: Option<DateTime<Utc>>,
    #[schema(required)]
    place_id: Option<String>,
    totals: Totals,
    hours: Vec<PlaceHour>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Sums of receipts, voided ones left out.
#[derive(Serialize, ToSchema)]
struct Totals {
    purchases: i64,
    #[schema(value_type = Money)]
    total_amount: String,
    #[schema(value_type = Money)]
    tax_amount: String,
    #[schema(value_type = Money)]
    tips_amount: String,
}

/// A place's figures of one window, voids of the window taken out; zeros where it had no receipts. The name is the place's of
/// now, as in the list of places.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaceWindow)]
struct PlaceHour {
    window_start: DateTime<Utc>,
    window_end: DateTime<Utc>,
    #[schema(example = "cafe-1")]
    place_id: String,
    #[schema(example = "Corner Cafe")]
    place_name: String,
    recorded: i64,
    voided: i64,
    purchases: i64,
    #[schema(value_type = Money)]
    total_amount: String,
    #[schema(value_type = Money)]
    average_receipt: String,
    #[schema(value_type = Money)]
    tax_amount: String,
    #[schema(value_type = Money)]
    tips_amount: String,
    running_purchases: i64,
    #[schema(value_type = Money)]
    running_total_amount: String,
    #[schema(value_type = Money)]
    running_tax_amount: String,
    #[schema(value_type = Money)]
    running_tips_amount: String,
}

/// Totals of an interval by business time, and its closed windows by arrival.
#[utoipa::path(
    get,
    path = "/v1/analytics/taxes-and-tips",
    tag = "Figures",
    operation_id = "readTaxesAndTips",
    params(FiguresQuery, ReadHeaders),
    responses(
        (status = 200, description = "Totals, and a page of windows.", body = TaxesAndTips),
        OfCallers,
        OfReads,
    )
)]
pub async fn read(read: Read<FiguresQuery>) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let of = FiguresOf::parse(&read)?;
    let projections = [HOURS, PLACES, RECEIPTS];
    let mut snapshot = read.snapshot(&projections).await?;
    let totals = totals(&mut snapshot, of.place_id.as_deref(), of.within).await.map_err(failed)?;
    let mut hours = hours(&mut snapshot, &of).await.map_err(failed)?;
    let has_more = paging::cut(&mut hours, of.limit);
    let last = hours.last().filter(|_| has_more);
    let next_cursor = last.map(|row| Cursor::new(row.window_start, &row.place_id).text());
    let Interval { from, to } = of.within;
    Ok(Json(TaxesAndTips { from, to, place_id: of.place_id, totals, hours, next_cursor }).into_response())
}

async fn totals(
    snapshot: &mut PgConnection,
    place_id: Option<&str>,
    within: Interval,
) -> sqlx::Result<Totals> {
    let parts = Parts::of(within);
    sqlx::query_as!(
        Totals,
        r#"SELECT coalesce(sum(purchases), 0)::bigint AS "purchases!",
               coalesce(sum(total_amount), 0.00)::text AS "total_amount!",
               coalesce(sum(tax_amount), 0.00)::text AS "tax_amount!",
               coalesce(sum(tips_amount), 0.00)::text AS "tips_amount!"
           FROM (
               SELECT purchases, total_amount, tax_amount, tips_amount FROM place_hours
               WHERE ($1::text IS NULL OR place_id = $1) AND ($2::timestamptz IS NULL OR hour >= $2)
                   AND ($3::timestamptz IS NULL OR hour < $3)
               UNION ALL
               SELECT 1, total_amount, tax_amount, tips_amount FROM receipts
               WHERE ($1::text IS NULL OR place_id = $1) AND voided_at IS NULL
                   AND (occurred_at >= $4 AND occurred_at < $5 OR occurred_at >= $6 AND occurred_at < $7)
           ) AS parts"#,
        place_id,
        parts.hours_from,
        parts.hours_to,
        parts.head.0,
        parts.head.1,
        parts.tail.0,
        parts.tail.1
    )
    .fetch_one(snapshot)
    .await
}

/// A row for each place and each closed window since the place's first one. A window in which the place had no receipts has zeros and
/// the running sums so far.
async fn hours(snapshot: &mut PgConnection, of: &FiguresOf) -> sqlx::Result<Vec<PlaceHour>> {
    let after = of.after.as_ref();
    query_places!(
        PlaceHour,
        r#"SELECT p.window_start, p.window_end, p.place_id, coalesce(latest.place_name, p.place_name) AS "place_name!",
               CASE WHEN p.is_own THEN p.recorded ELSE 0 END AS "recorded!",
               CASE WHEN p.is_own THEN p.voided ELSE 0 END AS "voided!",
               CASE WHEN p.is_own THEN p.purchases ELSE 0 END AS "purchases!",
               (CASE WHEN p.is_own THEN p.total_amount ELSE 0.00 END)::text AS "total_amount!",
               (CASE WHEN p.is_own THEN p.average_receipt ELSE 0.00 END)::text AS "average_receipt!",
               (CASE WHEN p.is_own THEN p.tax_amount ELSE 0.00 END)::text AS "tax_amount!",
               (CASE WHEN p.is_own THEN p.tips_amount ELSE 0.00 END)::text AS "tips_amount!",
               p.running_purchases, p.running_total_amount::text AS "running_total_amount!",
               p.running_tax_amount::text AS "running_tax_amount!",
               p.running_tips_amount::text AS "running_tips_amount!""#,
        r#"(SELECT h.window_start, h.window_end, p.place_name, s.*
           FROM hours AS h
           JOIN hour_places AS p ON p.first_window <= h.window_start
           CROSS JOIN LATERAL (
               SELECT latest.place_id, latest.window_start = h.window_start AS is_own, recorded, voided, purchases,
                   total_amount, average_receipt, tax_amount, tips_amount, running_purchases, running_total_amount,
                   running_tax_amount, running_tips_amount
               FROM hour_sums AS latest
               WHERE latest.place_id = p.place_id AND latest.window_start <= h.window_start
               ORDER BY latest.window_start DESC LIMIT 1
           ) AS s
           WHERE ($1::text IS NULL OR p.place_id = $1)
               AND ($2::timestamptz IS NULL OR h.window_start >= $2)
               AND ($3::timestamptz IS NULL OR h.window_start < $3)
               AND ($4::timestamptz IS NULL OR h.window_start >= $4)
               AND ($4::timestamptz IS NULL OR (h.window_start, p.place_id) > ($4, $5::text))
           ORDER BY h.window_start, p.place_id LIMIT $6) AS p"#,
        "ORDER BY p.window_start, p.place_id",
        of.place_id,
        of.within.from,
        of.within.to,
        after.map(|cursor| cursor.at),
        after.map(|cursor| cursor.id.as_str()),
        of.limit + 1
    )
    .fetch_all(snapshot)
    .await
}

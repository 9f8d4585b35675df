//! `/v1/analytics/categories`: totals of an interval by business time, and its windows by arrival, by category.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::openapi::Money;
use runtime::openapi::responses::{OfCallers, OfReads};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::intervals::{FiguresOf, FiguresQuery, Parts};
use crate::http::app::ANALYSTS;
use crate::http::paging::{self, Cursor};
use crate::http::parameters::{Interval, Read, ReadHeaders};
use crate::http::places::query_places;
use crate::projections::{HOURS, PLACES, RECEIPTS};
use crate::read::failed;

/// The most categories that the totals list.
const MOST_CATEGORIES: i64 = 1000;

/// The answer. `totals` are by business time, exact for any interval, the greatest amounts first, 1,000 categories
/// at most; `other` is what all further ones add up to, so that both together are the place's; `hours` are the closed windows that begin in the interval, by arrival, in order of window and place, a
/// page of them.
#[derive(Serialize, ToSchema)]
struct Categories {
    #[schema(required)]
    from: Option<DateTime<Utc>>,
    #[schema(required)]
    to: Option<DateTime<Utc>>,
    #[schema(required)]
    place_id: Option<String>,
    totals: Vec<Category>,
    other: Other,
    hours: Vec<PlaceHour>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What a category's items add up to, of receipts that are not voided.
#[derive(Serialize, ToSchema)]
struct Category {
    #[schema(example = "coffee")]
    category: String,
    quantity: i64,
    #[schema(value_type = Money)]
    amount: String,
}

/// What the categories that are not listed add up to.
#[derive(Serialize, ToSchema)]
#[schema(as = OtherCategories)]
struct Other {
    /// How many they are.
    #[schema(example = 0)]
    categories: i64,
    quantity: i64,
    #[schema(value_type = Money)]
    amount: String,
}

/// A place's categories of one window: `[{category, quantity, amount, running_quantity, running_amount}]`, only
/// those the window touched.
#[derive(Serialize, ToSchema)]
#[schema(as = CategoryWindow)]
struct PlaceHour {
    window_start: DateTime<Utc>,
    window_end: DateTime<Utc>,
    #[schema(example = "cafe-1")]
    place_id: String,
    #[schema(example = "Corner Cafe")]
    place_name: String,
    #[schema(value_type = Vec<WindowCategory>)]
    categories: Box<RawValue>,
}

/// A category's sums of one window, and of all windows up to and with it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is described, not made")]
struct WindowCategory {
    #[schema(example = "coffee")]
    category: String,
    quantity: i64,
    amount: Money,
    running_quantity: i64,
    running_amount: Money,
}

struct PlaceHourRow {
    window_start: DateTime<Utc>,
    window_end: DateTime<Utc>,
    place_id: String,
    place_name: String,
    categories: String,
}

impl From<PlaceHourRow> for PlaceHour {
    fn from(row: PlaceHourRow) -> Self {
        Self {
            window_start: row.window_start,
            window_end: row.window_end,
            place_id: row.place_id,
            place_name: row.place_name,
            categories: RawValue::from_string(row.categories).expect("json is JSON"),
        }
    }
}

/// Totals of an interval by category and business time, and its closed windows by arrival.
#[utoipa::path(
    get,
    path = "/v1/analytics/categories",
    tag = "Figures",
    operation_id = "readCategories",
    params(FiguresQuery, ReadHeaders),
    responses(
        (status = 200, description = "Totals, and a page of windows.", body = Categories),
        OfCallers,
        OfReads,
    )
)]
pub async fn read(read: Read<FiguresQuery>) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let of = FiguresOf::parse(&read)?;
    let projections = [HOURS, PLACES, RECEIPTS];
    let mut snapshot = read.snapshot(&projections).await?;
    let (totals, other) = totals(&mut snapshot, of.place_id.as_deref(), of.within).await.map_err(failed)?;
    let mut rows = hours(&mut snapshot, &of).await.map_err(failed)?;
    let has_more = paging::cut(&mut rows, of.limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|row| Cursor::new(row.window_start, &row.place_id).text());
    let hours = rows.into_iter().map(PlaceHour::from).collect();
    let Interval { from, to } = of.within;
    Ok(Json(Categories { from, to, place_id: of.place_id, totals, other, hours, next_cursor })
        .into_response())
}

/// The greatest categories, and all others as one. A category whose pieces cancel out is listed as long as its amounts do not, so
/// that categories add up to their places. More pieces than a 64-bit number can hold are shown as the most it can.
async fn totals(
    snapshot: &mut PgConnection,
    place_id: Option<&str>,
    within: Interval,
) -> sqlx::Result<(Vec<Category>, Other)> {
    let parts = Parts::of(within);
    let rows = sqlx::query!(
        r#"SELECT CASE WHEN rank <= $8 THEN category END AS category, count(*) AS "categories!",
               greatest(least(sum(quantity), 9223372036854775807), -9223372036854775807)::bigint AS "quantity!",
               sum(amount)::text AS "amount!"
           FROM (
               SELECT category, sum(quantity) AS quantity, sum(amount) AS amount,
                   row_number() OVER (ORDER BY sum(amount) DESC, category) AS rank
               FROM (
                   SELECT category, quantity, amount FROM place_hour_categories
                   WHERE ($1::text IS NULL OR place_id = $1) AND ($2::timestamptz IS NULL OR hour >= $2)
                       AND ($3::timestamptz IS NULL OR hour < $3)
                   UNION ALL
                   SELECT item.category, item.quantity, item.quantity * item.price
                   FROM receipts AS r,
                       jsonb_to_recordset(r.items) AS item(category text, quantity bigint, price numeric(38, 2))
                   WHERE ($1::text IS NULL OR r.place_id = $1) AND r.voided_at IS NULL
                       AND (r.occurred_at >= $4 AND r.occurred_at < $5 OR r.occurred_at >= $6 AND r.occurred_at < $7)
               ) AS parts
               GROUP BY category HAVING sum(quantity) <> 0 OR sum(amount) <> 0
           ) AS ranked
           GROUP BY 1, least(rank, $8 + 1) ORDER BY min(rank)"#,
        place_id,
        parts.hours_from,
        parts.hours_to,
        parts.head.0,
        parts.head.1,
        parts.tail.0,
        parts.tail.1,
        MOST_CATEGORIES
    )
    .fetch_all(snapshot)
    .await?;
    let mut other = Other { categories: 0, quantity: 0, amount: "0.00".into() };
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        let (quantity, amount) = (row.quantity, row.amount);
        match row.category {
            Some(category) => listed.push(Category { category, quantity, amount }),
            None => other = Other { categories: row.categories, quantity, amount },
        }
    }
    Ok((listed, other))
}

/// A row for each place and each closed window since the place's first one.
async fn hours(snapshot: &mut PgConnection, of: &FiguresOf) -> sqlx::Result<Vec<PlaceHourRow>> {
    let after = of.after.as_ref();
    query_places!(
        PlaceHourRow,
        r#"SELECT p.window_start, p.window_end, p.place_id, coalesce(latest.place_name, p.place_name) AS "place_name!",
               coalesce((
                   SELECT json_agg(json_build_object('category', c.category, 'quantity', c.quantity,
                       'amount', c.amount::text, 'running_quantity', c.running_quantity,
                       'running_amount', c.running_amount::text) ORDER BY c.category)
                   FROM hour_categories AS c WHERE c.place_id = p.place_id AND c.window_start = p.window_start
               )::text, '[]') AS "categories!""#,
        r#"(SELECT h.window_start, h.window_end, p.place_id, p.place_name
           FROM hours AS h JOIN hour_places AS p ON p.first_window <= h.window_start
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

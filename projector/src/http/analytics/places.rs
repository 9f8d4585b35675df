//! `/v1/analytics/places`: what each place's receipts add up to, voided ones left out.

use axum::Json;
use axum::response::{IntoResponse, Response};
use runtime::Problem;
use serde::Serialize;

use crate::http::ANALYSTS;
use crate::http::paging::{self, Cursor};
use crate::http::parameters::{PathId, Read};
use crate::http::places::PageQuery;
use crate::http::receipts::NoQuery;
use crate::projection::Projection;
use crate::reads::failed;

/// A place's figures; `average_receipt` is `total_amount / purchases`, rounded half up, 0 without purchases.
#[derive(Serialize)]
struct Figures {
    place_id: String,
    place_name: String,
    purchases: i64,
    total_amount: String,
    average_receipt: String,
    tax_amount: String,
    tips_amount: String,
}

/// A page of the list.
#[derive(Serialize)]
struct Page {
    places: Vec<Figures>,
    next_cursor: Option<String>,
}

/// `GET /v1/analytics/places/{place_id}`: 404 where no receipt names it.
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let mut snapshot = read.snapshot(&[Projection::Places]).await?;
    let figures = sqlx::query_as!(
        Figures,
        r#"SELECT place_id, place_name, purchases, total_amount::text AS "total_amount!",
               (CASE WHEN purchases > 0 THEN round(total_amount / purchases, 2) ELSE 0.00 END)::text
                   AS "average_receipt!",
               tax_amount::text AS "tax_amount!", tips_amount::text AS "tips_amount!"
           FROM places WHERE place_id = $1"#,
        id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    Ok(Json(figures.ok_or_else(|| Problem::not_found("no receipt names this place"))?).into_response())
}

/// `GET /v1/analytics/places`: by id.
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let (after, limit) = read.query.bounds()?;
    let mut snapshot = read.snapshot(&[Projection::Places]).await?;
    let mut places = sqlx::query_as!(
        Figures,
        r#"SELECT place_id, place_name, purchases, total_amount::text AS "total_amount!",
               (CASE WHEN purchases > 0 THEN round(total_amount / purchases, 2) ELSE 0.00 END)::text
                   AS "average_receipt!",
               tax_amount::text AS "tax_amount!", tips_amount::text AS "tips_amount!"
           FROM places WHERE place_id > $1 ORDER BY place_id LIMIT $2"#,
        after,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut places, limit);
    let next_cursor = places.last().filter(|_| has_more).map(|place| Cursor::of_id(&place.place_id).text());
    Ok(Json(Page { places, next_cursor }).into_response())
}

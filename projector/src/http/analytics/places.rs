//! `/v1/analytics/places`: what each place's receipts add up to, voided ones left out.

use axum::Json;
use axum::response::{IntoResponse, Response};
use runtime::Problem;
use runtime::openapi::Money;
use runtime::openapi::responses::{OfCallers, OfReads};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::app::ANALYSTS;
use crate::http::paging::{self, Cursor, PageQuery};
use crate::http::parameters::{NoQuery, PathId, Read, ReadHeaders};
use crate::http::places::query_places;
use crate::projections::{PLACES, RECEIPTS};
use crate::read::failed;

/// A place's figures, and its name on its latest receipt that is not void, or on its latest one where all are; `average_receipt` is `total_amount / purchases`, rounded half up, 0 without purchases.
#[derive(Serialize, ToSchema)]
struct Figures {
    #[schema(example = "cafe-1")]
    place_id: String,
    #[schema(example = "Corner Cafe")]
    place_name: String,
    purchases: i64,
    #[schema(value_type = Money)]
    total_amount: String,
    #[schema(value_type = Money)]
    average_receipt: String,
    #[schema(value_type = Money)]
    tax_amount: String,
    #[schema(value_type = Money)]
    tips_amount: String,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = FiguresPage)]
struct Page {
    places: Vec<Figures>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One place's figures: 404 where no receipt names it.
#[utoipa::path(
    get,
    path = "/v1/analytics/places/{place_id}",
    tag = "Figures",
    operation_id = "readPlaceFigures",
    params(("place_id" = String, Path, example = "cafe-1"), ReadHeaders),
    responses(
        (status = 200, description = "Its figures over all time.", body = Figures),
        (status = 404, description = "No receipt names this place.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "no receipt names this place"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let mut snapshot = read.snapshot(&[PLACES, RECEIPTS]).await?;
    let figures = query_places!(
        Figures,
        r#"SELECT p.place_id, coalesce(latest.place_name, p.place_id) AS "place_name!", purchases, total_amount::text AS "total_amount!",
               (CASE WHEN purchases > 0 THEN round(total_amount / purchases, 2) ELSE 0.00 END)::text
                   AS "average_receipt!",
               tax_amount::text AS "tax_amount!", tips_amount::text AS "tips_amount!""#,
        "places AS p",
        "WHERE p.place_id = $1",
        id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    Ok(Json(figures.ok_or_else(|| Problem::not_found("no receipt names this place"))?).into_response())
}

/// What each place has sold, by id.
#[utoipa::path(
    get,
    path = "/v1/analytics/places",
    tag = "Figures",
    operation_id = "listPlaceFigures",
    params(PageQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of them.", body = Page),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let (after, limit) = read.query.bounds()?;
    let mut snapshot = read.snapshot(&[PLACES, RECEIPTS]).await?;
    let mut places = query_places!(
        Figures,
        r#"SELECT p.place_id, coalesce(latest.place_name, p.place_id) AS "place_name!", purchases, total_amount::text AS "total_amount!",
               (CASE WHEN purchases > 0 THEN round(total_amount / purchases, 2) ELSE 0.00 END)::text
                   AS "average_receipt!",
               tax_amount::text AS "tax_amount!", tips_amount::text AS "tips_amount!""#,
        "places AS p",
        "WHERE p.place_id > $1 ORDER BY p.place_id LIMIT $2",
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

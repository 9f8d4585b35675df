//! `/v1/places`: the places receipts came from.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::openapi::responses::{OfCallers, OfReads};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::READERS;
use super::paging::{self, Cursor, PageQuery};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders};
use crate::projections::{PLACES, RECEIPTS};
use crate::read::failed;

/// Queries places with the receipt that names each: its latest one that is not void, or its latest one if all are. If no receipt of
/// a place can be read, because the projection `receipts` is behind or has parked them, the receipt's fields are NULL. `$places` is
/// a relation that is called `p`. All parts are literals, so that sqlx checks the whole query against the tables.
macro_rules! query_places {
    ($row:ty, $select:literal, $places:literal, $rows:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            $row,
            $select + " FROM " + $places + r#" LEFT JOIN LATERAL (
                   (SELECT r.place_name, r.occurred_at, 1 AS choice FROM receipts AS r
                    WHERE r.place_id = p.place_id AND r.voided_at IS NULL
                    ORDER BY r.occurred_at DESC, r.transaction_id DESC LIMIT 1)
                   UNION ALL
                   (SELECT r.place_name, r.occurred_at, 2 FROM receipts AS r WHERE r.place_id = p.place_id
                    ORDER BY r.occurred_at DESC, r.transaction_id DESC LIMIT 1)
                   ORDER BY choice LIMIT 1
               ) AS latest ON true "# + $rows,
            $($argument),+
        )
    };
}
pub(super) use query_places;

/// A place: its name on its latest receipt that is not void, or on its latest one where all are, and that receipt's
/// business time.
#[derive(Serialize, ToSchema)]
struct Place {
    #[schema(example = "cafe-1")]
    place_id: String,
    #[schema(example = "Corner Cafe")]
    place_name: String,
    latest_receipt_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = PlacePage)]
struct Page {
    places: Vec<Place>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One place: 404 where no receipt names it.
#[utoipa::path(
    get,
    path = "/v1/places/{place_id}",
    tag = "Places",
    operation_id = "readPlace",
    params(("place_id" = String, Path, example = "cafe-1"), ReadHeaders),
    responses(
        (status = 200, description = "The place.", body = Place),
        (status = 404, description = "No receipt names this place.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "no receipt names this place"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    read.require(READERS)?;
    let mut snapshot = read.snapshot(&[PLACES, RECEIPTS]).await?;
    let place = query_places!(
        Place,
        r#"SELECT p.place_id, latest.place_name AS "place_name!", latest.occurred_at AS "latest_receipt_at!""#,
        "places AS p",
        "WHERE p.place_id = $1 AND latest.occurred_at IS NOT NULL",
        id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    Ok(Json(place.ok_or_else(|| Problem::not_found("no receipt names this place"))?).into_response())
}

/// The places receipts came from, by id.
#[utoipa::path(
    get,
    path = "/v1/places",
    tag = "Places",
    operation_id = "listPlaces",
    params(PageQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of them.", body = Page),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(READERS)?;
    let (after, limit) = read.query.bounds()?;
    let mut snapshot = read.snapshot(&[PLACES, RECEIPTS]).await?;
    let mut places = query_places!(
        Place,
        r#"SELECT p.place_id, latest.place_name AS "place_name!", latest.occurred_at AS "latest_receipt_at!""#,
        "places AS p",
        "WHERE p.place_id > $1 AND latest.occurred_at IS NOT NULL ORDER BY p.place_id LIMIT $2",
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

//! `/v1/places`: the places receipts came from.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use serde::{Deserialize, Serialize};

use super::READERS;
use super::paging::{self, Cursor};
use super::parameters::{PathId, Read};
use super::receipts::NoQuery;
use crate::projection::Projection;
use crate::reads::failed;

/// `?cursor&limit`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    cursor: Option<String>,
    limit: Option<String>,
}

impl PageQuery {
    /// The id after which the page begins, and its rows.
    ///
    /// # Errors
    /// 400.
    pub fn bounds(&self) -> Result<(String, i64), Problem> {
        let after = Cursor::parse(self.cursor.as_deref())?.map(|cursor| cursor.id).unwrap_or_default();
        Ok((after, paging::limit(self.limit.as_deref())?))
    }
}

/// A place: its name on its latest receipt, and that receipt's business time.
#[derive(Serialize)]
struct Place {
    place_id: String,
    place_name: String,
    latest_receipt_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize)]
struct Page {
    places: Vec<Place>,
    next_cursor: Option<String>,
}

/// `GET /v1/places/{place_id}`: 404 where no receipt names it.
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    read.require(READERS)?;
    let mut snapshot = read.snapshot(&[Projection::Places]).await?;
    let place = sqlx::query_as!(
        Place,
        "SELECT place_id, place_name, latest_at AS latest_receipt_at FROM places WHERE place_id = $1",
        id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    Ok(Json(place.ok_or_else(|| Problem::not_found("no receipt names this place"))?).into_response())
}

/// `GET /v1/places`: by id.
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(READERS)?;
    let (after, limit) = read.query.bounds()?;
    let mut snapshot = read.snapshot(&[Projection::Places]).await?;
    let mut places = sqlx::query_as!(
        Place,
        "SELECT place_id, place_name, latest_at AS latest_receipt_at FROM places
         WHERE place_id > $1 ORDER BY place_id LIMIT $2",
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

//! `GET /api/analytics/` and `GET /api/analytics/<place_id>/` of the consumer: the worker's figures, for analysts. A place may
//! have many windows and any number of categories, so it is written piece by piece too: memory holds the windows of one category.

use std::sync::Arc;
use std::vec::IntoIter;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::answers::Refused;
use runtime::Problem;
use sqlx::PgConnection;

use super::caller::Caller;
use super::contract::Contract;
use super::windows::{FirstWindow, Totals, Windows};
use crate::contracts::list::{Part, list as streamed};
use crate::projections::definition::Projection;
use crate::projections::{HOURS, PLACES, RECEIPTS};
use crate::read::{Snapshot, failed};

const PROJECTIONS: [Projection; 3] = [PLACES, HOURS, RECEIPTS];

/// The most places of a part.
const MOST: usize = 100;

/// What the list shows: which places, and in which windows each of them.
#[derive(Clone)]
struct Shown {
    /// The only place, if one is asked for.
    only: Option<String>,
    windows: Arc<Windows>,
}

/// Where the next part begins.
struct Cursor {
    shown: Shown,
    place_id: String,
    /// What is left of the place; `None` where it was written to its end.
    rest: Option<Rest>,
}

/// What of a place is not written yet: its categories.
struct Rest {
    totals: Totals,
    /// The next categories, as far as they are read.
    categories: IntoIter<FirstWindow>,
    /// The name from which on categories are still to be read.
    from: String,
    is_first: bool,
}

impl Rest {
    /// The next category in the order of names, with its first window.
    async fn next(
        &mut self,
        snapshot: &mut PgConnection,
        windows: &Windows,
        place_id: &str,
    ) -> sqlx::Result<Option<FirstWindow>> {
        if self.categories.as_slice().is_empty() {
            self.categories = windows.categories_from(snapshot, place_id, &self.from).await?.into_iter();
        }
        let next = self.categories.next();
        if let Some((category, _)) = &next {
            // No text in Postgres has U+0000, so no name lies between this one and itself with U+0001 appended.
            self.from = format!("{category}\u{1}");
        }
        Ok(next)
    }
}

/// The list of all places, by id.
pub async fn list(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    let turn = Caller::analyst(&contract, &headers).await?.turn();
    answer(contract, turn, None).await
}

/// The list of one place; it is empty if there is no such place.
pub async fn one(
    State(contract): State<Contract>,
    place_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let turn = Caller::analyst(&contract, &headers).await?.turn();
    // An id that is not UTF-8, or that Postgres cannot store, is no place's.
    let place_id = place_id.map(|Path(id)| id).unwrap_or_default().replace('\0', "\u{fffd}");
    answer(contract, turn, Some(place_id)).await
}

async fn answer(contract: Contract, turn: String, only: Option<String>) -> Result<Response, Refused> {
    let part = move |cursor| part(contract.clone(), turn.clone(), only.clone(), cursor);
    Ok(streamed(part).await?)
}

async fn part(
    contract: Contract,
    turn: String,
    only: Option<String>,
    cursor: Option<Cursor>,
) -> Result<Part<Cursor>, Problem> {
    match cursor {
        None => {
            let mut snapshot = contract.snapshot(&PROJECTIONS, &turn).await?;
            let windows = Arc::new(Windows::load(&mut snapshot).await.map_err(failed)?);
            places(snapshot, Shown { only, windows }, String::new(), Part::new()).await
        }
        Some(Cursor { shown, place_id, rest: None }) => {
            let snapshot = contract.eventual_snapshot(&PROJECTIONS, &turn).await?;
            places(snapshot, shown, place_id, Part::new()).await
        }
        Some(Cursor { shown, place_id, rest: Some(rest) }) => {
            let mut snapshot = contract.eventual_snapshot(&PROJECTIONS, &turn).await?;
            let mut part = Part::within();
            match categories(&mut snapshot, &shown.windows, &place_id, rest, &mut part)
                .await
                .map_err(failed)?
            {
                Some(rest) => Ok(part.goes_on(Cursor { shown, place_id, rest: Some(rest) })),
                None => places(snapshot, shown, place_id, part).await,
            }
        }
    }
}

/// Writes the places after one until the part has enough.
async fn places(
    mut snapshot: Snapshot,
    shown: Shown,
    mut after: String,
    mut part: Part<Cursor>,
) -> Result<Part<Cursor>, Problem> {
    for _ in 0..MOST {
        if !part.has_room() {
            break;
        }
        let next = next_place(&mut snapshot, shown.only.as_deref(), &after).await.map_err(failed)?;
        let Some((place_id, place_name)) = next else { return Ok(part) };
        let rest = begin_place(&mut snapshot, &shown.windows, &place_id, &place_name, &mut part).await;
        let rest = rest.map_err(failed)?;
        let rest = categories(&mut snapshot, &shown.windows, &place_id, rest, &mut part).await;
        if let Some(rest) = rest.map_err(failed)? {
            return Ok(part.goes_on(Cursor { shown, place_id, rest: Some(rest) }));
        }
        after = place_id;
    }
    Ok(part.goes_on(Cursor { shown, place_id: after, rest: None }))
}

/// The next place by id after one, with its name: as on its first receipt that is not void, or on its first one if all are; its id if
/// no receipt of it can be read.
async fn next_place(
    snapshot: &mut PgConnection,
    only: Option<&str>,
    after: &str,
) -> sqlx::Result<Option<(String, String)>> {
    let row = sqlx::query!(
        r#"SELECT p.place_id, coalesce(first.place_name, p.place_id) AS "place_name!"
           FROM places AS p LEFT JOIN LATERAL (
               (SELECT r.place_name, 1 AS choice FROM receipts AS r
                WHERE r.place_id = p.place_id AND r.voided_at IS NULL
                ORDER BY r.recorded_at, r.partition, r."offset" LIMIT 1)
               UNION ALL
               (SELECT r.place_name, 2 FROM receipts AS r WHERE r.place_id = p.place_id
                ORDER BY r.recorded_at, r.partition, r."offset" LIMIT 1)
               ORDER BY choice LIMIT 1
           ) AS first ON true
           WHERE p.place_id > $1 AND ($2::text IS NULL OR p.place_id = $2) ORDER BY p.place_id LIMIT 1"#,
        after,
        only
    )
    .fetch_optional(snapshot)
    .await?;
    Ok(row.map(|row| (row.place_id, row.place_name)))
}

/// Writes a place up to its categories. The original system works `average_receipt` out as well, but does not show it.
async fn begin_place(
    snapshot: &mut PgConnection,
    windows: &Windows,
    place_id: &str,
    place_name: &str,
    part: &mut Part<Cursor>,
) -> sqlx::Result<Rest> {
    let totals = windows.of_place(snapshot, place_id).await?;
    part.begin_element();
    part.write(r#"{"place_id":"#);
    part.write_value(&place_id);
    part.write(r#","place_name":"#);
    part.write_value(&place_name);
    part.write(r#","total_purchases":"#);
    part.write_value(&totals.purchases);
    part.write(r#","average_receipt":"#);
    part.write_value(&totals.average_receipt);
    part.write(r#","taxes_amount":"#);
    part.write_value(&windows.taxes(&totals));
    part.write(r#","category_analytics":["#);
    Ok(Rest { totals, categories: Vec::new().into_iter(), from: String::new(), is_first: true })
}

/// Writes categories until the part has enough. Returns what is left of the place; `None` if it is written to its end.
async fn categories(
    snapshot: &mut PgConnection,
    windows: &Windows,
    place_id: &str,
    mut rest: Rest,
    part: &mut Part<Cursor>,
) -> sqlx::Result<Option<Rest>> {
    while part.has_room() {
        let Some(category) = rest.next(snapshot, windows, place_id).await? else {
            part.write("]}");
            return Ok(None);
        };
        if !std::mem::replace(&mut rest.is_first, false) {
            part.write(",");
        }
        part.write_value(&windows.category(snapshot, place_id, &rest.totals, category).await?);
    }
    Ok(Some(rest))
}

//! `GET /api/analytics/` and `GET /api/analytics/<place_id>/` of the consumer: the worker's figures, for analysts.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use runtime::Problem;
use runtime::contracts::receipts::answers::Refused;
use schemas::Money;
use serde::Serialize;
use sqlx::PgConnection;

use super::Contract;
use super::caller::Caller;
use super::list::{Part, list as streamed};
use super::windows::{Category, Taxes, Totals, Windows};
use crate::projection::Projection;
use crate::reads::failed;

const PROJECTIONS: [Projection; 2] = [Projection::Places, Projection::Hours];
/// Places of a part, at most.
const MOST: i64 = 100;

/// A place's figures. `average_receipt` is what the original works out and does not show.
#[derive(Serialize)]
struct Place {
    place_id: String,
    place_name: String,
    total_purchases: i64,
    average_receipt: Money,
    taxes_amount: Vec<Taxes>,
    category_analytics: Vec<Category>,
}

/// The place before the next part, and the windows that all places are shown in.
struct Cursor {
    place_id: String,
    windows: Arc<Windows>,
}

/// Each place, by id.
pub async fn list(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    let _analyst = Caller::analyst(&contract, &headers).await?;
    let part = move |after| part(contract.clone(), after);
    Ok(streamed(part).await?)
}

/// A list of the one place, or of none.
pub async fn one(
    State(contract): State<Contract>,
    place_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let _analyst = Caller::analyst(&contract, &headers).await?;
    // Neither what is no text nor what Postgres cannot store is a place's id.
    let place_id = place_id.map(|Path(id)| id).unwrap_or_default().replace('\0', "\u{fffd}");
    let part = move |_after: Option<()>| part_of_one(contract.clone(), place_id.clone());
    Ok(streamed(part).await?)
}

async fn part_of_one(contract: Contract, place_id: String) -> Result<Part<()>, Problem> {
    let mut snapshot = contract.snapshot(&PROJECTIONS).await?;
    let windows = Windows::load(&mut snapshot).await.map_err(failed)?;
    let name = sqlx::query_scalar!("SELECT first_name FROM places WHERE place_id = $1", place_id)
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(failed)?;
    let mut part = Part::new();
    if let Some(name) = name {
        part.push(&figures(&mut snapshot, &windows, place_id, name).await.map_err(failed)?);
    }
    Ok(part)
}

async fn part(contract: Contract, after: Option<Cursor>) -> Result<Part<Cursor>, Problem> {
    let (mut snapshot, place_id, windows) = match after {
        None => {
            let mut snapshot = contract.snapshot(&PROJECTIONS).await?;
            let windows = Windows::load(&mut snapshot).await.map_err(failed)?;
            (snapshot, String::new(), Arc::new(windows))
        }
        Some(Cursor { place_id, windows }) => {
            (contract.later_snapshot(&PROJECTIONS).await?, place_id, windows)
        }
    };
    let rows = sqlx::query!(
        "SELECT place_id, first_name FROM places WHERE place_id > $1 ORDER BY place_id LIMIT $2",
        place_id,
        MOST
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let is_full = i64::try_from(rows.len()) == Ok(MOST);
    let last = rows.last().map(|row| row.place_id.clone());
    let mut part = Part::new();
    for row in rows {
        let place_id = row.place_id.clone();
        let figures = figures(&mut snapshot, &windows, row.place_id, row.first_name).await.map_err(failed)?;
        let has_room = part.push(&figures);
        let is_last = last.as_ref() == Some(&place_id);
        if (!has_room && !is_last) || (is_full && is_last) {
            return Ok(part.goes_on(Cursor { place_id, windows }));
        }
    }
    Ok(part)
}

async fn figures(
    snapshot: &mut PgConnection,
    windows: &Windows,
    place_id: String,
    place_name: String,
) -> sqlx::Result<Place> {
    let Totals { purchases, average_receipt, taxes, categories } =
        windows.of_place(snapshot, &place_id).await?;
    Ok(Place {
        place_id,
        place_name,
        total_purchases: purchases,
        average_receipt,
        taxes_amount: taxes,
        category_analytics: categories,
    })
}

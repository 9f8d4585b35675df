//! `GET /api/places/` of the consumer: for anyone with a token.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::answers::Refused;
use contracts::receipts::local_time;
use runtime::Problem;
use serde::Serialize;

use super::caller::Caller;
use super::contract::Contract;
use crate::contracts::list::{Part, list as streamed};
use crate::projections::{PLACES, RECEIPTS};
use crate::read::failed;

/// The most places of a part.
const MOST: i64 = 1000;

/// A place as it was made by its first receipt that is not void, or by its first one if all are.
#[derive(Serialize)]
struct Place {
    place_id: String,
    place_name: String,
    date_create: String,
}

/// `GET /api/places/`: all places, by id.
pub async fn list(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    let turn = Caller::of(&contract, &headers).await?.turn();
    let part = move |after| part(contract.clone(), turn.clone(), after);
    Ok(streamed(part).await?)
}

async fn part(contract: Contract, turn: String, after: Option<String>) -> Result<Part<String>, Problem> {
    let mut snapshot = match after {
        None => contract.snapshot(&[PLACES, RECEIPTS], &turn).await?,
        Some(_) => contract.eventual_snapshot(&[PLACES, RECEIPTS], &turn).await?,
    };
    let rows = sqlx::query!(
        r#"SELECT p.place_id, first.place_name AS "first_name!", first.recorded_at AS "first_at!"
           FROM places AS p CROSS JOIN LATERAL (
               (SELECT r.place_name, r.recorded_at, 1 AS choice FROM receipts AS r
                WHERE r.place_id = p.place_id AND r.voided_at IS NULL
                ORDER BY r.recorded_at, r.partition, r."offset" LIMIT 1)
               UNION ALL
               (SELECT r.place_name, r.recorded_at, 2 FROM receipts AS r WHERE r.place_id = p.place_id
                ORDER BY r.recorded_at, r.partition, r."offset" LIMIT 1)
               ORDER BY choice LIMIT 1
           ) AS first
           WHERE p.place_id > $1 ORDER BY p.place_id LIMIT $2"#,
        after.unwrap_or_default(),
        MOST
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let next = (i64::try_from(rows.len()) == Ok(MOST)).then(|| rows.last().map(|row| row.place_id.clone()));
    let mut part = Part::new();
    for row in rows {
        let date_create = local_time(row.first_at);
        part.push(&Place { place_id: row.place_id, place_name: row.first_name, date_create });
    }
    Ok(match next.flatten() {
        Some(next) => part.goes_on(next),
        None => part,
    })
}

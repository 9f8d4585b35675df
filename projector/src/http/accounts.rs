//! `/v1/accounts`: who has an account, for admins.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::auth::Role;
use serde::Serialize;

use super::paging::{self, Cursor};
use super::parameters::{Read, refused};
use super::places::PageQuery;
use crate::projection::Projection;
use crate::reads::failed;

/// An account.
#[derive(Serialize)]
struct Account {
    realm: String,
    username: String,
    number: i64,
    roles: Vec<String>,
    places: Vec<String>,
    registered_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize)]
struct Page {
    accounts: Vec<Account>,
    next_cursor: Option<String>,
}

/// `GET /v1/accounts`: by realm and number.
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(&[Role::Admin])?;
    let (after, limit) = read.query.bounds()?;
    let (realm, number) = position(&after)?;
    let mut snapshot = read.snapshot(&[Projection::Accounts]).await?;
    let mut accounts = sqlx::query_as!(
        Account,
        "SELECT realm, username, number, roles, places, registered_at FROM accounts
         WHERE (realm, number) > ($1::text, $2::bigint) ORDER BY realm, number LIMIT $3",
        realm,
        number,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut accounts, limit);
    let last = accounts.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::of_id(&format!("{}/{}", last.number, last.realm)).text());
    Ok(Json(Page { accounts, next_cursor }).into_response())
}

/// `number/realm`, or nothing for the beginning.
fn position(id: &str) -> Result<(&str, i64), Problem> {
    if id.is_empty() {
        return Ok(("", 0));
    }
    let parsed = id.split_once('/').and_then(|(number, realm)| Some((realm, number.parse().ok()?)));
    parsed.ok_or_else(|| refused("`cursor` is of another list"))
}

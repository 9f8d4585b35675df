//! `/v1/accounts`: who has an account, for admins.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::auth::Role;
use runtime::openapi::responses::{OfCallers, OfReads};
use serde::Serialize;
use utoipa::ToSchema;

use super::paging::{self, Cursor, PageQuery};
use super::parameters::{Read, ReadHeaders, refused};
use crate::projections::ACCOUNTS;
use crate::read::failed;

/// An account.
#[derive(Serialize, ToSchema)]
struct Account {
    /// `till`, or a contract's own.
    #[schema(example = "till")]
    realm: String,
    #[schema(example = "ann")]
    username: String,
    /// Counts the realm's accounts.
    number: i64,
    #[schema(example = json!(["terminal"]))]
    roles: Vec<String>,
    /// The places a terminal is bound to; empty: every place.
    #[schema(example = json!(["cafe-1"]))]
    places: Vec<String>,
    registered_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountPage)]
struct Page {
    accounts: Vec<Account>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The accounts, by realm and number.
#[utoipa::path(
    get,
    path = "/v1/accounts",
    tag = "Accounts",
    operation_id = "listAccounts",
    params(PageQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of them.", body = Page),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(&[Role::Admin])?;
    let (after, limit) = read.query.bounds()?;
    let (realm, number) = position(&after)?;
    let mut snapshot = read.snapshot(&[ACCOUNTS]).await?;
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

/// The realm and number that a cursor `number/realm` names; without a cursor, what comes before all accounts.
fn position(id: &str) -> Result<(&str, i64), Problem> {
    if id.is_empty() {
        return Ok(("", 0));
    }
    let parsed = id.split_once('/').and_then(|(number, realm)| Some((realm, number.parse().ok()?)));
    parsed.ok_or_else(|| refused("`cursor` is of another list"))
}

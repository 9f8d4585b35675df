//! `/v1/accounts`: who has an account, and the keys of terminals. Tables hold boxes; they are opened here, for the answer alone.

use axum::Json;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::auth::Role;
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, OfReads};
use runtime::{Problem, etag};
use schemas::keys::USERNAME;
use schemas::{Clear, Personal, Sealed};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::paging::{self, Cursor, PageQuery};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders, body, refused};
use crate::projections::{ACCOUNTS, CUSTOMERS, KEYS};
use crate::read::{Unopened, failed, opened, with_another_look};

/// The realm of `/v1`'s accounts, in which usernames are unique.
const REALM: &str = "till";

/// An account. What is personal of one that was erased is `null`.
#[derive(Serialize, ToSchema)]
struct Account {
    /// `till`, or a contract's own.
    #[schema(example = "till")]
    realm: String,
    /// Counts the realm's accounts.
    number: i64,
    #[schema(example = "ann")]
    username: Option<String>,
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    #[schema(example = json!(["terminal"]))]
    roles: Vec<String>,
    /// The places a terminal is bound to; empty: every place.
    #[schema(example = json!(["cafe-1"]))]
    places: Vec<String>,
    /// Whether it may do nothing until it is enabled.
    disabled: bool,
    /// Whether it was closed, for good.
    closed: bool,
    /// Whether what is personal was erased, for good.
    erased: bool,
    /// Counts the account's changes; also its `ETag`.
    revision: i32,
    registered_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
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

/// What is looked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountSearch)]
pub struct Search {
    #[schema(example = "ann")]
    username: String,
}

/// Accounts that were found.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountsFound)]
struct Found {
    accounts: Vec<Account>,
}

/// A key that a terminal sends receipts with. The key itself is told once, and kept nowhere.
#[derive(Serialize, ToSchema)]
#[schema(as = TerminalKeyInfo)]
struct TerminalKey {
    #[schema(value_type = String, example = "0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55")]
    id: Uuid,
    /// What people call it.
    #[schema(example = "Till at the door")]
    label: String,
    /// The places whose receipts it may send; empty: those of its account.
    #[schema(example = json!(["cafe-1"]))]
    places: Vec<String>,
    issued_at: DateTime<Utc>,
    /// A use that is at most an hour older than the last one; `null`: it was never used.
    #[schema(required)]
    used_at: Option<DateTime<Utc>>,
}

/// The keys of an account that are good.
#[derive(Serialize, ToSchema)]
#[schema(as = TerminalKeys)]
struct Keys {
    keys: Vec<TerminalKey>,
}

/// A row of an account.
struct Row {
    realm: String,
    number: i64,
    subject: Option<Uuid>,
    sealed: Option<Vec<u8>>,
    /// The name of an account that is not sealed yet.
    username: Option<String>,
    roles: Vec<String>,
    places: Vec<String>,
    disabled: bool,
    is_closed: bool,
    is_erased: bool,
    revision: i32,
    registered_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
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
    let after = position(&after)?;
    let page = with_another_look(|| page(&read, after, limit)).await?;
    Ok(Json(page).into_response())
}

async fn page<Q>(read: &Read<Q>, (realm, number): (&str, i64), limit: i64) -> Result<Page, Unopened> {
    let mut snapshot = read.strong_snapshot(&[ACCOUNTS, CUSTOMERS, KEYS]).await?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT realm, number, a.subject, sealed, username, roles, places, disabled,
               (closed_at IS NOT NULL) AS "is_closed!", (e.subject IS NOT NULL) AS "is_erased!", revision,
               registered_at, updated_at
           FROM accounts AS a LEFT JOIN erased AS e ON e.subject = a.subject
           WHERE (realm, number) > ($1::text, $2::bigint) ORDER BY realm, number LIMIT $3"#,
        realm,
        number,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::of_id(&format!("{}/{}", last.number, last.realm)).text());
    let accounts = accounts(read, &mut snapshot, rows).await?;
    Ok(Page { accounts, next_cursor })
}

/// One account of `/v1`, for admins and itself: 404 where none has the number.
#[utoipa::path(
    get,
    path = "/v1/accounts/{number}",
    tag = "Accounts",
    operation_id = "readAccount",
    params(("number" = i64, Path, example = 3), ReadHeaders),
    responses(
        (status = 200, description = "The account.", body = Account,
            headers(("ETag" = String, description = "The revision, for `If-Match` of a change."))),
        (status = 404, description = "There is no such account.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no account with this number"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(number): PathId) -> Result<Response, Problem> {
    let number = own_or_any(&read, number.as_deref())?;
    let (revision, account) = with_another_look(|| numbered(&read, number)).await?;
    Ok((etag(revision), Json(account)).into_response())
}

/// The account of the number, with its revision.
async fn numbered<Q>(read: &Read<Q>, number: i64) -> Result<(i32, Option<Account>), Unopened> {
    let mut snapshot = read.strong_snapshot(&[ACCOUNTS, CUSTOMERS, KEYS]).await?;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT realm, number, a.subject, sealed, username, roles, places, disabled,
               (closed_at IS NOT NULL) AS "is_closed!", (e.subject IS NOT NULL) AS "is_erased!", revision,
               registered_at, updated_at
           FROM accounts AS a LEFT JOIN erased AS e ON e.subject = a.subject
           WHERE realm = $1 AND number = $2"#,
        REALM,
        number
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?
    .ok_or_else(unknown)?;
    let revision = row.revision;
    Ok((revision, accounts(read, &mut snapshot, vec![row]).await?.pop()))
}

/// The keys that an account's terminals send receipts with, for admins and the account itself: the first issued first.
#[utoipa::path(
    get,
    path = "/v1/accounts/{number}/keys",
    tag = "Accounts",
    operation_id = "listTerminalKeys",
    params(("number" = i64, Path, example = 3), ReadHeaders),
    responses(
        (status = 200, description = "All that are good: 100 at most.", body = Keys),
        (status = 404, description = "There is no such account.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no account with this number"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn keys(read: Read<NoQuery>, PathId(number): PathId) -> Result<Response, Problem> {
    let number = own_or_any(&read, number.as_deref())?;
    let mut snapshot = read.snapshot(&[ACCOUNTS]).await?;
    let keys = sqlx::query_as!(
        TerminalKey,
        "SELECT key AS id, label, places, issued_at, used_at FROM terminal_keys
         WHERE realm = $1 AND account = $2 ORDER BY issued_at, key",
        REALM,
        number
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let is_known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM accounts WHERE realm = $1 AND number = $2) AS "is_known!""#,
        REALM,
        number
    )
    .fetch_one(&mut *snapshot)
    .await
    .map_err(failed)?;
    if is_known { Ok(Json(Keys { keys }).into_response()) } else { Err(unknown()) }
}

/// The account of `/v1` with this username: none or one. It stands in the body, because paths are logged.
#[utoipa::path(
    post,
    path = "/v1/accounts/search",
    tag = "Accounts",
    operation_id = "searchAccounts",
    params(ReadHeaders),
    request_body = Search,
    responses(
        (status = 200, description = "What was found.", body = Found),
        (status = 422, response = Invalid),
        OfCallers,
        OfReads,
        OfBodies,
    )
)]
pub async fn search(read: Read<NoQuery>, bytes: Bytes) -> Result<Response, Problem> {
    read.require(&[Role::Admin])?;
    let Some((username, index)) = looked_for(&read, &bytes)? else {
        return Ok(Json(Found { accounts: Vec::new() }).into_response());
    };
    let accounts = with_another_look(|| found(&read, &username, &index)).await?;
    Ok(Json(Found { accounts }).into_response())
}

async fn found<Q>(read: &Read<Q>, username: &Clear, index: &[u8]) -> Result<Vec<Account>, Unopened> {
    let mut snapshot = read.strong_snapshot(&[ACCOUNTS, CUSTOMERS, KEYS]).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT realm, number, a.subject, sealed, username, roles, places, disabled,
               (closed_at IS NOT NULL) AS "is_closed!", (e.subject IS NOT NULL) AS "is_erased!", revision,
               registered_at, updated_at
           FROM accounts AS a LEFT JOIN erased AS e ON e.subject = a.subject
           WHERE realm = $1 AND closed_at IS NULL AND e.subject IS NULL AND (username = $2 OR a.subject = (
               SELECT i.subject FROM person_indexes AS i WHERE i.home = $1 AND i.kind = $3 AND i.value = $4))"#,
        REALM,
        username.expose(),
        USERNAME,
        index
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    accounts(read, &mut snapshot, rows).await
}

/// The realm and number that a cursor `number/realm` names; without a cursor, what comes before all accounts.
fn position(id: &str) -> Result<(&str, i64), Problem> {
    if id.is_empty() {
        return Ok(("", 0));
    }
    let parsed = id.split_once('/').and_then(|(number, realm)| Some((realm, number.parse().ok()?)));
    parsed.ok_or_else(|| refused("`cursor` is of another list"))
}

/// The number of an account that the caller may see: its own, and an admin any.
fn own_or_any<Q>(read: &Read<Q>, number: Option<&str>) -> Result<i64, Problem> {
    let number = number.and_then(|number| number.parse().ok());
    let caller = read.caller();
    if caller.realm != REALM || number != Some(caller.number) {
        read.require(&[Role::Admin])?;
    }
    number.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("there is no account with this number")
}

/// The username that a body looks for, and its blind index; `None` where no account can have it.
fn looked_for<Q>(read: &Read<Q>, bytes: &[u8]) -> Result<Option<(Clear, Vec<u8>)>, Problem> {
    let Search { username } = body(bytes, "must be an object with the text `username`")?;
    let username = Clear::from(username);
    let index = read.vault().index(REALM, USERNAME, username.expose());
    let index = index.filter(|_| !username.expose().contains('\0'));
    Ok(index.map(|index| (username, index.value)))
}

/// The accounts of rows, each with what its box holds.
async fn accounts<Q>(
    read: &Read<Q>,
    snapshot: &mut PgConnection,
    mut rows: Vec<Row>,
) -> Result<Vec<Account>, Unopened> {
    let boxes: Vec<_> = rows.iter_mut().map(Row::take_box).collect();
    let personal = opened(read.vault(), snapshot, &boxes).await?;
    Ok(rows.into_iter().zip(personal).map(|(row, personal)| Account::new(row, personal)).collect())
}

impl Row {
    /// Takes the box out, if there is one and its person was not erased.
    fn take_box(&mut self) -> Option<Sealed> {
        let (subject, sealed) = self.subject.zip(self.sealed.take()).filter(|_| !self.is_erased)?;
        Some(Sealed { subject, sealed: schemas::Bytes(sealed) })
    }
}

impl Account {
    /// The account of a row. `personal` is what was sealed of it; an account that is not sealed yet has its name in the row.
    fn new(row: Row, personal: Option<Personal>) -> Self {
        let Personal { username, email, .. } = personal.unwrap_or_default();
        let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned());
        Self {
            realm: row.realm,
            number: row.number,
            username: text(username).or(row.username),
            email: text(email),
            roles: row.roles,
            places: row.places,
            disabled: row.disabled,
            closed: row.is_closed,
            erased: row.is_erased,
            revision: row.revision,
            registered_at: row.registered_at,
            updated_at: row.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(is_erased: bool, username: Option<&str>) -> Row {
        let (subject, sealed) = (Some(Uuid::from_u128(7)), Some(vec![1, 2]));
        let at = DateTime::UNIX_EPOCH;
        Row {
            realm: REALM.into(),
            number: 3,
            subject,
            sealed,
            username: username.map(str::to_owned),
            roles: Vec::new(),
            places: Vec::new(),
            disabled: false,
            is_closed: false,
            is_erased,
            revision: 1,
            registered_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn the_box_of_somebody_who_was_erased_is_not_opened() {
        assert_eq!(row(false, None).take_box().map(|sealed| sealed.subject), Some(Uuid::from_u128(7)));
        assert_eq!(row(true, None).take_box(), None);
        let unsealed = Row { subject: None, sealed: None, ..row(false, Some("ann")) }.take_box();
        assert_eq!(unsealed, None);
    }

    #[test]
    fn an_account_shows_what_was_sealed_of_it_or_its_name_in_the_row_or_nothing() {
        let personal =
            Personal { username: Some("ann".into()), email: Some("a@b".into()), ..Personal::default() };
        let sealed = Account::new(row(false, None), Some(personal));
        assert_eq!((sealed.username.as_deref(), sealed.email.as_deref()), (Some("ann"), Some("a@b")));
        let unsealed = Account::new(row(false, Some("bob")), None);
        assert_eq!((unsealed.username.as_deref(), unsealed.email), (Some("bob"), None));
        let erased = Account::new(row(true, None), None);
        assert!(erased.erased && erased.username.is_none() && erased.email.is_none());
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        assert_eq!(position("17/shop.000"), Ok(("shop.000", 17)));
        assert_eq!(position(""), Ok(("", 0)));
        assert!(position("cafe-1").is_err());
    }
}

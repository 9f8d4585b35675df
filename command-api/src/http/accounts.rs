//! Accounts of `/v1`: register, log in, roles.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::account::{self, AccountState, AssignRoles, REALM, RegisterAccount};
use domain::names;
use runtime::Problem;
use runtime::auth::{Caller, PASSWORD_CHARS, Role};
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::client_address::ClientAddress;
use super::form::{Form, is_missing};
use super::login::{authenticate, try_password};
use super::object::{Field, fields};
use super::prefer::{CommandPreferences, Handling};
use super::{ApiError, App, Segment};
use crate::shard::{Origin, Refusal};

/// Pause between two looks whether the first accounts exist.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const MAX_PLACES: usize = 1000;
/// The accounts of the demo. The password of each is its name.
const DEMO_ACCOUNTS: [(&str, Role); 3] =
    [("admin", Role::Admin), ("analyst", Role::Analyst), ("terminal", Role::Terminal)];

fields! {
    /// A new account.
    struct Registration {
        /// No white space, control characters or `/`.
        #[schema(min_length = 1, max_length = 150, example = "ann")]
        username: String,
        #[schema(format = Password, min_length = 8, max_length = 200, example = "correct horse")]
        password: String,
    }
}

fields! {
    /// Who logs in.
    struct Login {
        #[schema(example = "ann")]
        username: String,
        #[schema(format = Password, example = "correct horse")]
        password: String,
    }
}

/// An account, as it is now.
#[derive(Serialize, ToSchema)]
struct Account<'a> {
    #[schema(example = "ann")]
    username: &'a str,
    #[schema(value_type = Vec<Role>)]
    roles: Vec<String>,
    /// The places a terminal is bound to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
}

/// What to send as `Authorization: Bearer`.
#[derive(Serialize, ToSchema)]
struct AccessToken {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 43200)]
    expires_in: u64,
}

/// Opens an account with the role `customer`: 201.
#[utoipa::path(
    post,
    path = "/v1/auth/register",
    tag = "Accounts",
    operation_id = "register",
    security(()),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, example = "0b1f7d3e",
            description = "Makes a retry of this request answer alike. ASCII."),
        Origin,
        Handling,
    ),
    request_body = Registration,
    responses(
        (status = 201, description = "Opened: committed to the log.", body = Account),
        (status = 409, description = "The name is another account's.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:username-taken", "title": "Username taken", "status": 409,
                "detail": "an account with this username exists"})),
        (status = 422, description = "Fields are missing or wrong, or the `Idempotency-Key` was used with another password.",
            body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:invalid", "title": "Invalid request", "status": 422,
                "detail": "1 field(s) are missing or wrong; `errors` names each",
                "errors": [{"pointer": "/password", "detail": "must have 8 to 200 characters"}]})),
        (status = 429, description = "Too many wrong passwords.", body = Problem,
            content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "Seconds until logins of this name from this address are looked at again.")),
            example = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429,
                "detail": "too many wrong passwords: try again in 42 s"})),
        OfBodies,
    )
)]
pub async fn register(
    State(app): State<App>,
    address: ClientAddress,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut form = Form::new(handling);
    let body: Registration<'_> = form.body(&body)?;
    let username = form.text("username", body.username, names::username);
    let password = form.text("password", body.password, password);
    let (username, password) = form.finish((username, password))?;
    app.shards.served_here(REALM).await?;
    let idempotency_id = idempotency_id(&headers, "register", &username)?;
    let is_first =
        |account: &AccountState| idempotency_id.is_some() && account.idempotency_id == idempotency_id;
    // Either branch takes one slow hash, so that the time of the answer does not tell whether the name is taken.
    let password_hash = match account::load(&app.store.as_ref(), REALM, &username).filter(is_first) {
        // Only the slow hash tells whether a retry has the same password, because the log keeps no fingerprint of it. A
        // stranger could guess passwords by such retries, so that each counts as a login's try.
        Some(account) => {
            let origin = Origin::of(&headers);
            if !try_password(&app, &username, address, password, Some(&account), origin).await? {
                return Err(Refusal::Rejected(account::Rejection::IdempotencyKeyReused.into()).into());
            }
            account.password_hash
        }
        None => app.passwords.hash(password).await?,
    };
    let roles = vec![Role::Customer.name().to_owned()];
    open_hashed(&app, &username, password_hash, roles.clone(), idempotency_id, Origin::of(&headers)).await?;
    Ok((StatusCode::CREATED, Json(Account { username: &username, roles, places: Vec::new() }))
        .into_response())
}

/// A token for username and password: 200, or 401 without a word on which of them was wrong.
///
/// The account is read after a commit has proven that the realm's shard is served here: a former owner neither gives a token
/// for roles of before nor refuses an account that its successor has opened.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    tag = "Accounts",
    operation_id = "login",
    description = "Gives a token for username and password.",
    security(()),
    params(Origin, Handling),
    request_body = Login,
    responses(
        (status = 200, description = "A token.", body = AccessToken),
        (status = 401, description = "Username or password is wrong; not told which.", body = Problem,
            content_type = "application/problem+json",
            headers(("WWW-Authenticate" = String, description = "`Bearer`.")),
            example = json!({"type": "about:blank", "title": "Unauthorized", "status": 401,
                "detail": "username or password is wrong"})),
        (status = 422, response = Invalid),
        (status = 429, description = "Too many wrong passwords.", body = Problem,
            content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "Seconds until logins of this name from this address are looked at again.")),
            example = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429,
                "detail": "too many wrong passwords: try again in 42 s"})),
        OfBodies,
    )
)]
pub async fn login(
    State(app): State<App>,
    address: ClientAddress,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut form = Form::new(handling);
    let body: Login<'_> = form.body(&body)?;
    // An account whose name is no longer allowed must still log in: only the length of the name is checked.
    let username = form.text("username", body.username, names::known);
    let password = form.text("password", body.password, known_password);
    let (username, password) = form.finish((username, password))?;
    let account = authenticate(&app, &username, address, password, Origin::of(&headers)).await?;
    let account =
        account.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "username or password is wrong"))?;
    Ok(Json(token(&app, username, account)).into_response())
}

fields! {
    /// An account's roles and places; both replace what was.
    #[schema(as = Roles)]
    struct RolesBody {
        #[schema(example = json!(["terminal"]))]
        roles: Vec<Role>,
        /// The places a terminal may send for; missing or empty: every place.
        #[schema(max_items = 1000, example = json!(["cafe-1"]))]
        places: Option<Vec<String>>,
    }
}

/// Replaces an account's roles, and the places a terminal is bound to: 200.
#[utoipa::path(
    put,
    path = "/v1/accounts/{username}/roles",
    tag = "Accounts",
    operation_id = "assignRoles",
    params(("username" = String, Path, example = "ann"), Origin, CommandPreferences),
    request_body = RolesBody,
    responses(
        (status = 200, description = "The roles are these, from the next login on.", body = Account,
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 409, description = "It is the last admin.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:last-admin", "title": "Last admin", "status": 409,
                "detail": "this is the last account with the role admin: give the role to another one first"})),
        (status = 404, description = "There is no such account.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:account-unknown", "title": "No such account", "status": 404,
                "detail": "there is no account with this username"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn assign_roles(
    State(app): State<App>,
    caller: Caller,
    Segment(username): Segment,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let mut form = Form::new(handling);
    let body: RolesBody<'_> = form.body(&body)?;
    let roles = parse_roles(&mut form, body.roles);
    let places = form.texts("places", body.places);
    if places.len() > MAX_PLACES || places.iter().any(|place| names::known(place).is_err()) {
        form.wrong("places", format!("must have at most {MAX_PLACES} place ids of 1 to 150 characters"));
    }
    let (roles, places) = form.finish((roles, places))?;
    let command = AssignRoles {
        realm: REALM.to_owned(),
        username: username.clone(),
        roles: roles.clone(),
        places: places.clone(),
        assigned_by: caller.username,
    };
    let answer = app.submit(command, &headers).await?;
    Ok((&answer, Json(Account { username: &username, roles, places })).into_response())
}

/// Opens the demo's accounts, or the first admin, where the accounts' shard is served here, and returns once this replica has
/// folded them. Where the shard is served elsewhere, its owner opens them; but the shard may move before it has, so that every
/// replica looks until they are there.
pub async fn ensure_first_accounts(app: &App) {
    for (username, password, role) in first_accounts(app) {
        while account::load(&app.store.as_ref(), REALM, &username).is_none() {
            if let Err(error) = ensure_account(app, &username, &password, role).await {
                tracing::warn!(username, ?error, "a first account could not be opened yet");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn first_accounts(app: &App) -> Vec<(String, String, Role)> {
    if app.demo {
        return DEMO_ACCOUNTS.map(|(name, role)| (name.to_owned(), name.to_owned(), role)).into();
    }
    if app.own.admin_password.is_empty() {
        return Vec::new();
    }
    vec![(app.own.admin_username.clone(), app.own.admin_password.clone(), Role::Admin)]
}

async fn ensure_account(app: &App, username: &str, password: &str, role: Role) -> Result<(), ApiError> {
    match app.shards.served_here(REALM).await {
        Err(Refusal::Elsewhere(_)) => return Ok(()),
        served => served?,
    }
    if account::load(&app.store.as_ref(), REALM, username).is_some() {
        return Ok(());
    }
    let roles = vec![role.name().to_owned()];
    match open(app, username, password.to_owned(), roles, None, Origin::default()).await {
        Err(ApiError::Problem(problem)) if problem.status() == StatusCode::CONFLICT => Ok(()),
        opened => opened,
    }
}

/// What the operator must do where no account has the role admin; `None` where one has.
pub fn admin_missing(app: &App) -> Option<&'static str> {
    let admins = account::load_realm(&app.store.as_ref(), REALM).admins;
    (admins == 0).then_some(
        "no account has the role admin, so that nobody can assign roles: set TILL_ADMIN_PASSWORD, and TILL_ADMIN_USERNAME to a \
            name that no account has, and start again",
    )
}

/// Opens the account: its event is committed when this returns.
pub async fn open(
    app: &App,
    username: &str,
    password: String,
    roles: Vec<String>,
    idempotency_id: Option<Uuid>,
    origin: Origin,
) -> Result<(), ApiError> {
    let password_hash = app.passwords.hash(password).await?;
    open_hashed(app, username, password_hash, roles, idempotency_id, origin).await
}

async fn open_hashed(
    app: &App,
    username: &str,
    password_hash: String,
    roles: Vec<String>,
    idempotency_id: Option<Uuid>,
    origin: Origin,
) -> Result<(), ApiError> {
    let command = RegisterAccount {
        realm: REALM.to_owned(),
        username: username.to_owned(),
        password_hash,
        roles,
        idempotency_id,
    };
    app.shards.submit(command, origin).await?;
    Ok(())
}

fn token(app: &App, username: String, account: AccountState) -> AccessToken {
    let AccountState { roles, places, .. } = account;
    let roles = roles.iter().filter_map(|name| Role::from_name(name)).collect();
    let ttl_s = app.own.token_ttl_s;
    AccessToken {
        access_token: app.tokens.issue(Caller { username, roles, places }, ttl_s),
        token_type: "Bearer",
        expires_in: ttl_s,
    }
}

fn parse_roles(form: &mut Form, field: Field<'_>) -> Vec<String> {
    let mut roles = form.texts("roles", field);
    if is_missing(field) {
        form.wrong("roles", "is required");
    }
    if let Some(unknown) = roles.iter().find(|name| Role::from_name(name).is_none()) {
        let names = Role::ALL.map(Role::name).join(", ");
        form.wrong("roles", format!("has {unknown:?}, which is none of: {names}"));
    }
    roles.sort();
    roles.dedup();
    roles
}

/// A password that a login may try. No account has a longer one, and the longer a text is, the longer its hash takes.
fn known_password(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > *PASSWORD_CHARS.end() {
        return Err("must have at most 200 characters");
    }
    Ok(text.to_owned())
}

fn password(text: &str) -> Result<String, &'static str> {
    if PASSWORD_CHARS.contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err("must have 8 to 200 characters")
    }
}

/// The id by which the log remembers the request's `Idempotency-Key`: a UUIDv5 of caller, route and key. `None` without the
/// header; 400 where it is no key.
fn idempotency_id(headers: &HeaderMap, route: &str, caller: &str) -> Result<Option<Uuid>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len())).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "Idempotency-Key must have 1 to 255 ASCII characters")
    })?;
    let name = format!("{caller}\n{route}\n{key}");
    Ok(Some(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())))
}

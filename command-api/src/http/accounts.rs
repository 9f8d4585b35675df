//! Accounts of `/v1`: registered, given roles, disabled, closed, erased.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::account::{
    self, AssignRoles, CloseAccount, DisableAccount, EnableAccount, OpenAccount, REALM, Rejection,
};
use domain::people::{ErasePerson, Person};
use domain::{Asked, names};
use runtime::Problem;
use runtime::auth::{Caller, PASSWORD_CHARS, Role};
use runtime::openapi::responses::{AccountUnknown, Invalid, OfBodies, OfCallers};
use schemas::Personal;
use serde::Serialize;
use utoipa::ToSchema;

use super::client_address::ClientAddress;
use super::credentials::{Known, named, rejected, username_index};
use super::form::{Form, is_missing};
use super::idempotency::key_of;
use super::login::try_password;
use super::object::{Field, fields};
use super::prefer::{CommandPreferences, Handling};
use super::proof::{BY_AN_ADMIN, BY_THE_PERSON, Proof, prove};
use super::{ApiError, App, Number};
use crate::shard::{Answer, Origin, Refusal};

/// Pause between two looks whether the first accounts exist.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const MAX_PLACES: usize = 1000;
/// Who asks for an account is no account yet.
const STRANGER: &str = "anyone";
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

/// An account, as it is now.
#[derive(Serialize, ToSchema)]
struct Account {
    /// Counts the realm's accounts, from 1; by it the account is named everywhere else.
    #[schema(example = 4)]
    number: i64,
    #[schema(example = "ann")]
    username: String,
    #[schema(value_type = Vec<Role>)]
    roles: Vec<String>,
    /// The places a terminal is bound to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
}

/// Roles and places of an account, as they are now.
#[derive(Serialize, ToSchema)]
struct Rights {
    #[schema(example = 4)]
    number: i64,
    #[schema(value_type = Vec<Role>)]
    roles: Vec<String>,
    /// The places a terminal is bound to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
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
    let key = key_of(&headers)?;
    app.shards.served_here(REALM).await?;
    let known = named(&app, &username)?;
    let is_first = |account: &Known| account.is_by(key);
    // Either branch takes one slow hash, so that the time of the answer does not tell whether the name is taken.
    if let Some(account) = known.filter(is_first) {
        // Only the slow hash tells whether a retry has the same password, because the log keeps no fingerprint of it. A
        // stranger could guess passwords by such retries, so that each counts as a login's try.
        let origin = Origin::of(&headers);
        if !try_password(&app, &username, address, password, Some(&account), origin).await? {
            return Err(rejected(Rejection::IdempotencyKeyReused));
        }
        return Ok((StatusCode::CREATED, Json(Account::of(account, username))).into_response());
    }
    let roles = vec![Role::Customer.name().to_owned()];
    let personal = personal(&username, app.passwords.hash(password).await?);
    let number = open(&app, &personal, roles.clone(), key, Origin::of(&headers)).await?;
    let account = Account { number, username, roles, places: Vec::new() };
    Ok((StatusCode::CREATED, Json(account)).into_response())
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
    path = "/v1/accounts/{number}/roles",
    tag = "Accounts",
    operation_id = "assignRoles",
    params(("number" = i64, Path, example = 4), Origin, CommandPreferences),
    request_body = RolesBody,
    responses(
        (status = 200, description = "The roles are these, at once.", body = Rights,
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 409, description = "It is the last admin.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:last-admin", "title": "Last admin", "status": 409,
                "detail": "this is the last account with the role admin: give the role to another one first"})),
        (status = 404, response = AccountUnknown),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn assign_roles(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let mut form = Form::new(handling);
    let body: RolesBody<'_> = form.body(&body)?;
    let roles = parse_roles(&mut form, body.roles);
    let places = places(&mut form, body.places);
    let (roles, places) = form.finish((roles, places))?;
    let command = AssignRoles {
        realm: REALM.to_owned(),
        number,
        roles: roles.clone(),
        places: places.clone(),
        assigned_by: caller.account(),
    };
    let answer = app.submit(command, &headers).await?;
    Ok((&answer, Json(Rights { number, roles, places })).into_response())
}

fields! {
    /// Why.
    struct Reason {
        #[schema(min_length = 1, max_length = 150, example = "left the company")]
        reason: String,
    }
}

/// Disables an account: 204. It can do nothing and log in nowhere until it is enabled, and its tokens are worth nothing meanwhile.
#[utoipa::path(
    post,
    path = "/v1/accounts/{number}/disable",
    tag = "Accounts",
    operation_id = "disableAccount",
    params(("number" = i64, Path, example = 4), Origin, CommandPreferences),
    request_body = Reason,
    responses(
        (status = 204, description = "Disabled, now or before.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, response = AccountUnknown),
        (status = 409, description = "It is the last admin, or was closed.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:last-admin", "title": "Last admin", "status": 409,
                "detail": "this is the last account with the role admin: give the role to another one first"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn disable(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let (realm, reason, asked) = (REALM.to_owned(), reason(handling, &body)?, asked(&caller));
    done(&app.submit(DisableAccount { realm, number, reason, asked }, &headers).await?)
}

/// Enables an account again: 204.
#[utoipa::path(
    post,
    path = "/v1/accounts/{number}/enable",
    tag = "Accounts",
    operation_id = "enableAccount",
    params(("number" = i64, Path, example = 4), Origin, CommandPreferences),
    request_body = Reason,
    responses(
        (status = 204, description = "Enabled, now or before.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, response = AccountUnknown),
        (status = 409, description = "It was closed.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:account-closed", "title": "Account closed", "status": 409,
                "detail": "this account was closed for good: open another one"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn enable(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let (realm, reason, asked) = (REALM.to_owned(), reason(handling, &body)?, asked(&caller));
    done(&app.submit(EnableAccount { realm, number, reason, asked }, &headers).await?)
}

/// Closes an account for good: 204. Its name is free for others. An admin closes any, and everybody its own.
#[utoipa::path(
    post,
    path = "/v1/accounts/{number}/close",
    tag = "Accounts",
    operation_id = "closeAccount",
    params(("number" = i64, Path, example = 4), Origin, CommandPreferences),
    responses(
        (status = 204, description = "Closed, now or before.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, response = AccountUnknown),
        (status = 409, description = "It is the last admin.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:last-admin", "title": "Last admin", "status": 409,
                "detail": "this is the last account with the role admin: give the role to another one first"})),
        OfCallers,
    )
)]
pub async fn close(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require_login()?;
    if caller.number != number {
        caller.require(&[Role::Admin])?;
    }
    let command = CloseAccount { realm: REALM.to_owned(), number, asked: asked(&caller) };
    done(&app.submit(command, &headers).await?)
}

/// Erases an account, and the customers that log in with it: 204. Nobody reads any more what was personal of them, in whatever was
/// recorded. It cannot be undone. An admin erases any account, and everybody its own, with its password.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{number}",
    tag = "Accounts",
    operation_id = "eraseAccount",
    params(("number" = i64, Path, example = 4), Origin, CommandPreferences),
    request_body(content = Option<Proof>),
    responses(
        (status = 204, description = "Erased, now or before.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, response = AccountUnknown),
        (status = 409, description = "It is the last admin.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:last-admin", "title": "Last admin", "status": 409,
                "detail": "this is the last account with the role admin: give the role to another one first"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn erase(
    State(app): State<App>,
    caller: Caller,
    address: ClientAddress,
    Number(number): Number,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require_login()?;
    if !caller.is(Role::Admin) {
        if caller.number != number {
            caller.require(&[Role::Admin])?;
        }
        prove(&app, number, address, handling, &headers, &body).await?;
    }
    let asked = asked(&caller);
    let command = ErasePerson {
        home: REALM.to_owned(),
        person: Person::Account(number),
        reason: if caller.number == number { BY_THE_PERSON } else { BY_AN_ADMIN }.to_owned(),
        forget_at: asked.at + TimeDelta::seconds(app.own.forget_after_s),
        asked,
    };
    done(&app.submit(command, &headers).await?)
}

fn reason(handling: Handling, body: &[u8]) -> Result<String, Problem> {
    let mut form = Form::new(handling);
    let body: Reason<'_> = form.body(body)?;
    let reason = form.text("reason", body.reason, |text| names::not_blank(text, names::label));
    form.finish(reason)
}

/// Who asks, now.
pub fn asked(caller: &Caller) -> Asked {
    Asked { at: Utc::now(), by: caller.account(), key: None, print: None }
}

fn done(answer: &Answer) -> Result<Response, ApiError> {
    Ok((StatusCode::NO_CONTENT, answer, ()).into_response())
}

/// Opens the demo's accounts, or the first admin, where the accounts' shard is served here, and returns once this replica has
/// folded them. Where the shard is served elsewhere, its owner opens them; but the shard may move before it has, so that every
/// replica looks until they are there.
pub async fn ensure_first_accounts(app: &App) {
    for (username, password, role) in first_accounts(app) {
        while !matches!(named(app, &username), Ok(Some(_))) {
            if let Err(error) = ensure_account(app, &username, &password, role).await {
                tracing::warn!(?role, ?error, "a first account could not be opened yet");
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
    if named(app, username)?.is_some() {
        return Ok(());
    }
    let personal = personal(username, app.passwords.hash(password.to_owned()).await?);
    match open(app, &personal, vec![role.name().to_owned()], None, Origin::default()).await {
        Err(ApiError::Problem(problem)) if problem.status() == StatusCode::CONFLICT => Ok(()),
        opened => opened.map(drop),
    }
}

/// What the operator must do where no account has the role admin; `None` where one has.
pub fn admin_missing(app: &App) -> Option<&'static str> {
    (!account::has_admin(&app.store.as_ref(), REALM)).then_some(
        "no account has the role admin, so that nobody can assign roles: set TILL_ADMIN_PASSWORD, and TILL_ADMIN_USERNAME to a \
            name that no account has, and start again",
    )
}

/// What is personal of a new account.
pub fn personal(username: &str, password_hash: String) -> Personal {
    Personal {
        username: Some(username.into()),
        password_hash: Some(password_hash.into()),
        ..Personal::default()
    }
}

/// Opens the account, and gives its number: its event is committed when this returns. `key` is the client's `Idempotency-Key`.
pub async fn open(
    app: &App,
    personal: &Personal,
    roles: Vec<String>,
    key: Option<&str>,
    origin: Origin,
) -> Result<i64, ApiError> {
    let username = personal.username.clone().unwrap_or_default();
    // The name of an account that is not sealed yet stands in no index.
    if named(app, username.expose())?.is_some() {
        return Err(rejected(Rejection::UsernameTaken));
    }
    let person = app.vault.new_key(REALM);
    let key = key.map(|key| person.id_of(key));
    let command = OpenAccount {
        realm: REALM.to_owned(),
        number: None,
        sealed: person.seal(personal),
        key: person.record(username_index(app, username.expose()).into_iter().collect()),
        roles,
        places: Vec::new(),
        sellers: Vec::new(),
        asked: Asked { at: Utc::now(), by: STRANGER.to_owned(), key, print: None },
    };
    let answer = app.shards.submit(command, origin).await?;
    match answer.event.as_deref() {
        Some(schemas::Event::Accounts(schemas::accounts::Event::AccountOpened(event))) => {
            Ok(event.account.id.parse().expect("the number of an account"))
        }
        // Its person was drawn for this command, so it was not opened before.
        _ => Err(Refusal::Unknown.into()),
    }
}

impl Account {
    fn of(account: Known, username: String) -> Self {
        let Known { number, state, .. } = account;
        Self { number, username, roles: state.roles, places: state.places }
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

/// The place ids of a list, which may be missing.
pub fn places(form: &mut Form, field: Field<'_>) -> Vec<String> {
    let places = form.texts("places", field);
    if places.len() > MAX_PLACES || places.iter().any(|place| names::known(place).is_err()) {
        form.wrong("places", format!("must have at most {MAX_PLACES} place ids of 1 to 150 characters"));
    }
    places
}

pub fn password(text: &str) -> Result<String, &'static str> {
    if PASSWORD_CHARS.contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err("must have 8 to 200 characters")
    }
}

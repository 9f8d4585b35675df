//! `/v1/auth/`: log in, stay logged in, log out, and another password.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::account::{
    self, ChangeAccount, EndSession, OpenSession, REALM, RefreshSession, Rejection, RevokeLoginToken,
};
use domain::{Asked, names};
use runtime::Problem;
use runtime::auth::{Bearer, Caller, account_name, digest};
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, Stale};
use schemas::Event;
use schemas::accounts;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::accounts::password;
use super::client_address::ClientAddress;
use super::credentials::{Known, numbered, rejected, username_index};
use super::form::Form;
use super::login::{authenticate, known_password, try_password};
use super::object::fields;
use super::prefer::Handling;
use super::{ApiError, App};
use crate::shard::{Answer, Origin, Refusal};

/// The beginning of every refresh token.
const REFRESH_PREFIX: &str = "till-refresh-";

fields! {
    /// Who logs in.
    struct Login {
        #[schema(example = "ann")]
        username: String,
        #[schema(format = Password, example = "correct horse")]
        password: String,
    }
}

fields! {
    /// A refresh token, as the login or the last refresh gave it.
    struct Refresh {
        #[schema(format = Password, example = "till-refresh-…")]
        refresh_token: String,
    }
}

fields! {
    /// The present password, and the next one.
    struct NewPassword {
        #[schema(format = Password, example = "correct horse")]
        password: String,
        #[schema(format = Password, min_length = 8, max_length = 200, example = "battery staple")]
        new_password: String,
    }
}

/// What to send as `Authorization: Bearer`, and what to exchange for the next one.
#[derive(Serialize, ToSchema)]
struct Tokens {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    expires_in: u64,
    /// Good for one refresh. Sent twice, it ends the session.
    refresh_token: String,
    /// Seconds.
    #[schema(example = 2_592_000)]
    refresh_expires_in: u64,
}

/// Tokens for username and password: 200, or 401 without a word on which of them was wrong.
///
/// The account is read after a commit has proven that the realm's shard is served here: a former owner neither gives a token
/// for a password of before nor refuses an account that its successor has opened.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    tag = "Accounts",
    operation_id = "login",
    description = "Gives tokens for username and password.",
    security(()),
    params(Origin, Handling),
    request_body = Login,
    responses(
        (status = 200, description = "Tokens.", body = Tokens),
        (status = 401, description = "Username or password is wrong; not told which.", body = Problem,
            content_type = "application/problem+json",
            headers(("WWW-Authenticate" = String, description = "`Bearer`.")),
            example = json!({"type": "about:blank", "title": "Unauthorized", "status": 401,
                "detail": "username or password is wrong"})),
        (status = 403, description = "The account is disabled.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:account-disabled", "title": "Account disabled", "status": 403,
                "detail": "this account is disabled: an admin can enable it"})),
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
    let Known { number, state, .. } = account;
    let bearer = bearer(number, state.generation, state.revision);
    Ok(Json(open(&app, &bearer, &headers).await?).into_response())
}

/// Exchanges a refresh token for new tokens: 200.
#[utoipa::path(
    post,
    path = "/v1/auth/refresh",
    tag = "Accounts",
    operation_id = "refresh",
    security(()),
    params(Origin, Handling),
    request_body = Refresh,
    responses(
        (status = 200, description = "Tokens. The one that was sent is worth nothing any more.", body = Tokens),
        (status = 401, description = "The session has ended, or the token was exchanged before: then its session ends.",
            body = Problem, content_type = "application/problem+json",
            headers(("WWW-Authenticate" = String, description = "`Bearer`.")),
            example = json!({"type": "about:blank", "title": "Unauthorized", "status": 401,
                "detail": "this session has ended: log in again"})),
        (status = 422, response = Invalid),
        OfBodies,
    )
)]
pub async fn refresh(
    State(app): State<App>,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let token = refresh_token(&body, handling)?;
    app.shards.served_here(REALM).await?;
    let next = RefreshToken::draw(token.number, token.session);
    let command = RefreshSession {
        realm: REALM.to_owned(),
        number: token.number,
        session: token.session,
        presented: token.digest(),
        next: next.digest(),
        expires_at: Utc::now() + refresh_life(&app),
        asked: asked_by(token.number),
    };
    let state = account::load(&app.store.as_ref(), REALM, token.number).ok_or_else(session_ended)?;
    let bearer = bearer(token.number, state.generation, state.revision);
    match app.shards.submit(command, Origin::of(&headers)).await {
        Ok(Answer { event: Some(event), .. }) if is_refresh(&event) => {
            Ok(Json(tokens(&app, &next, &bearer)).into_response())
        }
        // The token was exchanged before, so that two have it: the session is ended.
        Ok(_) | Err(Refusal::Rejected(_)) => Err(session_ended().into()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn is_refresh(event: &Event) -> bool {
    matches!(event, Event::Accounts(accounts::Event::SessionRefreshed(_)))
}

/// Ends the session of a refresh token: 204, also where it has ended before.
#[utoipa::path(
    post,
    path = "/v1/auth/logout",
    tag = "Accounts",
    operation_id = "logout",
    security(()),
    params(Origin, Handling),
    request_body = Refresh,
    responses(
        (status = 204, description = "The session has ended. Its access token lives on for its few minutes."),
        (status = 401, description = "It is no refresh token.", body = Problem, content_type = "application/problem+json",
            headers(("WWW-Authenticate" = String, description = "`Bearer`.")),
            example = json!({"type": "about:blank", "title": "Unauthorized", "status": 401,
                "detail": "this session has ended: log in again"})),
        (status = 422, response = Invalid),
        OfBodies,
    )
)]
pub async fn logout(
    State(app): State<App>,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let token = refresh_token(&body, handling)?;
    app.shards.served_here(REALM).await?;
    let open = account::session::of(&app.store.as_ref(), REALM, token.number);
    // Only who has the session's token may end it.
    if open.iter().any(|open| open.id == token.session && open.digest == token.digest()) {
        let command = EndSession {
            realm: REALM.to_owned(),
            number: token.number,
            session: Some(token.session),
            reason: "logout".to_owned(),
            asked: asked_by(token.number),
        };
        app.shards.submit(command, Origin::of(&headers)).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends all sessions of the caller and makes all its access tokens worthless: 204.
#[utoipa::path(
    post,
    path = "/v1/auth/logout-everywhere",
    tag = "Accounts",
    operation_id = "logoutEverywhere",
    params(Origin),
    responses((status = 204, description = "Nothing that was given to the account before is worth anything; keys of terminals stay."), OfCallers)
)]
pub async fn logout_everywhere(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require_login()?;
    app.shards.served_here(&caller.realm).await?;
    let state = account::load(&app.store.as_ref(), &caller.realm, caller.number);
    let generation = state.map(|state| state.generation).unwrap_or_default();
    let command = RevokeLoginToken { realm: caller.realm, number: caller.number, generation };
    let answer = app.shards.submit(command, Origin::of(&headers)).await?;
    Ok((StatusCode::NO_CONTENT, &answer, ()).into_response())
}

/// Gives the caller another password: 200 with new tokens. All former tokens are worth nothing any more.
#[utoipa::path(
    put,
    path = "/v1/auth/password",
    tag = "Accounts",
    operation_id = "changePassword",
    params(Origin, Handling),
    request_body = NewPassword,
    responses(
        (status = 200, description = "Tokens under the new password.", body = Tokens),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        (status = 429, description = "Too many wrong passwords.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429,
                "detail": "too many wrong passwords: try again in 42 s"})),
        OfCallers,
        OfBodies,
    )
)]
pub async fn change_password(
    State(app): State<App>,
    caller: Caller,
    address: ClientAddress,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require_login()?;
    let mut form = Form::new(handling);
    let body: NewPassword<'_> = form.body(&body)?;
    let present = form.text("password", body.password, known_password);
    let next = form.text("new_password", body.new_password, password);
    let (present, next) = form.finish((present, next))?;
    app.shards.served_here(REALM).await?;
    let account = numbered(&app, caller.number)?.ok_or_else(|| rejected(Rejection::Closed))?;
    let origin = Origin::of(&headers);
    if !try_password(&app, account.username(), address, present, Some(&account), origin).await? {
        let mut form = Form::new(handling);
        form.wrong("password", "is not the present password");
        return Err(form.finish(()).expect_err("a field is wrong").into());
    }
    let password_hash = app.passwords.hash(next).await?;
    let next = bearer(account.number, account.state.generation + 1, account.state.revision + 1);
    set_password(&app, account, password_hash, true, &headers).await?;
    Ok(Json(open(&app, &next, &headers).await?).into_response())
}

/// Replaces the account's password. With `ends_tokens` all that was given under the former one ends.
pub async fn set_password(
    app: &App,
    account: Known,
    password_hash: String,
    ends_tokens: bool,
    headers: &HeaderMap,
) -> Result<Answer, ApiError> {
    let Known { number, state, mut personal, key } = account;
    let key = key.ok_or_else(being_sealed)?;
    personal.password_hash = Some(password_hash.into());
    let username = personal.username.clone().unwrap_or_default();
    let command = ChangeAccount {
        realm: REALM.to_owned(),
        number,
        revision: state.revision,
        sealed: key.seal(&personal),
        indexes: username_index(app, username.expose()).into_iter().collect(),
        roles: state.roles,
        places: state.places,
        sellers: state.sellers,
        ends_tokens,
        asked: asked_by(number),
    };
    Ok(app.submit(command, headers).await?)
}

fn being_sealed() -> Problem {
    Problem::unavailable("this account is being sealed since the upgrade: nothing happened, try again", 1)
}

/// Opens a session of the account, and gives its tokens.
async fn open(app: &App, bearer: &Bearer, headers: &HeaderMap) -> Result<Tokens, ApiError> {
    let token = RefreshToken::draw(bearer.number, Uuid::now_v7());
    let command = OpenSession {
        realm: REALM.to_owned(),
        number: bearer.number,
        generation: bearer.generation,
        session: token.session,
        digest: token.digest(),
        expires_at: Utc::now() + refresh_life(app),
        asked: asked_by(bearer.number),
    };
    app.shards.submit(command, Origin::of(headers)).await?;
    Ok(tokens(app, &token, bearer))
}

fn bearer(number: i64, generation: i64, revision: i32) -> Bearer {
    Bearer { realm: REALM.to_owned(), number, generation, revision }
}

fn tokens(app: &App, refresh: &RefreshToken, bearer: &Bearer) -> Tokens {
    let ttl_s = app.own.token_ttl_s;
    Tokens {
        access_token: app.tokens.issue(bearer, ttl_s),
        token_type: "Bearer",
        expires_in: ttl_s,
        refresh_token: refresh.text.clone(),
        refresh_expires_in: app.own.refresh_ttl_s,
    }
}

fn refresh_life(app: &App) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(app.own.refresh_ttl_s).expect("the settings were checked"))
}

fn asked_by(number: i64) -> Asked {
    Asked { at: Utc::now(), by: account_name(REALM, number), key: None, print: None }
}

/// A refresh token: `till-refresh-NUMBER-SESSION-SECRET`. It says whose session it is of, so that its shard is found.
struct RefreshToken {
    text: String,
    number: i64,
    session: Uuid,
}

impl RefreshToken {
    fn draw(number: i64, session: Uuid) -> Self {
        let text = format!("{REFRESH_PREFIX}{number}-{}-{}", session.simple(), super::secrets::draw());
        Self { text, number, session }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(REFRESH_PREFIX)?.split('-');
        let (number, session) = (parts.next()?.parse().ok()?, Uuid::try_parse(parts.next()?).ok()?);
        Some(Self { text: text.to_owned(), number, session })
    }

    fn digest(&self) -> schemas::Bytes {
        schemas::Bytes(digest(&self.text).to_vec())
    }
}

fn refresh_token(body: &[u8], handling: Handling) -> Result<RefreshToken, ApiError> {
    let mut form = Form::new(handling);
    let body: Refresh<'_> = form.body(body)?;
    let token = form.text("refresh_token", body.refresh_token, |text| Ok::<_, &str>(text.to_owned()));
    let token = form.finish(token)?;
    Ok(RefreshToken::parse(&token).ok_or_else(session_ended)?)
}

fn session_ended() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "this session has ended: log in again")
}

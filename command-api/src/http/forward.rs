//! Reads the body of a request into the memory that is free for it, and forwards a request whose shard is served elsewhere to
//! the shard's owner: one hop.
//!
//! A request is forwarded again only where nobody took it: the owner's address refuses connections, or the replica there says
//! that it is not the owner. Where the owner may have taken it, its event may be committed or fenced off. The client is then told
//! that the outcome is unknown; it can send the same request again, and the shard's owner of that time knows.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use runtime::auth::Caller;
use schemas::shards::ShardAnnounced;
use tokio::time::Instant;

use super::client_address::{ClientAddress, REAL_IP};
use super::error::{Elsewhere, NotTaken};
use super::prefer::Handling;
use super::{ApiError, App, drawn, room};
use crate::shard::Refusal;

/// The largest body of a request, KiB.
const MAX_BODY_KIB: usize = 1024;
/// The largest body with a name and a password, KiB. It is small, because many of these wait for a slow hash at once.
const MAX_CREDENTIALS_KIB: usize = 16;
/// The header of a request that another replica has forwarded: it makes no second hop.
pub const FORWARDED: HeaderName = HeaderName::from_static("till-forwarded");
/// The header of the answer to a forwarded request that this replica did not take: nothing happened.
const NOT_TAKEN: HeaderName = HeaderName::from_static("till-not-taken");
/// Pause before a request that nobody took is tried again, unless another owner is announced sooner.
const RETRY: Duration = Duration::from_millis(250);
/// How long an answer of a former owner may still be on its way after its successor was announced.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Headers that are not forwarded: they belong to one connection (RFC 9110, 7.6.1), are set anew, or were checked by the replica
/// that the request came to.
const NOT_PASSED_ON: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::HOST,
    header::EXPECT,
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
];

/// How the bodies of a group of routes are taken in.
#[derive(Clone)]
pub struct Intake {
    app: App,
    max_kib: usize,
    /// A request without a valid token is refused before its body is read.
    token_first: bool,
    /// What is new gets an id that is drawn here, where the request names none by its key.
    draws_ids: bool,
}

impl Intake {
    /// The bodies of callers: a request without a valid token is refused before its body takes any memory.
    pub fn of_callers(app: &App) -> Self {
        Self { app: app.clone(), max_kib: MAX_BODY_KIB, token_first: true, draws_ids: false }
    }

    /// The bodies of callers who make something that has a home of its own.
    pub fn of_makers(app: &App) -> Self {
        Self { draws_ids: true, ..Self::of_callers(app) }
    }

    /// The bodies of anyone: the handler itself looks for a token where it wants one.
    pub fn of_anyone(app: &App) -> Self {
        Self { app: app.clone(), max_kib: MAX_BODY_KIB, token_first: false, draws_ids: false }
    }

    /// The names and passwords of anyone who registers or logs in.
    pub fn of_credentials(app: &App) -> Self {
        Self { app: app.clone(), max_kib: MAX_CREDENTIALS_KIB, token_first: false, draws_ids: false }
    }

    /// The caller, where the routes want a token. It goes into the request's extensions, where the handler's extractor finds it.
    async fn caller(&self, parts: &mut Parts) -> Result<Option<Caller>, ApiError> {
        if !self.token_first {
            return Ok(None);
        }
        let caller = Caller::from_request_parts(parts, &self.app).await?;
        parts.extensions.insert(caller.clone());
        Ok(Some(caller))
    }
}

/// Lets the handler answer. Where the handler finds that the shard is served elsewhere, the shard's owner answers instead.
pub async fn to_owner(State(intake): State<Intake>, request: Request, next: Next) -> Response {
    let handling = Handling::of(request.headers());
    let mut response = answer(&intake, request, next).await.unwrap_or_else(ApiError::into_response);
    handling.tell(response.headers_mut());
    response
}

async fn answer(intake: &Intake, request: Request, next: Next) -> Result<Response, ApiError> {
    let app = &intake.app;
    let (mut parts, body) = request.into_parts();
    let caller = intake.caller(&mut parts).await?;
    let held = room::read(body, app.rooms.of(caller.as_ref()), intake.max_kib).await?;
    let body = held.bytes.clone();
    if intake.draws_ids && !parts.headers.contains_key(FORWARDED) {
        drawn::settle(&mut parts.headers, &app.shards);
    }
    let deadline = Instant::now() + app.shards.move_timeout();
    loop {
        let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
        let mut response = next.clone().run(request).await;
        if parts.headers.contains_key(FORWARDED) {
            // A second hop would chase a shard that moves: the replica that forwarded the request looks for the owner again.
            if response.extensions().get::<NotTaken>().is_some() {
                response.headers_mut().insert(NOT_TAKEN, HeaderValue::from_static("1"));
            }
            return Ok(response);
        }
        let Some(Elsewhere(owner)) = response.extensions_mut().remove() else { return Ok(response) };
        if let Some(response) = forward(app, &owner, &parts, body.clone()).await? {
            return Ok(response);
        }
        if Instant::now() >= deadline || app.shards.is_ending() {
            return Err(Refusal::Moving.into());
        }
        let _ = tokio::time::timeout(RETRY, app.shards.succeeded(&owner)).await;
    }
}

/// The owner's answer; `None` where nobody took the request.
async fn forward(
    app: &App,
    owner: &ShardAnnounced,
    parts: &Parts,
    body: Bytes,
) -> Result<Option<Response>, ApiError> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers.clone();
    NOT_PASSED_ON.iter().for_each(|name| drop(headers.remove(name)));
    headers.insert(FORWARDED, HeaderValue::from_static("1"));
    let ClientAddress(client) = ClientAddress::of(app, parts);
    headers.insert(REAL_IP, HeaderValue::try_from(client.to_string()).expect("an address is ASCII"));
    let request = app
        .replicas
        .request(parts.method.clone(), format!("{}{path}", owner.url))
        .headers(headers)
        .body(body)
        .timeout(Duration::from_millis(app.own.answer_timeout_ms));
    let exchange = async {
        let answered = request.send().await?;
        let (status, headers) = (answered.status(), answered.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, answered.bytes().await?))
    };
    let answered = tokio::select! {
        answered = exchange => answered,
        // A stopped process keeps its connections open and would be waited for in vain. Its successor has fenced it, so that
        // what it had begun is in the log by now, or never will be.
        () = replaced(app, owner) => return Err(Refusal::Unknown.into()),
    };
    match answered {
        Ok((_, headers, _)) if headers.contains_key(NOT_TAKEN) => Ok(None),
        Ok((status, mut headers, body)) => {
            NOT_PASSED_ON.iter().for_each(|name| drop(headers.remove(name)));
            let mut response = (status, body).into_response();
            *response.headers_mut() = headers;
            Ok(Some(response))
        }
        Err(error) if error.is_connect() => Ok(None),
        Err(_) => Err(Refusal::Unknown.into()),
    }
}

/// Waits until another replica is announced for the shard of `owner`, and then as long as answers of `owner` may be on their way.
pub async fn replaced(app: &App, owner: &ShardAnnounced) {
    app.shards.succeeded(owner).await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// The bytes that the body has by its `Content-Length`, which nobody has checked.
pub fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

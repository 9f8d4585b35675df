//! What the contract's handlers share: who asks, what the log has of it, and errors in its words.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use contracts::answers::Refused;
use contracts::restaurant::fastapi::detail;
use contracts::restaurant::words::{DATABASE, KEY_REUSED};
use contracts::restaurant::{BY, HOME};
use domain::Asked;
use runtime::Problem;
use schemas::{Event, Ref};
use serde::Serialize;

use crate::http::App;
use crate::http::asked::{now, print};
use crate::http::idempotency::idempotency_id;
use crate::shard::Answer;

/// How long a read from the log waits for a thread.
const THREAD_WITHIN: Duration = Duration::from_secs(5);

/// An aggregate of the contract.
pub fn reference(id: i64) -> Ref {
    Ref { home: HOME.to_owned(), id: id.to_string() }
}

/// The contract asks, in the name of whoever has called it. With an `Idempotency-Key` goes the fingerprint of `content`, which has
/// nothing personal in it.
pub fn asked(headers: &HeaderMap, route: &str, content: &impl Serialize) -> Result<Asked, Problem> {
    let key = idempotency_id(headers, route, BY)?;
    Ok(Asked { at: now(), by: BY.to_owned(), key, print: key.map(|_| print(content)) })
}

/// The event of an answer. One that was recorded before, under the same `Idempotency-Key`, is read from the log.
pub async fn event(app: &App, answer: Answer) -> Result<Arc<Event>, Refused> {
    if let Some(event) = answer.event {
        return Ok(event);
    }
    let away = || Problem::unavailable("what was recorded could not be read from the log: send it again", 1);
    let thread = app.strangers_reading.wait(THREAD_WITHIN).await.ok_or_else(away)?;
    let (source, position) = (Arc::clone(&app.source), answer.position);
    let read = thread.run(move || source.read(position)).await;
    Ok(read.map(Arc::new).map_err(|_| away())?)
}

/// 404, in the contract's words.
pub fn unknown(text: &str) -> Refused {
    detail(StatusCode::NOT_FOUND, text).into()
}

/// 503: the original's database refused such a row.
pub fn database() -> Refused {
    detail(StatusCode::SERVICE_UNAVAILABLE, DATABASE).into()
}

/// 422: the `Idempotency-Key` was used with another request.
pub fn reused() -> Refused {
    detail(StatusCode::UNPROCESSABLE_ENTITY, KEY_REUSED).into()
}

/// Refuses a text that is longer than its column, or that none can hold.
pub fn fits(text: Option<&str>, most_chars: usize) -> Result<(), Refused> {
    let is_wrong = text.is_some_and(|text| text.contains('\0') || text.chars().count() > most_chars);
    if is_wrong { Err(database()) } else { Ok(()) }
}

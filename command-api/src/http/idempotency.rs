//! The header `Idempotency-Key`.

use axum::http::{HeaderMap, StatusCode};
use runtime::Problem;
use uuid::Uuid;

/// The request's `Idempotency-Key`; `None` without one, and 400 where it is no key.
pub fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len())).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "Idempotency-Key must have 1 to 255 ASCII characters")
    })?;
    Ok(Some(key))
}

/// The id by which the log remembers the request's `Idempotency-Key`: a UUIDv5 of caller, route and key. `None` without the
/// header; 400 where it is no key.
pub fn idempotency_id(headers: &HeaderMap, route: &str, caller: &str) -> Result<Option<Uuid>, Problem> {
    let name = key_of(headers)?.map(|key| format!("{caller}\n{route}\n{key}"));
    Ok(name.map(|name| Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())))
}

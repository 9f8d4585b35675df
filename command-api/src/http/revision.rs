//! The revision that a change names in `If-Match`.

use axum::http::{HeaderMap, StatusCode, header};
use runtime::Problem;

/// The revision that `If-Match` names; `None` where any will do. 400 where it names none.
pub fn expected_revision(headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let revision =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    let wrong = || {
        Problem::new(StatusCode::BAD_REQUEST, "If-Match must be the ETag of what is changed, such as \"1\"")
    };
    revision.map(Some).ok_or_else(wrong)
}

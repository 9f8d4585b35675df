//! Errors as clients see them: RFC 9457 problem details.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Errors that an answer names, at most.
pub const MAX_ERRORS: usize = 100;
/// Characters of each of an answer's texts, at most.
pub const MAX_CHARS: usize = 300;

/// One field of a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request's body, such as `/items/0/price`.
    #[schema(example = "/items/0/price")]
    pub pointer: String,
    /// What is wrong and what would be right.
    #[schema(value_type = String, example = "must not be negative")]
    pub detail: Cow<'static, str>,
}

/// A refusal or failure, answered as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; stable, for programs.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri-reference", example = "urn:till:invalid")]
    kind: &'static str,
    /// The kind in words.
    #[schema(value_type = String, example = "Invalid request")]
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16, minimum = 400, maximum = 599, example = 422)]
    status: StatusCode,
    /// What happened here and what to change.
    #[schema(value_type = String)]
    detail: Cow<'static, str>,
    /// With 422: every field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The request's id, as in `X-Request-Id`; the edge adds it to every problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "0af7651916cd43dd8448eb211c80319c")]
    request_id: Option<Box<str>>,
    /// How many fields are wrong, of which `errors` may have the first only.
    #[serde(skip)]
    found: u32,
    #[serde(skip)]
    retry_after_s: Option<u32>,
    /// Members that only problems of some kinds have (RFC 9457, 3.2).
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    members: Option<Box<Map<String, Value>>>,
}

impl Problem {
    /// A problem of a status; its title is the status's own.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            errors: Vec::new(),
            request_id: None,
            found: 0,
            retry_after_s: None,
            members: None,
        }
    }

    /// 422: the body's fields that are wrong, all at once.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self::invalid_of(errors.len(), errors)
    }

    /// 422: as many fields are wrong, of which these are the first.
    #[must_use]
    pub fn invalid_of(found: usize, errors: Vec<FieldError>) -> Self {
        let detail = match errors.len() {
            named if named < found => first_of(found, named),
            _ => format!("{found} field(s) are missing or wrong; `errors` names each"),
        };
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        Self { errors, found, ..problem }.kind("urn:till:invalid", "Invalid request")
    }

    /// 503: try again after some seconds.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after_s: u32) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// 429: the caller has too much under way, and should wait so many seconds.
    pub fn too_many(detail: impl Into<Cow<'static, str>>, retry_after_s: u32) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// 404: nothing is under this path.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Gives the problem a kind of its own: a URN for programs, a title for people.
    #[must_use]
    pub fn kind(mut self, kind: &'static str, title: &'static str) -> Self {
        self.kind = kind;
        self.title = title;
        self
    }

    /// Adds a member that problems of this kind have.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    /// The same in bounded size: the first errors only, which the detail then says, and no text longer than so many
    /// characters.
    #[must_use]
    pub fn brief(mut self, max_errors: usize, max_chars: usize) -> Self {
        if self.errors.len() > max_errors {
            self.errors.truncate(max_errors);
            self.detail = first_of(self.found, max_errors).into();
        }
        for error in &mut self.errors {
            if let Some(short) = shortened(&error.pointer, max_chars) {
                error.pointer = short;
            }
        }
        let details = self.errors.iter_mut().map(|error| &mut error.detail);
        for detail in details.chain([&mut self.detail]) {
            if let Some(short) = shortened(detail, max_chars) {
                *detail = short.into();
            }
        }
        self
    }

    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

fn first_of(found: impl std::fmt::Display, named: usize) -> String {
    format!("{found} fields are missing or wrong; `errors` names the first {named}")
}

/// The text cut off behind so many characters; `None` where it is not longer.
fn shortened(text: &str, max_chars: usize) -> Option<String> {
    if text.len() <= max_chars {
        return None;
    }
    let (end, _) = text.char_indices().nth(max_chars)?;
    Some(format!("{}...", &text[..end]))
}

fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let problem = self.brief(MAX_ERRORS, MAX_CHARS);
        let body = serde_json::to_vec(&problem).expect("a problem has text keys only");
        let mut response = (problem.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = problem.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_of_bounded_size_whatever_is_wrong_with_how_much() {
        let error = |number| FieldError {
            pointer: format!("/items/{number}/{}", "x".repeat(1_000)),
            detail: "é".repeat(1_000_000).into(),
        };
        let answer = Problem::invalid((0..1_000).map(error).collect()).into_response();
        let body = axum::body::to_bytes(answer.into_body(), 1024 * 1024).await.expect("less than 1 MiB");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"].as_array().unwrap().len(), MAX_ERRORS);
        assert!(body["detail"].as_str().unwrap().starts_with("1000 fields"), "{}", body["detail"]);
        let detail = body["errors"][0]["detail"].as_str().unwrap();
        assert_eq!(detail.chars().count(), MAX_CHARS + 3);
        let pointer = body["errors"][0]["pointer"].as_str().unwrap();
        assert_eq!(pointer.chars().count(), MAX_CHARS + 3);
    }

    #[test]
    fn a_kind_may_have_members_of_its_own() {
        let problem = Problem::new(StatusCode::CONFLICT, "too late").with("stage", "ready");
        let told = serde_json::to_value(problem).unwrap();
        assert_eq!((&told["stage"], &told["status"]), (&"ready".into(), &409.into()));
    }

    #[test]
    fn how_many_are_wrong_is_said_of_all_however_often_they_are_cut() {
        let errors = (0..100).map(|_| FieldError { pointer: "/x".into(), detail: "is wrong".into() });
        let problem = Problem::invalid_of(4_000, errors.collect()).brief(10, 300);
        assert!(problem.detail.contains("4000") && problem.errors.len() == 10, "{}", problem.detail);
    }
}

//! The id of a request: the client's own or a new one. It comes back with the answer and goes into the event.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use uuid::Uuid;

/// The header that carries a request's id, `X-Request-Id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A problem's JSON is much shorter than this; the limit only bounds memory.
const MAX_PROBLEM_BYTES: usize = 256 * 1024;

/// Leaves the client's id in the headers where it is well-formed, else a new one.
pub(super) fn settle(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(given) = headers.get(&REQUEST_ID).filter(|given| is_well_formed(given.as_bytes())) {
        return given.clone();
    }
    let mut text = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    let id = HeaderValue::from_str(text).expect("a UUID is ASCII");
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// A UUID, or 16 to 32 hexadecimal digits: an id goes into the log for good, so it must not be able to name a person.
fn is_well_formed(id: &[u8]) -> bool {
    let is_hex = (16..=32).contains(&id.len()) && id.iter().all(u8::is_ascii_hexdigit);
    let is_uuid = || id.len() == 36 && Uuid::try_parse_ascii(id).is_ok();
    is_hex || is_uuid()
}

/// Tells the id with the answer, in a header and in the body of a problem.
pub(super) async fn tell(id: HeaderValue, mut response: Response) -> Response {
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if is_problem {
        response = tell_in_problem(&id, response).await;
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn tell_in_problem(id: &HeaderValue, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let problem = to_bytes(body, MAX_PROBLEM_BYTES).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(with_member(id, problem)))
}

/// The problem with the member `request_id`. One that another replica has answered has it already.
fn with_member(id: &HeaderValue, problem: Bytes) -> Bytes {
    let member = [b"\"request_id\":\"", id.as_bytes(), b"\"}"].concat();
    match problem.strip_suffix(b"}") {
        Some(rest) if !problem.ends_with(&member) => {
            let comma: &[u8] = if rest.ends_with(b"{") { b"" } else { b"," };
            [rest, comma, &member].concat().into()
        }
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_name_a_person_is_replaced() {
        let settled = |given: &'static str| {
            let mut headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(given))]);
            let id = settle(&mut headers);
            assert_eq!(headers.get(&REQUEST_ID), Some(&id), "what goes on is what is told");
            id
        };
        for kept in
            ["0123456789abcdef", "0123456789ABCDEF0123456789abcdef", "01939e0c-5b7a-7cc1-b1a5-2f4d5c6b7a89"]
        {
            assert_eq!(settled(kept), kept);
        }
        for replaced in [
            "",
            "ann@example.org",
            "0123456789abcde",
            "0123456789abcdef0123456789abcdef0",
            "till-7-000123",
            "{01939e0c-5b7a-7cc1-b1a5-2f4d5c6b7a89}",
        ] {
            assert!(is_well_formed(settled(replaced).as_bytes()) && settled(replaced) != replaced);
        }
    }

    #[test]
    fn a_problem_has_the_id_once() {
        let id = HeaderValue::from_static("0123456789abcdef");
        let told = with_member(&id, Bytes::from_static(b"{\"status\":404}"));
        assert_eq!(told, "{\"status\":404,\"request_id\":\"0123456789abcdef\"}");
        assert_eq!(with_member(&id, told.clone()), told);
    }
}

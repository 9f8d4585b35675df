//! Lists as CSV (RFC 4180). They are made part by part while the client reads, so memory holds one part, and no connection to Postgres
//! is held while the client is slow.

use std::borrow::Cow;
use std::future::ready;
use std::io;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{once, try_unfold};
use runtime::Problem;

const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Lines, and where the next part begins, if there is one.
pub type Part<C> = (String, Option<C>);

/// Whether `Accept` names CSV before it names JSON, or anything that JSON is.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    let names = ranges.map(|range| range.split(';').next().unwrap_or(range).trim().to_ascii_lowercase());
    let known = ["text/csv", "application/json", "application/*", "*/*"];
    let mut known = names.filter(|name| known.contains(&name.as_str()));
    known.next().is_some_and(|first| first == "text/csv")
}

/// Answers with the header line `names` and the parts that `part` makes, the first one from `from`. The first part is made before the
/// answer begins, so a failure there has its status. A later failure can only break the connection.
pub async fn list<C, F, R>(names: &str, from: Option<C>, mut part: F) -> Result<Response, Problem>
where
    C: Send + 'static,
    F: FnMut(Option<C>) -> R + Send + 'static,
    R: Future<Output = Result<Part<C>, Problem>> + Send + 'static,
{
    let (lines, next) = part(from).await?;
    let first = once(ready(Ok::<_, io::Error>(format!("{names}\r\n{lines}"))));
    let rest = try_unfold((part, next), async |(mut part, next): (F, Option<C>)| {
        let Some(from) = next else { return Ok::<_, io::Error>(None) };
        let (lines, next) = part(Some(from)).await.map_err(|problem| broken(&problem))?;
        Ok(Some((lines, (part, next))))
    });
    let csv = [(header::CONTENT_TYPE, HeaderValue::from_static(CSV))];
    Ok((csv, Body::from_stream(first.chain(rest))).into_response())
}

/// A field as it stands, or in quotation marks where it has a character that means something.
pub fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\"")).into();
    }
    text.into()
}

fn broken(problem: &Problem) -> io::Error {
    tracing::warn!(status = problem.status().as_u16(), "a list ends before its end");
    io::Error::other("the list could not be read on")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn asks(accept: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        is_asked_for(&headers)
    }

    #[test]
    fn csv_is_what_accept_names_first() {
        assert!(asks(&["text/csv"]));
        assert!(asks(&["text/html, Text/CSV; header=present, */*"]));
        assert!(asks(&["text/html", "text/csv"]));
        for other in ["", "*/*", "application/json, text/csv", "text/html", "text/csvs"] {
            assert!(!asks(&[other]), "{other}");
        }
        assert!(!asks(&[]));
    }

    /// The list of numbers below `end`, in parts of two; the one from `fails` on fails.
    async fn body(end: u32, fails: u32) -> Option<String> {
        let part = move |from: Option<u32>| async move {
            let from = from.unwrap_or(0);
            if from >= fails {
                return Err(Problem::unavailable("gone", 1));
            }
            let until = (from + 2).min(end);
            let lines: String = (from..until).map(|number| format!("{number}\r\n")).collect();
            Ok((lines, (until < end).then_some(until)))
        };
        let response = list("number", None, part).await.ok()?;
        let bytes = to_bytes(response.into_body(), 1000).await.ok()?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn parts_make_one_list_under_one_header_and_a_part_that_fails_breaks_it() {
        assert_eq!(body(0, 9).await.as_deref(), Some("number\r\n"));
        assert_eq!(body(3, 9).await.as_deref(), Some("number\r\n0\r\n1\r\n2\r\n"));
        assert_eq!(body(3, 0).await, None);
        assert_eq!(body(3, 2).await, None);
    }

    #[test]
    fn a_field_that_would_end_a_line_is_quoted() {
        assert_eq!(field("restaurant-7"), "restaurant-7");
        assert_eq!(field("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}

//! Lists of any length without pages. The JSON is made part by part while the client reads, so memory holds one part, and no
//! connection to Postgres is held while the client is slow.

use std::io;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use runtime::Problem;
use serde::Serialize;

/// A part that has so many bytes has enough.
const PART_BYTES: usize = 256 * 1024;

/// A piece of a list, and where the next part begins, if there is one.
pub struct Part<C> {
    json: Vec<u8>,
    next: Option<C>,
    /// Whether it begins within an element that an earlier part has begun.
    goes_on_within: bool,
}

impl<C> Part<C> {
    /// A part without any element yet.
    pub fn new() -> Self {
        Self { json: Vec::new(), next: None, goes_on_within: false }
    }

    /// A part that goes on within an element that an earlier part has begun.
    pub fn within() -> Self {
        Self { goes_on_within: true, ..Self::new() }
    }

    /// Begins an element. Its JSON is written piece by piece, perhaps over several parts.
    pub fn begin_element(&mut self) {
        if !self.json.is_empty() {
            self.json.push(b',');
        }
    }

    /// Writes a piece of an element's JSON as it is.
    pub fn write(&mut self, json: &str) {
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Writes the JSON of a value within an element.
    pub fn write_value(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.json, value).expect("elements have text keys only");
    }

    /// Whether the part has not enough yet.
    pub fn has_room(&self) -> bool {
        self.json.len() < PART_BYTES
    }

    /// Writes a whole element. `false`: the part has enough.
    pub fn push(&mut self, element: &impl Serialize) -> bool {
        self.begin_element();
        self.write_value(element);
        self.has_room()
    }

    /// Says that the list goes on, and where.
    pub fn goes_on(mut self, next: C) -> Self {
        self.next = Some(next);
        self
    }
}

/// Answers with the list whose parts `part` makes, the first one from `None`. The first part is made before the answer begins, so a
/// failure there has its status. A later failure can only break the connection.
pub async fn list<C, F, R>(mut part: F) -> Result<Response, Problem>
where
    C: Send + 'static,
    F: FnMut(Option<C>) -> R + Send + 'static,
    R: Future<Output = Result<Part<C>, Problem>> + Send + 'static,
{
    let first = part(None).await?;
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let beginning = [b"[".as_slice(), &first.json].concat();
    let Some(next) = first.next else {
        return Ok((StatusCode::OK, json, [&beginning, b"]".as_slice()].concat()).into_response());
    };
    let begun = (part, Rest::Made(beginning, next));
    let stream = try_unfold(begun, async |(mut part, rest)| {
        Ok::<_, io::Error>(match rest {
            Rest::Made(bytes, next) => Some((bytes, (part, Rest::From(next)))),
            Rest::From(cursor) => {
                let made = part(Some(cursor)).await.map_err(|problem| broken(&problem))?;
                // The part before may have been the last one without knowing it, so this one may be empty.
                let comma = if made.json.is_empty() || made.goes_on_within { "" } else { "," };
                let end = if made.next.is_none() { "]" } else { "" };
                let bytes = [comma.as_bytes(), &made.json, end.as_bytes()].concat();
                Some((bytes, (part, made.next.map_or(Rest::Ended, Rest::From))))
            }
            Rest::Ended => None,
        })
    });
    Ok((StatusCode::OK, json, Body::from_stream(stream)).into_response())
}

/// What of the list is still to be sent.
enum Rest<C> {
    Made(Vec<u8>, C),
    From(C),
    Ended,
}

fn broken(problem: &Problem) -> io::Error {
    tracing::warn!(status = problem.status().as_u16(), "a list ends before its end");
    io::Error::other("the list could not be read on")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    /// The list of numbers below `end`, in parts of `size`.
    async fn body(end: u32, size: u32) -> String {
        let part = move |from: Option<u32>| async move {
            let from = from.unwrap_or(0);
            let until = (from + size).min(end);
            let mut part = Part::new();
            for number in from..until {
                part.push(&number);
            }
            // A full part goes on, even if nothing follows.
            Ok(if until - from == size { part.goes_on(until) } else { part })
        };
        let response = list(part).await.unwrap();
        String::from_utf8(to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn parts_make_one_list() {
        for (end, size, expected) in
            [(0, 2, "[]"), (1, 2, "[0]"), (2, 2, "[0,1]"), (3, 2, "[0,1,2]"), (5, 2, "[0,1,2,3,4]")]
        {
            assert_eq!(body(end, size).await, expected);
        }
    }

    #[tokio::test]
    async fn an_element_may_go_on_over_several_parts() {
        let part = |from: Option<u32>| async move {
            let mut part = if from.is_some_and(|from| from < 3) { Part::within() } else { Part::new() };
            match from {
                None => {
                    part.push(&0);
                    part.begin_element();
                    part.write("[");
                    part.write_value(&"a");
                    return Ok(part.goes_on(1));
                }
                Some(1) => {
                    part.write(",\"b\"");
                    return Ok(part.goes_on(2));
                }
                Some(2) => {
                    part.write("]");
                    part.push(&1);
                    return Ok(part.goes_on(3));
                }
                _ => part.push(&2),
            };
            Ok(part)
        };
        let response = list(part).await.unwrap();
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, r#"[0,["a","b"],1,2]"#);
    }

    #[tokio::test]
    async fn what_fails_at_first_is_a_status_and_later_a_broken_body() {
        let fails = |at: u32| {
            move |from: Option<u32>| async move {
                let from = from.unwrap_or(0);
                if from == at {
                    return Err(Problem::unavailable("gone", 1));
                }
                let mut part = Part::new();
                part.push(&from);
                Ok(part.goes_on(from + 1))
            }
        };
        assert!(list(fails(0)).await.is_err());
        let begun = list(fails(2)).await.unwrap();
        assert!(to_bytes(begun.into_body(), 1000).await.is_err());
    }
}

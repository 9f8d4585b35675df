//! A line of the answer. Its index comes first, because it is not the same in a forwarded batch and in the client's own: the
//! rest, the tail, is copied as it is from one into the other.

use std::io::Write;

use axum::http::StatusCode;
use bytes::{BufMut, Bytes, BytesMut};
use runtime::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::understood::Understood;
use crate::shard::Answer;

/// Errors that a line names, at most: a line is kept in memory until those before it are answered.
const MAX_ERRORS: usize = 10;
/// Characters of each text of a line's problem, at most.
const MAX_DETAIL_CHARS: usize = 300;
const BEGIN: &[u8] = b"{\"index\":";

/// The beginning of a line with the index 0, which is cut off to get its tail.
const UNPLACED: &[u8] = b"{\"index\":0,";

/// A line of a batch's answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchLine<'r> {
    Recorded(RecordedLine<'r>),
    Refused(RefusedLine),
}

/// The receipt is recorded, now (`accepted`) or before (`duplicate`).
#[derive(Serialize, ToSchema)]
pub struct RecordedLine<'r> {
    /// Which receipt of the batch, from 0.
    index: u32,
    result: RecordedResult,
    transaction_id: &'r str,
    /// Its place in the log; for `Till-Position` of a read.
    #[schema(example = "r4-17")]
    position: String,
    #[serde(flatten)]
    understood: Understood,
}

/// Whether what a line has is recorded now, or was before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordedResult {
    Accepted,
    Duplicate,
}

/// The receipt is not recorded (`conflict`, `invalid`: 400, 403, 409, 413, 422), or must be sent again (`unavailable`: 503).
#[derive(Serialize, ToSchema)]
pub struct RefusedLine {
    /// Which receipt of the batch, from 0.
    index: u32,
    result: RefusedResult,
    #[serde(flatten)]
    problem: Problem,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RefusedResult {
    Conflict,
    Invalid,
    Unavailable,
}

/// The tail of the line of a receipt that is recorded, now or before.
pub fn recorded(transaction_id: &str, understood: Understood, answer: &Answer) -> Bytes {
    let result = if answer.is_new { RecordedResult::Accepted } else { RecordedResult::Duplicate };
    let position = answer.position.to_string();
    tail(&BatchLine::Recorded(RecordedLine { index: 0, result, transaction_id, position, understood }))
}

/// The tail of the line of a receipt that is not recorded, or whose outcome is unknown.
pub fn refused(problem: Problem) -> Bytes {
    let result = match problem.status() {
        StatusCode::CONFLICT => RefusedResult::Conflict,
        StatusCode::SERVICE_UNAVAILABLE => RefusedResult::Unavailable,
        _ => RefusedResult::Invalid,
    };
    let problem = problem.brief(MAX_ERRORS, MAX_DETAIL_CHARS);
    tail(&BatchLine::Refused(RefusedLine { index: 0, result, problem }))
}

/// The tail of a line whose first member is its index.
pub fn tail(line: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(line).expect("a line has text keys only");
    Bytes::from(text).slice(UNPLACED.len()..)
}

/// Writes the line of the receipt at `index`.
pub fn write(into: &mut BytesMut, index: usize, tail: &[u8]) {
    into.reserve(BEGIN.len() + tail.len() + 8);
    into.put_slice(BEGIN);
    write!(into.writer(), "{index},").expect("memory takes what is written");
    into.put_slice(tail);
    into.put_u8(b'\n');
}

/// Index and tail of a line that another replica wrote; `None` where it is none.
pub fn read(line: &[u8]) -> Option<(usize, Bytes)> {
    let rest = line.strip_prefix(BEGIN)?;
    let comma = rest.iter().position(|&byte| byte == b',')?;
    let index = std::str::from_utf8(&rest[..comma]).ok()?.parse().ok()?;
    let tail = &rest[comma + 1..];
    (tail.starts_with(b"\"result\":") && tail.ends_with(b"}")).then(|| (index, Bytes::copy_from_slice(tail)))
}

#[cfg(test)]
mod tests {
    use runtime::problem::FieldError;
    use schemas::{Money, Position, Topic};
    use serde_json::{Value, json};

    use super::*;

    fn line(index: usize, tail: &[u8]) -> (Value, BytesMut) {
        let mut text = BytesMut::new();
        write(&mut text, index, tail);
        (serde_json::from_slice(&text).unwrap(), text)
    }

    #[test]
    fn lines_keep_their_tails_under_another_index() {
        let position = Position { topic: Topic::Receipts, partition: 3, offset: 41 };
        let understood = Understood {
            timestamp: "2024-05-01T12:00:00.5Z".parse().unwrap(),
            total_amount: Money::parse("5").unwrap(),
            tax_amount: Money::parse("0.83").unwrap(),
            tips_amount: Money::parse("0.5").unwrap(),
        };
        let mut answer = Answer::already(position);
        answer.is_new = true;
        let accepted = recorded("a \"b\"", understood, &answer);
        let (json, text) = line(7, &accepted);
        let expected = json!({
            "index": 7, "result": "accepted", "transaction_id": "a \"b\"", "position": "r3-41",
            "timestamp": "2024-05-01T12:00:00.500Z", "total_amount": "5.00", "tax_amount": "0.83", "tips_amount": "0.50",
        });
        assert_eq!(json, expected);
        let (index, tail) = read(text.trim_ascii_end()).unwrap();
        assert_eq!((index, &tail), (7, &accepted));
        assert_eq!(line(12_345, &tail).0["index"], 12_345);
        for broken in
            ["", "{}", "{\"index\":1}", "{\"index\":x,\"result\":1}", "{\"index\":1,\"result\":\"acc"]
        {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_refusal_is_a_problem_of_bounded_size() {
        let error = |number| FieldError {
            pointer: format!("/items/{number}/price"),
            detail: "must be a decimal number".into(),
        };
        let (json, _) = line(0, &refused(Problem::invalid((0..4000).map(error).collect())));
        assert_eq!((&json["result"], &json["status"]), (&json!("invalid"), &json!(422)));
        assert_eq!(json["errors"].as_array().unwrap().len(), MAX_ERRORS);
        assert!(json["detail"].as_str().unwrap().contains("4000"), "{json}");
        let long = Problem::new(StatusCode::CONFLICT, "é".repeat(1_000_000));
        let tail = refused(long);
        assert!(tail.len() < 1_000 && line(0, &tail).0["result"] == "conflict");
    }
}

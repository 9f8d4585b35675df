//! What a read must have seen, as the client's headers say.

use std::time::Duration;

use axum::http::HeaderMap;
use runtime::Problem;
use schemas::Position;

use super::problems::bad_request;

/// How long a read waits where the client does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// The longest that a read waits, whatever the client says.
const LONGEST_WAIT_S: u64 = 30;

/// What a read must have seen before it is answered, and how long it waits for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    pub after: Vec<Position>,
    pub is_strong: bool,
    pub wait: Duration,
}

impl Consistency {
    /// A read that must see everything accepted before it was asked for.
    #[must_use]
    pub const fn strong() -> Self {
        Self { after: Vec::new(), is_strong: true, wait: DEFAULT_WAIT }
    }

    /// A read that sees what is folded and waits for nothing.
    #[must_use]
    pub const fn eventual() -> Self {
        Self { after: Vec::new(), is_strong: false, wait: DEFAULT_WAIT }
    }

    /// Reads `Till-Position` (positions of earlier answers, separated by commas), `Till-Consistency: strong` and
    /// `Prefer: wait=SECONDS` (RFC 7240).
    ///
    /// # Errors
    /// 400 where one of them cannot be read.
    pub fn from_headers(headers: &HeaderMap, partitions: i32) -> Result<Self, Problem> {
        let mut after = Vec::new();
        for token in values(headers, "till-position")? {
            let position: Position =
                token.parse().map_err(|error| bad_request(format!("Till-Position {error}")))?;
            if position.partition >= partitions {
                let detail =
                    format!("Till-Position names partition {}, there are {partitions}", position.partition);
                return Err(bad_request(detail));
            }
            after.push(position);
        }
        let mut is_strong = false;
        for value in values(headers, "till-consistency")? {
            is_strong |= match value.as_str() {
                "strong" => true,
                "eventual" => false,
                _ => return Err(bad_request("Till-Consistency must be `strong` or `eventual`")),
            };
        }
        let mut wait = DEFAULT_WAIT;
        for preference in values(headers, "prefer")? {
            let Some(seconds) = preference.strip_prefix("wait=") else { continue };
            let seconds: u64 = seconds
                .trim()
                .parse()
                .map_err(|_| bad_request("Prefer: wait=SECONDS takes a whole number"))?;
            wait = Duration::from_secs(seconds.min(LONGEST_WAIT_S));
        }
        Ok(Self { after, is_strong, wait })
    }

    /// 503: the time to wait is over.
    #[must_use]
    pub fn late(&self) -> Problem {
        let detail = format!(
            "the projection did not get as far within {} s; retry, or wait longer with `Prefer: wait=SECONDS` ({LONGEST_WAIT_S} at most)",
            self.wait.as_secs()
        );
        Problem::unavailable(detail, 1)
    }
}

/// The values of a header, which may have several lines, each with values separated by commas.
fn values(headers: &HeaderMap, name: &'static str) -> Result<Vec<String>, Problem> {
    let mut values = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| bad_request(format!("{name} must be plain ASCII")))?;
        values.extend(line.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use schemas::Topic;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_say_what_a_read_must_have_seen() {
        let asked = headers(&[("till-position", "r3-7, a0-1"), ("prefer", "respond-async, wait=90")]);
        let consistency = Consistency::from_headers(&asked, 4).unwrap();
        let position = |topic, partition, offset| Position { topic, partition, offset };
        assert_eq!(consistency.after, [position(Topic::Receipts, 3, 7), position(Topic::Accounts, 0, 1)]);
        assert_eq!(consistency.wait, Duration::from_secs(30));
        assert!(!consistency.is_strong);
        assert!(Consistency::from_headers(&headers(&[("till-consistency", "strong")]), 4).unwrap().is_strong);
    }

    #[test]
    fn headers_that_say_nothing_are_refused() {
        for pair in [
            ("till-position", "r4-7"),
            ("till-position", "x"),
            ("till-consistency", "weak"),
            ("prefer", "wait=-1"),
        ] {
            let refused = Consistency::from_headers(&headers(&[pair]), 4).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{pair:?}");
        }
    }
}

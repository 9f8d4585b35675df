//! The parameters of reads. They are parsed before anything is read; one that cannot be is refused with 400, and words that say what
//! would be right.

use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use runtime::Problem;
use runtime::auth::{Caller, Role, Tokens};
use runtime::problem::FieldError;
use runtime::vault::Vault;
use schemas::{Ref, place};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use crate::projections::business_time::{is_business_time, is_writable};
use crate::projections::definition::Projection;
use crate::read::{Consistency, Snapshot};

/// How long a read that is always strong waits, at least.
const LEAST_STRONG_WAIT: Duration = Duration::from_secs(1);
/// The longest id that the write side accepts, in characters.
const LONGEST_ID: usize = 150;

/// A read as it is asked for: the caller, the query's parameters `Q` and the consistency.
pub struct Read<Q> {
    /// The parameters of the query string.
    pub query: Q,
    app: App,
    caller: Caller,
    consistency: Consistency,
}

impl<Q: DeserializeOwned + Send> FromRequestParts<App> for Read<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let consistency = Consistency::from_headers(&parts.headers, app.partitions)?;
        let query = Query::<Q>::from_request_parts(parts, app).await;
        let Query(query) = query.map_err(|_| refused(names::<Q>().told()))?;
        Ok(Self { query, app: app.clone(), caller, consistency })
    }
}

/// The query of a path that takes no parameters.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// The names of the parameters that a query has.
#[derive(Default)]
struct Names(&'static [&'static str]);

impl Names {
    fn told(&self) -> String {
        if self.0.is_empty() {
            return "this path takes no query parameters".to_owned();
        }
        format!("the query string may have, each once and percent-encoded: {}", self.0.join(", "))
    }
}

/// The names of a query's parameters, which serde's derived code tells to the format it reads from.
fn names<Q: DeserializeOwned>() -> Names {
    let mut names = Names::default();
    let _ = Q::deserialize(&mut names);
    names
}

impl<'de> Deserializer<'de> for &mut Names {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("there is no value"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<Q> Read<Q> {
    /// Refuses a caller who has none of the roles.
    ///
    /// # Errors
    /// 403 for such a caller.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        self.caller.require(roles)
    }

    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The time zone that dates in parameters are of.
    pub fn zone(&self) -> Tz {
        self.app.zone
    }

    /// Opens a snapshot of projections that is as consistent as the caller asks for.
    ///
    /// # Errors
    /// As [`crate::read::Reads::snapshot`].
    pub async fn snapshot(&self, projections: &[Projection]) -> Result<Snapshot, Problem> {
        self.app.reads.snapshot(projections, &self.consistency, &self.caller.account()).await
    }

    /// Opens a snapshot that has seen everything accepted before the request, whatever the caller asks for. What opens boxes
    /// must not be answered from before an erasure. It waits a second at least: a caller who would not wait at all would never
    /// be answered.
    ///
    /// # Errors
    /// As [`crate::read::Reads::snapshot`].
    pub async fn strong_snapshot(&self, projections: &[Projection]) -> Result<Snapshot, Problem> {
        let wait = self.consistency.wait.max(LEAST_STRONG_WAIT);
        let consistency = Consistency { is_strong: true, wait, ..self.consistency.clone() };
        self.app.reads.snapshot(projections, &consistency, &self.caller.account()).await
    }

    /// What opens boxes.
    pub fn vault(&self) -> &Vault {
        &self.app.vault
    }
}

/// Headers that say what a read must have seen; without them it answers at once from what is folded.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "they are described here, and read in `Consistency`")]
pub struct ReadHeaders {
    /// Waits until the read has seen these positions of earlier answers, separated by commas.
    #[param(rename = "Till-Position", nullable = false, example = "r0-0")]
    position: Option<String>,
    /// `strong`: waits until it has seen everything accepted before the request.
    #[param(rename = "Till-Consistency", value_type = ConsistencyHeader, required = false, inline)]
    consistency: Option<ConsistencyHeader>,
    /// Waits so many seconds at most: 5 where it is missing, never above 30; then 503.
    #[param(rename = "Prefer", nullable = false, pattern = r"^wait=[0-9]{1,9}$", example = "wait=10")]
    prefer: Option<String>,
}

#[derive(serde::Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "as above")]
enum ConsistencyHeader {
    Strong,
    Eventual,
}

/// The one id in the path; `None` if no such id can exist.
pub struct PathId(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for PathId
where
    Tokens: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // A path that is not UTF-8 has no id either.
        let id = Path::<String>::from_request_parts(parts, state).await.ok().map(|Path(id)| id);
        Ok(Self(id.filter(|id| is_id(id))))
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= LONGEST_ID && !id.contains('\0')
}

/// 400, with what is wrong in words.
pub fn refused(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// Reads the JSON of a body. What was sent is not repeated in the words of a refusal, because it may be personal.
///
/// # Errors
/// 400 if it is no JSON; 422, which says what would be right, if it is other JSON than is wanted.
pub fn body<B: DeserializeOwned>(bytes: &[u8], right: &'static str) -> Result<B, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.is_data() {
        true => invalid(right),
        false => Problem::new(StatusCode::BAD_REQUEST, "the body is not JSON")
            .kind("urn:till:malformed", "Malformed JSON"),
    })
}

/// 422 for a body as a whole.
pub fn invalid(right: &'static str) -> Problem {
    Problem::invalid(vec![FieldError { pointer: String::new(), detail: right.into() }])
}

/// Reads an id that is given as parameter `name`.
///
/// # Errors
/// 400 if no such id can exist.
pub fn id(name: &str, value: Option<&str>) -> Result<Option<String>, Problem> {
    match value {
        Some(value) if !is_id(value) => {
            Err(refused(format!("`{name}` must be 1 to {LONGEST_ID} characters without U+0000")))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

/// Reads the name of an aggregate, given as parameter `name`.
///
/// # Errors
/// 400 if nothing has such a name.
pub fn aggregate(name: &str, value: Option<&str>) -> Result<Option<Ref>, Problem> {
    let refused =
        || refused(format!("`{name}` must be a UUID, or a contract's number such as restaurant-15"));
    value.map(|value| place::parse(value).ok_or_else(refused)).transpose()
}

/// Reads `true` or `false`, given as parameter `name`.
///
/// # Errors
/// 400 if it is neither.
pub fn flag(name: &str, value: Option<&str>) -> Result<Option<bool>, Problem> {
    let refused = || refused(format!("`{name}` must be `true` or `false`"));
    value.map(|value| value.parse().map_err(|_| refused())).transpose()
}

/// An interval of time. An end that is `None` has no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first instant in the interval.
    pub from: Option<DateTime<Utc>>,
    /// The first instant after the interval.
    pub to: Option<DateTime<Utc>>,
}

/// Reads the interval of the parameters `from` and `to`.
///
/// # Errors
/// 400 if one cannot be read, or nothing lies between them.
pub fn interval(from: Option<&str>, to: Option<&str>, zone: Tz) -> Result<Interval, Problem> {
    let interval = Interval { from: instant("from", from, zone)?, to: instant("to", to, zone)? };
    match interval {
        Interval { from: Some(from), to: Some(to) } if from >= to => {
            Err(refused("`from` must be before `to`; `to` itself is not in the interval"))
        }
        interval => Ok(interval),
    }
}

/// An interval of days. An end that is `None` has no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first day in the interval.
    pub from: Option<NaiveDate>,
    /// The first day after the interval.
    pub to: Option<NaiveDate>,
}

impl Days {
    /// All time.
    pub const ALL: Self = Self { from: None, to: None };
}

/// Reads the interval of the parameters `from` and `to`, where figures are of whole days.
///
/// # Errors
/// 400 if one cannot be read, or nothing lies between them.
pub fn days(from: Option<&str>, to: Option<&str>) -> Result<Days, Problem> {
    match (Days { from: day("from", from)?, to: day("to", to)? }) {
        Days { from: Some(from), to: Some(to) } if from >= to => {
            Err(refused("`from` must be before `to`; `to` itself is not in the interval"))
        }
        days => Ok(days),
    }
}

/// Reads a date. The years are 1 to 9999, as those of instants.
fn day(name: &str, text: Option<&str>) -> Result<Option<NaiveDate>, Problem> {
    let read = |text: &str| text.parse().ok().filter(|day| is_writable(*day));
    let wrong = || refused(format!("`{name}` must be a date such as 2024-05-01: figures are of whole days"));
    text.map(|text| read(text).ok_or_else(wrong)).transpose()
}

/// Reads an instant: RFC 3339, or a date, which means its first instant in the zone. The years are 1 to 9999, because no row has
/// others and Postgres cannot write all of them.
fn instant(name: &str, text: Option<&str>, zone: Tz) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
    let instant = instant.or_else(|| first_of_day(text.parse().ok()?, zone));
    let in_range = instant.filter(|instant| is_business_time(*instant));
    let wrong = || {
        // The usual mistake is a `+`, which in a query string is a space.
        refused(format!(
            "`{name}` must be RFC 3339 such as 2024-05-01T12:00:00Z, or a date such as 2024-05-01; write + as %2B"
        ))
    };
    in_range.map(Some).ok_or_else(wrong)
}

/// The first instant of a day. If a change of the clocks skips midnight, the day begins after the gap.
fn first_of_day(date: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = date.and_time(NaiveTime::MIN);
    let candidates = (0..24).map(|half_hours| midnight + chrono::TimeDelta::minutes(30 * half_hours));
    let mut valid = candidates.filter_map(|local| zone.from_local_datetime(&local).earliest());
    valid.next().map(|instant| instant.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_from_instants_and_dates() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let read = interval(Some("2024-05-01"), Some("2024-05-01T12:00:00+02:00"), berlin).unwrap();
        assert_eq!(read.from.unwrap().to_rfc3339(), "2024-04-30T22:00:00+00:00");
        assert_eq!(read.to.unwrap().to_rfc3339(), "2024-05-01T10:00:00+00:00");
        let cairo: Tz = "Africa/Cairo".parse().unwrap();
        let skipped = interval(Some("2024-04-26"), None, cairo).unwrap();
        assert_eq!(skipped.from.unwrap().to_rfc3339(), "2024-04-25T22:00:00+00:00");
    }

    #[test]
    fn nonsense_is_refused() {
        let read = |from, to| interval(from, to, Tz::UTC).unwrap_err().status();
        for nonsense in
            ["", "yesterday", "2024-13-01", "2024-05-01T12:00:00", "\0", "-0001-01-01", "262000-01-01"]
        {
            assert_eq!(read(Some(nonsense), None), StatusCode::BAD_REQUEST, "{nonsense}");
        }
        assert_eq!(read(Some("2024-05-02"), Some("2024-05-02")), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn days_are_read_from_dates_alone() {
        let date = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let (may, june) = ("2024-05-01", "2024-06-01");
        assert_eq!(days(Some(may), Some(june)), Ok(Days { from: date(may), to: date(june) }));
        assert_eq!(days(None, None), Ok(Days::ALL));
        for nonsense in ["", "2024-13-01", "2024-05-01T00:00:00Z", "+10000-01-01", "0000-01-01"] {
            assert!(days(Some(nonsense), None).is_err(), "{nonsense}");
        }
        assert!(days(Some(may), Some(may)).is_err() && days(Some(june), Some(may)).is_err());
    }

    #[test]
    fn a_query_that_cannot_be_read_is_told_the_names_there_are() {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only its names are asked for")]
        struct Sample {
            from: Option<String>,
            limit: Option<String>,
        }
        assert!(names::<Sample>().told().ends_with(": from, limit"));
        assert_eq!(names::<NoQuery>().told(), "this path takes no query parameters");
    }

    #[test]
    fn ids_that_cannot_exist_are_refused() {
        assert!(id("place_id", Some("")).is_err());
        assert!(id("place_id", Some("a\0b")).is_err());
        assert!(id("place_id", Some(&"é".repeat(151))).is_err());
        assert_eq!(id("place_id", Some(&"é".repeat(150))).unwrap().unwrap().chars().count(), 150);
        assert_eq!(id("place_id", None).unwrap(), None);
    }
}

//! Instants in events: microseconds since 1970 in Avro, RFC 3339 in JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes an instant: microseconds since 1970 as an integer, or RFC 3339 where the format is for people.
pub fn serialize<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    } else {
        serializer.serialize_i64(instant.timestamp_micros())
    }
}

/// Reads what [`serialize`] wrote. An integer that no instant has is an error.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    if deserializer.is_human_readable() {
        return DateTime::<Utc>::deserialize(deserializer);
    }
    let micros = i64::deserialize(deserializer)?;
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| de::Error::custom(format!("{micros} is no instant")))
}

//! Contract 003, `receipts`: a producer that takes checks and a consumer that reads figures, as two services written with
//! Django REST framework answered them, in Russian.

pub mod answers;
pub mod messages;
pub mod token;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Its name in `TILL_CONTRACTS`.
pub const NAME: &str = "receipts";
/// The realm its accounts are in: `/v1`'s own.
pub const REALM: &str = "till";
/// Who recorded what came through the producer. No username has a `/`.
pub const PRODUCER: &str = "contracts/receipts";
/// Who recorded what came through the consumer's `add_checks`.
pub const CONSUMER: &str = "contracts/receipts/consumer";
/// The zone of its times.
pub const ZONE: Tz = chrono_tz::Europe::Moscow;

/// An instant as it writes them: `07.02.2024 12:34:56`, in Moscow.
#[must_use]
pub fn moment(instant: DateTime<Utc>) -> String {
    instant.with_timezone(&ZONE).format("%d.%m.%Y %H:%M:%S").to_string()
}

//! How slowly a body may come. A body that has begun holds memory, or a batch's turn, that others need.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// A body is waited for this long however little of it has come, and never longer for its next part.
const GRACE: Duration = Duration::from_secs(10);
/// For each so many bytes that have come, a body is waited for one second more.
const LEAST_BYTES_A_SECOND: u64 = 16 * 1024;

/// The detail of the answer to a body that came slower.
pub const TOO_SLOW: &str =
    "the body came too slowly: send at least 16 KiB a second, and never nothing for 10 s";

/// How long a body was waited for, and for how many bytes.
#[derive(Default)]
pub struct Pace {
    waited: Duration,
    bytes: u64,
}

/// The body came slower than it may.
#[derive(Debug, PartialEq, Eq)]
pub struct TooSlow;

impl Pace {
    /// Waits for the next part of the body. A wait that is dropped half-way counts too; the time between two calls does not,
    /// because this service spends it and not the client.
    pub async fn wait<T>(&mut self, part: impl Future<Output = T>) -> Result<T, TooSlow> {
        let left = self.left();
        let _waiting = Waiting { pace: self, since: Instant::now() };
        timeout(left, part).await.map_err(|_| TooSlow)
    }

    /// Notes that so many bytes have come.
    pub fn came(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// For how long the next part is waited for.
    fn left(&self) -> Duration {
        let allowed = GRACE + Duration::from_secs(self.bytes / LEAST_BYTES_A_SECOND);
        allowed.saturating_sub(self.waited).min(GRACE)
    }
}

struct Waiting<'p> {
    pace: &'p mut Pace,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pace.waited += self.since.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of a body comes in parts of these bytes, one each so many seconds; at most a MiB.
    fn taken(bytes: usize, every_s: u64) -> usize {
        let (mut pace, mut taken) = (Pace::default(), 0);
        let every = Duration::from_secs(every_s);
        while taken < 1024 * 1024 && every < pace.left() {
            pace.waited += every;
            pace.came(bytes);
            taken += bytes;
        }
        taken
    }

    #[test]
    fn a_body_that_trickles_is_given_up_and_a_slow_one_is_taken() {
        assert_eq!(taken(1, 1), 9, "a byte a second");
        assert_eq!(taken(1024 * 1024, 11), 0, "nothing for 11 s");
        assert!(taken(8 * 1024, 1) < 200 * 1024, "half the rate");
        assert_eq!(taken(16 * 1024, 1), 1024 * 1024, "the rate");
    }

    #[tokio::test]
    async fn waiting_that_is_given_up_counts() {
        let mut pace = Pace { waited: GRACE - Duration::from_millis(100), bytes: 0 };
        for _ in 0..100 {
            let wait = pace.wait(std::future::pending::<()>());
            let _ = timeout(Duration::from_millis(2), wait).await;
        }
        assert_eq!(pace.left(), Duration::ZERO);
        assert_eq!(pace.wait(std::future::pending::<()>()).await, Err(TooSlow));
    }
}

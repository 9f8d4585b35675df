//! A client that lives as long as the process must outlive its own errors.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};

use super::cluster::{Cluster, Isolation, REQUEST_TIMEOUT};

/// What a kept client gets of [`REQUEST_TIMEOUT`]; where it fails, a new one gets the rest.
const KEPT_TIMEOUT: Duration = Duration::from_secs(2);
/// After a new client has failed too, whoever asks gets its error at once for this long: clients are made a few
/// times a second at most.
const BACK_OFF: Duration = Duration::from_millis(200);

/// A client that is made when it is first needed, and anew when it fails. librdkafka mends most of what happens to
/// connections, but a client has been seen that never got over a long pause of its machine, while a new one worked.
pub struct Renewed<C> {
    make: Box<dyn Fn() -> KafkaResult<C> + Send + Sync>,
    state: Mutex<State<C>>,
}

enum State<C> {
    None,
    /// A client that has answered before.
    Kept(C),
    Failed {
        at: Instant,
        error: KafkaError,
    },
}

impl Renewed<BaseConsumer> {
    /// [`Cluster::reader`], for as long as the process runs.
    #[must_use]
    pub fn reader(cluster: &Cluster, isolation: Isolation) -> Self {
        let cluster = cluster.clone();
        Self::new(move || cluster.reader(isolation))
    }
}

impl<C: Send + 'static> Renewed<C> {
    /// No client is made yet.
    pub fn new(make: impl Fn() -> KafkaResult<C> + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), state: Mutex::new(State::None) }
    }

    /// Does `work`, within the time given to it, with the client that is kept, and where that fails once more with
    /// a new one. Blocks, for [`REQUEST_TIMEOUT`] in all; one caller at a time.
    ///
    /// # Errors
    /// The new client's.
    pub fn with<T>(&self, work: impl Fn(&C, Duration) -> KafkaResult<T>) -> KafkaResult<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut timeout = REQUEST_TIMEOUT;
        match std::mem::replace(&mut *state, State::None) {
            State::None => {}
            State::Kept(client) => match work(&client, KEPT_TIMEOUT) {
                Ok(done) => {
                    *state = State::Kept(client);
                    return Ok(done);
                }
                Err(error) => {
                    tracing::warn!(%error, "a Kafka client failed: it is made anew");
                    end(client);
                    timeout -= KEPT_TIMEOUT;
                }
            },
            State::Failed { at, error } if at.elapsed() < BACK_OFF => {
                *state = State::Failed { at, error: error.clone() };
                return Err(error);
            }
            State::Failed { .. } => {}
        }
        let (next, done) = self.with_a_new_one(timeout, work);
        *state = next;
        done
    }

    fn with_a_new_one<T>(
        &self,
        timeout: Duration,
        work: impl Fn(&C, Duration) -> KafkaResult<T>,
    ) -> (State<C>, KafkaResult<T>) {
        let failed = |error: KafkaError| State::Failed { at: Instant::now(), error };
        let client = match (self.make)() {
            Ok(client) => client,
            Err(error) => return (failed(error.clone()), Err(error)),
        };
        match work(&client, timeout) {
            Ok(done) => (State::Kept(client), Ok(done)),
            Err(error) => {
                end(client);
                (failed(error.clone()), Err(error))
            }
        }
    }
}

/// Drops a client on a thread of its own. librdkafka may take seconds to end a client that failed, which its user need not wait for.
pub fn end<C: Send + 'static>(client: C) {
    let ending = std::thread::Builder::new().name("client-end".into()).spawn(move || drop(client));
    if let Err(error) = ending {
        // Where no thread starts, the closure and the client in it were dropped here, on the caller's time.
        tracing::warn!(%error, "no thread to end a Kafka client");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Clients that are numbered as they are made.
    fn numbered() -> (Renewed<u32>, Arc<AtomicU32>) {
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        (Renewed::new(move || Ok(count.fetch_add(1, Ordering::Relaxed))), made)
    }

    #[test]
    fn a_client_is_kept_while_it_answers_and_made_anew_where_it_fails() {
        let (clients, made) = numbered();
        for _ in 0..3 {
            assert_eq!(clients.with(|client, _| Ok(*client)), Ok(0));
        }
        let broken = |client: &u32, _| if *client == 0 { Err(KafkaError::Canceled) } else { Ok(*client) };
        assert_eq!(clients.with(broken), Ok(1), "the question itself is answered by the new one");
        assert_eq!(clients.with(|client, _| Ok(*client)), Ok(1));
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn while_kafka_is_away_questions_fail_within_their_time_and_clients_are_not_made_in_a_row() {
        let (clients, made) = numbered();
        assert_eq!(clients.with(|client, _| Ok(*client)), Ok(0));
        let given = Mutex::new(Vec::new());
        let away = |_: &u32, timeout| {
            given.lock().unwrap().push(timeout);
            Err::<(), _>(KafkaError::Canceled)
        };
        for _ in 0..1_000 {
            assert_eq!(clients.with(away), Err(KafkaError::Canceled));
        }
        let within = given.lock().unwrap().iter().take(2).sum::<Duration>();
        assert_eq!(within, REQUEST_TIMEOUT);
        assert!(made.load(Ordering::Relaxed) < 20, "{made:?}");
        std::thread::sleep(BACK_OFF);
        assert!(clients.with(|_, timeout| Ok(timeout)).unwrap() == REQUEST_TIMEOUT);
    }
}

//! Argon2id hashes. Each takes 19 MiB and tens of milliseconds, so only two are worked out at a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use runtime::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::blocking::{Thread, Threads};

const AT_ONCE: usize = 2;
/// The most requests that may wait for a hash. Further ones are refused with 503.
const WAITING: usize = 64;
const WAIT: Duration = Duration::from_secs(5);

/// A hash of no account. It is verified where the account does not exist, so that the time an answer takes does not
/// tell.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$dGlsbC1ub2JvZHktc2FsdA$8LKaxVqQK5xKXy1ng4b6eJm5Q5GC3ZB1qpb3lCj8pYg";

#[derive(Clone)]
pub struct Passwords {
    hashing: Threads,
    waiting: Arc<Semaphore>,
}

/// The right to begin a hash at once.
pub struct Turn {
    thread: Thread,
    place: OwnedSemaphorePermit,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { hashing: Threads::new(AT_ONCE), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Passwords {
    /// Waits until a hash may begin. Where too many wait, or the wait takes too long, the answer is 503.
    pub async fn turn(&self) -> Result<Turn, Problem> {
        let busy = || Problem::unavailable("too many logins are waiting: try again", 2);
        let place = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let thread = self.hashing.wait(WAIT).await.ok_or_else(busy)?;
        Ok(Turn { thread, place })
    }

    /// Hashes a password, with a new salt, to a PHC string. It waits for its turn as [`Self::turn`] does.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        let work = move || {
            let salt = SaltString::generate(&mut OsRng);
            let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
            hash.expect("the parameters are the library's own").to_string()
        };
        Ok(self.turn().await?.run(work).await)
    }
}

impl Turn {
    /// Whether the password is the one of the hash. Without a hash it takes as long, and the password is wrong.
    pub async fn verify(self, password: String, hash: Option<String>) -> bool {
        self.run(move || {
            let text = hash.as_deref().unwrap_or(NOBODYS_HASH);
            let parsed = PasswordHash::new(text);
            let right = parsed
                .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
            right && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let Self { thread, place } = self;
        thread
            .run(move || {
                let _place = place;
                work()
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_account_is_right() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let verify = async |password: &str, hash| {
            passwords.turn().await.unwrap().verify(password.to_owned(), hash).await
        };
        assert!(verify("correct horse", Some(hash.clone())).await);
        assert!(!verify("wrong horse", Some(hash)).await);
        assert!(!verify("correct horse", None).await);
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok());
    }
}

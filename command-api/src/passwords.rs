//! Argon2id, two hashes at a time: each takes 19 MiB and tens of milliseconds.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use runtime::Problem;
use tokio::sync::Semaphore;

const AT_ONCE: usize = 2;
/// Requests that may wait for a hash; more are refused with 503.
const WAITING: usize = 64;
const WAIT: Duration = Duration::from_secs(5);

/// Verified where the account does not exist, so that the time does not tell.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$dGlsbC1ub2JvZHktc2FsdA$8LKaxVqQK5xKXy1ng4b6eJm5Q5GC3ZB1qpb3lCj8pYg";

#[derive(Clone)]
pub struct Passwords {
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { hashing: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Passwords {
    /// A PHC string.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        self.run(move || {
            let salt = SaltString::generate(&mut OsRng);
            let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
            hash.expect("the parameters are the library's own").to_string()
        })
        .await
    }

    /// Whether the password is the one of the hash; without a hash it takes as long and is wrong.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Problem> {
        self.run(move || {
            let text = hash.as_deref().unwrap_or(NOBODYS_HASH);
            let parsed = PasswordHash::new(text);
            let right = parsed
                .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
            right && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem::unavailable("too many logins are waiting: try again", 2);
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let turn = tokio::time::timeout(WAIT, self.hashing.acquire()).await.map_err(|_| busy())?;
        let _turn = turn.map_err(|_| busy())?;
        Ok(tokio::task::spawn_blocking(work).await.expect("hashing does not panic"))
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
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok());
    }
}

//! Who calls: HS256 tokens with roles (RFC 7519), and the extractor that asks for one.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::Problem;

/// Characters of a password of `/v1`. A login with a longer one is refused unseen, so no account may have one.
pub const PASSWORD_CHARS: RangeInclusive<usize> = 8..=200;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A customer: someone who buys.
    Customer,
    /// Works in a shop: reads receipts.
    Staff,
    /// A till: sends receipts.
    Terminal,
    /// An analyst, who reads the figures.
    Analyst,
    /// An admin, who may do everything.
    Admin,
}

impl Role {
    /// Every role, in the order of this list.
    pub const ALL: [Self; 5] = [Self::Customer, Self::Staff, Self::Terminal, Self::Analyst, Self::Admin];

    /// The role's name in tokens, events and requests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
            Self::Terminal => "terminal",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
        }
    }

    /// The role called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A secret for one purpose, made of the deployment's: HKDF with SHA-256 (RFC 5869), 64 hexadecimal digits. Who learns it
/// learns nothing of the deployment's, nor of those for other purposes.
///
/// # Panics
/// Never: 32 bytes are no more than HKDF gives.
#[must_use]
pub fn derived_secret(secret: &str, purpose: &str) -> String {
    let mut derived = [0; 32];
    let hkdf = hkdf::Hkdf::<sha2::Sha256>::new(None, secret.as_bytes());
    hkdf.expand(purpose.as_bytes(), &mut derived).expect("32 bytes are no more than HKDF gives");
    hex::encode(derived)
}

/// Whether two secrets are equal, in a time that does not tell where they differ.
#[must_use]
pub fn are_equal_secrets(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// The account that a request's token names, with what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The name that the account logs in with.
    #[serde(rename = "sub")]
    pub username: String,
    /// Its roles as they were at the login: a change counts from the next login on.
    pub roles: Vec<Role>,
    /// The places a terminal is bound to; empty: not bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
}

impl Caller {
    /// Refuses with 403 unless the caller has one of `roles`.
    ///
    /// # Errors
    /// The refusal.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        if self.roles.iter().any(|role| roles.contains(role)) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
        let detail = format!(
            "this needs one of the roles: {}; an admin assigns roles, and after a change log in again",
            names.join(", ")
        );
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

#[derive(Serialize)]
struct Claims {
    #[serde(flatten)]
    caller: Caller,
    /// When it was issued (RFC 7519, `iat`), in seconds since 1970.
    iat: u64,
    exp: u64,
}

/// Signs and verifies tokens.
#[derive(Clone)]
pub struct Tokens(Arc<Keys>);

struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// Tokens under a secret of at least 32 bytes.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 5;
        Self(Arc::new(Keys {
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: DecodingKey::from_secret(secret.as_bytes()),
            validation,
        }))
    }

    /// A token for the caller, from now for `ttl_s` seconds.
    ///
    /// # Panics
    /// When the clock stands before 1970.
    #[must_use]
    pub fn issue(&self, caller: Caller, ttl_s: u64) -> String {
        let iat = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("the clock stands after 1970")
            .as_secs();
        let claims = Claims { caller, iat, exp: iat + ttl_s };
        jsonwebtoken::encode(&Header::default(), &claims, &self.0.signing).expect("HS256 signs anything")
    }

    /// The caller a token names.
    ///
    /// # Errors
    /// 401 where it is malformed, signed otherwise or expired.
    pub fn verify(&self, token: &str) -> Result<Caller, Problem> {
        // jsonwebtoken's validation compares the times; it is told to ask for `exp`.
        jsonwebtoken::decode::<Caller>(token, &self.0.verifying, &self.0.validation)
            .map(|decoded| decoded.claims)
            .map_err(|error| {
                unauthorized(match error.kind() {
                    jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                        "the token has expired: log in again"
                    }
                    _ => "the token is not one of ours: log in at /v1/auth/login",
                })
            })
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Tokens: FromRef<S>,
{
    type Rejection = Problem;

    /// The caller, where a layer has verified the token already and left the caller in the request's extensions.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let value =
            parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(
                || unauthorized("send `Authorization: Bearer <token>`; a token comes from /v1/auth/login"),
            )?;
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(unauthorized("the Authorization header must read `Bearer <token>`")),
        };
        Tokens::from_ref(state).verify(token)
    }
}

fn unauthorized(detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// What is wrong with a secret outside the demo, if anything.
#[must_use]
pub fn secret_fault(secret: &str, demo: bool) -> Option<String> {
    if secret.len() < 32 {
        return Some("TILL_JWT_SECRET must have at least 32 characters".into());
    }
    let weakness = weakness(secret, 8, &["till", "demo", "secret"]).filter(|_| !demo)?;
    Some(format!(
        "TILL_JWT_SECRET {weakness}: set one of your own (`openssl rand -hex 32`), the same for command-api and projector"
    ))
}

/// What is wrong with an admin's password outside the demo, if anything.
#[must_use]
pub fn password_fault(password: &str, username: &str) -> Option<String> {
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
        return Some(format!("TILL_ADMIN_PASSWORD must have {least} to {most} characters"));
    }
    let known =
        [username, "admin", "password", "passwort", "secret", "till", "demo", "qwerty", "1234", "5678"];
    let weakness = weakness(password, 5, &known)?;
    Some(format!("TILL_ADMIN_PASSWORD {weakness}: choose your own"))
}

/// Why a secret is easily guessed, if it is: it needs so many different characters, and as many more than known words have.
fn weakness(secret: &str, distinct: usize, known: &[&str]) -> Option<&'static str> {
    if secret.trim() != secret {
        return Some("begins or ends with white space");
    }
    let characters: BTreeSet<char> = secret.chars().filter(|character| !character.is_whitespace()).collect();
    if characters.len() < distinct {
        return Some("repeats a few characters");
    }
    let mut rest = secret.to_lowercase();
    for word in known.iter().filter(|word| !word.is_empty()) {
        rest = rest.replace(&word.to_lowercase(), "");
    }
    let own = rest.chars().filter(|character| character.is_alphanumeric()).count();
    (own < distinct).then_some("is made of a default or words that everybody tries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_caller_until_it_expires_or_is_touched() {
        let tokens = Tokens::new("0123456789abcdef0123456789abcdef");
        let caller =
            Caller { username: "till-7".into(), roles: vec![Role::Terminal], places: vec!["011".into()] };
        let token = tokens.issue(caller.clone(), 60);
        assert_eq!(tokens.verify(&token), Ok(caller));
        let other = Tokens::new("another secret, of 32 characters");
        assert_eq!(other.verify(&token).unwrap_err().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(tokens.verify(&token[1..]).unwrap_err().status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn default_and_short_secrets_are_refused_outside_the_demo() {
        assert!(secret_fault("till-demo-secret-till-demo-secret", false).is_some());
        assert!(secret_fault("till-demo-secret-till-demo-secret", true).is_none());
        assert!(secret_fault("short", true).is_some());
        assert!(secret_fault("", false).is_some());
    }

    #[test]
    fn secrets_that_are_easily_guessed_are_refused_with_the_reason() {
        for (secret, reason) in [
            (" ".repeat(40), "white space"),
            ("x".repeat(32), "repeats"),
            ("abab".repeat(10), "repeats"),
            ("till-demo-secret-till-demo-secret ".to_owned(), "white space"),
            ("till-demo-secret-till-demo-secret1".to_owned(), "default"),
            ("Till-Demo-Secret-Till-Demo-Secret".to_owned(), "default"),
        ] {
            assert!(secret_fault(&secret, false).is_some_and(|fault| fault.contains(reason)), "{secret}");
            assert!(secret_fault(&secret, true).is_none(), "{secret}");
        }
        for good in ["0123456789abcdef0123456789abcdef", "a secret of one's own, long enough for HS256"] {
            assert_eq!(secret_fault(good, false), None);
        }
        for weak in [
            "admin",
            "adminadmin",
            "Admin-Admin",
            "rootroot",
            "password1",
            "        ",
            "aaaaaaaa",
            "12345678",
            "qwerty123456",
        ] {
            assert!(password_fault(weak, "root").is_some(), "{weak}");
        }
        let longest: String = ('a'..='z').cycle().take(*PASSWORD_CHARS.end()).collect();
        for good in ["chosen by the operator", "tr0ub4dor&3", "correct horse", &longest] {
            assert_eq!(password_fault(good, "admin"), None);
        }
        assert!(password_fault(&format!("{longest}!"), "admin").is_some_and(|fault| fault.contains("200")));
    }
}

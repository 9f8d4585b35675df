//! Who calls: HS256 tokens with roles (RFC 7519), and the extractor that asks for one.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schemas::Position;
use serde::{Deserialize, Serialize};
use sha2::Digest;
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

/// The account that a request speaks for, with what it may do at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account within its realm.
    pub number: i64,
    /// Its roles, as they are now.
    pub roles: Vec<Role>,
    /// The places whose receipts it may send; empty: any place's.
    pub places: Vec<String>,
    /// Whether a terminal's key speaks for the account, and not somebody who logged in.
    pub is_terminal_key: bool,
}

impl Caller {
    /// The caller of a terminal's key, which gives no more than the role of a terminal, where its account has that. `places` are
    /// those of the key, and `of_account` those of the account; `None` where the key has none that its account has.
    #[must_use]
    pub fn of_terminal_key(
        realm: &str,
        number: i64,
        roles: &[Role],
        places: &[String],
        of_account: &[String],
    ) -> Option<Self> {
        let roles = roles.iter().copied().filter(|role| *role == Role::Terminal).collect();
        let places = common_places(places, of_account)?;
        Some(Self { realm: realm.to_owned(), number, roles, places, is_terminal_key: true })
    }

    /// Refuses a terminal's key with 403: whoever finds one must not end or change its account.
    ///
    /// # Errors
    /// The refusal.
    pub fn require_login(&self) -> Result<(), Problem> {
        if self.is_terminal_key {
            return Err(Problem::new(StatusCode::FORBIDDEN, "a terminal's key may not do this: log in"));
        }
        Ok(())
    }

    /// The account as events and log lines name it: `realm/number`.
    #[must_use]
    pub fn account(&self) -> String {
        account_name(&self.realm, self.number)
    }

    /// Whether the caller has the role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Refuses with 403 unless the caller has one of `roles`.
    ///
    /// # Errors
    /// The refusal.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        if self.roles.iter().any(|role| roles.contains(role)) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
        let detail = format!("this needs one of the roles: {}; an admin assigns roles", names.join(", "));
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

/// An account as events, tokens and log lines name it: `realm/number`.
#[must_use]
pub fn account_name(realm: &str, number: i64) -> String {
    format!("{realm}/{number}")
}

/// The places of a key that are its account's too, where an empty list has every place. `None` where there is none.
fn common_places(of_key: &[String], of_account: &[String]) -> Option<Vec<String>> {
    if of_key.is_empty() {
        return Some(of_account.to_vec());
    }
    let is_common = |place: &&String| of_account.is_empty() || of_account.contains(place);
    let common: Vec<_> = of_key.iter().filter(is_common).cloned().collect();
    (!common.is_empty()).then_some(common)
}

/// What an access token says: whose it is. What the account may do stands in no token, so a change of it counts at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bearer {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The generation of the account's tokens that it was made of. Of an account that is at another one it is worth nothing.
    pub generation: i64,
    /// The revision that the account was at when the token was given. Who knows the account at an earlier one is behind.
    pub revision: i32,
}

/// What a client presents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// An access token, whose signature and time are good.
    Token(Bearer),
    /// A terminal's key.
    TerminalKey(TerminalKey),
}

/// What a terminal sends receipts with: `till-key-SECRET-POSITION`. The position is that of the event that issued it. So
/// a replica that has not folded as far waits for it, and one that has knows at once that a key is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TerminalKey {
    /// The SHA-256 of the secret.
    pub digest: [u8; 32],
    /// The place of the event in the log, as the key says it: it is not proven.
    pub issued_at: Position,
}

impl TerminalKey {
    /// The beginning of every key, by which people and scanners of leaked secrets know one.
    const PREFIX: &str = "till-key-";

    /// The key as it is told, once.
    #[must_use]
    pub fn text(secret: &str, issued_at: Position) -> String {
        format!("{}{secret}-{issued_at}", Self::PREFIX)
    }

    fn parse(text: &str) -> Option<Self> {
        let (secret, issued_at) = text.strip_prefix(Self::PREFIX)?.split_once('-')?;
        Some(Self { digest: digest(secret), issued_at: issued_at.parse().ok()? })
    }
}

/// Looks up what an account may do now.
pub trait Accounts: Send + Sync {
    /// The caller of a credential; `None` where it is worth nothing, or nothing any more.
    ///
    /// # Errors
    /// 503 where that cannot be found out.
    fn caller(&self, credential: Credential) -> impl Future<Output = Result<Option<Caller>, Problem>> + Send;
}

/// The SHA-256 of a secret that was drawn: all that is kept of it.
#[must_use]
pub fn digest(secret: &str) -> [u8; 32] {
    sha2::Sha256::digest(secret.as_bytes()).into()
}

#[derive(Serialize, Deserialize)]
struct Claims {
    /// The account: `realm/number`.
    sub: String,
    #[serde(rename = "gen")]
    generation: i64,
    #[serde(rename = "rev")]
    revision: i32,
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

    /// A token of the account, from now for `ttl_s` seconds.
    ///
    /// # Panics
    /// When the clock stands before 1970.
    #[must_use]
    pub fn issue(&self, bearer: &Bearer, ttl_s: u64) -> String {
        let iat = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("the clock stands after 1970")
            .as_secs();
        let sub = account_name(&bearer.realm, bearer.number);
        let Bearer { generation, revision, .. } = *bearer;
        let claims = Claims { sub, generation, revision, iat, exp: iat + ttl_s };
        jsonwebtoken::encode(&Header::default(), &claims, &self.0.signing).expect("HS256 signs anything")
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// 401 where it is malformed, signed otherwise or expired.
    pub fn verify(&self, token: &str) -> Result<Bearer, Problem> {
        // jsonwebtoken's validation compares the times; it is told to ask for `exp`.
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.0.verifying, &self.0.validation);
        let Claims { sub, generation, revision, .. } = decoded.map_err(|error| refused(&error))?.claims;
        let account = sub.rsplit_once('/').and_then(|(realm, number)| Some((realm, number.parse().ok()?)));
        let (realm, number) = account.ok_or_else(not_ours)?;
        Ok(Bearer { realm: realm.to_owned(), number, generation, revision })
    }
}

fn refused(error: &jsonwebtoken::errors::Error) -> Problem {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
            unauthorized("the token has expired: refresh it at /v1/auth/refresh, or log in again")
        }
        _ => not_ours(),
    }
}

fn not_ours() -> Problem {
    unauthorized("the token is not one of ours: log in at /v1/auth/login")
}

impl<S> FromRequestParts<S> for Caller
where
    S: Accounts,
    Tokens: FromRef<S>,
{
    type Rejection = Problem;

    /// The caller, where a layer has looked it up already and left it in the request's extensions.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let credential = match presented(parts)? {
            key if key.starts_with(TerminalKey::PREFIX) => {
                Credential::TerminalKey(TerminalKey::parse(key).ok_or_else(not_ours)?)
            }
            token => Credential::Token(Tokens::from_ref(state).verify(token)?),
        };
        let caller = state.caller(credential).await?;
        caller.ok_or_else(|| {
            unauthorized(
                "this token or key is worth nothing any more: it was revoked, or the account has another password or was disabled",
            )
        })
    }
}

/// What the header `Authorization` presents.
fn presented(parts: &Parts) -> Result<&str, Problem> {
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let value = value.ok_or_else(|| {
        unauthorized("send `Authorization: Bearer <token>`; a token comes from /v1/auth/login")
    })?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(unauthorized("the Authorization header must read `Bearer <token>`")),
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
pub(crate) fn weakness(secret: &str, distinct: usize, known: &[&str]) -> Option<&'static str> {
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
    fn a_token_names_its_account_until_it_expires_or_is_touched() {
        let tokens = Tokens::new("0123456789abcdef0123456789abcdef");
        let bearer = Bearer { realm: "shop.000".into(), number: 7, generation: 3, revision: 2 };
        let token = tokens.issue(&bearer, 60);
        assert_eq!(tokens.verify(&token), Ok(bearer));
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

    #[test]
    fn a_terminals_key_says_where_it_was_issued_and_nothing_else_is_one() {
        let issued_at: Position = "a2-10".parse().unwrap();
        let key = TerminalKey::parse(&TerminalKey::text("00ff", issued_at)).unwrap();
        assert_eq!(key, TerminalKey { digest: digest("00ff"), issued_at });
        for wrong in
            ["till-key-", "till-key-00ff", "till-key-00ff-", "till-key-00ff-2-10", "till-refresh-1-2-3"]
        {
            assert_eq!(TerminalKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_terminals_key_has_no_place_that_its_account_lacks() {
        let common = |of_key: &[&str], of_account: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
            common_places(&texts(of_key), &texts(of_account))
        };
        assert_eq!(common(&[], &[]), Some(Vec::new()), "every place");
        assert_eq!(common(&[], &["a"]), Some(vec!["a".to_owned()]));
        assert_eq!(common(&["a"], &[]), Some(vec!["a".to_owned()]));
        assert_eq!(common(&["a", "b"], &["b", "c"]), Some(vec!["b".to_owned()]));
        assert_eq!(common(&["a"], &["b"]), None, "an empty list would be every place");
    }
}

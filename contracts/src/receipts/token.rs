//! The contract's login tokens: 40 hexadecimal digits that stay until they are revoked. A token is an HMAC over the account
//! and a generation, so that nobody keeps it; its SHA-256 finds the account it may be of.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::{DIALECT, words};

/// Bytes of a token, half as many as its digits.
const BYTES: usize = 20;

/// Makes and verifies tokens.
#[derive(Clone)]
pub struct LoginTokens(Arc<Hmac<Sha256>>);

impl LoginTokens {
    /// Tokens under the secret that signs JWTs too; what is signed differs.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length")))
    }

    /// The account's token of a generation.
    #[must_use]
    pub fn make(&self, realm: &str, number: i64, generation: i64) -> String {
        text(self.over(realm, number, generation))
    }

    /// The token of a generation that an account had while accounts were told apart by their names. It is good, and handed
    /// out, for as long as the account keeps its digest.
    #[must_use]
    pub fn make_by_name(&self, realm: &str, username: &str, generation: i64) -> String {
        text(self.over_name(realm, username, generation))
    }

    /// Whether it is the account's token of this generation. The comparison takes as long wherever the two differ, so that its time
    /// tells nobody how much was guessed.
    #[must_use]
    pub fn is_of(&self, token: &str, realm: &str, number: i64, generation: i64) -> bool {
        is_by(self.over(realm, number, generation), token)
    }

    /// Whether it is what [`Self::make_by_name`] makes.
    #[must_use]
    pub fn is_of_name(&self, token: &str, realm: &str, username: &str, generation: i64) -> bool {
        is_by(self.over_name(realm, username, generation), token)
    }

    fn over(&self, realm: &str, number: i64, generation: i64) -> Hmac<Sha256> {
        self.of(&format!("till login token 2\n{realm}\n{generation}\n{number}"))
    }

    fn over_name(&self, realm: &str, username: &str, generation: i64) -> Hmac<Sha256> {
        self.of(&format!("till login token 1\n{realm}\n{generation}\n{username}"))
    }

    fn of(&self, what: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::clone(&self.0);
        mac.update(what.as_bytes());
        mac
    }
}

fn text(mac: Hmac<Sha256>) -> String {
    hex::encode(&mac.finalize().into_bytes()[..BYTES])
}

fn is_by(mac: Hmac<Sha256>, token: &str) -> bool {
    unhex(token).is_some_and(|bytes| mac.verify_truncated_left(&bytes).is_ok())
}

/// The SHA-256 of a token: all that is kept of it, and enough to find the account it may be of.
#[must_use]
pub fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// The token of `Authorization: Token <token>`, the scheme in any letter case.
///
/// # Errors
/// The message of the 401.
pub fn presented(headers: &HeaderMap) -> Result<&str, &'static str> {
    let value = headers.get(header::AUTHORIZATION).ok_or(DIALECT.words.no_credentials)?;
    let (scheme, rest) = value.as_bytes().split_at(value.len().min("token".len()));
    if !scheme.eq_ignore_ascii_case(b"token") || rest.first().is_some_and(|byte| *byte != b' ') {
        return Err(DIALECT.words.no_credentials);
    }
    let rest = std::str::from_utf8(rest).map_err(|_| words::UNREADABLE_TOKEN)?;
    let mut words = rest.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => Err(words::EMPTY_TOKEN),
        (Some(_), Some(_)) => Err(words::SPACES_IN_TOKEN),
    }
}

/// Whether it has the digits of a token, in lower case only: a token is compared as it was given.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * BYTES || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    hex::decode(text).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_of_one_account_generation_and_secret() {
        let tokens = LoginTokens::new("0123456789abcdef0123456789abcdef");
        let token = tokens.make("till", 7, 3);
        assert_eq!(token.len(), 40);
        assert!(tokens.is_of(&token, "till", 7, 3));
        assert!(!tokens.is_of(&token, "till", 7, 4));
        assert!(!tokens.is_of(&token, "till", 8, 3));
        assert!(!tokens.is_of(&token[..38], "till", 7, 3));
        assert!(!tokens.is_of(&token[1..], "till", 7, 3));
        assert!(!LoginTokens::new("another secret, of 32 characters").is_of(&token, "till", 7, 3));
    }

    #[test]
    fn a_token_of_a_name_is_as_it_was_and_none_of_a_number() {
        let tokens = LoginTokens::new("0123456789abcdef0123456789abcdef");
        let token = tokens.make_by_name("till", "7", 3);
        assert!(tokens.is_of_name(&token, "till", "7", 3) && !tokens.is_of_name(&token, "till", "7", 2));
        assert!(!tokens.is_of(&token, "till", 7, 3));
    }

    #[test]
    fn the_header_is_read_as_the_original_reads_it() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            presented(&headers).map(str::to_owned)
        };
        assert_eq!(read("Token abc").as_deref(), Ok("abc"));
        assert_eq!(read("tOKEN abc").as_deref(), Ok("abc"));
        for other in ["Bearer abc", "Tokenabc", "Tok", ""] {
            assert_eq!(read(other), Err(DIALECT.words.no_credentials), "{other}");
        }
        assert_eq!(presented(&HeaderMap::new()), Err(DIALECT.words.no_credentials));
        assert_eq!(read("Token"), Err(words::EMPTY_TOKEN));
        assert_eq!(read("Token a b"), Err(words::SPACES_IN_TOKEN));
    }
}

//! Accounts: what they are, their roles, login locks, sessions, login tokens, and the keys of terminals.
//!
//! An account is its number within its realm. What names a person is sealed; only events of the first versions have it in
//! the clear, and none is written any more.
//!
//! Events that open an account or change what it is count its [revision](Head::revision) up. Those of its sessions and
//! keys bear the revision that the account is at.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Bytes, Head, Ref, Sealed};

/// An account exists from here on, or one that stood in the clear is sealed from here on: then it has the number and all
/// else that it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOpened {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The account: its realm, and its number as text. The first of a realm is 1, and none is left out.
    pub account: Ref,
    /// Its username, its password's hash, and whatever else is personal.
    pub sealed: Sealed,
    /// All roles of the account.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// The sellers that the account acts for.
    pub sellers: Vec<Ref>,
    /// The generation of the account's tokens. A token that was made of an earlier one is worth nothing.
    pub generation: i64,
}

/// An account is as follows from here on: all fields are as they are afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChanged {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// Its username, its password's hash, and whatever else is personal.
    pub sealed: Sealed,
    /// All roles of the account.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// The sellers that the account acts for.
    pub sellers: Vec<Ref>,
    /// The generation of the account's tokens. One more than before ends its sessions and its login token.
    pub generation: i64,
}

/// An account was closed for good. Its username is free for others, and its number stays its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountClosed {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
}

/// An account was disabled: until it is enabled, it may do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDisabled {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// Why.
    pub reason: String,
}

/// An account that was disabled may act again. Its sessions and keys are those that it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountEnabled {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// Why.
    pub reason: String,
}

/// A session of an account began. It goes on as long as its refresh token is exchanged in time for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// The session: a random id.
    pub session: Uuid,
    /// The SHA-256 of the refresh token. The token itself is in no event.
    pub digest: Bytes,
    /// The instant from which on the refresh token is worth nothing.
    #[serde(with = "crate::time")]
    pub expires_at: DateTime<Utc>,
    /// The sessions that end for it: those that have expired, and the oldest where the account has too many.
    pub ended: Vec<Uuid>,
}

/// A session's refresh token was exchanged for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRefreshed {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// The session.
    pub session: Uuid,
    /// The SHA-256 of the next refresh token.
    pub digest: Bytes,
    /// The instant from which on that token is worth nothing.
    #[serde(with = "crate::time")]
    pub expires_at: DateTime<Utc>,
}

/// A session ended, or all sessions of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// The session; `None`: all that the account has.
    pub session: Option<Uuid>,
    /// Why: [`Self::REUSE`], or in the words of whoever asked.
    pub reason: String,
}

impl SessionEnded {
    /// The reason where a refresh token came that had been exchanged before: somebody else has it.
    pub const REUSE: &str = "reuse";
}

/// An account was given a key that a terminal sends receipts with, until it is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalKeyIssued {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// The id of the key.
    pub key: Uuid,
    /// The SHA-256 of the key. The key itself is in no event.
    pub digest: Bytes,
    /// The places whose receipts it may send; empty: those of its account.
    pub places: Vec<String>,
    /// What people call it.
    pub label: String,
}

/// A terminal's key was revoked: it is worth nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalKeyRevoked {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// The id of the key.
    pub key: Uuid,
}

/// A terminal's key was used. It is told at most once an hour a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalKeyUsed {
    /// When and by whom.
    pub head: Head,
    /// The account.
    pub account: Ref,
    /// The id of the key.
    pub key: Uuid,
}

/// An account's roles and places were replaced, all of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesAssigned {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account, where [`Self::account`] is 0; empty else.
    pub username: String,
    /// All roles of the account from here on.
    pub roles: Vec<String>,
    /// All places of the account from here on; empty: a terminal may send any place's receipts.
    pub places: Vec<String>,
    /// Who assigned them: an admin as `realm/number`. In version 1 it is the admin's name.
    pub assigned_by: String,
    /// The number of the account; 0: it is the one that has the name, as in version 1.
    pub account: i64,
}

/// An account's login was locked, because of too many wrong passwords.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLocked {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account, where [`Self::account`] is 0; empty else.
    pub username: String,
    /// The instant at which the lock ends.
    #[serde(with = "crate::time")]
    pub until: DateTime<Utc>,
    /// The number of the account; 0: it is the one that has the name, as in version 1.
    pub account: i64,
}

/// An account's login lock ended.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginUnlocked {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account, where [`Self::account`] is 0; empty else.
    pub username: String,
    /// The number of the account; 0: it is the one that has the name, as in version 1.
    pub account: i64,
}

/// An account was given a login token, which is good until it is revoked or replaced.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenIssued {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account, where [`Self::account`] is 0; empty else.
    pub username: String,
    /// The generation of the account's tokens: the token is made of this number.
    pub generation: i64,
    /// The SHA-256 of the token. The token itself is in no event.
    #[serde(with = "super::bytes")]
    pub token_hash: Vec<u8>,
    /// The number of the account; 0: it is the one that has the name, as in version 1.
    pub account: i64,
}

/// An account was logged out everywhere: its login token is worth nothing any more, and its sessions are ended.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenRevoked {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account, where [`Self::account`] is 0; empty else.
    pub username: String,
    /// The generation of tokens that ends here. The next token's is one more.
    pub generation: i64,
    /// The number of the account; 0: it is the one that has the name, as in version 1.
    pub account: i64,
}

/// An account was opened, in the clear. It is only read: see [`AccountOpened`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRegistered {
    /// The realm: the set of accounts that the name is unique in.
    pub realm: String,
    /// The account's name, 1 to 150 characters.
    pub username: String,
    /// The account's number: the first of a realm is 1, and none is left out.
    pub number: i64,
    /// The password's Argon2id hash, as a PHC string.
    pub password_hash: String,
    /// The roles the account begins with.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// UUIDv5 of caller, route and `Idempotency-Key`. It is `None` where the client sent no such header.
    pub idempotency_id: Option<Uuid>,
}

/// An account has another password, in the clear. It is only read: see [`AccountChanged`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The new password's Argon2id hash, as a PHC string.
    pub password_hash: String,
}

stream! { Accounts keyed by home, named id;
    AccountOpened: "account_opened/v1";
    AccountChanged: "account_changed/v1";
    AccountClosed: "account_closed/v1";
    AccountDisabled: "account_disabled/v1";
    AccountEnabled: "account_enabled/v1";
    SessionOpened: "session_opened/v1";
    SessionRefreshed: "session_refreshed/v1";
    SessionEnded: "session_ended/v1";
    TerminalKeyIssued: "terminal_key_issued/v1";
    TerminalKeyRevoked: "terminal_key_revoked/v1";
    TerminalKeyUsed: "terminal_key_used/v1";
    RolesAssigned: "roles_assigned/v1", "roles_assigned/v2";
    LoginLocked: "login_locked/v1", "login_locked/v2";
    LoginUnlocked: "login_unlocked/v1", "login_unlocked/v2";
    LoginTokenIssued: "login_token_issued/v1", "login_token_issued/v2";
    LoginTokenRevoked: "login_token_revoked/v1", "login_token_revoked/v2";
    AccountRegistered: "account_registered/v1";
    PasswordChanged: "password_changed/v1";
}

fn home(event: &Event) -> Cow<'_, str> {
    place(event).0.into()
}

fn id(event: &Event) -> Cow<'_, str> {
    place(event).1
}

/// The realm of an event's account, and the account's number, where the event has it, or else its name.
fn place(event: &Event) -> (&str, Cow<'_, str>) {
    match event {
        Event::AccountOpened(AccountOpened { account, .. })
        | Event::AccountChanged(AccountChanged { account, .. })
        | Event::AccountClosed(AccountClosed { account, .. })
        | Event::AccountDisabled(AccountDisabled { account, .. })
        | Event::AccountEnabled(AccountEnabled { account, .. })
        | Event::SessionOpened(SessionOpened { account, .. })
        | Event::SessionRefreshed(SessionRefreshed { account, .. })
        | Event::SessionEnded(SessionEnded { account, .. })
        | Event::TerminalKeyIssued(TerminalKeyIssued { account, .. })
        | Event::TerminalKeyRevoked(TerminalKeyRevoked { account, .. })
        | Event::TerminalKeyUsed(TerminalKeyUsed { account, .. }) => {
            (&account.home, account.id.as_str().into())
        }
        Event::RolesAssigned(RolesAssigned { realm, username, account, .. })
        | Event::LoginLocked(LoginLocked { realm, username, account, .. })
        | Event::LoginUnlocked(LoginUnlocked { realm, username, account })
        | Event::LoginTokenIssued(LoginTokenIssued { realm, username, account, .. })
        | Event::LoginTokenRevoked(LoginTokenRevoked { realm, username, account, .. })
        | Event::AccountRegistered(AccountRegistered { realm, username, number: account, .. }) => {
            (realm, if *account == 0 { username.into() } else { account.to_string().into() })
        }
        Event::PasswordChanged(PasswordChanged { realm, username, .. }) => (realm, username.into()),
    }
}

/// Prints events that may have a name or a password's hash in the clear without these fields, so that no log can hold
/// them.
macro_rules! nameless {
    ($($event:ident: $($field:ident),+;)+) => {
        $(impl fmt::Debug for $event {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($event))$(.field(stringify!($field), &self.$field))+.finish_non_exhaustive()
            }
        })+
    };
}

nameless! {
    RolesAssigned: realm, account, roles, places;
    LoginLocked: realm, account, until;
    LoginUnlocked: realm, account;
    LoginTokenIssued: realm, account, generation;
    LoginTokenRevoked: realm, account, generation;
    AccountRegistered: realm, number, roles, places, idempotency_id;
    PasswordChanged: realm;
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERED: &str = r#"{"realm":"till","username":"mayara","number":17,"password_hash":"$argon2id$abc","roles":[],"places":[],"idempotency_id":null}"#;

    fn unlocked(username: &str, account: i64) -> Event {
        Event::LoginUnlocked(LoginUnlocked { realm: "till".into(), username: username.into(), account })
    }

    #[test]
    fn an_account_is_its_number_and_only_where_no_number_is_known_its_name() {
        let registered = Event::AccountRegistered(serde_json::from_str(REGISTERED).unwrap());
        assert_eq!((registered.key(), registered.id()), ("till".into(), "17".into()));
        assert_eq!((unlocked("", 17).key(), unlocked("", 17).id()), ("till".into(), "17".into()));
        assert_eq!(
            (unlocked("mayara", 0).key(), unlocked("mayara", 0).id()),
            ("till".into(), "mayara".into())
        );
    }

    #[test]
    fn no_event_prints_a_name_or_a_hash() {
        let changed = r#"{"realm":"till","username":"mayara","password_hash":"$argon2id$abc"}"#;
        let named = [
            Event::AccountRegistered(serde_json::from_str(REGISTERED).unwrap()),
            Event::PasswordChanged(serde_json::from_str(changed).unwrap()),
            unlocked("mayara", 0),
        ];
        for event in named {
            let printed = format!("{event:?}");
            assert!(!printed.contains("mayara") && !printed.contains("argon2id"), "{printed}");
        }
    }
}

//! Sessions: somebody who has logged in stays so by exchanging one refresh token for the next. States and events hold a
//! token's digest only.

use chrono::{DateTime, Utc};
use schemas::accounts::{SessionEnded, SessionOpened, SessionRefreshed};
use schemas::{Bytes, Ref};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use super::state::{active, change, key_of, known, reference};
use crate::states::{load as read, save as write};
use crate::{Asked, Decision, Recorded, States};

/// How many sessions an account may have open. A further one ends the oldest.
pub const MAX_OPEN: usize = 50;

/// A session that is open. All of an account are under `cs`, its realm and its number, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session: a random id.
    pub id: Uuid,
    /// The SHA-256 of the refresh token that is good.
    pub digest: Bytes,
    /// The instant from which on that token is worth nothing.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub expires_at: DateTime<Utc>,
}

/// Begin a session, after a login with the right password.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The generation that the account was at when its password was looked at. Of another one the session is refused:
    /// the password may be another by now.
    pub generation: i64,
    /// The session: a random id.
    pub session: Uuid,
    /// The SHA-256 of the refresh token.
    pub digest: Bytes,
    /// The instant from which on the refresh token is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// Who asks.
    pub asked: Asked,
}

/// Exchange a session's refresh token for the next one.
#[derive(Clone, Debug)]
pub struct RefreshSession {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The session.
    pub session: Uuid,
    /// The SHA-256 of the refresh token that was sent.
    pub presented: Bytes,
    /// The SHA-256 of the next refresh token.
    pub next: Bytes,
    /// The instant from which on the next refresh token is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// Who asks.
    pub asked: Asked,
}

/// End a session, or all sessions of an account.
#[derive(Clone, Debug)]
pub struct EndSession {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The session; `None`: all.
    pub session: Option<Uuid>,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked: Asked,
}

/// The sessions of an account that are open or have expired since the last one was opened, the oldest first.
pub fn of(states: &impl States, realm: &str, number: i64) -> Vec<Session> {
    all(states, &reference(realm, number))
}

/// Opens the session, and says which sessions end for it.
pub(super) fn open(states: &impl States, command: OpenSession) -> Result<Decision, Rejection> {
    let OpenSession { realm, number, generation, session, digest, expires_at, asked } = command;
    let state = active(states, &realm, number)?;
    if state.generation != generation {
        return Err(Rejection::LoginTokenOutdated);
    }
    let account = reference(&realm, number);
    let open = all(states, &account);
    if open.iter().any(|open| open.id == session) {
        return Ok(Decision::Already(state.changed_at));
    }
    let ended = ended_for_another(&open, asked.at);
    let head = asked.head(state.revision);
    Ok(Decision::append(SessionOpened { head, account, session, digest, expires_at, ended }))
}

/// The sessions that have expired and, where the others are [`MAX_OPEN`] or more, the oldest of these.
fn ended_for_another(open: &[Session], now: DateTime<Utc>) -> Vec<Uuid> {
    let (expired, good): (Vec<_>, Vec<_>) = open.iter().partition(|session| session.expires_at <= now);
    let too_many = (good.len() + 1).saturating_sub(MAX_OPEN);
    expired.into_iter().chain(good.into_iter().take(too_many)).map(|session| session.id).collect()
}

/// Exchanges the session's token. A token of the session other than the present one was exchanged before, so two have it:
/// the session is ended, and the event that the decision appends is a [`SessionEnded`].
pub(super) fn refresh(states: &impl States, command: RefreshSession) -> Result<Decision, Rejection> {
    let RefreshSession { realm, number, session, presented, next, expires_at, asked } = command;
    let state = active(states, &realm, number)?;
    let account = reference(&realm, number);
    let open = all(states, &account).into_iter().find(|open| open.id == session);
    let open = open.filter(|open| asked.at < open.expires_at).ok_or(Rejection::UnknownSession)?;
    if open.digest == next {
        return Ok(Decision::Already(state.changed_at));
    }
    let head = asked.head(state.revision);
    if open.digest != presented {
        let (session, reason) = (Some(session), SessionEnded::REUSE.to_owned());
        return Ok(Decision::append(SessionEnded { head, account, session, reason }));
    }
    Ok(Decision::append(SessionRefreshed { head, account, session, digest: next, expires_at }))
}

/// Ends the session or the sessions, whatever the account may do. Where there are none, nothing happens.
pub(super) fn end(states: &impl States, command: EndSession) -> Result<Decision, Rejection> {
    let EndSession { realm, number, session, reason, asked } = command;
    let state = known(states, &realm, number)?;
    let account = reference(&realm, number);
    let is_open = all(states, &account).iter().any(|open| session.is_none_or(|session| session == open.id));
    if !is_open {
        return Ok(Decision::Already(state.changed_at));
    }
    let head = asked.head(state.revision);
    Ok(Decision::append(SessionEnded { head, account, session, reason }))
}

pub(super) fn opened(states: &mut impl States, event: &SessionOpened, recorded: &Recorded) {
    let SessionOpened { account, session, digest, expires_at, ended, .. } = event;
    let mut open = all(states, account);
    open.retain(|open| !ended.contains(&open.id));
    open.push(Session { id: *session, digest: digest.clone(), expires_at: *expires_at });
    save(states, account, &open);
    change(states, account, recorded, |_| ());
}

pub(super) fn refreshed(states: &mut impl States, event: &SessionRefreshed, recorded: &Recorded) {
    let SessionRefreshed { account, session, digest, expires_at, .. } = event;
    let mut open = all(states, account);
    for open in open.iter_mut().filter(|open| open.id == *session) {
        open.digest.clone_from(digest);
        open.expires_at = *expires_at;
    }
    save(states, account, &open);
    change(states, account, recorded, |_| ());
}

pub(super) fn ended(states: &mut impl States, event: &SessionEnded, recorded: &Recorded) {
    let SessionEnded { account, session, .. } = event;
    let mut open = all(states, account);
    open.retain(|open| session.is_some_and(|session| session != open.id));
    save(states, account, &open);
    change(states, account, recorded, |_| ());
}

/// Ends all sessions of the account.
pub(super) fn forget(states: &mut impl States, account: &Ref) {
    save(states, account, &[]);
}

fn all(states: &impl States, account: &Ref) -> Vec<Session> {
    read(states, &key(account)).unwrap_or_default()
}

fn save(states: &mut impl States, account: &Ref, open: &[Session]) {
    if open.is_empty() {
        states.remove(key(account));
    } else {
        write(states, key(account), &open);
    }
}

fn key(account: &Ref) -> Vec<u8> {
    key_of(b"cs", account)
}

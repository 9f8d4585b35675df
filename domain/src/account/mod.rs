//! Accounts: numbered within a realm, with a username that is unique among its living accounts. What names a person is
//! sealed; the state says what an account may do, and by which tokens.

mod lock;
mod profile;
mod rejection;
mod rights;
pub mod session;
mod state;
pub mod terminal;
mod todo;
pub mod token;
mod unsealed;

use chrono::{DateTime, Utc};
use schemas::accounts::Event;
use uuid::Uuid;

pub use lock::{LockLogin, UnlockLogin};
pub use profile::{ChangeAccount, OpenAccount};
pub use rejection::Rejection;
pub(crate) use rights::is_last_admin;
pub use rights::{AssignRoles, CloseAccount, DisableAccount, EnableAccount, has_admin};
pub use session::{EndSession, OpenSession, RefreshSession};
pub use state::{AccountState, Lock, active, bearer, load, named};
pub(crate) use state::{find, is_living, reference};
pub use terminal::{IssueTerminalKey, NoteUse, RevokeTerminalKey};
pub use todo::Todo;
pub use token::{IssueLoginToken, RevokeLoginToken};
pub use unsealed::{SealAccount, unsealed};

use crate::{Act, Recorded, States};

pub(crate) const FOLD_VERSION: u32 = 4;

/// The realm that the accounts of `/v1` are in; contracts have realms of their own.
pub const REALM: &str = "till";

commands! { Accounts at (realm);
    OpenAccount => profile::open;
    ChangeAccount => profile::change_account;
    SealAccount => unsealed::seal;
    AssignRoles => rights::assign_roles;
    DisableAccount => rights::disable;
    EnableAccount => rights::enable;
    CloseAccount => rights::close;
    LockLogin => lock::lock;
    UnlockLogin => lock::unlock;
    OpenSession => session::open;
    RefreshSession => session::refresh;
    EndSession => session::end;
    IssueTerminalKey => terminal::issue;
    RevokeTerminalKey => terminal::revoke;
    NoteUse => terminal::note_use;
    IssueLoginToken => token::issue;
    RevokeLoginToken => token::revoke;
}

impl Todo {
    pub(crate) fn act(&self, cause: Uuid, _: DateTime<Utc>) -> Act {
        match self {
            Self::EndLoginLock { realm, number } => {
                Act::command(UnlockLogin { realm: realm.clone(), number: *number, cause })
            }
            Self::SealAccount { realm, number } => Act::Seal { home: realm.clone(), id: number.to_string() },
        }
    }
}

pub(crate) fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    match event {
        Event::AccountOpened(event) => profile::opened(states, event, recorded),
        Event::AccountChanged(event) => profile::changed(states, event, recorded),
        Event::AccountClosed(event) => rights::closed(states, event, recorded),
        Event::AccountDisabled(event) => rights::disabled(states, event, recorded),
        Event::AccountEnabled(event) => rights::enabled(states, event, recorded),
        Event::SessionOpened(event) => session::opened(states, event, recorded),
        Event::SessionRefreshed(event) => session::refreshed(states, event, recorded),
        Event::SessionEnded(event) => session::ended(states, event, recorded),
        Event::TerminalKeyIssued(event) => terminal::issued(states, event, recorded),
        Event::TerminalKeyRevoked(event) => terminal::revoked(states, event, recorded),
        Event::TerminalKeyUsed(event) => terminal::used(states, event, recorded),
        Event::RolesAssigned(event) => rights::roles_assigned(states, event, recorded),
        Event::LoginLocked(event) => lock::locked(states, event, recorded),
        Event::LoginUnlocked(event) => lock::unlocked(states, event, recorded),
        Event::LoginTokenIssued(event) => token::issued(states, event, recorded),
        Event::LoginTokenRevoked(event) => token::revoked(states, event, recorded),
        Event::AccountRegistered(event) => unsealed::registered(states, event, recorded),
        Event::PasswordChanged(event) => unsealed::password_changed(states, event, recorded),
    }
}

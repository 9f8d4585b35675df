//! Till's rules, pure: `decide` says what a command does to the state, `evolve` what an event does to it,
//! and a to-do is what the state still owes the world. No I/O, clock or randomness: times and ids come in
//! with the command.
//!
//! An aggregate's stream is one key of one topic, and `evolve` reads that stream only: topics and
//! partitions may be replayed in any order.

pub mod account;
pub mod names;
pub mod receipt;
mod states;
mod todo;

pub use states::{FOLD_VERSION, Recorded, States};
pub use todo::{Todo, TodoKind};

use schemas::{Event, Position, Topic};

/// Something asked of an aggregate.
#[derive(Clone, Debug)]
pub enum Command {
    /// See [`receipt::RecordReceipt`].
    RecordReceipt(receipt::RecordReceipt),
    /// See [`receipt::VoidReceipt`].
    VoidReceipt(receipt::VoidReceipt),
    /// See [`account::RegisterAccount`].
    RegisterAccount(account::RegisterAccount),
    /// See [`account::AssignRoles`].
    AssignRoles(account::AssignRoles),
    /// See [`account::LockLogin`].
    LockLogin(account::LockLogin),
    /// See [`account::UnlockLogin`].
    UnlockLogin(account::UnlockLogin),
    /// See [`account::ChangePassword`].
    ChangePassword(account::ChangePassword),
    /// See [`account::token::IssueLoginToken`].
    IssueLoginToken(account::token::IssueLoginToken),
    /// See [`account::token::RevokeLoginToken`].
    RevokeLoginToken(account::token::RevokeLoginToken),
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It happens: one event, so that an outcome is atomic even in a torn transaction.
    Append(Box<Event>),
    /// It had happened before: the answer is the one it got then. Its event stands at the position.
    Already(Position),
}

/// Why a command is refused: a rule it breaks, never a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Another receipt has the transaction id.
    #[error(
        "a receipt with this transaction_id and another content was recorded before; an id stays taken, of a void receipt too"
    )]
    ReceiptConflict,
    /// No receipt has the transaction id.
    #[error("no receipt with this transaction_id was recorded")]
    ReceiptUnknown,
    /// The receipt is void for another reason.
    #[error("the receipt was voided before, for another reason")]
    VoidConflict,
    /// The name is another account's.
    #[error("an account with this username exists")]
    UsernameTaken,
    /// The key was used with another body.
    #[error("this Idempotency-Key was used with another body")]
    IdempotencyKeyReused,
    /// The realm would have no admin left.
    #[error("this is the last account with the role admin: give the role to another one first")]
    LastAdmin,
    /// No account has the name.
    #[error("there is no account with this username")]
    AccountUnknown,
    /// The token is of another generation than the account's.
    #[error("the account's login token was revoked meanwhile")]
    LoginTokenOutdated,
}

impl Command {
    /// The topic of the aggregate's stream.
    #[must_use]
    pub const fn topic(&self) -> Topic {
        match self {
            Self::RecordReceipt(_) | Self::VoidReceipt(_) => Topic::Receipts,
            Self::RegisterAccount(_)
            | Self::AssignRoles(_)
            | Self::LockLogin(_)
            | Self::UnlockLogin(_)
            | Self::ChangePassword(_)
            | Self::IssueLoginToken(_)
            | Self::RevokeLoginToken(_) => Topic::Accounts,
        }
    }

    /// The aggregate's home: the key of its stream.
    #[must_use]
    pub fn home(&self) -> &str {
        match self {
            Self::RecordReceipt(command) => &command.receipt.transaction_id,
            Self::VoidReceipt(command) => &command.transaction_id,
            Self::RegisterAccount(command) => &command.realm,
            Self::AssignRoles(command) => &command.realm,
            Self::LockLogin(command) => &command.realm,
            Self::UnlockLogin(command) => &command.realm,
            Self::ChangePassword(command) => &command.realm,
            Self::IssueLoginToken(command) => &command.realm,
            Self::RevokeLoginToken(command) => &command.realm,
        }
    }
}

/// What the command does to the state.
///
/// # Errors
/// The rule it breaks.
pub fn decide(states: &impl States, command: Command) -> Result<Decision, Rejection> {
    match command {
        Command::RecordReceipt(command) => {
            receipt::record(receipt::load(states, &command.receipt.transaction_id), command)
        }
        Command::VoidReceipt(command) => {
            receipt::void(receipt::load(states, &command.transaction_id), command)
        }
        Command::RegisterAccount(command) => {
            let account = account::load(states, &command.realm, &command.username);
            account::register(account, account::load_realm(states, &command.realm), command)
        }
        Command::AssignRoles(command) => {
            let account = account::load(states, &command.realm, &command.username);
            account::assign_roles(account, account::load_realm(states, &command.realm), command)
        }
        Command::LockLogin(command) => {
            account::lock_login(account::load(states, &command.realm, &command.username), command)
        }
        Command::UnlockLogin(command) => {
            account::unlock_login(account::load(states, &command.realm, &command.username), command)
        }
        Command::ChangePassword(command) => {
            account::change_password(account::load(states, &command.realm, &command.username), command)
        }
        Command::IssueLoginToken(command) => {
            account::token::issue(account::load(states, &command.realm, &command.username), command)
        }
        Command::RevokeLoginToken(command) => {
            account::token::revoke(account::load(states, &command.realm, &command.username), command)
        }
    }
}

/// What the event does to the state. The same log gives the same states, whenever it is folded.
pub fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    match event {
        Event::ReceiptRecorded(event) => receipt::recorded(states, event, recorded),
        Event::ReceiptVoided(event) => receipt::voided(states, event, recorded),
        Event::AccountRegistered(event) => account::registered(states, event, recorded),
        Event::RolesAssigned(event) => account::roles_assigned(states, event, recorded),
        Event::LoginLocked(event) => account::login_locked(states, event, recorded),
        Event::LoginUnlocked(event) => account::login_unlocked(states, event, recorded),
        Event::PasswordChanged(event) => account::password_changed(states, event, recorded),
        Event::LoginTokenIssued(event) => account::token::issued(states, event, recorded),
        Event::LoginTokenRevoked(event) => account::token::revoked(states, event, recorded),
        // Figures and shards are no aggregates of the command side.
        Event::PlaceHourComputed(_)
        | Event::HourClosed(_)
        | Event::ShardAnnounced(_)
        | Event::TopologyDeclared(_) => {}
    }
}

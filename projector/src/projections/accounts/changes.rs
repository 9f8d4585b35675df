//! What a batch of the accounts' events changes, on top of the rows before it. Each event changes the rows as it changes what
//! command-api decides by, which is in the crate `domain`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemas::accounts::{
    AccountChanged, AccountClosed, AccountOpened, AccountRegistered, Event, LoginTokenIssued,
    LoginTokenRevoked, RolesAssigned, TerminalKeyIssued, TerminalKeyRevoked, TerminalKeyUsed,
};
use schemas::{Head, Ref, Sealed};
use uuid::Uuid;

/// An account: its realm and its number.
pub type Account = (String, i64);
/// A terminal's key: the realm of its account, and its digest.
pub type Digest = (String, Vec<u8>);

/// An account as an event names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named<'e> {
    /// By its realm and number.
    Number(&'e str, i64),
    /// By its realm and its name in the clear, as events of the first versions do.
    Name(&'e str, &'e str),
}

/// A row of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    pub sealed: Option<Sealed>,
    /// The name of an account that is not sealed yet.
    pub username: Option<String>,
    pub roles: Vec<String>,
    pub places: Vec<String>,
    pub sellers: Vec<Ref>,
    pub generation: i64,
    pub token_hash: Option<Vec<u8>>,
    pub is_disabled: bool,
    pub closed_at: Option<DateTime<Utc>>,
    pub revision: i32,
    pub registered_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A row of a terminal's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The number of its account.
    pub account: i64,
    pub key: Uuid,
    pub label: String,
    pub places: Vec<String>,
    pub issued_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

/// The account that an event changes, or whose terminal's key; `None` where it changes no row.
pub fn account_of(event: &Event) -> Option<Named<'_>> {
    match event {
        Event::AccountOpened(AccountOpened { account, .. })
        | Event::AccountChanged(AccountChanged { account, .. })
        | Event::AccountClosed(AccountClosed { account, .. })
        | Event::TerminalKeyIssued(TerminalKeyIssued { account, .. })
        | Event::TerminalKeyRevoked(TerminalKeyRevoked { account, .. })
        | Event::TerminalKeyUsed(TerminalKeyUsed { account, .. }) => numbered(account),
        Event::AccountDisabled(event) => numbered(&event.account),
        Event::AccountEnabled(event) => numbered(&event.account),
        Event::RolesAssigned(RolesAssigned { realm, username, account, .. })
        | Event::LoginTokenIssued(LoginTokenIssued { realm, username, account, .. })
        | Event::LoginTokenRevoked(LoginTokenRevoked { realm, username, account, .. }) => {
            Some(if *account == 0 { Named::Name(realm, username) } else { Named::Number(realm, *account) })
        }
        Event::AccountRegistered(event) => Some(Named::Number(&event.realm, event.number)),
        Event::PasswordChanged(event) => Some(Named::Name(&event.realm, &event.username)),
        Event::SessionOpened(_)
        | Event::SessionRefreshed(_)
        | Event::SessionEnded(_)
        | Event::LoginLocked(_)
        | Event::LoginUnlocked(_) => None,
    }
}

/// The account whose terminals' keys an event changes.
pub fn with_keys(event: &Event) -> Option<Account> {
    let changes_keys = matches!(
        event,
        Event::AccountClosed(_)
            | Event::TerminalKeyIssued(_)
            | Event::TerminalKeyRevoked(_)
            | Event::TerminalKeyUsed(_)
    );
    match account_of(event).filter(|_| changes_keys)? {
        Named::Number(realm, number) => Some((realm.to_owned(), number)),
        Named::Name(..) => None,
    }
}

fn numbered(account: &Ref) -> Option<Named<'_>> {
    Some(Named::Number(&account.home, account.id.parse().ok()?))
}

/// The rows of a batch's accounts, before it and after what was taken of it.
pub struct Changes {
    former: BTreeMap<Account, AccountRow>,
    accounts: BTreeMap<Account, AccountRow>,
    /// The open accounts that are not sealed yet, by realm and name.
    names: BTreeMap<(String, String), i64>,
    former_keys: BTreeMap<Digest, KeyRow>,
    keys: BTreeMap<Digest, KeyRow>,
}

impl Changes {
    /// Begins with the rows before the batch, of all accounts that it names and of all keys of those whose keys it changes.
    pub fn new(accounts: BTreeMap<Account, AccountRow>, keys: BTreeMap<Digest, KeyRow>) -> Self {
        let open = accounts.iter().filter(|(_, row)| row.closed_at.is_none());
        let name = |((realm, number), row): (&Account, &AccountRow)| {
            row.username.as_ref().map(|name| ((realm.clone(), name.clone()), *number))
        };
        let names = open.filter_map(name).collect();
        Self { former: accounts.clone(), accounts, names, former_keys: keys.clone(), keys }
    }

    /// Takes the next event of the log, which arrived at this instant.
    pub fn take(&mut self, event: &Event, recorded_at: DateTime<Utc>) {
        match event {
            Event::AccountOpened(event) => self.open(event),
            Event::AccountChanged(event) => self.change(event),
            Event::AccountClosed(event) => self.close(event),
            Event::AccountDisabled(event) => self.set_disabled(&event.account, &event.head, true),
            Event::AccountEnabled(event) => self.set_disabled(&event.account, &event.head, false),
            Event::TerminalKeyIssued(event) => self.issue_key(event),
            Event::TerminalKeyRevoked(event) => self.remove_keys(&event.account, Some(event.key)),
            Event::TerminalKeyUsed(event) => self.use_key(event),
            Event::RolesAssigned(event) => self.assign_roles(event, recorded_at),
            Event::LoginTokenIssued(event) => self.issue_token(event),
            Event::LoginTokenRevoked(event) => self.revoke_token(event),
            Event::AccountRegistered(event) => self.register(event, recorded_at),
            Event::PasswordChanged(event) => {
                self.count(&Named::Name(&event.realm, &event.username), recorded_at);
            }
            Event::SessionOpened(_)
            | Event::SessionRefreshed(_)
            | Event::SessionEnded(_)
            | Event::LoginLocked(_)
            | Event::LoginUnlocked(_) => {}
        }
    }

    /// The accounts that are others than before.
    pub fn accounts(&self) -> Vec<(&Account, &AccountRow)> {
        self.accounts.iter().filter(|(account, row)| self.former.get(*account) != Some(*row)).collect()
    }

    /// The terminals' keys that are others than before.
    pub fn keys(&self) -> Vec<(&Digest, &KeyRow)> {
        self.keys.iter().filter(|(digest, row)| self.former_keys.get(*digest) != Some(*row)).collect()
    }

    /// The terminals' keys that are not good any more.
    pub fn removed_keys(&self) -> Vec<&Digest> {
        self.former_keys.keys().filter(|digest| !self.keys.contains_key(*digest)).collect()
    }

    /// Opens an account. One that stood in the clear is sealed: what the event does not say, it keeps.
    fn open(&mut self, event: &AccountOpened) {
        let AccountOpened { head, account, sealed, roles, places, sellers, generation } = event;
        let Some(place) = place(account) else { return };
        let former = self.accounts.get(&place);
        let row = AccountRow {
            sealed: Some(sealed.clone()),
            username: None,
            roles: roles.clone(),
            places: places.clone(),
            sellers: sellers.clone(),
            generation: *generation,
            token_hash: former.and_then(|row| row.token_hash.clone()),
            is_disabled: former.is_some_and(|row| row.is_disabled),
            closed_at: former.and_then(|row| row.closed_at),
            revision: head.revision,
            registered_at: former.map_or(head.at, |row| row.registered_at),
            updated_at: former.map_or(head.at, |row| row.updated_at),
        };
        self.forget_name(&place);
        self.accounts.insert(place, row);
    }

    fn change(&mut self, event: &AccountChanged) {
        let AccountChanged { head, account, sealed, roles, places, sellers, generation } = event;
        self.follow(account, head, |row| {
            row.sealed = Some(sealed.clone());
            row.roles.clone_from(roles);
            row.places.clone_from(places);
            row.sellers.clone_from(sellers);
            row.enter(*generation);
        });
    }

    /// Closes an account. Nothing finds it by its name any more; one that is not sealed yet keeps it until then.
    fn close(&mut self, event: &AccountClosed) {
        let AccountClosed { head, account } = event;
        self.follow(account, head, |row| {
            row.closed_at = Some(head.at);
            row.token_hash = None;
        });
        if let Some(place) = place(account) {
            self.forget_name(&place);
        }
        self.remove_keys(account, None);
    }

    fn forget_name(&mut self, (realm, number): &Account) {
        self.names.retain(|(of_realm, _), named| of_realm != realm || named != number);
    }

    fn set_disabled(&mut self, account: &Ref, head: &Head, is_disabled: bool) {
        self.follow(account, head, |row| row.is_disabled = is_disabled);
    }

    fn follow(&mut self, account: &Ref, head: &Head, apply: impl FnOnce(&mut AccountRow)) {
        let row = place(account).and_then(|place| self.accounts.get_mut(&place));
        let Some(row) = row else { return };
        row.revision = head.revision;
        row.updated_at = head.at;
        apply(row);
    }

    fn issue_key(&mut self, event: &TerminalKeyIssued) {
        let TerminalKeyIssued { head, account, key, digest, places, label } = event;
        let Some((realm, number)) = place(account) else { return };
        let (label, places) = (label.clone(), places.clone());
        let row = KeyRow { account: number, key: *key, label, places, issued_at: head.at, used_at: None };
        self.keys.insert((realm, digest.0.clone()), row);
    }

    /// Removes a key of the account; `None`: all that it has.
    fn remove_keys(&mut self, account: &Ref, key: Option<Uuid>) {
        let Some((realm, number)) = place(account) else { return };
        let is_meant = |(of_realm, _): &Digest, row: &KeyRow| {
            *of_realm == realm && row.account == number && key.is_none_or(|key| key == row.key)
        };
        self.keys.retain(|digest, row| !is_meant(digest, row));
    }

    fn use_key(&mut self, event: &TerminalKeyUsed) {
        let TerminalKeyUsed { head, account, key } = event;
        let Some((realm, number)) = place(account) else { return };
        let is_meant = |(of_realm, _): &Digest, row: &KeyRow| {
            *of_realm == realm && row.account == number && row.key == *key
        };
        let used = self.keys.iter_mut().find(|(digest, row)| is_meant(digest, row));
        if let Some((_, row)) = used {
            row.used_at = Some(head.at);
        }
    }

    fn assign_roles(&mut self, event: &RolesAssigned, recorded_at: DateTime<Utc>) {
        let RolesAssigned { realm, username, roles, places, account, .. } = event;
        if let Some(row) = self.count(&whose(realm, username, *account), recorded_at) {
            row.roles.clone_from(roles);
            row.places.clone_from(places);
        }
    }

    fn issue_token(&mut self, event: &LoginTokenIssued) {
        let LoginTokenIssued { realm, username, generation, token_hash, account } = event;
        if let Some(row) = self.find(&whose(realm, username, *account)) {
            row.generation = *generation;
            row.token_hash = Some(token_hash.clone());
        }
    }

    fn revoke_token(&mut self, event: &LoginTokenRevoked) {
        let LoginTokenRevoked { realm, username, generation, account } = event;
        if let Some(row) = self.find(&whose(realm, username, *account)) {
            row.enter(generation.saturating_add(1));
        }
    }

    /// Keeps an account in the clear until it is sealed. No log that Till wrote has a number twice.
    fn register(&mut self, event: &AccountRegistered, recorded_at: DateTime<Utc>) {
        let AccountRegistered { realm, username, number, roles, places, .. } = event;
        let place = (realm.clone(), *number);
        if self.accounts.contains_key(&place) {
            return;
        }
        let row = AccountRow {
            sealed: None,
            username: Some(username.clone()),
            roles: roles.clone(),
            places: places.clone(),
            sellers: Vec::new(),
            generation: 0,
            token_hash: None,
            is_disabled: false,
            closed_at: None,
            revision: 1,
            registered_at: recorded_at,
            updated_at: recorded_at,
        };
        self.accounts.insert(place, row);
        self.names.insert((realm.clone(), username.clone()), *number);
    }

    /// Counts a change whose event says neither revision nor time, and gives the row; `None` of an unknown account.
    fn count(&mut self, account: &Named<'_>, recorded_at: DateTime<Utc>) -> Option<&mut AccountRow> {
        let row = self.find(account)?;
        row.revision += 1;
        row.updated_at = recorded_at;
        Some(row)
    }

    fn find(&mut self, account: &Named<'_>) -> Option<&mut AccountRow> {
        let place = match *account {
            Named::Number(realm, number) => (realm.to_owned(), number),
            Named::Name(realm, name) => {
                (realm.to_owned(), *self.names.get(&(realm.to_owned(), name.to_owned()))?)
            }
        };
        self.accounts.get_mut(&place)
    }
}

fn place(account: &Ref) -> Option<Account> {
    Some((account.home.clone(), account.id.parse().ok()?))
}

/// The account of an event of an earlier form: that with the number, or where it is 0, that with the name.
const fn whose<'e>(realm: &'e str, username: &'e str, number: i64) -> Named<'e> {
    if number == 0 { Named::Name(realm, username) } else { Named::Number(realm, number) }
}

impl AccountRow {
    /// The account's tokens are of this generation from here on. Its login token, of another one, is worth nothing.
    fn enter(&mut self, generation: i64) {
        if self.generation != generation {
            self.generation = generation;
            self.token_hash = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use schemas::Bytes;
    use schemas::accounts::{AccountDisabled, AccountEnabled, PasswordChanged};

    use super::*;

    /// Instants are told by seconds.
    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn head(revision: i32) -> Head {
        Head { at: at(i64::from(revision) * 100), by: "till/1".into(), revision, key: None, print: None }
    }

    fn account(number: i64) -> Ref {
        Ref { home: "till".into(), id: number.to_string() }
    }

    fn sealed(number: u8) -> Sealed {
        Sealed { subject: Uuid::from_u128(number.into()), sealed: Bytes(vec![number]) }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn registered(number: i64, username: &str) -> Event {
        Event::AccountRegistered(AccountRegistered {
            realm: "till".into(),
            username: username.into(),
            number,
            password_hash: String::new(),
            roles: texts(&["customer"]),
            places: Vec::new(),
            idempotency_id: None,
        })
    }

    fn opened(number: u8, revision: i32, generation: i64) -> Event {
        Event::AccountOpened(AccountOpened {
            head: head(revision),
            account: account(number.into()),
            sealed: sealed(number),
            roles: texts(&["staff"]),
            places: Vec::new(),
            sellers: Vec::new(),
            generation,
        })
    }

    fn roles_assigned(username: &str, account: i64, roles: &[&str]) -> Event {
        let (realm, assigned_by) = ("till".into(), String::new());
        let (roles, places) = (texts(roles), texts(&["cafe-1"]));
        Event::RolesAssigned(RolesAssigned {
            realm,
            username: username.into(),
            roles,
            places,
            assigned_by,
            account,
        })
    }

    fn token_issued(username: &str, account: i64, generation: i64) -> Event {
        let (realm, username, token_hash) = ("till".into(), username.into(), vec![7]);
        Event::LoginTokenIssued(LoginTokenIssued { realm, username, generation, token_hash, account })
    }

    fn token_revoked(account: i64, generation: i64) -> Event {
        let (realm, username) = ("till".into(), String::new());
        Event::LoginTokenRevoked(LoginTokenRevoked { realm, username, generation, account })
    }

    fn closed(number: i64) -> Event {
        Event::AccountClosed(AccountClosed { head: head(9), account: account(number) })
    }

    fn key_issued(number: i64, key: u8) -> Event {
        Event::TerminalKeyIssued(TerminalKeyIssued {
            head: head(1),
            account: account(number),
            key: Uuid::from_u128(key.into()),
            digest: Bytes(vec![key]),
            places: Vec::new(),
            label: "Till at the door".into(),
        })
    }

    /// Folds batches one after the other, the events of each a second apart, and gives all rows.
    fn fold(batches: &[&[Event]]) -> (BTreeMap<Account, AccountRow>, BTreeMap<Digest, KeyRow>) {
        let (mut accounts, mut keys) = (BTreeMap::new(), BTreeMap::new());
        let mut second = 0;
        for batch in batches {
            let mut changes = Changes::new(accounts.clone(), keys.clone());
            for event in *batch {
                second += 1;
                changes.take(event, at(second));
            }
            accounts
                .extend(changes.accounts().into_iter().map(|(account, row)| (account.clone(), row.clone())));
            keys.extend(changes.keys().into_iter().map(|(digest, row)| (digest.clone(), row.clone())));
            changes.removed_keys().into_iter().for_each(|digest| drop(keys.remove(digest)));
        }
        (accounts, keys)
    }

    /// The row of the account with number 1 after these events, which is the same in one batch and in batches of one event.
    fn first(events: &[Event]) -> AccountRow {
        let (whole, _) = fold(&[events]);
        let single: Vec<_> = events.chunks(1).collect();
        assert_eq!(fold(&single).0, whole);
        whole[&("till".to_owned(), 1)].clone()
    }

    #[test]
    fn an_account_that_is_sealed_keeps_what_its_event_does_not_say_and_forgets_its_name() {
        let unsealed =
            [registered(1, "ann"), roles_assigned("ann", 0, &["staff"]), token_issued("ann", 0, 0)];
        let row = first(&unsealed);
        assert_eq!((row.username.as_deref(), row.revision, row.updated_at), (Some("ann"), 2, at(2)));
        assert_eq!((row.roles, row.places), (texts(&["staff"]), texts(&["cafe-1"])));
        let sealing = [&unsealed[..], &[opened(1, 3, 0)]].concat();
        let row = first(&sealing);
        assert_eq!((row.username, row.sealed, row.revision), (None, Some(sealed(1)), 3));
        assert_eq!((row.token_hash, row.registered_at, row.updated_at), (Some(vec![7]), at(1), at(2)));
        assert_eq!(row.places, Vec::<String>::new(), "its event carries the account whole");
        let named_later = [&sealing[..], &[roles_assigned("ann", 0, &["admin"])]].concat();
        assert_eq!(first(&named_later).roles, texts(&["staff"]), "nothing has the name any more");
    }

    #[test]
    fn a_password_in_the_clear_counts_as_a_change() {
        let (realm, username, password_hash) = ("till".into(), "ann".into(), String::new());
        let changed = Event::PasswordChanged(PasswordChanged { realm, username, password_hash });
        let row = first(&[registered(1, "ann"), changed]);
        assert_eq!((row.revision, row.updated_at), (2, at(2)));
    }

    #[test]
    fn a_change_carries_the_account_whole_and_another_generation_ends_its_token() {
        let changed = |generation| {
            Event::AccountChanged(AccountChanged {
                head: head(2),
                account: account(1),
                sealed: sealed(9),
                roles: texts(&["admin"]),
                places: texts(&["cafe-2"]),
                sellers: vec![account(5)],
                generation,
            })
        };
        let before = [opened(1, 1, 0), token_issued("", 1, 0)];
        let same = first(&[&before[..], &[changed(0)]].concat());
        assert_eq!(
            (same.token_hash, same.sealed, same.sellers),
            (Some(vec![7]), Some(sealed(9)), vec![account(5)])
        );
        assert_eq!((same.revision, same.registered_at, same.updated_at), (2, at(100), at(200)));
        let next = first(&[&before[..], &[changed(1)]].concat());
        assert_eq!((next.generation, next.token_hash), (1, None));
    }

    #[test]
    fn logging_out_everywhere_ends_a_generation_once() {
        let row = first(&[opened(1, 1, 0), token_issued("", 1, 0), token_revoked(1, 0)]);
        assert_eq!((row.generation, row.token_hash, row.revision), (1, None, 1));
        let row = first(&[opened(1, 1, 0), token_issued("", 1, 1), token_revoked(1, 0)]);
        assert_eq!((row.generation, row.token_hash), (1, Some(vec![7])));
    }

    #[test]
    fn an_account_is_disabled_until_it_is_enabled() {
        let (account, reason) = (account(1), String::new());
        let disabled = AccountDisabled { head: head(2), account: account.clone(), reason: reason.clone() };
        let enabled = AccountEnabled { head: head(3), account, reason };
        let (disabled, enabled) = (Event::AccountDisabled(disabled), Event::AccountEnabled(enabled));
        assert!(first(&[opened(1, 1, 0), disabled.clone()]).is_disabled);
        assert!(!first(&[opened(1, 1, 0), disabled, enabled]).is_disabled);
    }

    #[test]
    fn an_account_that_is_closed_keeps_its_name_until_it_is_sealed_and_is_found_by_it_no_more() {
        let events =
            [registered(1, "ann"), closed(1), roles_assigned("ann", 0, &["admin"]), registered(2, "ann")];
        let row = first(&events);
        assert_eq!((row.username.as_deref(), row.closed_at), (Some("ann"), Some(at(900))));
        assert_eq!(row.roles, texts(&["customer"]));
        let (rows, _) = fold(&[&events, &[opened(1, 10, 0), roles_assigned("ann", 0, &["staff"])]]);
        assert_eq!(rows[&("till".to_owned(), 1)].closed_at, Some(at(900)));
        assert_eq!(rows[&("till".to_owned(), 2)].roles, texts(&["staff"]), "the next one of the name");
    }

    #[test]
    fn keys_are_used_and_revoked_one_by_one_and_end_with_their_account() {
        let key = |key: u8| Uuid::from_u128(key.into());
        let used = TerminalKeyUsed { head: head(5), account: account(1), key: key(2) };
        let revoked = TerminalKeyRevoked { head: head(1), account: account(1), key: key(1) };
        let events = [
            opened(1, 1, 0),
            opened(2, 1, 0),
            key_issued(1, 1),
            key_issued(1, 2),
            key_issued(2, 3),
            Event::TerminalKeyUsed(used),
            Event::TerminalKeyRevoked(revoked),
        ];
        let (accounts, keys) = fold(&[&events[..3], &events[3..]]);
        assert_eq!(fold(&[&events]), (accounts, keys.clone()));
        let good: Vec<_> = keys.values().map(|row| (row.account, row.key, row.used_at)).collect();
        assert_eq!(good, [(1, key(2), Some(at(500))), (2, key(3), None)]);
        let (_, keys) = fold(&[&events, &[closed(1)]]);
        assert_eq!(keys.values().map(|row| row.account).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn rows_that_a_batch_leaves_as_they_are_are_not_written() {
        let (accounts, keys) = fold(&[&[opened(1, 1, 0), key_issued(1, 1)]]);
        let mut changes = Changes::new(accounts, keys);
        changes.take(&token_revoked(2, 0), at(9));
        changes.take(&Event::AccountClosed(AccountClosed { head: head(1), account: account(3) }), at(9));
        assert_eq!((changes.accounts(), changes.keys(), changes.removed_keys()), (vec![], vec![], vec![]));
    }
}

//! The rules of the domain as given, when and then, and the laws that replay rests on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::token::{self, IssueLoginToken, RevokeLoginToken};
use domain::account::{self, AssignRoles, ChangePassword, LockLogin, REALM, RegisterAccount, UnlockLogin};
use domain::receipt::{self, RecordReceipt, VoidReceipt};
use domain::{Act, Command, Decision, Recorded, Rejection, Sort, States, TodoKey, Waiting, decide, evolve};
use proptest::prelude::*;
use schemas::accounts::{self, AccountRegistered, RolesAssigned};
use schemas::receipts::{Item, Receipt};
use schemas::{Event, Money, Position, Topic};
use uuid::Uuid;

/// A shard in memory: its states, and its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Memory {
    states: BTreeMap<Vec<u8>, Vec<u8>>,
    log: Vec<(Event, Recorded)>,
    /// Whether events get the provisional offsets of a batch that is not in the log yet: -1, -2, ….
    is_provisional: bool,
}

impl States for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.states.get(key).cloned()
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.states.insert(key, value);
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.states.remove(&key);
    }
}

impl Memory {
    /// Decides a command and, where it happens, records its event and folds it, as a shard does.
    fn when(&mut self, command: Command) -> Result<Decision, Rejection> {
        let decision = decide(self, command)?;
        if let Decision::Append(event) = &decision {
            let index = self.log.len() as i64;
            let offset = if self.is_provisional { -1 - index } else { index };
            let position = Position { topic: event.topic(), partition: 3, offset };
            let recorded = Recorded { position, event_id: Uuid::from_u128(self.log.len() as u128 + 1) };
            evolve(self, event, &recorded);
            self.log.push((event.as_ref().clone(), recorded));
        }
        Ok(decision)
    }

    fn replayed(&self) -> Self {
        let mut replayed = Self { states: BTreeMap::new(), ..self.clone() };
        for (event, recorded) in &self.log {
            evolve(&mut replayed, event, recorded);
        }
        replayed
    }

    fn todos(&self) -> Vec<(TodoKey, Waiting)> {
        let raised = self.states.iter().filter_map(|(key, value)| Some((TodoKey::from_bytes(key)?, value)));
        raised.map(|(key, value)| (key, Waiting::from_bytes(value).unwrap())).collect()
    }
}

fn now() -> DateTime<Utc> {
    "2024-02-07T12:00:00Z".parse().unwrap()
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn a_receipt(transaction_id: &str, price: &str) -> Receipt {
    Receipt {
        transaction_id: transaction_id.into(),
        occurred_at: now(),
        items: vec![Item { product_id: "p".into(), quantity: 2, price: money(price), category: "c".into() }],
        total_amount: money(price).times(2).unwrap(),
        tax_amount: Money::ZERO,
        tips_amount: Money::ZERO,
        payment_method: "card".into(),
        place_id: "011".into(),
        place_name: "Corner".into(),
    }
}

fn record(transaction_id: &str, price: &str) -> Command {
    let receipt = a_receipt(transaction_id, price);
    Command::from(RecordReceipt { receipt, totals_match: true, recorded_by: "terminal".into() })
}

fn void(transaction_id: &str, reason: &str) -> Command {
    let receipt = Some(a_receipt(transaction_id, "1.00"));
    Command::from(VoidReceipt {
        transaction_id: transaction_id.into(),
        receipt,
        reason: reason.into(),
        voided_by: "admin".into(),
    })
}

fn register(username: &str, key: Option<u128>) -> Command {
    Command::from(RegisterAccount {
        realm: REALM.into(),
        username: username.into(),
        password_hash: "hash".into(),
        roles: vec!["customer".into()],
        idempotency_id: key.map(Uuid::from_u128),
    })
}

fn assign(username: &str, role: &str) -> Command {
    Command::from(AssignRoles {
        realm: REALM.into(),
        username: username.into(),
        roles: vec![role.into()],
        places: vec![],
        assigned_by: "admin".into(),
    })
}

fn lock(username: &str) -> Command {
    let until = now() + TimeDelta::seconds(60);
    Command::from(LockLogin { realm: REALM.into(), username: username.into(), until })
}

fn unlock(username: &str, cause: Uuid) -> Command {
    Command::from(UnlockLogin { realm: REALM.into(), username: username.into(), cause })
}

fn issue(username: &str, generation: i64, hash: u8) -> Command {
    let (realm, username) = (REALM.into(), username.into());
    Command::from(IssueLoginToken { realm, username, generation, token_hash: vec![hash; 32] })
}

fn revoke(username: &str, generation: i64) -> Command {
    let (realm, username) = (REALM.into(), username.into());
    Command::from(RevokeLoginToken { realm, username, generation })
}

fn change_password(username: &str, hash: &str) -> Command {
    let (realm, username) = (REALM.into(), username.into());
    Command::from(ChangePassword { realm, username, password_hash: hash.into() })
}

fn at(topic: Topic, offset: i64) -> Position {
    Position { topic, partition: 3, offset }
}

#[test]
fn a_receipt_is_recorded_once_and_answered_alike_ever_after() {
    let mut till = Memory::default();
    assert!(matches!(till.when(record("a", "1.00")), Ok(Decision::Append(_))));
    assert_eq!(till.when(record("a", "1.00")), Ok(Decision::Already(at(Topic::Receipts, 0))));
    assert_eq!(till.when(record("a", "1.01")), Err(receipt::Rejection::IdTaken.into()));
    assert!(matches!(till.when(record("b", "1.01")), Ok(Decision::Append(_))));
}

#[test]
fn a_void_needs_its_receipt_and_happens_once() {
    let mut till = Memory::default();
    assert_eq!(till.when(void("a", "twice")), Err(receipt::Rejection::Unknown.into()));
    let found_none = VoidReceipt {
        transaction_id: "a".into(),
        receipt: None,
        reason: "r".into(),
        voided_by: "admin".into(),
    };
    assert_eq!(till.when(Command::from(found_none.clone())), Err(receipt::Rejection::Unknown.into()));
    till.when(record("a", "1.00")).unwrap();
    assert!(matches!(till.when(void("a", "twice")), Ok(Decision::Append(_))));
    assert_eq!(till.when(void("a", "twice")), Ok(Decision::Already(at(Topic::Receipts, 1))));
    assert_eq!(till.when(void("a", "other")), Err(receipt::Rejection::VoidConflict.into()));
    assert_eq!(till.when(record("a", "1.00")), Ok(Decision::Already(at(Topic::Receipts, 0))));
}

#[test]
fn accounts_are_numbered_densely_and_names_are_unique() {
    let mut till = Memory::default();
    till.when(register("ana", None)).unwrap();
    assert_eq!(till.when(register("ana", None)), Err(account::Rejection::UsernameTaken.into()));
    till.when(register("bob", Some(7))).unwrap();
    assert_eq!(till.when(register("bob", Some(7))), Ok(Decision::Already(at(Topic::Accounts, 1))));
    let numbers: Vec<_> = till
        .log
        .iter()
        .filter_map(|(event, _)| match event {
            Event::Accounts(accounts::Event::AccountRegistered(event)) => Some(event.number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn roles_are_replaced_unless_they_are_so_already() {
    let mut till = Memory::default();
    assert_eq!(till.when(assign("ana", "admin")), Err(account::Rejection::Unknown.into()));
    till.when(register("ana", None)).unwrap();
    assert!(matches!(till.when(assign("ana", "admin")), Ok(Decision::Append(_))));
    assert_eq!(till.when(assign("ana", "admin")), Ok(Decision::Already(at(Topic::Accounts, 1))));
}

#[test]
fn a_login_lock_raises_the_todo_that_ends_it() {
    let mut till = Memory::default();
    till.when(register("ana", None)).unwrap();
    till.when(lock("ana")).unwrap();
    let [(key, todo)] = till.todos().try_into().unwrap();
    assert_eq!((key.due(), key.sort()), (Some(now() + TimeDelta::seconds(60)), Sort::Command));
    assert_eq!(key.raised_by(), at(Topic::Accounts, 1));
    assert_eq!(till.when(lock("ana")), Ok(Decision::Already(at(Topic::Accounts, 1))), "one lock at a time");
    assert!(matches!(till.when(unlock("ana", todo.cause)), Ok(Decision::Append(_))));
    assert_eq!(till.todos(), []);
    assert_eq!(till.when(unlock("ana", todo.cause)), Ok(Decision::Already(at(Topic::Accounts, 2))));
}

#[test]
fn a_todo_of_an_earlier_lock_leaves_a_later_one_alone() {
    let mut till = Memory::default();
    till.when(register("ana", None)).unwrap();
    till.when(lock("ana")).unwrap();
    let first = till.todos()[0].1.cause;
    till.when(unlock("ana", first)).unwrap();
    till.when(lock("ana")).unwrap();
    assert!(matches!(till.when(unlock("ana", first)), Ok(Decision::Already(_))));
    assert_eq!(till.todos().len(), 1);
}

#[test]
fn a_login_token_names_its_account_until_it_is_revoked_or_replaced() {
    let mut till = Memory::default();
    let named = |till: &Memory, hash: u8| token::find(till, REALM, &[hash; 32]).map(|(name, _)| name);
    assert_eq!(till.when(issue("ana", 0, 1)), Err(account::Rejection::Unknown.into()));
    till.when(register("ana", None)).unwrap();
    till.when(issue("ana", 0, 1)).unwrap();
    assert_eq!(till.when(issue("ana", 0, 1)), Ok(Decision::Already(at(Topic::Accounts, 1))));
    assert_eq!(named(&till, 1).as_deref(), Some("ana"));

    // A token of the same generation that is made with another secret is another token. It replaces the former one,
    // which is then worth nothing.
    till.when(issue("ana", 0, 2)).unwrap();
    assert_eq!((named(&till, 1), named(&till, 2).as_deref()), (None, Some("ana")));

    till.when(revoke("ana", 0)).unwrap();
    assert_eq!(named(&till, 2), None);
    assert_eq!(till.when(issue("ana", 0, 2)), Err(account::Rejection::LoginTokenOutdated.into()));
    till.when(issue("ana", 1, 3)).unwrap();
    assert!(matches!(till.when(revoke("ana", 0)), Ok(Decision::Already(_))), "a later token stays");
    assert_eq!(named(&till, 3).as_deref(), Some("ana"));
}

#[test]
fn a_total_that_is_not_the_sum_is_told_apart_also_below_zero() {
    let mut receipt = a_receipt("a", "1.50");
    assert!(receipt::totals_match(&receipt));
    receipt.items[0].quantity = -2;
    assert!(!receipt::totals_match(&receipt));
    receipt.total_amount = Money::ZERO - money("3.00");
    assert!(receipt::totals_match(&receipt));
}

#[test]
fn what_is_wrong_between_fields_is_named() {
    let mut receipt = a_receipt("a", "1.50");
    assert_eq!(receipt::violations(&receipt), []);
    receipt.total_amount = money("2.99");
    receipt.tax_amount = money("3.00");
    let found = receipt::violations(&receipt);
    assert_eq!(
        found.iter().map(|violation| violation.pointer).collect::<Vec<_>>(),
        ["/total_amount", "/tax_amount"]
    );
    assert!(found[0].detail.contains("3.00"), "{}", found[0].detail);
}

#[test]
fn timestamps_are_read_in_the_zone_unless_they_name_one() {
    let moscow = chrono::FixedOffset::east_opt(3 * 3600).unwrap();
    let read = |text: &str| receipt::timestamp(text, Some(&moscow), now());
    let expected: DateTime<Utc> = "2024-02-07T09:34:56Z".parse().unwrap();
    assert_eq!(read("2024-02-07T12:34:56"), Ok(expected));
    assert_eq!(read("2024-02-07 12:34:56"), Ok(expected));
    assert_eq!(read("2024-02-07T09:34:56Z"), Ok(expected));
    assert_eq!(read("2024-02-07T10:34:56+01:00"), Ok(expected));
    assert!(read("2024-02-08T12:00:00Z").is_ok());
    assert!(read("2024-02-08T12:00:01Z").is_err());
    assert!(read("7.2.2024").is_err());
    let strict = |text: &str| receipt::timestamp(text, None::<&Utc>, now());
    assert_eq!(strict("2024-02-07T09:34:56Z"), Ok(expected));
    assert!(strict("2024-02-07T12:34:56").unwrap_err().contains("zone"));
    assert_eq!(strict("yesterday"), read("yesterday"));
}

#[test]
fn years_are_of_four_digits_without_sign_and_can_be_written_in_utc() {
    let ahead = chrono::FixedOffset::east_opt(14 * 3600).unwrap();
    let read = |text: &str| receipt::timestamp(text, Some(&ahead), now());
    for text in [
        "-9999-01-01T00:00:00",
        "-0001-01-01T00:00:00Z",
        "+2024-02-07T12:00:00Z",
        "+12024-02-07T12:00:00",
        "12024-02-07T12:00:00Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+00:01",
        "024-02-07T12:00:00",
        "24-02-07 12:00:00",
        "",
        "2024",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("0001-01-01T00:00:00Z").is_ok() && read("0001-01-01T14:00:00").is_ok());
}

#[test]
fn quantities_and_amounts_have_limits() {
    assert!(receipt::quantity(0).is_err());
    assert!(receipt::quantity(2_147_483_648).is_err());
    assert!(receipt::amount("-0.01").is_err());
    assert!(receipt::amount("0.00").is_ok());
}

#[test]
fn the_last_admin_stays_one_and_any_other_does_not() {
    let mut till = Memory::default();
    for name in ["a", "b"] {
        till.when(register(name, None)).unwrap();
    }
    till.when(assign("a", "admin")).unwrap();
    assert_eq!(till.when(assign("a", "staff")), Err(account::Rejection::LastAdmin.into()));
    assert!(till.when(assign("a", "admin")).is_ok(), "what changes nothing is let be");
    till.when(assign("b", "admin")).unwrap();
    till.when(assign("a", "staff")).unwrap();
    assert_eq!(till.when(assign("b", "customer")), Err(account::Rejection::LastAdmin.into()));
    assert_eq!(account::load_realm(&till, REALM).admins, 1);
}

#[test]
fn admins_are_counted_whatever_the_log_says_of_their_accounts() {
    let mut till = Memory::default();
    let recorded = |offset| Recorded {
        position: Position { topic: Topic::Accounts, partition: 3, offset },
        event_id: Uuid::from_u128(u128::try_from(offset).unwrap()),
    };
    let registered = AccountRegistered {
        realm: REALM.into(),
        username: "a".into(),
        number: 1,
        password_hash: "hash".into(),
        roles: vec!["admin".into()],
        places: vec![],
        idempotency_id: None,
    };
    let assigned = RolesAssigned {
        realm: REALM.into(),
        username: "nobody".into(),
        roles: vec!["admin".into()],
        places: vec![],
        assigned_by: "a".into(),
    };
    // No log that Till wrote has the same name registered twice, or roles for an account that does not exist. A fold
    // must count admins right all the same.
    for (offset, event) in [registered.clone().into(), assigned.into(), registered.into()].iter().enumerate()
    {
        evolve(&mut till, event, &recorded(i64::try_from(offset).unwrap()));
    }
    assert_eq!(account::load_realm(&till, REALM).admins, 1);
}

fn any_command() -> impl Strategy<Value = Command> {
    let id = prop::sample::select(vec!["a", "b", "c"]);
    let price = prop::sample::select(vec!["1.00", "2.00"]);
    let reason = prop::sample::select(vec!["twice", "wrong"]);
    prop_oneof![
        4 => (id.clone(), price).prop_map(|(id, price)| record(id, price)),
        2 => (id.clone(), reason).prop_map(|(id, reason)| void(id, reason)),
        2 => (id.clone(), prop::option::of(0..3_u128)).prop_map(|(name, key)| register(name, key)),
        1 => (id.clone(), prop::sample::select(vec!["admin", "staff"])).prop_map(|(name, role)| assign(name, role)),
        1 => id.clone().prop_map(lock),
        2 => (id.clone(), 0..3_i64, 1..3_u8).prop_map(|(name, generation, hash)| issue(name, generation, hash)),
        1 => (id.clone(), 0..3_i64).prop_map(|(name, generation)| revoke(name, generation)),
        1 => (id.clone(), prop::sample::select(vec!["one", "two"])).prop_map(|(name, hash)| change_password(name, hash)),
        1 => (id, 0..20_u128).prop_map(|(name, cause)| unlock(name, Uuid::from_u128(cause))),
    ]
}

proptest! {
    /// The law of replay: folding the log gives the states that deciding had given.
    #[test]
    fn replay_equals_live(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut till = Memory::default();
        for command in commands {
            let _ = till.when(command);
        }
        prop_assert_eq!(&till.replayed(), &till);
    }

    /// The law of idempotency: a command that is sent again is answered as it was the first time, and changes nothing.
    #[test]
    fn a_command_sent_again_changes_nothing(commands in prop::collection::vec(any_command(), 0..40), again in any_command()) {
        let mut till = Memory::default();
        for command in commands {
            let _ = till.when(command);
        }
        let first = till.when(again.clone());
        let lived = till.clone();
        let second = till.when(again);
        prop_assert_eq!(&till, &lived, "nothing new happens");
        match (first, second) {
            (Ok(Decision::Append(event)), Ok(Decision::Already(position))) => {
                let (recorded, at) = lived.log.last().unwrap();
                prop_assert_eq!((recorded, at.position), (event.as_ref(), position));
            }
            // A registration without a key cannot be told from another's attempt, so once repeated its name is taken.
            (Ok(Decision::Append(event)), Err(Rejection::Account(account::Rejection::UsernameTaken))) => {
                prop_assert!(matches!(*event, Event::Accounts(accounts::Event::AccountRegistered(_))));
            }
            (first, second) => prop_assert_eq!(first, second),
        }
    }

    /// The law of batches: a command is decided alike whether the events before it are in the log or in its batch.
    #[test]
    fn a_batch_decides_as_the_log_does(commands in prop::collection::vec(any_command(), 0..40)) {
        let mut in_the_log = Memory::default();
        let mut in_a_batch = Memory { is_provisional: true, ..Memory::default() };
        for command in commands {
            match (in_the_log.when(command.clone()), in_a_batch.when(command)) {
                (Ok(Decision::Already(place)), Ok(Decision::Already(provisional))) => {
                    prop_assert_eq!(provisional.offset, -1 - place.offset);
                }
                (one, other) => prop_assert_eq!(one, other),
            }
        }
        prop_assert_eq!(in_the_log.todos().len(), in_a_batch.todos().len());
    }

    /// The law of to-dos: doing a to-do settles it, and when all are done none is left.
    #[test]
    fn a_to_do_that_is_done_is_settled(commands in prop::collection::vec(any_command(), 0..40)) {
        let mut till = Memory::default();
        for command in commands {
            let _ = till.when(command);
        }
        for (key, waiting) in till.todos() {
            let Act::Command(command) = waiting.todo.act(waiting.cause) else { panic!("no aggregate tells another yet") };
            prop_assert!(matches!(till.when(*command), Ok(Decision::Append(_))));
            prop_assert!(!till.todos().iter().any(|(open, _)| *open == key));
        }
        prop_assert_eq!(till.todos(), []);
        prop_assert_eq!(&till.replayed(), &till);
    }

    /// Two contents never share a fingerprint, even where their fields run together to the same text.
    #[test]
    fn fingerprints_tell_contents_apart(one in "[ab]{0,3}", two in "[ab]{0,3}", three in "[ab]{0,3}", four in "[ab]{0,3}") {
        let with = |payment: &str, place: &str| {
            let mut receipt = a_receipt("a", "1.00");
            receipt.payment_method = payment.into();
            receipt.place_id = place.into();
            receipt::fingerprint(&receipt)
        };
        prop_assert_eq!(with(&one, &two) == with(&three, &four), (&one, &two) == (&three, &four));
    }
}

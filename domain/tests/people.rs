//! Customers, their keys and their erasure: the rules as given, when and then, and the laws that readable and erased rest on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;

use chrono::{DateTime, Utc};
use domain::people::{
    self, ChangeCustomer, ErasePerson, HOME, Person, RegisterCustomer, Rejection, RemoveCustomer, TendKey,
};
use domain::vault::{self, DOCUMENT, EMAIL};
use domain::{Act, Asked, Command, Decision, person};
use memory::Memory;
use proptest::prelude::*;
use schemas::keys::{BlindIndex, PersonKeyed};
use schemas::{Bytes, Event, Sealed, Topic};
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    "2026-02-07T12:00:00Z".parse().unwrap()
}

fn asked() -> Asked {
    Asked { at: now(), by: "till/1".into(), key: None, print: None }
}

fn subject(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

fn index(kind: &str, name: u8) -> BlindIndex {
    BlindIndex { kind: kind.into(), value: vec![name; 16] }
}

/// A key of a person with these names; 0 is no name.
fn key(person: u8, document: u8, email: u8) -> PersonKeyed {
    PersonKeyed {
        home: HOME.into(),
        subject: subject(person),
        wrapped: Bytes(vec![person; 60]),
        master: 1,
        indexes: indexes(document, email),
    }
}

fn indexes(document: u8, email: u8) -> Vec<BlindIndex> {
    let names = [(DOCUMENT, document), (EMAIL, email)].into_iter().filter(|(_, name)| *name > 0);
    names.map(|(kind, name)| index(kind, name)).collect()
}

fn sealed(person: u8) -> Sealed {
    Sealed { subject: subject(person), sealed: Bytes(vec![person]) }
}

fn id(person: u8) -> String {
    format!("customer-{person}")
}

fn register(person: u8, document: u8, email: u8) -> Command {
    let (id, key) = (Some(id(person)), key(person, document, email));
    let (home, scope, sealed) = (HOME.into(), "v1".into(), sealed(person));
    RegisterCustomer { home, id, scope, sealed, key, active: true, account: None, asked: asked() }.into()
}

fn change(person: u8, revision: i32, document: u8, email: u8) -> Command {
    let (home, id, sealed, indexes) = (HOME.into(), id(person), sealed(person), indexes(document, email));
    ChangeCustomer { home, id, revision, sealed, indexes, active: true, account: None, asked: asked() }.into()
}

fn remove(person: u8) -> Command {
    RemoveCustomer { home: HOME.into(), id: id(person), asked: asked() }.into()
}

fn erase(person: u8) -> Command {
    let person = Person::Customer(id(person));
    ErasePerson { home: HOME.into(), person, reason: "asked for".into(), forget_at: now(), asked: asked() }
        .into()
}

/// Puts the person's key, as it was registered, under master key 2.
fn rewrap(person: u8) -> Command {
    let rewrapped = Some((Bytes(vec![person + 100; 60]), 2));
    let former = Bytes(vec![person; 60]);
    TendKey { home: HOME.into(), subject: subject(person), former, rewrapped }.into()
}

fn rejected(result: Result<Decision, domain::Rejection>) -> Rejection {
    match result {
        Err(domain::Rejection::People(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

/// The person who has a document, if a living one has.
fn of_document(till: &Memory, document: u8) -> Option<Uuid> {
    vault::holder(till, HOME, &index(DOCUMENT, document)).map(|(subject, _)| subject)
}

#[test]
fn a_document_and_an_email_are_one_customers_each() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    assert_eq!(rejected(till.when(register(2, 11, 22))), Rejection::DocumentTaken);
    assert_eq!(rejected(till.when(register(2, 12, 21))), Rejection::EmailTaken);
    till.when(register(2, 12, 22)).unwrap();
    assert_eq!(rejected(till.when(change(2, 1, 11, 22))), Rejection::DocumentTaken);
    till.when(register(3, 0, 0)).unwrap();
    till.when(register(4, 0, 0)).unwrap();
}

#[test]
fn a_name_that_is_given_up_is_free_and_the_new_one_is_taken() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(change(1, 1, 12, 21)).unwrap();
    assert_eq!((of_document(&till, 11), of_document(&till, 12)), (None, Some(subject(1))));
    till.when(register(2, 11, 22)).unwrap();
    assert_eq!(rejected(till.when(register(3, 12, 0))), Rejection::DocumentTaken);
}

#[test]
fn a_change_from_another_revision_is_stale() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(change(1, 1, 11, 22)).unwrap();
    assert_eq!(rejected(till.when(change(1, 1, 11, 23))), Rejection::Stale);
    assert_eq!(rejected(till.when(change(5, 1, 11, 23))), Rejection::Unknown);
}

#[test]
fn a_customer_that_is_removed_frees_its_names_and_keeps_its_key() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(remove(1)).unwrap();
    assert!(matches!(till.when(remove(1)), Ok(Decision::Already(_))));
    assert!(vault::key(&till, subject(1)).is_some_and(|key| key.indexes.is_empty()));
    assert!(people::load(&till, HOME, &id(1)).is_none());
    till.when(register(2, 11, 21)).unwrap();
}

#[test]
fn a_person_who_is_erased_has_no_key_frees_its_names_and_is_erased_once() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(erase(1)).unwrap();
    assert_eq!(vault::key(&till, subject(1)), None);
    assert!(person::is_erased(&till, subject(1)));
    assert!(matches!(till.when(erase(1)), Ok(Decision::Already(_))));
    assert_eq!(rejected(till.when(change(1, 1, 11, 21))), Rejection::Erased);
    till.when(register(2, 11, 21)).unwrap();
    assert_eq!(of_document(&till, 11), Some(subject(2)));
}

#[test]
fn the_keys_of_an_erased_person_are_deleted_once_more_when_it_is_time() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(erase(1)).unwrap();
    let (todo_key, waiting) = till.todos().pop().unwrap();
    assert_eq!(todo_key.due(), Some(now()));
    let Act::Command(forget) = waiting.todo.act(waiting.cause, now()) else { panic!("a tell") };
    let before = till.log.len();
    till.when(*forget.clone()).unwrap();
    let written: Vec<_> = till.log[before..].iter().map(|(event, _)| event.type_name()).collect();
    assert_eq!(written, ["PersonForgotten", "KeyForgotten"]);
    assert_eq!(till.todos(), []);
    assert!(matches!(till.when(*forget), Ok(Decision::Already(_))));
}

#[test]
fn a_backup_of_keys_brings_nobody_back_and_is_deleted_again() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(erase(1)).unwrap();
    till.record(key(1, 11, 21).into());
    assert_eq!((vault::key(&till, subject(1)), of_document(&till, 11)), (None, None));
    till.when(register(2, 11, 21)).unwrap();
    till.when(rewrap(1)).unwrap();
    assert_eq!(till.log.last().unwrap().0.type_name(), "KeyForgotten");
    assert_eq!(of_document(&till, 11), Some(subject(2)), "the name is the other one's by now");
}

#[test]
fn a_key_that_no_person_has_holds_no_name_and_is_deleted() {
    let mut till = Memory::default();
    till.record(key(1, 11, 21).into());
    till.when(register(2, 11, 21)).unwrap();
    till.when(rewrap(1)).unwrap();
    assert_eq!(till.log.last().unwrap().0.type_name(), "KeyForgotten");
    assert_eq!(of_document(&till, 11), Some(subject(2)));
}

#[test]
fn a_key_is_put_under_another_master_key_once_and_keeps_its_names() {
    let mut till = Memory::default();
    till.when(register(1, 11, 21)).unwrap();
    till.when(rewrap(1)).unwrap();
    let rewrapped = vault::key(&till, subject(1)).unwrap();
    assert_eq!((rewrapped.master, rewrapped.indexes), (2, indexes(11, 21)));
    assert_eq!(rejected(till.when(rewrap(1))), Rejection::KeyMovedOn);
}

#[test]
fn the_same_idempotency_id_with_the_same_print_is_the_same_customer() {
    let mut till = Memory::default();
    let with = |person, print: u8| {
        let Command::People(people::Command::RegisterCustomer(command)) = register(person, person, 0) else {
            panic!("another command")
        };
        let asked = Asked { key: Some(Uuid::from_u128(7)), print: Some(Bytes(vec![print])), ..asked() };
        RegisterCustomer { asked, ..command }
    };
    till.when(with(1, 1)).unwrap();
    assert!(matches!(till.when(with(2, 1)), Ok(Decision::Already(_))));
    assert_eq!(rejected(till.when(with(2, 2))), Rejection::IdempotencyKeyReused);
}

#[test]
fn customers_without_an_id_are_numbered_without_gaps() {
    let mut till = Memory::default();
    let numbered = |person| {
        let Command::People(people::Command::RegisterCustomer(command)) = register(person, 11, 0) else {
            panic!("another command")
        };
        RegisterCustomer { id: None, ..command }
    };
    till.when(numbered(1)).unwrap();
    assert_eq!(rejected(till.when(numbered(2))), Rejection::DocumentTaken);
    till.when(remove_numbered("1")).unwrap();
    till.when(numbered(2)).unwrap();
    assert!(people::load(&till, HOME, "2").is_some());
}

fn remove_numbered(id: &str) -> Command {
    RemoveCustomer { home: HOME.into(), id: id.into(), asked: asked() }.into()
}

fn any_command() -> impl Strategy<Value = Command> {
    (0..6_u8, 1..4_u8, 1..4_i32, 0..4_u8, 0..4_u8).prop_map(|(which, person, revision, document, email)| {
        match which {
            0 | 1 => register(person, document, email),
            2 => change(person, revision, document, email),
            3 => remove(person),
            4 => erase(person),
            _ => rewrap(person),
        }
    })
}

fn lived(commands: Vec<Command>) -> Memory {
    let mut till = Memory::default();
    for command in commands {
        let _ = till.when(command);
    }
    till
}

proptest! {
    /// The law of replay: folding the log gives the states that deciding had given.
    #[test]
    fn replay_equals_live(commands in prop::collection::vec(any_command(), 0..60)) {
        let till = lived(commands);
        prop_assert_eq!(&till.replayed(), &till);
    }

    /// The law of the vault: keys and people are two topics, and however they are folded into each other, the same keys are
    /// usable and the same names taken.
    #[test]
    fn any_interleaving_of_keys_and_people_gives_the_same_states(
        commands in prop::collection::vec(any_command(), 0..60),
        keys_next in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let till = lived(commands);
        let of = |topic| till.log.iter().filter(move |(event, _)| event.topic() == topic);
        let (mut keys, mut people) = (of(Topic::Keys).peekable(), of(Topic::People).peekable());
        let mut interleaved: Vec<&(Event, domain::Recorded)> = Vec::new();
        for keys_next in keys_next {
            interleaved.extend(if keys_next { keys.next() } else { people.next() });
        }
        interleaved.extend(people);
        interleaved.extend(keys);
        prop_assert_eq!(Memory::folded(interleaved), till.states);
    }

    /// The law of names: of the living, no two have a document or an e-mail address in common, and each is found by its own.
    #[test]
    fn every_name_is_one_living_persons(commands in prop::collection::vec(any_command(), 0..60)) {
        let till = lived(commands);
        for person in 1..4 {
            let Some(customer) = people::load(&till, HOME, &id(person)) else { continue };
            let Some(key) = vault::key(&till, customer.sealed.subject) else { continue };
            for index in &key.indexes {
                let holder = vault::holder(&till, HOME, index).map(|(subject, _)| subject);
                prop_assert_eq!(holder, Some(subject(person)));
            }
        }
    }

    /// The law of compaction: a log of keys of which only the last record of each is left gives the same usable keys and names.
    #[test]
    fn a_compacted_log_of_keys_gives_the_same_keys_and_names(commands in prop::collection::vec(any_command(), 0..60)) {
        let till = lived(commands);
        let is_last = |at: usize| {
            let (event, _) = &till.log[at];
            event.topic() != Topic::Keys || !till.log[at + 1..].iter().any(|(later, _)| later.topic() == Topic::Keys && later.key() == event.key())
        };
        let compacted: Vec<_> = till.log.iter().enumerate().filter(|(at, _)| is_last(*at)).map(|(_, record)| record).collect();
        let folded = Memory { states: Memory::folded(compacted), ..Memory::default() };
        for person in 1..4 {
            prop_assert_eq!(vault::key(&folded, subject(person)), vault::key(&till, subject(person)));
            prop_assert_eq!(of_document(&folded, person), of_document(&till, person));
        }
    }
}

//! Accounts: the rules as given, when and then.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod commands;
mod memory;

use chrono::TimeDelta;
use commands::*;
use domain::account::{
    self, ChangeAccount, IssueTerminalKey, OpenAccount, OpenSession, REALM, RefreshSession, Rejection,
    active, bearer, has_admin, session, terminal, token, unsealed,
};
use domain::people::{self, ChangeCustomer, Person, TendKey};
use domain::{Asked, Decision, Recorded, Sort, TodoKey, decide, evolve, vault};
use memory::Memory;
use schemas::accounts::{AccountOpened, Event as AccountEvent, SessionEnded};
use schemas::keys::PersonKeyed;
use schemas::people::Event as PeopleEvent;
use schemas::{Bytes, Event, Position, Topic};
use uuid::Uuid;

fn at(offset: i64) -> Position {
    Position { topic: Topic::Accounts, partition: 3, offset }
}

/// An account for each of these roles: of person, name and number 1, 2, ….
fn given(roles: &[&str]) -> Memory {
    let mut till = Memory::default();
    for (person, role) in (1..).zip(roles) {
        till.when(open(person, person, &[role])).unwrap();
    }
    till
}

fn opened(till: &Memory) -> Vec<&AccountOpened> {
    let events = till.log.iter().filter_map(|(event, _)| match event {
        Event::Accounts(AccountEvent::AccountOpened(event)) => Some(event),
        _ => None,
    });
    events.collect()
}

/// The position of the last event of accounts.
fn last(till: &Memory) -> Position {
    let mut positions = till.log.iter().rev().map(|(_, recorded)| recorded.position);
    positions.find(|position| position.topic == Topic::Accounts).unwrap()
}

#[test]
fn accounts_are_numbered_densely_and_names_are_unique() {
    let mut till = given(&["customer", "customer"]);
    assert_eq!(rejected(till.when(open(3, 2, &[]))), Rejection::UsernameTaken);
    till.when(open(3, 3, &[])).unwrap();
    let ids: Vec<_> = opened(&till).into_iter().map(|event| event.account.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!([1, 2, 3, 4].map(|name| named(&till, name)), [Some(1), Some(2), Some(3), None]);
}

#[test]
fn a_number_that_is_asked_for_is_the_next_one() {
    let mut till = given(&["customer"]);
    let numbered = |number| OpenAccount { number: Some(number), ..open(2, 2, &[]) };
    assert_eq!(rejected(till.when(numbered(1))), Rejection::NumberTaken);
    for number in [-1, 0, 3] {
        assert_eq!(rejected(till.when(numbered(number))), Rejection::NumberSkipped);
    }
    till.when(numbered(2)).unwrap();
}

#[test]
fn a_realm_has_numbers_and_names_of_its_own() {
    let mut till = given(&["customer"]);
    let (realm, key) = ("shop.000".to_owned(), key(2, 1));
    let key = PersonKeyed { home: realm.clone(), ..key };
    till.when(OpenAccount { realm: realm.clone(), key, ..open(2, 1, &["admin"]) }).unwrap();
    assert!(account::load(&till, &realm, 1).is_some());
    assert_eq!((has_admin(&till, &realm), has_admin(&till, REALM)), (true, false));
}

#[test]
fn a_registration_that_is_sent_again_opens_no_second_account() {
    let mut till = Memory::default();
    let keyed = |person, print: u8| {
        let asked = Asked { key: Some(Uuid::from_u128(7)), print: Some(Bytes(vec![print])), ..asked() };
        OpenAccount { asked, ..open(person, person, &[]) }
    };
    till.when(keyed(1, 1)).unwrap();
    let first = last(&till);
    assert_eq!(till.when(keyed(2, 1)), Ok(Decision::Already(first)));
    assert_eq!(rejected(till.when(keyed(2, 2))), Rejection::IdempotencyKeyReused);
    assert_eq!(till.when(open(1, 1, &[])), Ok(Decision::Already(first)), "a command that is decided twice");
    assert_eq!(state(&till, 1).idempotency_id, Some(Uuid::from_u128(7)));
}

#[test]
fn a_change_is_made_from_the_present_revision_and_renames_the_account() {
    let mut till = given(&["customer", "customer"]);
    let from_before = rename(&till, 1, 12);
    till.when(rename(&till, 1, 11)).unwrap();
    assert_eq!((named(&till, 1), named(&till, 11)), (None, Some(1)));
    assert_eq!(rejected(till.when(from_before)), Rejection::Stale);
    assert_eq!(rejected(till.when(rename(&till, 1, 2))), Rejection::UsernameTaken);
    assert_eq!(rejected(till.when(rename(&till, 7, 7))), Rejection::Unknown);
    till.when(open(3, 1, &[])).unwrap();
}

#[test]
fn other_roles_count_as_another_revision() {
    let mut till = given(&["customer"]);
    let from_before = rename(&till, 1, 11);
    till.when(assign(1, &["staff"])).unwrap();
    assert_eq!(rejected(till.when(from_before)), Rejection::Stale);
}

#[test]
fn another_password_ends_every_token_and_session_and_no_terminal_key() {
    let mut till = given(&["customer"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    till.when(issue(1, 0, 2)).unwrap();
    till.when(issue_key(1, 3, 3)).unwrap();
    let mut change = rename(&till, 1, 1);
    till.when(change.clone()).unwrap();
    assert!(bearer(&till, REALM, 1, 0).is_some() && token::find(&till, REALM, &digest(2).0).is_some());

    (change.ends_tokens, change.revision) = (true, 2);
    till.when(change).unwrap();
    assert!(bearer(&till, REALM, 1, 0).is_none() && bearer(&till, REALM, 1, 1).is_some());
    assert_eq!((session::of(&till, REALM, 1), token::find(&till, REALM, &digest(2).0)), (vec![], None));
    assert_eq!(
        rejected(till.when(log_in(1, 0, 4, 4))),
        Rejection::LoginTokenOutdated,
        "the password was the old one"
    );
    assert!(terminal::find(&till, REALM, &digest(3).0).is_some());
}

#[test]
fn roles_are_replaced_unless_they_are_so_already() {
    let mut till = given(&["customer"]);
    assert_eq!(rejected(till.when(assign(2, &["admin"]))), Rejection::Unknown);
    let event = happened(till.when(assign(1, &["admin"])));
    let Event::Accounts(AccountEvent::RolesAssigned(event)) = event else { panic!("another event") };
    assert_eq!((event.account, event.username.as_str(), event.assigned_by.as_str()), (1, "", "till/1"));
    let changed_at = last(&till);
    assert_eq!(till.when(assign(1, &["admin"])), Ok(Decision::Already(changed_at)));
}

#[test]
fn the_last_admin_stays_one_and_any_other_does_not() {
    let mut till = given(&["admin", "staff"]);
    let demoted = |till: &Memory| ChangeAccount { roles: vec![], ..rename(till, 1, 1) };
    for taken in [
        till.clone().when(assign(1, &["staff"])),
        till.clone().when(disable(1)),
        till.clone().when(close(1)),
        till.clone().when(demoted(&till)),
    ] {
        assert_eq!(rejected(taken), Rejection::LastAdmin);
    }
    assert!(till.when(assign(1, &["admin"])).is_ok(), "what changes nothing is let be");
    till.when(assign(2, &["admin"])).unwrap();
    till.when(demoted(&till)).unwrap();
    assert_eq!(rejected(till.when(close(2))), Rejection::LastAdmin);
}

#[test]
fn admins_who_are_disabled_closed_or_erased_leave_another_one_the_last() {
    let mut till = given(&["admin", "admin", "admin", "admin"]);
    till.when(disable(2)).unwrap();
    till.when(close(3)).unwrap();
    till.when(erase(Person::Account(4))).unwrap();
    assert_eq!(rejected(till.when(disable(1))), Rejection::LastAdmin);
    let refused = till.when(erase(Person::Account(1)));
    assert_eq!(refused, Err(people::Rejection::LastAdmin.into()));
    till.when(assign(2, &["staff"])).unwrap();
    till.when(enable(2)).unwrap();
    assert_eq!(rejected(till.when(disable(1))), Rejection::LastAdmin, "it is staff by now");
    till.when(assign(2, &["admin"])).unwrap();
    till.when(disable(1)).unwrap();
    assert!(has_admin(&till, REALM));
}

#[test]
fn a_disabled_account_may_do_nothing_until_it_is_enabled() {
    let mut till = given(&["customer"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    till.when(issue(1, 0, 2)).unwrap();
    till.when(issue_key(1, 3, 3)).unwrap();
    till.when(disable(1)).unwrap();
    let disabled_at = last(&till);
    assert_eq!(till.when(disable(1)), Ok(Decision::Already(disabled_at)));
    for refused in [
        till.when(log_in(1, 0, 4, 4)),
        till.when(refresh(1, 1, 1, 4)),
        till.when(issue(1, 0, 4)),
        till.when(issue_key(1, 4, 4)),
        till.when(use_key(1, 3, now())),
    ] {
        assert_eq!(rejected(refused), Rejection::Disabled);
    }
    let is_found = |till: &Memory| {
        let token = token::find(till, REALM, &digest(2).0).is_some();
        let key = terminal::find(till, REALM, &digest(3).0).is_some();
        [token, key, bearer(till, REALM, 1, 0).is_some()]
    };
    assert_eq!(is_found(&till), [false; 3]);
    assert_eq!(named(&till, 1), Some(1), "its name stays taken");
    till.when(enable(1)).unwrap();
    assert_eq!(is_found(&till), [true; 3]);
    till.when(refresh(1, 1, 1, 4)).unwrap();
}

#[test]
fn a_closed_account_frees_its_name_keeps_its_number_and_does_nothing_any_more() {
    let mut till = given(&["customer", "admin"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    till.when(issue(1, 0, 2)).unwrap();
    till.when(issue_key(1, 3, 3)).unwrap();
    till.when(lock(1)).unwrap();
    till.when(close(1)).unwrap();
    assert_eq!(till.todos(), [], "the lock's timer is gone");
    let closed_at = last(&till);
    assert_eq!(till.when(close(1)), Ok(Decision::Already(closed_at)));
    assert_eq!((named(&till, 1), vault::key(&till, subject(1)).unwrap().indexes), (None, vec![]));
    assert_eq!((session::of(&till, REALM, 1), terminal::of(&till, REALM, 1)), (vec![], vec![]));
    assert!(token::find(&till, REALM, &digest(2).0).is_none());
    for refused in [
        till.when(log_in(1, 0, 4, 4)),
        till.when(rename(&till, 1, 1)),
        till.when(assign(1, &["admin"])),
        till.when(enable(1)),
        till.when(issue_key(1, 4, 4)),
        till.when(lock(1)),
    ] {
        assert_eq!(rejected(refused), Rejection::Closed);
    }
    till.when(open(3, 1, &[])).unwrap();
    assert_eq!(named(&till, 1), Some(3));
}

#[test]
fn a_name_that_a_batch_frees_is_not_free_before_the_batch_is_in_the_log() {
    let mut till = given(&["customer", "admin"]);
    let in_a_batch = {
        let mut till = Memory { is_provisional: true, ..till.clone() };
        // A batch folds its releases when it is in the log.
        let event = happened(decide(&till, close(1).into()));
        till.record(event);
        till.when(open(3, 1, &[]))
    };
    assert_eq!(rejected(in_a_batch), Rejection::UsernameTaken);
    till.when(close(1)).unwrap();
    till.when(open(3, 1, &[])).unwrap();
}

#[test]
fn a_login_lock_raises_the_todo_that_ends_it() {
    let mut till = given(&["customer"]);
    till.when(lock(1)).unwrap();
    let [(key, todo)] = till.todos().try_into().unwrap();
    assert_eq!((key.due(), key.sort(), key.raised_by()), (Some(minutes(1)), Sort::Command, last(&till)));
    let locked_at = last(&till);
    assert_eq!(till.when(lock(1)), Ok(Decision::Already(locked_at)), "one lock at a time");
    assert!(matches!(till.when(unlock(1, todo.cause)), Ok(Decision::Append(..))));
    assert_eq!(till.todos(), []);
    let unlocked_at = last(&till);
    assert_eq!(till.when(unlock(1, todo.cause)), Ok(Decision::Already(unlocked_at)));
}

#[test]
fn a_todo_of_an_earlier_lock_leaves_a_later_one_alone() {
    let mut till = given(&["customer"]);
    till.when(lock(1)).unwrap();
    let first = till.todos()[0].1.cause;
    till.when(unlock(1, first)).unwrap();
    till.when(lock(1)).unwrap();
    assert!(matches!(till.when(unlock(1, first)), Ok(Decision::Already(_))));
    assert_eq!(till.todos().len(), 1);
}

#[test]
fn a_login_token_names_its_account_until_it_is_revoked_or_replaced() {
    let mut till = Memory::default();
    let named =
        |till: &Memory, token: u8| token::find(till, REALM, &digest(token).0).map(|(number, _)| number);
    assert_eq!(rejected(till.when(issue(1, 0, 1))), Rejection::Unknown);
    till.when(open(1, 1, &[])).unwrap();
    till.when(issue(1, 0, 1)).unwrap();
    let issued_at = last(&till);
    assert_eq!(till.when(issue(1, 0, 1)), Ok(Decision::Already(issued_at)));
    assert_eq!(named(&till, 1), Some(1));

    // A token of the same generation that is made with another secret is another token. It replaces the former one,
    // which is then worth nothing.
    till.when(issue(1, 0, 2)).unwrap();
    assert_eq!((named(&till, 1), named(&till, 2)), (None, Some(1)));

    till.when(log_out_everywhere(1, 0)).unwrap();
    assert_eq!(named(&till, 2), None);
    assert_eq!(rejected(till.when(issue(1, 0, 2))), Rejection::LoginTokenOutdated);
    till.when(issue(1, 1, 3)).unwrap();
    assert!(matches!(till.when(log_out_everywhere(1, 0)), Ok(Decision::Already(_))), "a later token stays");
    assert_eq!(named(&till, 3), Some(1));
}

#[test]
fn an_account_without_a_login_token_is_logged_out_everywhere_too() {
    let mut till = given(&["customer"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    till.when(log_out_everywhere(1, 0)).unwrap();
    assert_eq!((session::of(&till, REALM, 1), state(&till, 1).generation), (vec![], 1));
}

#[test]
fn a_session_goes_on_by_the_token_that_was_given_last() {
    let mut till = given(&["customer"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    assert_eq!(happened(till.when(refresh(1, 1, 1, 2))).type_name(), "SessionRefreshed");
    let refreshed_at = last(&till);
    assert_eq!(till.when(refresh(1, 1, 1, 2)), Ok(Decision::Already(refreshed_at)), "decided twice");
    assert_eq!(happened(till.when(refresh(1, 1, 2, 3))).type_name(), "SessionRefreshed");
    assert_eq!(rejected(till.when(refresh(1, 9, 3, 4))), Rejection::UnknownSession);
    let late = RefreshSession { asked: asked_at(minutes(90)), ..refresh(1, 1, 3, 4) };
    assert_eq!(rejected(till.when(late)), Rejection::UnknownSession);
}

#[test]
fn a_token_that_was_exchanged_before_ends_its_session() {
    for reused in [1, 9] {
        let mut till = given(&["customer"]);
        till.when(log_in(1, 0, 1, 1)).unwrap();
        till.when(log_in(1, 0, 2, 11)).unwrap();
        till.when(refresh(1, 1, 1, 2)).unwrap();
        let event = happened(till.when(refresh(1, 1, reused, 3)));
        let Event::Accounts(AccountEvent::SessionEnded(event)) = event else { panic!("another event") };
        assert_eq!((event.session, event.reason.as_str()), (Some(id(1)), SessionEnded::REUSE));
        assert_eq!(rejected(till.when(refresh(1, 1, 2, 3))), Rejection::UnknownSession);
        till.when(refresh(1, 2, 11, 12)).unwrap();
    }
}

#[test]
fn a_session_or_all_of_them_are_ended_whatever_the_account_may_do() {
    let mut till = given(&["customer"]);
    for session in 1..4 {
        till.when(log_in(1, 0, session, session)).unwrap();
    }
    till.when(disable(1)).unwrap();
    let ids =
        |till: &Memory| session::of(till, REALM, 1).iter().map(|session| session.id).collect::<Vec<_>>();
    till.when(log_out(1, Some(2))).unwrap();
    assert_eq!(ids(&till), [id(1), id(3)]);
    assert!(matches!(till.when(log_out(1, Some(2))), Ok(Decision::Already(_))));
    till.when(log_out(1, None)).unwrap();
    assert!(ids(&till).is_empty());
}

#[test]
fn a_further_session_ends_the_oldest_of_too_many_and_those_that_have_expired() {
    let mut till = given(&["customer"]);
    for session in 0..50 {
        till.when(log_in(1, 0, session, session)).unwrap();
    }
    // The first session is refreshed and is the oldest all the same.
    till.when(refresh(1, 0, 0, 100)).unwrap();
    till.when(log_in(1, 0, 50, 50)).unwrap();
    let open = session::of(&till, REALM, 1);
    assert_eq!((open.len(), open[0].id), (session::MAX_OPEN, id(1)));
    till.when(refresh(1, 7, 7, 100)).unwrap();

    let late = OpenSession { asked: asked_at(minutes(60)), ..log_in(1, 0, 51, 51) };
    till.when(late).unwrap();
    let open: Vec<_> = session::of(&till, REALM, 1).iter().map(|session| session.id).collect();
    assert_eq!(open, [id(7), id(51)]);
}

#[test]
fn a_terminals_key_is_found_by_its_digest_until_it_is_revoked() {
    let mut till = given(&["terminal"]);
    let cafe = IssueTerminalKey { places: texts(&["cafe"]), ..issue_key(1, 3, 3) };
    till.when(cafe.clone()).unwrap();
    let issued_at = last(&till);
    assert_eq!(till.when(cafe), Ok(Decision::Already(issued_at)));
    assert_eq!(rejected(till.when(issue_key(1, 3, 4))), Rejection::KeyTaken);
    assert_eq!(rejected(till.when(issue_key(1, 4, 3))), Rejection::KeyTaken);

    let (key, account) = terminal::find(&till, REALM, &digest(3).0).unwrap();
    assert_eq!((key.account, key.id, key.label.as_str(), key.used_at), (1, id(3), "counter", None));
    assert_eq!((key.places, account.places), (texts(&["cafe"]), vec![]));

    till.when(revoke_key(1, 3)).unwrap();
    assert_eq!(rejected(till.when(revoke_key(1, 3))), Rejection::UnknownKey);
    assert_eq!((terminal::find(&till, REALM, &digest(3).0), terminal::of(&till, REALM, 1)), (None, vec![]));
}

#[test]
fn the_use_of_a_key_is_noted_once_an_hour() {
    let mut till = given(&["terminal"]);
    till.when(issue_key(1, 3, 3)).unwrap();
    assert_eq!(rejected(till.when(use_key(1, 4, now()))), Rejection::UnknownKey);
    till.when(use_key(1, 3, now())).unwrap();
    for before in [-120, 0, 59] {
        assert!(matches!(till.when(use_key(1, 3, minutes(before))), Ok(Decision::Already(_))));
    }
    till.when(use_key(1, 3, minutes(60))).unwrap();
    assert_eq!(terminal::of(&till, REALM, 1)[0].used_at, Some(now() + TimeDelta::hours(1)));
}

#[test]
fn an_account_has_a_hundred_terminal_keys_at_most() {
    let mut till = given(&["terminal"]);
    for key in 0..100 {
        till.when(issue_key(1, key, key)).unwrap();
    }
    assert_eq!(rejected(till.when(issue_key(1, 100, 100))), Rejection::KeysFull);
    till.when(revoke_key(1, 7)).unwrap();
    till.when(issue_key(1, 100, 100)).unwrap();
}

#[test]
fn what_changes_no_account_leaves_its_revision_as_it_was() {
    let mut till = given(&["customer"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    till.when(refresh(1, 1, 1, 2)).unwrap();
    till.when(issue_key(1, 3, 3)).unwrap();
    till.when(issue(1, 0, 2)).unwrap();
    till.when(lock(1)).unwrap();
    assert_eq!(state(&till, 1).revision, 1);
    till.when(disable(1)).unwrap();
    till.when(enable(1)).unwrap();
    till.when(assign(1, &["staff"])).unwrap();
    till.when(rename(&till, 1, 2)).unwrap();
    assert_eq!(state(&till, 1).revision, 5);
}

fn given_in_clear() -> Memory {
    let mut till = Memory::default();
    till.record(registered(1, 1, &["customer"]));
    till.record(registered(2, 2, &["admin"]));
    till
}

#[test]
fn an_account_in_the_clear_goes_by_number_and_is_found_by_its_name() {
    let mut till = given_in_clear();
    till.record(roles_assigned(1, &["staff"]));
    till.record(token_issued(1, 1));
    till.record(login_locked(1));
    assert_eq!((named(&till, 1), named(&till, 2), named(&till, 3)), (Some(1), Some(2), None));
    assert_eq!(token::find(&till, REALM, &digest(1).0).map(|(number, _)| number), Some(1));
    assert_eq!((state(&till, 1).roles, state(&till, 1).lock.is_some()), (texts(&["staff"]), true));
    till.when(assign(1, &["analyst"])).unwrap();
    till.when(log_in(1, 0, 1, 1)).unwrap();
    assert_eq!(rejected(till.when(rename(&till, 1, 5))), Rejection::Stale, "it is sealed first");
    assert_eq!(till.when(erase(Person::Account(1))), Err(people::Rejection::NotSealed.into()));
    till.when(open(3, 3, &[])).unwrap();
    assert_eq!(named(&till, 3), Some(3), "numbers go on");
}

#[test]
fn an_account_in_the_clear_raises_the_todo_that_seals_it() {
    let mut till = given_in_clear();
    let (key, waiting) = &till.todos()[0];
    assert_eq!((key.due(), key.raised_by()), (None, at(0)));
    till.when(done(&till, waiting, 51)).unwrap();
    till.when(done(&till, &till.todos()[0].1, 52)).unwrap();
    assert_eq!((till.todos(), unsealed(&till, REALM, 1)), (vec![], None));
    assert_eq!((named(&till, 1), named(&till, 2)), (Some(1), Some(2)));
    till.when(open(3, 3, &[])).unwrap();
    assert_eq!(named(&till, 3), Some(3), "sealing moves no number");
    assert_eq!(rejected(till.when(open(4, 1, &[]))), Rejection::UsernameTaken);
}

#[test]
fn an_account_is_sealed_with_the_password_that_it_has_and_once() {
    let mut till = given_in_clear();
    let from_before = seal(&till, 1, 51);
    till.record(password_changed(1));
    assert_eq!(rejected(till.when(from_before)), Rejection::Stale);
    let (personal, _) = unsealed(&till, REALM, 1).unwrap();
    assert_eq!(personal.password_hash.unwrap().expose(), "planted-hash-2");
    till.when(seal(&till, 1, 51)).unwrap();
    assert_eq!(rejected(till.when(seal(&till, 1, 53))), Rejection::Stale);
    assert_eq!(rejected(till.when(seal(&till, 9, 53))), Rejection::Unknown);
}

#[test]
fn an_account_that_is_closed_in_the_clear_is_sealed_and_frees_its_name() {
    let mut till = given_in_clear();
    till.when(close(1)).unwrap();
    assert_eq!(named(&till, 1), None);
    till.when(open(3, 1, &[])).unwrap();
    till.when(seal(&till, 1, 51)).unwrap();
    assert!(state(&till, 1).is_closed && state(&till, 1).sealed.is_some());
    assert_eq!((named(&till, 1), vault::key(&till, subject(51)).unwrap().indexes), (Some(3), vec![]));
}

#[test]
fn an_erased_account_does_nothing_any_more_and_frees_its_name() {
    let mut till = given(&["customer", "admin"]);
    till.when(log_in(1, 0, 1, 1)).unwrap();
    till.when(issue(1, 0, 2)).unwrap();
    till.when(issue_key(1, 3, 3)).unwrap();
    till.when(lock(1)).unwrap();
    till.when(erase(Person::Account(1))).unwrap();
    for refused in [
        till.when(log_in(1, 0, 4, 4)),
        till.when(refresh(1, 1, 1, 4)),
        till.when(rename(&till, 1, 1)),
        till.when(assign(1, &["admin"])),
        till.when(issue_key(1, 4, 4)),
        till.when(close(1)),
    ] {
        assert_eq!(rejected(refused), Rejection::Erased);
    }
    assert_eq!((bearer(&till, REALM, 1, 0), active(&till, REALM, 1)), (None, Err(Rejection::Erased)));
    assert!(
        token::find(&till, REALM, &digest(2).0).is_none()
            && terminal::find(&till, REALM, &digest(3).0).is_none()
    );
    till.when(open(3, 1, &[])).unwrap();
    assert_eq!(named(&till, 1), Some(3));
    let is_of_accounts = |(key, _): &(TodoKey, _)| key.raised_by().topic == Topic::Accounts;
    let (_, lock) = till.todos().into_iter().find(is_of_accounts).unwrap();
    till.when(done(&till, &lock, 0)).unwrap();
    assert!(!till.todos().iter().any(is_of_accounts), "its timer ends all the same");
}

fn erased(till: &mut Memory, person: Person) -> Vec<Uuid> {
    match happened(till.when(erase(person))) {
        Event::People(PeopleEvent::PersonErased(event)) => event.subjects,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_is_erased_as_an_account_and_as_every_customer_of_it() {
    let mut till = given(&["customer", "admin"]);
    till.when(customer(1, Some(1))).unwrap();
    till.when(remove_customer(1)).unwrap();
    till.when(customer(2, Some(1))).unwrap();
    till.when(customer(3, Some(2))).unwrap();
    let all = [subject(1), subject(241), subject(242)];
    assert_eq!(erased(&mut till.clone(), Person::Account(1)), all);
    let mut by_customer = erased(&mut till, Person::Customer("2".into()));
    assert_eq!(by_customer[0], subject(242), "whom it was asked for comes first");
    by_customer.sort();
    assert_eq!(by_customer, all);
    for person in [Person::Account(1), Person::Customer("1".into()), Person::Customer("2".into())] {
        assert!(matches!(till.when(erase(person)), Ok(Decision::Already(_))));
    }
    let last_admin = till.when(erase(Person::Customer("3".into())));
    assert_eq!(last_admin, Err(people::Rejection::LastAdmin.into()));
    assert_eq!(till.when(erase(Person::Account(9))), Err(people::Rejection::AccountUnknown.into()));
}

#[test]
fn a_customer_logs_in_with_no_account_that_is_unknown_closed_or_erased() {
    let mut till = given(&["customer", "customer", "admin"]);
    till.when(erase(Person::Account(1))).unwrap();
    till.when(close(2)).unwrap();
    for account in [1, 2, 9] {
        assert_eq!(till.when(customer(1, Some(account))), Err(people::Rejection::NoAccount.into()));
    }
    till.when(customer(1, Some(3))).unwrap();
}

#[test]
fn a_customer_that_logs_in_with_another_account_is_of_that_person() {
    let mut till = given(&["customer", "customer", "admin"]);
    till.when(customer(1, Some(1))).unwrap();
    let (home, id, account) = (REALM.into(), "1".into(), Some(reference(2)));
    let (sealed, indexes, asked) = (sealed(241, 1), vec![], asked());
    let change = ChangeCustomer { home, id, revision: 1, sealed, indexes, active: true, account, asked };
    till.when(change).unwrap();
    assert_eq!(erased(&mut till, Person::Account(1)), [subject(1)]);
    assert_eq!(erased(&mut till, Person::Account(2)), [subject(2), subject(241)]);
}

#[test]
fn a_key_that_an_account_has_is_tended_and_one_that_none_has_is_deleted() {
    let mut till = given(&["customer", "admin"]);
    till.when(close(1)).unwrap();
    till.record(key(9, 9).into());
    let tend = |person: u8| TendKey {
        home: REALM.into(),
        subject: subject(person),
        former: Bytes(vec![person; 60]),
        rewrapped: Some((Bytes(vec![200; 60]), 2)),
    };
    for person in [1, 2, 9] {
        till.when(tend(person)).unwrap();
    }
    let master = |person: u8| vault::key(&till, subject(person)).map(|key| key.master);
    assert_eq!([1, 2, 9].map(master), [Some(2), Some(2), None]);
}

#[test]
fn a_fold_takes_whatever_the_log_says_of_accounts() {
    let mut till = Memory::default();
    let recorded = |offset| Recorded { position: at(offset), event_id: Uuid::nil() };
    // No log that Till wrote has the same number twice, or roles for an account that does not exist. A fold must count
    // admins right all the same.
    let events = [
        registered(1, 1, &["admin"]),
        roles_assigned(7, &["admin"]),
        registered(1, 1, &["admin"]),
        roles_assigned(1, &["staff"]),
        roles_assigned(1, &["admin"]),
        token_issued(7, 7),
        login_locked(7),
    ];
    for (offset, event) in (0..).zip(&events) {
        evolve(&mut till, event, &recorded(offset));
    }
    assert!(has_admin(&till, REALM) && till.todos().len() == 1);
    let refused = decide(&till, assign(1, &["staff"]).into());
    assert_eq!(rejected(refused), Rejection::LastAdmin);
}

#[test]
fn nothing_prints_a_name_or_a_hash_and_no_state_has_one_once_it_is_sealed() {
    let mut till = given_in_clear();
    till.record(roles_assigned(1, &["staff"]));
    till.record(password_changed(1));
    till.record(token_issued(1, 1));
    till.record(login_locked(1));
    let states = format!("{:?}{:?}{:?}", state(&till, 1), unsealed(&till, REALM, 1), till.todos());
    let is_in_a_state = |till: &Memory| {
        let planted = b"planted".as_slice();
        till.states
            .iter()
            .any(|(key, value)| [key, value].iter().any(|bytes| bytes.windows(7).any(|part| part == planted)))
    };
    assert!(is_in_a_state(&till), "what is looked for can be found");
    let commands = [seal(&till, 1, 51), seal(&till, 2, 52)];
    let printed = format!("{states}{commands:?}{:?}", till.log);
    assert!(!printed.contains("planted"), "{printed}");
    for command in commands {
        till.when(command).unwrap();
    }
    assert!(!is_in_a_state(&till));
}

//! The laws of accounts: what holds after any commands, in whatever order their topics are folded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod commands;
mod memory;

use std::collections::{BTreeMap, BTreeSet};

use commands::*;
use domain::account::{self, ChangeAccount, REALM, bearer, has_admin, session, terminal, token, unsealed};
use domain::people::{self, Person};
use domain::{Command, Decision, Recorded, Rejection, vault};
use memory::Memory;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use schemas::accounts::Event as AccountEvent;
use schemas::keys::PersonKeyed;
use schemas::{Event, Topic, history};
use uuid::Uuid;

/// Something that is asked, or that an earlier Till has recorded: which, of whom, and two names or tokens.
#[derive(Clone, Copy, Debug)]
struct Step {
    which: u8,
    number: i64,
    one: u8,
    other: u8,
}

const KINDS: u8 = 22;
const EARLIER_KINDS: u8 = 5;

fn steps(kinds: u8, at_most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..kinds, 1..5_i64, 1..6_u8, 1..6_u8);
    let step = step.prop_map(|(which, number, one, other)| Step { which, number, one, other });
    prop::collection::vec(step, 0..at_most)
}

/// What an earlier Till did, and what is asked of this one.
fn histories() -> impl Strategy<Value = (Vec<Step>, Vec<Step>)> {
    (steps(EARLIER_KINDS, 8), steps(KINDS, 60))
}

/// What an earlier Till has recorded. Account 1 has the name 1, and so on.
fn earlier(till: &Memory, step: Step) -> Event {
    let count = till.log.iter().filter(|(event, _)| event.type_name() == "AccountRegistered").count();
    let count = u8::try_from(count).unwrap();
    let name = step.one.min(count.max(1));
    let role = if step.other > 3 { "admin" } else { "staff" };
    match step.which {
        _ if count == 0 => registered(1, 1, &[role]),
        0 => registered(i64::from(count) + 1, count + 1, &[role]),
        // Also of an earlier Till the last admin keeps the role.
        1 => roles_assigned(name, &["admin", role]),
        2 => login_locked(name),
        3 => token_issued(name, step.other),
        _ => password_changed(name),
    }
}

/// The command of a step. `nth` tells the persons of one history apart.
fn asked_for(till: &Memory, nth: u8, Step { which, number, one, other }: Step) -> Command {
    let role = if other > 3 { "admin" } else { "staff" };
    let ends_tokens = other == 5;
    let generation =
        account::load(till, REALM, number).map_or(0, |account| account.generation) - i64::from(other == 1);
    // Sessions and keys are few, so that most of what is asked of them finds one.
    let (few, token) = (one % 2, other % 2);
    match which {
        // Two in a row may be of one person: the second is the same command again.
        0..3 => open(10 + nth / 2, one, &[role]).into(),
        3 => ChangeAccount { ends_tokens, roles: texts(&[role]), ..rename(till, number, one) }.into(),
        4 => ChangeAccount { revision: other.into(), ..rename(till, number, one) }.into(),
        5 | 6 => seal(till, number, 60 + nth).into(),
        7 => assign(number, &[role]).into(),
        8 => disable(number).into(),
        9 => enable(number).into(),
        10 => close(number).into(),
        11 => lock(number).into(),
        12 => unlock(number, lock_of(till, if other > 1 { number } else { one.into() })).into(),
        13 => log_in(number, generation, few, token).into(),
        14 => refresh(number, few, token, one).into(),
        15 => log_out(number, (other > 2).then_some(few)).into(),
        16 => issue_key(number, few, one).into(),
        17 => revoke_key(number, few).into(),
        18 => use_key(number, few, minutes(i64::from(other) * 20)).into(),
        19 => match one {
            1..3 => log_out_everywhere(number, generation).into(),
            _ => issue(number, generation, one).into(),
        },
        20 => match other {
            1 => remove_customer(one).into(),
            _ => customer(one, (other > 2).then_some(number)).into(),
        },
        _ => {
            erase(if other > 2 { Person::Account(number) } else { Person::Customer(one.to_string()) }).into()
        }
    }
}

/// The event that began the account's lock; of an account without one, an event that did not.
fn lock_of(till: &Memory, number: i64) -> Uuid {
    let lock = account::load(till, REALM, number).and_then(|account| account.lock);
    lock.map_or(Uuid::nil(), |lock| lock.cause)
}

/// Whether HTTP asks for it: a name that stands in the clear is taken, which only HTTP can see.
fn is_asked(till: &Memory, command: &Command) -> bool {
    let (number, indexes) = match command {
        Command::Account(account::Command::OpenAccount(command)) => (None, &command.key.indexes),
        Command::Account(account::Command::ChangeAccount(command)) => {
            (Some(command.number), &command.indexes)
        }
        _ => return true,
    };
    let holder = named(till, indexes[0].value[0]);
    holder.is_none_or(|holder| number == Some(holder) || unsealed(till, REALM, holder).is_none())
}

fn ask(till: &mut Memory, nth: usize, step: Step) -> Option<Result<Decision, Rejection>> {
    let command = asked_for(till, u8::try_from(nth).unwrap(), step);
    is_asked(till, &command).then(|| till.when(command))
}

fn after_earlier(steps: &[Step]) -> Memory {
    let mut till = Memory::default();
    for step in steps {
        let event = earlier(&till, *step);
        till.record(event);
    }
    till
}

fn lived((before, steps): &(Vec<Step>, Vec<Step>)) -> Memory {
    let mut till = after_earlier(before);
    for (nth, step) in steps.iter().enumerate() {
        ask(&mut till, nth, *step);
    }
    till
}

/// The account and its name, where it is neither closed nor erased.
fn living_name(till: &Memory, number: i64) -> Option<u8> {
    let account = account::load(till, REALM, number).filter(|account| !account.is_closed)?;
    match account.sealed {
        Some(sealed) => {
            vault::key(till, sealed.subject).map(|PersonKeyed { indexes, .. }| indexes[0].value[0])
        }
        None => {
            let (personal, _) = unsealed(till, REALM, number)?;
            personal.username?.expose().rsplit('-').next()?.parse().ok()
        }
    }
}

/// Everything of an account but where its name stands, the revision, and the last event.
fn seen(till: &Memory, number: i64) -> impl PartialEq + std::fmt::Debug + use<> {
    let state = state(till, number);
    let content =
        (state.roles, state.places, state.sellers, state.generation, state.token_hash, state.idempotency_id);
    let standing = (state.lock, state.is_disabled, state.is_closed, state.created_at, state.updated_at);
    let tokens = (1..6).map(|token| token::find(till, REALM, &digest(token).0).map(|(number, _)| number));
    let keys = (1..6).map(|token| terminal::find(till, REALM, &digest(token).0).map(|(key, _)| key));
    let bearers = (0..6).map(|generation| bearer(till, REALM, number, generation).is_some());
    (
        (content, standing, state.registered_at, living_name(till, number)),
        (session::of(till, REALM, number), terminal::of(till, REALM, number), has_admin(till, REALM)),
        (tokens.collect::<Vec<_>>(), keys.collect::<Vec<_>>(), bearers.collect::<Vec<_>>()),
        (1..6).map(|name| named(till, name)).collect::<Vec<_>>(),
    )
}

/// The number of an account that an event opens.
fn opens(event: &Event) -> Option<i64> {
    match event {
        Event::Accounts(AccountEvent::AccountOpened(event)) => event.account.id.parse().ok(),
        Event::Accounts(AccountEvent::AccountRegistered(event)) => Some(event.number),
        _ => None,
    }
}

#[test]
fn the_histories_that_the_laws_are_tried_with_have_every_event() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let history = histories().new_tree(&mut runner).unwrap().current();
        seen.extend(lived(&history).log.iter().map(|(event, _)| event.type_name()));
    }
    let of_accounts = history::all().iter().filter(|version| version.topic == Topic::Accounts);
    let missing: Vec<_> =
        of_accounts.map(|version| version.event_type).filter(|name| !seen.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(["PersonErased", "CustomerRemoved", "KeyForgotten"].iter().all(|name| seen.contains(name)));
}

proptest! {
    /// The law of replay: folding the log gives the states that deciding had given.
    #[test]
    fn replay_equals_live(history in histories()) {
        let till = lived(&history);
        prop_assert_eq!(&till.replayed(), &till);
    }

    /// The law of numbers: they are dense from 1, and sealing gives none.
    #[test]
    fn numbers_are_dense(history in histories()) {
        let till = lived(&history);
        let mut numbers = BTreeSet::new();
        for number in till.log.iter().filter_map(|(event, _)| opens(event)) {
            let is_next = number == numbers.len() as i64 + 1;
            prop_assert!(numbers.contains(&number) || is_next, "{number} after {numbers:?}");
            numbers.insert(number);
        }
    }

    /// The law of names: of the living, no two have the same name, and each is found by its own.
    #[test]
    fn every_name_is_one_living_accounts(history in histories()) {
        let till = lived(&history);
        let mut found = BTreeMap::new();
        for number in 1..60 {
            let Some(name) = living_name(&till, number) else { continue };
            prop_assert_eq!(found.insert(name, number), None);
        }
        for name in 1..6 {
            prop_assert_eq!(named(&till, name), found.get(&name).copied(), "{}", name);
        }
    }

    /// The law of admins: a realm that has an admin never loses its last one.
    #[test]
    fn an_admin_is_left((before, steps) in histories()) {
        let mut till = after_earlier(&before);
        let mut had_one = has_admin(&till, REALM);
        for (nth, step) in steps.into_iter().enumerate() {
            ask(&mut till, nth, step);
            prop_assert!(has_admin(&till, REALM) || !had_one, "{:?}", step);
            had_one = has_admin(&till, REALM);
        }
    }

    /// The law of topics: accounts, people and keys may be folded in any order.
    #[test]
    fn any_interleaving_of_accounts_people_and_keys_gives_the_same_states(
        history in histories(),
        turns in prop::collection::vec(0..3_usize, 0..200),
    ) {
        let till = lived(&history);
        let of = |topic| till.log.iter().filter(move |(event, _)| event.topic() == topic);
        let mut topics = [Topic::Accounts, Topic::People, Topic::Keys].map(of);
        let mut interleaved: Vec<&(Event, Recorded)> = Vec::new();
        for turn in turns {
            interleaved.extend(topics[turn].next());
        }
        topics.into_iter().for_each(|rest| interleaved.extend(rest));
        prop_assert_eq!(Memory::folded(interleaved), till.states);
    }

    /// The law of sealing: nothing changes but where the name stands.
    #[test]
    fn sealing_changes_nothing_but_where_the_name_stands(history in histories()) {
        let mut till = lived(&history);
        let accounts: BTreeSet<_> = till.log.iter().filter_map(|(event, _)| opens(event)).collect();
        let all = |till: &Memory| accounts.iter().map(|number| seen(till, *number)).collect::<Vec<_>>();
        for number in &accounts {
            if unsealed(&till, REALM, *number).is_none() {
                continue;
            }
            let (before, was_at) = (all(&till), state(&till, *number).revision);
            let command = seal(&till, *number, 200 + u8::try_from(*number).unwrap());
            prop_assert!(matches!(till.when(command), Ok(Decision::Append(..))));
            prop_assert_eq!(all(&till), before);
            let state = state(&till, *number);
            prop_assert!(state.sealed.is_some() && state.revision == was_at + 1);
        }
        let next = happened(till.when(open(250, 250, &[])));
        prop_assert_eq!(opens(&next), Some(accounts.len() as i64 + 1), "sealing moves no number");
    }

    /// The law of to-dos: doing a to-do settles it, and when all are done none is left.
    #[test]
    fn a_to_do_that_is_done_is_settled(history in histories()) {
        let mut till = lived(&history);
        for (nth, (key, waiting)) in till.todos().into_iter().enumerate() {
            let command = done(&till, &waiting, 200 + u8::try_from(nth).unwrap());
            let result = till.when(command);
            prop_assert!(matches!(result, Ok(Decision::Append(..))), "{:?} of {:?}", result, waiting);
            prop_assert!(!till.todos().iter().any(|(open, _)| *open == key));
        }
        prop_assert_eq!(till.todos(), []);
        prop_assert_eq!(&till.replayed(), &till);
    }

    /// The law of idempotency: a command that is decided again changes nothing. It is answered as it was the first time,
    /// or refused because of what it did itself.
    #[test]
    fn a_command_that_is_decided_again_changes_nothing(history in histories(), again in steps(KINDS, 2)) {
        let mut till = lived(&history);
        for step in again {
            let command = asked_for(&till, 90, step);
            if !is_asked(&till, &command) {
                continue;
            }
            let first = till.when(command.clone());
            let once = till.clone();
            let second = till.when(command);
            prop_assert_eq!(&till, &once, "nothing new happens");
            match (first, second) {
                // Of a person who becomes a customer after its erasure, the first erasure is the answer.
                (Ok(Decision::Append(event, _)), Ok(Decision::Already(_))) if event.type_name() == "PersonErased" => {}
                (Ok(Decision::Append(event, _)), Ok(Decision::Already(position))) => {
                    let mut log = once.log.iter().rev();
                    let (_, recorded) = log.find(|(recorded, _)| recorded == event.as_ref()).unwrap();
                    prop_assert_eq!(recorded.position, position);
                }
                (Ok(Decision::Append(event, _)), Err(rejection)) => {
                    let by_itself = match event.type_name() {
                        "AccountChanged" | "AccountOpened" => account::Rejection::Stale.into(),
                        "SessionEnded" => account::Rejection::UnknownSession.into(),
                        "TerminalKeyRevoked" => account::Rejection::UnknownKey.into(),
                        "CustomerRegistered" => people::Rejection::NumberTaken.into(),
                        other => panic!("{other}: {rejection}"),
                    };
                    prop_assert_eq!(rejection, by_itself);
                }
                (first, second) => prop_assert_eq!(first, second),
            }
        }
    }

    /// The law of batches: a command is decided alike whether the events before it are in the log or in its batch.
    #[test]
    fn a_batch_decides_as_the_log_does((before, steps) in histories()) {
        let mut in_the_log = after_earlier(&before);
        let mut in_a_batch = in_the_log.clone();
        in_a_batch.is_provisional = true;
        let committed = i64::try_from(in_the_log.log.len()).unwrap();
        for (nth, step) in steps.into_iter().enumerate() {
            match (ask(&mut in_the_log, nth, step), ask(&mut in_a_batch, nth, step)) {
                (Some(Ok(Decision::Already(place))), Some(Ok(Decision::Already(provisional)))) => {
                    let expected = if place.offset < committed { place.offset } else { -1 - place.offset };
                    prop_assert_eq!(provisional.offset, expected);
                }
                (one, other) => prop_assert_eq!(one, other),
            }
        }
        prop_assert_eq!(in_the_log.todos().len(), in_a_batch.todos().len());
    }

    /// The law of clear text: once all is sealed, no state has a name, and nothing printed ever has one.
    #[test]
    fn no_state_has_a_name_once_all_is_sealed(history in histories()) {
        let mut till = lived(&history);
        for (nth, (_, waiting)) in till.todos().into_iter().enumerate() {
            let command = done(&till, &waiting, 200 + u8::try_from(nth).unwrap());
            let printed = format!("{command:?}{waiting:?}");
            prop_assert!(!printed.contains("planted"), "{}", printed);
            till.when(command).unwrap();
        }
        let printed = format!("{:?}", till.log);
        prop_assert!(!printed.contains("planted"), "{}", printed);
        let has_one = |bytes: &[u8]| bytes.windows(7).any(|part| part == b"planted");
        let found: Vec<_> = till.states.iter().filter(|(key, value)| has_one(key) || has_one(value)).collect();
        prop_assert_eq!(found, vec![]);
    }
}

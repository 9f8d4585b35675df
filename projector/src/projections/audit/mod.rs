//! Who did what to accounts and persons. It answers to people who ask for that years later, so it holds nothing that an erasure
//! would have to take out of it.

use chrono::{DateTime, Utc};
use schemas::accounts;
use schemas::people::{self, PersonErased};
use schemas::{Event, Head, Topic};
use sqlx::PgConnection;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row an event of accounts and persons that names who did it.
pub const AUDIT: Projection = &Definition {
    name: "audit",
    version: 1,
    topics: &[Topic::Accounts, Topic::People],
    tables: &["audit"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// What is written of an event, beside its position, its type and whom it is about.
#[derive(Debug, PartialEq, Eq)]
struct Act<'e> {
    at: DateTime<Utc>,
    by: &'e str,
    reason: Option<&'e str>,
}

async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let acts: Vec<_> = events
        .iter()
        .filter_map(|folded| Some((folded, act(folded.event, folded.record.recorded_at)?)))
        .collect();
    if acts.is_empty() { Ok(()) } else { insert(connection, &acts).await }
}

fn act(event: &Event, recorded_at: DateTime<Utc>) -> Option<Act<'_>> {
    if let Event::People(event) = event {
        return Some(act_on_person(event));
    }
    let Event::Accounts(event) = event else { return None };
    act_on_account(event, recorded_at)
}

fn act_on_person(event: &people::Event) -> Act<'_> {
    let (head, reason) = match event {
        people::Event::CustomerRegistered(event) => (&event.head, None),
        people::Event::CustomerChanged(event) => (&event.head, None),
        people::Event::CustomerRemoved(event) => (&event.head, None),
        people::Event::PersonErased(PersonErased { head, reason, .. }) => (head, Some(reason.as_str())),
        people::Event::PersonForgotten(event) => (&event.head, None),
    };
    let Head { at, by, .. } = head;
    Act { at: *at, by, reason }
}

/// What accounts do by themselves, such as logging in, is no act on them. Events of an earlier form name accounts, and who did
/// it, by usernames, which are personal.
fn act_on_account(event: &accounts::Event, recorded_at: DateTime<Utc>) -> Option<Act<'_>> {
    let (head, reason) = match event {
        accounts::Event::AccountOpened(event) => (&event.head, None),
        accounts::Event::AccountChanged(event) => (&event.head, None),
        accounts::Event::AccountClosed(event) => (&event.head, None),
        accounts::Event::AccountDisabled(event) => (&event.head, Some(event.reason.as_str())),
        accounts::Event::AccountEnabled(event) => (&event.head, Some(event.reason.as_str())),
        accounts::Event::TerminalKeyIssued(event) => (&event.head, None),
        accounts::Event::TerminalKeyRevoked(event) => (&event.head, None),
        accounts::Event::RolesAssigned(event) => {
            // It has no head: the time is the broker's.
            let is_numbered = event.account != 0;
            return is_numbered.then_some(Act { at: recorded_at, by: &event.assigned_by, reason: None });
        }
        accounts::Event::SessionOpened(_)
        | accounts::Event::SessionRefreshed(_)
        | accounts::Event::SessionEnded(_)
        | accounts::Event::TerminalKeyUsed(_)
        | accounts::Event::AccountRegistered(_)
        | accounts::Event::LoginLocked(_)
        | accounts::Event::LoginUnlocked(_)
        | accounts::Event::LoginTokenIssued(_)
        | accounts::Event::LoginTokenRevoked(_)
        | accounts::Event::PasswordChanged(_) => return None,
    };
    let Head { at, by, .. } = head;
    Some(Act { at: *at, by, reason })
}

async fn insert(
    connection: &mut PgConnection,
    acts: &[(&EventRecord<'_>, Act<'_>)],
) -> Result<(), FoldError> {
    let topics: Vec<_> = acts.iter().map(|(folded, _)| folded.record.topic.short_name()).collect();
    let partitions: Vec<_> = acts.iter().map(|(folded, _)| folded.record.partition).collect();
    let offsets: Vec<_> = acts.iter().map(|(folded, _)| folded.record.offset).collect();
    let at: Vec<_> = acts.iter().map(|(_, act)| act.at).collect();
    let by: Vec<_> = acts.iter().map(|(_, act)| act.by).collect();
    let types: Vec<_> = acts.iter().map(|(folded, _)| folded.event.type_name()).collect();
    let homes: Vec<_> = acts.iter().map(|(folded, _)| folded.event.key()).collect();
    let ids: Vec<_> = acts.iter().map(|(folded, _)| folded.event.id()).collect();
    let reasons: Vec<_> = acts.iter().map(|(_, act)| act.reason).collect();
    sqlx::query!(
        r#"INSERT INTO audit (topic, partition, "offset", at, by, act, subject_home, subject_id, reason)
         SELECT * FROM UNNEST($1::text[], $2::integer[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[])"#,
        &topics as _,
        &partitions,
        &offsets,
        &at,
        &by as _,
        &types as _,
        &homes as _,
        &ids as _,
        &reasons as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use schemas::people::CustomerRemoved;
    use schemas::{Ref, accounts::RolesAssigned};

    use super::*;

    fn head(by: &str) -> Head {
        Head { at: DateTime::UNIX_EPOCH, by: by.into(), revision: 2, key: None, print: None }
    }

    #[test]
    fn an_act_says_who_did_it_and_why() {
        let (head, home, reason) = (head("till/1"), "till".into(), "asked for".into());
        let erased = PersonErased { head, home, subjects: Vec::new(), reason, forget_at: None }.into();
        let (at, by) = (DateTime::UNIX_EPOCH, "till/1");
        assert_eq!(act(&erased, DateTime::UNIX_EPOCH), Some(Act { at, by, reason: Some("asked for") }));
    }

    #[test]
    fn an_act_without_a_reason_is_one_too() {
        let customer = Ref { home: "till".into(), id: "7".into() };
        let removed = CustomerRemoved { head: head("contract:restaurant"), customer }.into();
        let (at, by) = (DateTime::UNIX_EPOCH, "contract:restaurant");
        assert_eq!(act(&removed, DateTime::UNIX_EPOCH), Some(Act { at, by, reason: None }));
    }

    #[test]
    fn an_event_that_names_people_by_their_usernames_is_left_out() {
        let (realm, username, assigned_by) = ("till".into(), "ann".into(), "root".into());
        let (roles, places) = (Vec::new(), Vec::new());
        let assigned = RolesAssigned { realm, username, roles, places, assigned_by, account: 0 }.into();
        assert_eq!(act(&assigned, DateTime::UNIX_EPOCH), None);
    }
}

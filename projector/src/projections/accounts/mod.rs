//! Accounts as last changed. The events of a realm are in one partition, so an account is there before anything of it changes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemas::accounts::{self, AccountRegistered, RolesAssigned};
use schemas::{Event, Topic};
use sqlx::PgConnection;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row an account, with its roles, places and login token as last changed.
pub const ACCOUNTS: Projection = &Definition {
    name: "accounts",
    version: 2,
    topics: &[Topic::Accounts],
    tables: &["accounts"],
    sql: include_str!("tables.sql"),
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

type Key<'e> = (&'e str, &'e str);

/// An account's login token after the batch.
struct Token<'e> {
    generation: i64,
    hash: Option<&'e [u8]>,
}

/// Inserts accounts registered, then sets roles and tokens to what they are at the end of the batch.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let mut registered: Vec<(&AccountRegistered, DateTime<Utc>)> = Vec::new();
    let mut assigned: BTreeMap<Key<'_>, &RolesAssigned> = BTreeMap::new();
    let mut tokens: BTreeMap<Key<'_>, Token<'_>> = BTreeMap::new();
    for folded in events {
        let Event::Accounts(event) = folded.event else { continue };
        match event {
            accounts::Event::AccountRegistered(event) => registered.push((event, folded.record.recorded_at)),
            accounts::Event::RolesAssigned(event) => {
                assigned.insert((&event.realm, &event.username), event);
            }
            accounts::Event::LoginTokenIssued(event) => {
                let token = Token { generation: event.generation, hash: Some(&event.token_hash) };
                tokens.insert((&event.realm, &event.username), token);
            }
            accounts::Event::LoginTokenRevoked(event) => {
                let token = Token { generation: event.generation.saturating_add(1), hash: None };
                tokens.insert((&event.realm, &event.username), token);
            }
            accounts::Event::LoginLocked(_)
            | accounts::Event::LoginUnlocked(_)
            | accounts::Event::PasswordChanged(_) => {}
        }
    }
    registered.sort_by_key(|(event, _)| (&event.realm, &event.username));
    if !registered.is_empty() {
        insert(connection, &registered).await?;
    }
    for event in assigned.values() {
        assign(connection, event).await?;
    }
    for ((realm, username), token) in tokens {
        set_token(connection, realm, username, &token).await?;
    }
    Ok(())
}

async fn set_token(
    connection: &mut PgConnection,
    realm: &str,
    username: &str,
    token: &Token<'_>,
) -> Result<(), FoldError> {
    sqlx::query!(
        "UPDATE accounts SET token_generation = $3, token_hash = $4 WHERE realm = $1 AND username = $2",
        realm,
        username,
        token.generation,
        token.hash
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    registered: &[(&AccountRegistered, DateTime<Utc>)],
) -> Result<(), FoldError> {
    let column = |of: fn(&AccountRegistered) -> &str| -> Vec<&str> {
        registered.iter().map(|(event, _)| of(event)).collect()
    };
    let numbers: Vec<_> = registered.iter().map(|(event, _)| event.number).collect();
    // An array of arrays must be rectangular in Postgres, so a list is sent as JSON.
    let json = |list: &Vec<String>| serde_json::to_string(list).expect("a list of texts");
    let roles: Vec<_> = registered.iter().map(|(event, _)| json(&event.roles)).collect();
    let places: Vec<_> = registered.iter().map(|(event, _)| json(&event.places)).collect();
    let at: Vec<_> = registered.iter().map(|(_, at)| *at).collect();
    sqlx::query!(
        "INSERT INTO accounts (realm, username, number, roles, places, registered_at)
         SELECT a.realm, a.username, a.number, ARRAY(SELECT jsonb_array_elements_text(a.roles::jsonb)),
             ARRAY(SELECT jsonb_array_elements_text(a.places::jsonb)), a.at
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
             AS a(realm, username, number, roles, places, at)",
        &column(|event| &event.realm) as _,
        &column(|event| &event.username) as _,
        &numbers,
        &roles,
        &places,
        &at
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn assign(connection: &mut PgConnection, event: &RolesAssigned) -> Result<(), FoldError> {
    sqlx::query!(
        "UPDATE accounts SET roles = $3, places = $4 WHERE realm = $1 AND username = $2",
        event.realm,
        event.username,
        &event.roles,
        &event.places
    )
    .execute(connection)
    .await?;
    Ok(())
}

//! The rows of accounts and of their terminals' keys, read and written many at once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use schemas::{Bytes, Ref, Sealed};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::changes::{Account, AccountRow, Digest, KeyRow, Named};
use crate::projections::definition::FoldError;

/// The accounts that are named. A name is looked for among the accounts that are open.
pub async fn numbered(
    connection: &mut PgConnection,
    named: &BTreeSet<Named<'_>>,
) -> Result<BTreeSet<Account>, FoldError> {
    let (mut accounts, mut realms, mut names) = (BTreeSet::new(), Vec::new(), Vec::new());
    for account in named {
        match *account {
            Named::Number(realm, number) => drop(accounts.insert((realm.to_owned(), number))),
            Named::Name(realm, name) => {
                realms.push(realm);
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        return Ok(accounts);
    }
    let found = sqlx::query!(
        "SELECT a.realm, a.number
         FROM UNNEST($1::text[], $2::text[]) AS n(realm, name)
         JOIN accounts AS a ON a.realm = n.realm AND a.username = n.name
         WHERE a.username IS NOT NULL AND a.closed_at IS NULL",
        &realms as _,
        &names as _
    )
    .fetch_all(connection)
    .await?;
    accounts.extend(found.into_iter().map(|row| (row.realm, row.number)));
    Ok(accounts)
}

/// The names of accounts in columns, as `UNNEST` takes them.
fn columns(accounts: &BTreeSet<Account>) -> (Vec<&str>, Vec<i64>) {
    accounts.iter().map(|(realm, number)| (realm.as_str(), *number)).unzip()
}

/// The rows of these accounts.
pub async fn accounts(
    connection: &mut PgConnection,
    accounts: &BTreeSet<Account>,
) -> Result<BTreeMap<Account, AccountRow>, FoldError> {
    let (realms, numbers) = columns(accounts);
    let rows = sqlx::query!(
        r#"SELECT a.realm, a.number, subject, sealed, username, roles, places, sellers::text AS "sellers!", generation,
               token_hash, disabled, closed_at, revision, registered_at, updated_at
           FROM UNNEST($1::text[], $2::bigint[]) AS n(realm, number)
           JOIN accounts AS a ON a.realm = n.realm AND a.number = n.number"#,
        &realms as _,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let sealed = row.subject.zip(row.sealed);
        let account = AccountRow {
            sealed: sealed.map(|(subject, sealed)| Sealed { subject, sealed: Bytes(sealed) }),
            username: row.username,
            roles: row.roles,
            places: row.places,
            sellers: sellers(&row.sellers),
            generation: row.generation,
            token_hash: row.token_hash,
            is_disabled: row.disabled,
            closed_at: row.closed_at,
            revision: row.revision,
            registered_at: row.registered_at,
            updated_at: row.updated_at,
        };
        ((row.realm, row.number), account)
    });
    Ok(rows.collect())
}

/// The rows of all terminals' keys that these accounts have.
pub async fn terminal_keys(
    connection: &mut PgConnection,
    accounts: &BTreeSet<Account>,
) -> Result<BTreeMap<Digest, KeyRow>, FoldError> {
    if accounts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (realms, numbers) = columns(accounts);
    let rows = sqlx::query!(
        "SELECT k.realm, digest, account, key, label, places, issued_at, used_at
         FROM UNNEST($1::text[], $2::bigint[]) AS n(realm, number)
         JOIN terminal_keys AS k ON k.realm = n.realm AND k.account = n.number",
        &realms as _,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let key = KeyRow {
            account: row.account,
            key: row.key,
            label: row.label,
            places: row.places,
            issued_at: row.issued_at,
            used_at: row.used_at,
        };
        ((row.realm, row.digest), key)
    });
    Ok(rows.collect())
}

/// Accounts in columns, as `UNNEST` takes them.
#[derive(Default)]
struct Columns<'r> {
    realms: Vec<&'r str>,
    numbers: Vec<i64>,
    subjects: Vec<Option<Uuid>>,
    sealed: Vec<Option<&'r [u8]>>,
    usernames: Vec<Option<&'r str>>,
    roles: Vec<String>,
    places: Vec<String>,
    sellers: Vec<String>,
    generations: Vec<i64>,
    token_hashes: Vec<Option<&'r [u8]>>,
    disabled: Vec<bool>,
    closed_at: Vec<Option<DateTime<Utc>>>,
    revisions: Vec<i32>,
    registered_at: Vec<DateTime<Utc>>,
    updated_at: Vec<DateTime<Utc>>,
}

impl<'r> Columns<'r> {
    fn of(rows: &[(&'r Account, &'r AccountRow)]) -> Self {
        let mut columns = Self::default();
        for ((realm, number), row) in rows {
            columns.realms.push(realm);
            columns.numbers.push(*number);
            columns.subjects.push(row.sealed.as_ref().map(|sealed| sealed.subject));
            columns.sealed.push(row.sealed.as_ref().map(|sealed| sealed.sealed.0.as_slice()));
            columns.usernames.push(row.username.as_deref());
            columns.roles.push(json(&row.roles));
            columns.places.push(json(&row.places));
            columns.sellers.push(json(&row.sellers));
            columns.generations.push(row.generation);
            columns.token_hashes.push(row.token_hash.as_deref());
            columns.disabled.push(row.is_disabled);
            columns.closed_at.push(row.closed_at);
            columns.revisions.push(row.revision);
            columns.registered_at.push(row.registered_at);
            columns.updated_at.push(row.updated_at);
        }
        columns
    }
}

/// Writes accounts, each over the row that it may have.
pub async fn write_accounts(
    connection: &mut PgConnection,
    rows: &[(&Account, &AccountRow)],
) -> Result<(), FoldError> {
    if rows.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(rows);
    sqlx::query!(
        "INSERT INTO accounts (realm, number, subject, sealed, username, roles, places, sellers, generation, token_hash,
             disabled, closed_at, revision, registered_at, updated_at)
         SELECT realm, number, subject, sealed, username, ARRAY(SELECT jsonb_array_elements_text(roles::jsonb)),
             ARRAY(SELECT jsonb_array_elements_text(places::jsonb)), sellers::jsonb, generation, token_hash, disabled,
             closed_at, revision, registered_at, updated_at
         FROM UNNEST($1::text[], $2::bigint[], $3::uuid[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::bigint[], $10::bytea[], $11::boolean[], $12::timestamptz[], $13::integer[], $14::timestamptz[],
                 $15::timestamptz[])
             AS a(realm, number, subject, sealed, username, roles, places, sellers, generation, token_hash, disabled,
                 closed_at, revision, registered_at, updated_at)
         ON CONFLICT (realm, number) DO UPDATE SET
             subject = excluded.subject, sealed = excluded.sealed, username = excluded.username,
             roles = excluded.roles, places = excluded.places, sellers = excluded.sellers,
             generation = excluded.generation, token_hash = excluded.token_hash, disabled = excluded.disabled,
             closed_at = excluded.closed_at, revision = excluded.revision, registered_at = excluded.registered_at,
             updated_at = excluded.updated_at",
        &columns.realms as _,
        &columns.numbers,
        &columns.subjects as _,
        &columns.sealed as _,
        &columns.usernames as _,
        &columns.roles,
        &columns.places,
        &columns.sellers,
        &columns.generations,
        &columns.token_hashes as _,
        &columns.disabled,
        &columns.closed_at as _,
        &columns.revisions,
        &columns.registered_at,
        &columns.updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes terminals' keys.
pub async fn remove_keys(connection: &mut PgConnection, keys: &[&Digest]) -> Result<(), FoldError> {
    if keys.is_empty() {
        return Ok(());
    }
    let realms: Vec<_> = keys.iter().map(|(realm, _)| realm.as_str()).collect();
    let digests: Vec<_> = keys.iter().map(|(_, digest)| digest.as_slice()).collect();
    sqlx::query!(
        "DELETE FROM terminal_keys AS k USING UNNEST($1::text[], $2::bytea[]) AS d(realm, digest)
         WHERE k.realm = d.realm AND k.digest = d.digest",
        &realms as _,
        &digests as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes terminals' keys, each over the row that it may have.
pub async fn write_keys(connection: &mut PgConnection, rows: &[(&Digest, &KeyRow)]) -> Result<(), FoldError> {
    if rows.is_empty() {
        return Ok(());
    }
    let realms: Vec<_> = rows.iter().map(|((realm, _), _)| realm.as_str()).collect();
    let digests: Vec<_> = rows.iter().map(|((_, digest), _)| digest.as_slice()).collect();
    let accounts: Vec<_> = rows.iter().map(|(_, row)| row.account).collect();
    let keys: Vec<_> = rows.iter().map(|(_, row)| row.key).collect();
    let labels: Vec<_> = rows.iter().map(|(_, row)| row.label.as_str()).collect();
    let places: Vec<_> = rows.iter().map(|(_, row)| json(&row.places)).collect();
    let issued_at: Vec<_> = rows.iter().map(|(_, row)| row.issued_at).collect();
    let used_at: Vec<_> = rows.iter().map(|(_, row)| row.used_at).collect();
    sqlx::query!(
        "INSERT INTO terminal_keys (realm, digest, account, key, label, places, issued_at, used_at)
         SELECT realm, digest, account, key, label, ARRAY(SELECT jsonb_array_elements_text(places::jsonb)), issued_at,
             used_at
         FROM UNNEST($1::text[], $2::bytea[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[],
                 $8::timestamptz[])
             AS k(realm, digest, account, key, label, places, issued_at, used_at)
         ON CONFLICT (realm, digest) DO UPDATE SET
             account = excluded.account, key = excluded.key, label = excluded.label, places = excluded.places,
             issued_at = excluded.issued_at, used_at = excluded.used_at",
        &realms as _,
        &digests as _,
        &accounts,
        &keys,
        &labels as _,
        &places,
        &issued_at,
        &used_at as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A list as JSON. An array of arrays must be rectangular in Postgres, so lists of different lengths are sent as texts.
fn json(list: &impl Serialize) -> String {
    serde_json::to_string(list).expect("a list of texts")
}

fn sellers(json: &str) -> Vec<Ref> {
    serde_json::from_str(json).expect("the fold wrote them")
}

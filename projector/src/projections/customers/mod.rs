//! Customers as last changed, and who was erased. All events of a home are in one partition, so a customer is there before anything
//! of it changes.

mod changes;

use changes::{Changes, Customer, Place};
use chrono::{DateTime, Utc};
use schemas::{Event, Head, Topic};
use sqlx::PgConnection;
use uuid::Uuid;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row a customer, and a row a subject that was erased.
pub const CUSTOMERS: Projection = &Definition {
    name: "customers",
    version: 1,
    topics: &[Topic::People],
    tables: &["customers", "erased"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// Works out in memory how the customers of the batch end up, and writes that.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let mut changes = Changes::default();
    for folded in events {
        let Event::People(event) = folded.event else { continue };
        changes.take(event);
    }
    let Changes { registered, changed, removed, erased } = changes;
    if !registered.is_empty() {
        let created_at: Vec<_> = registered.values().map(|(created_at, _)| *created_at).collect();
        let customers = registered.iter().map(|(place, (_, customer))| (*place, *customer));
        insert(connection, &Columns::of(customers), &created_at).await?;
    }
    if !changed.is_empty() {
        let customers = changed.iter().map(|(place, customer)| (*place, *customer));
        change(connection, &Columns::of(customers)).await?;
    }
    for (place, head) in removed {
        remove(connection, place, head).await?;
    }
    if erased.is_empty() { Ok(()) } else { erase(connection, erased.into_iter().unzip()).await }
}

/// Customers in columns, as `UNNEST` takes them.
#[derive(Default)]
struct Columns<'e> {
    homes: Vec<&'e str>,
    ids: Vec<&'e str>,
    scopes: Vec<&'e str>,
    subjects: Vec<Uuid>,
    sealed: Vec<&'e [u8]>,
    active: Vec<bool>,
    account_homes: Vec<Option<&'e str>>,
    account_ids: Vec<Option<&'e str>>,
    revisions: Vec<i32>,
    updated_at: Vec<DateTime<Utc>>,
}

impl<'e> Columns<'e> {
    fn of(customers: impl Iterator<Item = (Place<'e>, Customer<'e>)>) -> Self {
        let mut columns = Self::default();
        for ((home, id), Customer { head, scope, sealed, active, account }) in customers {
            columns.homes.push(home);
            columns.ids.push(id);
            columns.scopes.push(scope);
            columns.subjects.push(sealed.subject);
            columns.sealed.push(&sealed.sealed.0);
            columns.active.push(active);
            columns.account_homes.push(account.map(|account| account.home.as_str()));
            columns.account_ids.push(account.map(|account| account.id.as_str()));
            columns.revisions.push(head.revision);
            columns.updated_at.push(head.at);
        }
        columns
    }
}

async fn insert(
    connection: &mut PgConnection,
    columns: &Columns<'_>,
    created_at: &[DateTime<Utc>],
) -> Result<(), FoldError> {
    let numbers: Vec<Option<i64>> = columns.ids.iter().map(|id| id.parse().ok()).collect();
    sqlx::query!(
        "INSERT INTO customers (home, id, scope, number, subject, sealed, active, account_home, account_id, revision,
             created_at, updated_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::uuid[], $6::bytea[], $7::boolean[],
             $8::text[], $9::text[], $10::integer[], $11::timestamptz[], $12::timestamptz[])
         ON CONFLICT (home, id) DO UPDATE SET
             scope = excluded.scope, number = excluded.number, subject = excluded.subject, sealed = excluded.sealed,
             active = excluded.active, account_home = excluded.account_home, account_id = excluded.account_id,
             revision = excluded.revision, created_at = excluded.created_at, updated_at = excluded.updated_at,
             removed_at = NULL",
        &columns.homes as _,
        &columns.ids as _,
        &columns.scopes as _,
        &numbers as _,
        &columns.subjects,
        &columns.sealed as _,
        &columns.active,
        &columns.account_homes as _,
        &columns.account_ids as _,
        &columns.revisions,
        created_at,
        &columns.updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn change(connection: &mut PgConnection, columns: &Columns<'_>) -> Result<(), FoldError> {
    sqlx::query!(
        "UPDATE customers AS c SET scope = n.scope, subject = n.subject, sealed = n.sealed, active = n.active,
             account_home = n.account_home, account_id = n.account_id, revision = n.revision, updated_at = n.updated_at
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bytea[], $6::boolean[], $7::text[], $8::text[],
             $9::integer[], $10::timestamptz[]) AS n(home, id, scope, subject, sealed, active, account_home, account_id,
             revision, updated_at)
         WHERE c.home = n.home AND c.id = n.id",
        &columns.homes as _,
        &columns.ids as _,
        &columns.scopes as _,
        &columns.subjects,
        &columns.sealed as _,
        &columns.active,
        &columns.account_homes as _,
        &columns.account_ids as _,
        &columns.revisions,
        &columns.updated_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove(connection: &mut PgConnection, (home, id): Place<'_>, head: &Head) -> Result<(), FoldError> {
    sqlx::query!(
        "UPDATE customers SET removed_at = $3, updated_at = $3, revision = $4 WHERE home = $1 AND id = $2",
        home,
        id,
        head.at,
        head.revision
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes who was erased. Of several erasures the first one counts.
async fn erase(
    connection: &mut PgConnection,
    (subjects, erased_at): (Vec<Uuid>, Vec<DateTime<Utc>>),
) -> Result<(), FoldError> {
    sqlx::query!(
        "INSERT INTO erased (subject, erased_at) SELECT * FROM UNNEST($1::uuid[], $2::timestamptz[])
         ON CONFLICT (subject) DO NOTHING",
        &subjects,
        &erased_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

//! The keys of persons, and whose each name is. A person who was erased may have rows here still, as from a backup: who reads
//! them asks the projection `customers` too, where erasures are.

mod changes;

use changes::{Changes, Index};
use schemas::keys::PersonKeyed;
use schemas::{Event, Topic};
use sqlx::PgConnection;
use uuid::Uuid;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row a person with a key, and a row for each of its blind indexes that nobody else has claimed since.
pub const KEYS: Projection = &Definition {
    name: "keys",
    version: 1,
    topics: &[Topic::Keys],
    tables: &["person_keys", "person_indexes"],
    sql: include_str!("tables.sql"),
    unlogged: true,
    keeps_former: false,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// Works out in memory what the batch changes, and writes it. Indexes are freed before others are claimed.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let mut changes = Changes::default();
    for folded in events {
        let Event::Keys(event) = folded.event else { continue };
        changes.take(event);
    }
    let claimed: Vec<_> = changes.claimed().collect();
    free_all_but(connection, &claimed, &changes.subjects()).await?;
    free(connection, &changes.freed()).await?;
    claim(connection, &claimed).await?;
    forget(connection, &changes.forgotten()).await?;
    write(connection, &changes.keyed()).await
}

/// An index in columns, as `UNNEST` takes them.
type Columns<'e> = (Vec<&'e str>, Vec<&'e str>, Vec<&'e [u8]>);

fn columns<'e>(indexes: impl Iterator<Item = Index<'e>> + Clone) -> Columns<'e> {
    let homes = indexes.clone().map(|index| index.home).collect();
    let kinds = indexes.clone().map(|index| index.kind).collect();
    (homes, kinds, indexes.map(|index| index.value).collect())
}

/// Frees what the subjects have, apart from what is claimed in the batch: those rows are written over.
async fn free_all_but(
    connection: &mut PgConnection,
    claimed: &[(Index<'_>, Uuid)],
    subjects: &[Uuid],
) -> Result<(), FoldError> {
    let (homes, kinds, values) = columns(claimed.iter().map(|(index, _)| *index));
    sqlx::query!(
        "DELETE FROM person_indexes AS i WHERE i.subject = ANY($1) AND NOT EXISTS (
             SELECT FROM UNNEST($2::text[], $3::text[], $4::bytea[]) AS c(home, kind, value)
             WHERE c.home = i.home AND c.kind = i.kind AND c.value = i.value)",
        subjects,
        &homes as _,
        &kinds as _,
        &values as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn free(connection: &mut PgConnection, freed: &[Index<'_>]) -> Result<(), FoldError> {
    if freed.is_empty() {
        return Ok(());
    }
    let (homes, kinds, values) = columns(freed.iter().copied());
    sqlx::query!(
        "DELETE FROM person_indexes AS i USING UNNEST($1::text[], $2::text[], $3::bytea[]) AS f(home, kind, value)
         WHERE f.home = i.home AND f.kind = i.kind AND f.value = i.value",
        &homes as _,
        &kinds as _,
        &values as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn claim(connection: &mut PgConnection, claimed: &[(Index<'_>, Uuid)]) -> Result<(), FoldError> {
    let (homes, kinds, values) = columns(claimed.iter().map(|(index, _)| *index));
    let subjects: Vec<_> = claimed.iter().map(|(_, subject)| *subject).collect();
    sqlx::query!(
        "INSERT INTO person_indexes AS i (home, kind, value, subject)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[], $4::uuid[])
         ON CONFLICT (home, kind, value) DO UPDATE SET subject = excluded.subject
             WHERE i.subject <> excluded.subject",
        &homes as _,
        &kinds as _,
        &values as _,
        &subjects
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn forget(connection: &mut PgConnection, subjects: &[Uuid]) -> Result<(), FoldError> {
    sqlx::query!("DELETE FROM person_keys WHERE subject = ANY($1)", subjects).execute(connection).await?;
    Ok(())
}

async fn write(connection: &mut PgConnection, keys: &[&PersonKeyed]) -> Result<(), FoldError> {
    let subjects: Vec<_> = keys.iter().map(|key| key.subject).collect();
    let homes: Vec<_> = keys.iter().map(|key| key.home.as_str()).collect();
    let wrapped: Vec<_> = keys.iter().map(|key| key.wrapped.0.as_slice()).collect();
    let masters: Vec<_> = keys.iter().map(|key| key.master).collect();
    sqlx::query!(
        "INSERT INTO person_keys (subject, home, wrapped, master)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::integer[])
         ON CONFLICT (subject) DO UPDATE SET
             home = excluded.home, wrapped = excluded.wrapped, master = excluded.master",
        &subjects,
        &homes as _,
        &wrapped as _,
        &masters
    )
    .execute(connection)
    .await?;
    Ok(())
}

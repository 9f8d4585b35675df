//! What is personal, opened for one answer. Tables hold boxes, so that nothing is left to read of who is erased.

use std::collections::HashMap;

use runtime::Problem;
use runtime::vault::{PersonKey, Vault};
use schemas::keys::PersonKeyed;
use schemas::{Bytes, Personal, Sealed};
use sqlx::PgConnection;
use uuid::Uuid;

use super::problems::failed;

/// Why boxes were not opened.
#[derive(Debug)]
pub enum Unopened {
    /// A key is not there. The projections are folded one by one, so a snapshot may have somebody who was recorded or erased a
    /// moment ago in one of them and not yet in the other: a later snapshot has both.
    Missing,
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Unopened {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Reads, and where a key is missing reads once more. Each read opens a snapshot of its own.
///
/// # Errors
/// 503 where the key is still missing, and all that the read fails with.
pub async fn with_another_look<T, R>(read: impl Fn() -> R) -> Result<T, Problem>
where
    R: Future<Output = Result<T, Unopened>>,
{
    let mut answer = read().await;
    if matches!(answer, Err(Unopened::Missing)) {
        answer = read().await;
    }
    answer.map_err(|unopened| match unopened {
        Unopened::Missing => unreadable(),
        Unopened::Problem(problem) => problem,
    })
}

/// Opens boxes: one answer for each, which is `None` where there is none to open. Whoever asks leaves out the boxes of those who
/// were erased, and the snapshot is a strong one that has the projection `keys`.
///
/// # Errors
/// Where the key of a person is not there, and 503 where it, or a box, does not open.
pub async fn opened(
    vault: &Vault,
    snapshot: &mut PgConnection,
    boxes: &[Option<Sealed>],
) -> Result<Vec<Option<Personal>>, Unopened> {
    let subjects: Vec<_> = boxes.iter().flatten().map(|sealed| sealed.subject).collect();
    let keys = if subjects.is_empty() { HashMap::new() } else { keys(vault, snapshot, &subjects).await? };
    let open = |sealed: &Sealed| {
        let key = keys.get(&sealed.subject).ok_or(Unopened::Missing)?;
        key.open(sealed).map_err(|error| {
            tracing::error!(subject = %sealed.subject, %error, "a box cannot be opened");
            unreadable().into()
        })
    };
    boxes.iter().map(|sealed| sealed.as_ref().map(open).transpose()).collect()
}

/// The keys of these persons, opened.
async fn keys(
    vault: &Vault,
    snapshot: &mut PgConnection,
    subjects: &[Uuid],
) -> Result<HashMap<Uuid, PersonKey>, Problem> {
    let rows = sqlx::query!(
        "SELECT subject, home, wrapped, master FROM person_keys WHERE subject = ANY($1)",
        subjects
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    let open = |record: PersonKeyed| {
        let opened = vault.open_key(&record).map_err(|error| {
            tracing::error!(subject = %record.subject, %error, "a person's key cannot be opened");
            unreadable()
        });
        opened.map(|key| (record.subject, key))
    };
    let records = rows.into_iter().map(|row| PersonKeyed {
        home: row.home,
        subject: row.subject,
        wrapped: Bytes(row.wrapped),
        master: row.master,
        indexes: Vec::new(),
    });
    records.map(open).collect()
}

fn unreadable() -> Problem {
    Problem::unavailable("what is personal cannot be opened at the moment", 5)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use axum::http::StatusCode;

    use super::*;

    /// What a read answers that finds the key at look `found_at`, and how often it looked.
    async fn looked(found_at: u32) -> (Option<StatusCode>, u32) {
        let looks = Cell::new(0);
        let read = || async {
            looks.set(looks.get() + 1);
            if looks.get() < found_at { Err(Unopened::Missing) } else { Ok(()) }
        };
        (with_another_look(read).await.err().map(|problem| problem.status()), looks.get())
    }

    #[tokio::test]
    async fn a_key_that_is_missing_is_looked_for_once_more_and_then_it_is_503() {
        assert_eq!(looked(1).await, (None, 1));
        assert_eq!(looked(2).await, (None, 2));
        assert_eq!(looked(3).await, (Some(StatusCode::SERVICE_UNAVAILABLE), 2));
    }
}

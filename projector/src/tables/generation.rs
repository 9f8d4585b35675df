//! Generations: each is one set of a projection's tables, in a Postgres schema of its own. Reads are answered from the live one.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::positions::{Checkpoint, checkpoint, note_seen, positions};
use crate::database::{enter, execute};
use crate::log::record::Positions;
use crate::projections::definition::Projection;

/// One set of a projection's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The projection whose tables they are.
    pub projection: Projection,
    /// Counts the projection's generations, from 1.
    pub number: i32,
    /// The Postgres schema, such as `places_v1_g3`.
    pub schema: String,
}

/// Why a projection's tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// `projector migrate` of this binary has not run.
    #[error("the projection's tables are missing, or lack columns: run `projector migrate`")]
    Missing,
    /// Another process is changing which generation of the projection is live.
    #[error("another rebuild or rollback of {0} is under way; wait for it, or end it")]
    UnderWay(&'static str),
    /// There is no generation to go back to.
    #[error("{0} has no generation before the live one; a rebuild makes one")]
    NoneBefore(&'static str),
    /// There never is a generation to go back to.
    #[error(
        "{0} has no generation before the live one: none of its generations is kept, because they may hold what others forget"
    )]
    NoneKept(&'static str),
    /// The live tables are of another version than this binary folds.
    #[error(
        "its live tables are of version {live}, this binary folds version {own}: run `projector rebuild {name}` with it, or start the binary that folds version {live}"
    )]
    Version { name: &'static str, live: i32, own: i32 },
}

impl Generation {
    /// Names a generation of the version that this binary folds. It need not exist.
    #[must_use]
    pub fn new(projection: Projection, number: i32) -> Self {
        let schema = format!("{}_v{}_g{number}", projection.name, projection.version);
        Self { projection, number, schema }
    }

    /// The live generation and its version, which may be another one than this binary folds.
    ///
    /// # Errors
    /// When there is none, or Postgres fails.
    pub async fn live_of_any_version(
        connection: &mut PgConnection,
        projection: Projection,
    ) -> Result<(Self, i32), GenerationError> {
        let row = sqlx::query!(
            "SELECT version, generation, schema_name FROM till.projections WHERE name = $1",
            projection.name
        )
        .fetch_optional(connection)
        .await
        .map_err(missing_table)?
        .ok_or(GenerationError::Missing)?;
        Ok((Self { projection, number: row.generation, schema: row.schema_name }, row.version))
    }

    /// The live generation.
    ///
    /// # Errors
    /// When there is none, it is of another version, or Postgres fails.
    pub async fn live(
        connection: &mut PgConnection,
        projection: Projection,
    ) -> Result<Self, GenerationError> {
        let (live, version) = Self::live_of_any_version(connection, projection).await?;
        live.of_own_version(version)
    }

    /// The generation, where its tables are of the version that this binary folds.
    fn of_own_version(self, live: i32) -> Result<Self, GenerationError> {
        let (name, own) = (self.projection.name, self.projection.version);
        if live == own { Ok(self) } else { Err(GenerationError::Version { name, live, own }) }
    }

    /// The live generations of these projections, in their order. Names without a schema mean their tables until the transaction
    /// ends. It is one question to Postgres, because most reads need no more than this and their own.
    ///
    /// # Errors
    /// When there is none of a projection, it is of another version, or Postgres fails.
    pub async fn enter_live(
        connection: &mut PgConnection,
        projections: &[Projection],
    ) -> Result<Vec<Self>, (Projection, GenerationError)> {
        let names: Vec<_> = projections.iter().map(|projection| projection.name).collect();
        let rows = sqlx::query!(
            r#"SELECT p.version AS "version?", p.generation AS "generation?", p.schema_name AS "schema_name?",
                   set_config('search_path', string_agg(p.schema_name, ', ') OVER (), true)
               FROM UNNEST($1::text[]) WITH ORDINALITY AS n(name, place) LEFT JOIN till.projections AS p ON p.name = n.name
               ORDER BY n.place"#,
            &names as _
        )
        .fetch_all(connection)
        .await
        .map_err(|error| (projections[0], missing_table(error)))?;
        let lives = projections.iter().zip(rows).map(|(&projection, row)| {
            let (Some(live), Some(number), Some(schema)) = (row.version, row.generation, row.schema_name)
            else {
                return Err((projection, GenerationError::Missing));
            };
            Self { projection, number, schema }.of_own_version(live).map_err(|error| (projection, error))
        });
        lives.collect()
    }

    /// Whether it is the live generation.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn is_live(&self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        let schema = sqlx::query_scalar!(
            "SELECT schema_name FROM till.projections WHERE name = $1",
            self.projection.name
        )
        .fetch_optional(connection)
        .await?;
        Ok(schema.as_deref() == Some(&self.schema))
    }

    /// Makes its schema and tables, without keys and indexes, and enters it: see [`Self::enter`].
    ///
    /// # Errors
    /// When Postgres refuses, e.g. the role may not create schemas.
    pub async fn create(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let schema = &self.schema;
        execute(connection, format!("CREATE SCHEMA {schema}")).await?;
        self.enter(connection).await?;
        execute(connection, include_str!("positions.sql")).await?;
        execute(connection, self.projection.ddl().0).await?;
        if self.projection.unlogged {
            for table in self.tables() {
                execute(connection, format!("ALTER TABLE {table} SET UNLOGGED")).await?;
            }
        }
        Ok(())
    }

    /// Names all its tables. Whoever locks several does so in this order: reads look at the positions first, too.
    pub fn tables(&self) -> impl Iterator<Item = &'static str> {
        ["positions"].into_iter().chain(self.projection.tables.iter().copied())
    }

    /// Makes the keys and indexes of its tables.
    ///
    /// # Errors
    /// When rows violate a key, or Postgres fails.
    pub async fn create_keys(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        execute(connection, self.projection.ddl().1).await
    }

    /// Lets names without a schema mean its tables until the transaction ends.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn enter(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        enter(connection, &self.schema).await
    }

    /// Drops its schema with all tables, if it exists, and forgets what was parked in it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn drop(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        execute(connection, format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema)).await?;
        self.forget_parked(connection).await
    }

    /// Forgets what was parked in it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn forget_parked(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query!(
            "DELETE FROM till.parked WHERE projection = $1 AND generation = $2",
            self.projection.name,
            self.number
        )
        .execute(connection)
        .await
        .map(drop)
    }

    /// Reads its positions in a transaction of its own.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn positions(&self, connection: &mut PgConnection) -> sqlx::Result<Positions> {
        let mut transaction = connection.begin().await?;
        self.enter(&mut transaction).await?;
        positions(&mut transaction).await
    }

    /// Adds the columns that its table of positions lacks if a former binary has made it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn complete_positions(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        // Looked for first, because ALTER TABLE waits for every read, even if there is nothing to add.
        let has_them = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_schema = $1
                   AND table_name = 'positions' AND column_name = 'seen_at') AS "has_them!""#,
            self.schema
        )
        .fetch_one(&mut *connection)
        .await?;
        if has_them {
            return Ok(());
        }
        let columns = ["last_offset bigint", "last_event_id uuid", "seen_at timestamptz"];
        let added = columns.map(|column| format!("ADD COLUMN IF NOT EXISTS {column}")).join(", ");
        execute(connection, format!("ALTER TABLE {}.positions {added}", self.schema)).await
    }

    /// Reads how far it has folded.
    ///
    /// # Errors
    /// When Postgres fails, or a former binary made the positions.
    pub async fn checkpoint(&self, connection: &mut PgConnection) -> Result<Checkpoint, GenerationError> {
        let mut transaction = connection.begin().await?;
        self.enter(&mut transaction).await?;
        checkpoint(&mut transaction).await.map_err(missing_table)
    }

    /// Notes that it was seen at its end: see [`Checkpoint::seen_at`].
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn note_seen(&self, connection: &mut PgConnection, at: DateTime<Utc>) -> sqlx::Result<()> {
        let mut transaction = connection.begin().await?;
        self.enter(&mut transaction).await?;
        note_seen(&mut transaction, at).await?;
        transaction.commit().await
    }

    /// Makes it the live generation, in `till.projections` and in the views that show its tables, within the caller's transaction.
    /// `replaced_version` is the version of the generation that was live.
    ///
    /// # Errors
    /// When Postgres fails, or a view is locked past the caller's `lock_timeout`.
    pub async fn publish(
        &self,
        connection: &mut PgConnection,
        replaced_version: Option<i32>,
    ) -> sqlx::Result<()> {
        let version = self.projection.version;
        let name = self.projection.name;
        for table in self.projection.tables {
            // A view of the same version has the same columns. It is replaced, which keeps grants and what others have built on it;
            // one of another version must be dropped.
            if replaced_version != Some(version) {
                execute(connection, format!("DROP VIEW IF EXISTS till.{table}")).await?;
            }
            let schema = &self.schema;
            let view = format!("CREATE OR REPLACE VIEW till.{table} AS SELECT * FROM {schema}.{table}");
            execute(connection, view).await?;
        }
        sqlx::query!(
            "INSERT INTO till.projections (name, version, generation, schema_name) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, generation = excluded.generation,
                 schema_name = excluded.schema_name",
            name,
            version,
            self.number,
            self.schema
        )
        .execute(connection)
        .await
        .map(drop)
    }

    /// Every generation of the projection that exists, of any version, the oldest first.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn all(connection: &mut PgConnection, projection: Projection) -> sqlx::Result<Vec<Self>> {
        let pattern = format!("^{}_v[0-9]+_g[0-9]+$", projection.name);
        let names = sqlx::query_scalar!(
            r#"SELECT nspname::text AS "name!" FROM pg_catalog.pg_namespace WHERE nspname::text ~ $1"#,
            pattern
        )
        .fetch_all(connection)
        .await?;
        let number = |schema: &str| schema.rsplit_once("_g").and_then(|(_, number)| number.parse().ok());
        let mut all: Vec<_> = names
            .into_iter()
            .filter_map(|schema| Some(Self { projection, number: number(&schema)?, schema }))
            .collect();
        all.sort_by_key(|generation| generation.number);
        Ok(all)
    }
}

/// An undefined table, schema or column means that no migration of this binary has run.
fn missing_table(error: sqlx::Error) -> GenerationError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
        Some("42P01" | "3F000" | "42703") => GenerationError::Missing,
        _ => GenerationError::Database(error),
    }
}

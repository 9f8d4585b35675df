//! Rebuilds of projections from the log, beside COPY of the same rows into tables with the same keys and indexes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, raw_sql};

use super::control::block_on;
use super::fill::Logs;
use super::plan::Plan;
use super::report::Section;
use super::stack::Stack;
use super::stats::{grouped, median};
use crate::failure::{Explain, Failure, Result};

/// The schema that the copied tables are in.
const COPIES: &str = "bench_copy";
/// How much is sent at once: a megabyte, as `psql` sends what it reads from a file.
const CHUNK_BYTES: usize = 1 << 20;

/// A table of the live generation, whose rows are in a file in COPY's text form.
struct Dumped {
    name: String,
    rows: PathBuf,
}

/// Measures rebuilds and copies in turns.
///
/// # Errors
/// When the projector or Postgres fails.
pub fn measure(stack: &Stack, logs: &mut Logs<'_>, plan: &Plan) -> Result<Vec<Section>> {
    let receipts = plan.sizes[0];
    let deployment = logs.of(receipts)?;
    let url = stack.database_url(&deployment.prefix);
    deployment.run("projector", &["migrate"])?;
    let (mut journal_s, mut places_s, mut copy_s) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let (_, places) = deployment.run("projector", &["rebuild", "places"])?;
        let (_, journal) = deployment.run("projector", &["rebuild", "receipts"])?;
        let copy = block_on(copy_live(&url, "receipts", receipts, &stack.postgres_folder()))?;
        let seconds = [journal, places, copy].map(|time| time.as_secs_f64());
        plan.say(&format!(
            "rebuild round {round}: receipts {:.1} s, places {:.1} s, COPY {:.1} s",
            seconds[0], seconds[1], seconds[2]
        ));
        journal_s.push(seconds[0]);
        places_s.push(seconds[1]);
        copy_s.push(seconds[2]);
    }
    Ok(vec![section(receipts, [median(journal_s), median(places_s), median(copy_s)], plan)])
}

fn section(receipts: u64, [journal_s, places_s, copy_s]: [f64; 3], plan: &Plan) -> Section {
    let taken = format!(
        "Medians of {} alternating rounds over {} receipts. A rebuild is timed as a process, from its start to its end; \
         COPY is one session sending the rows of the rebuilt `receipts`, as text from a file, into a new table, its keys \
         and indexes made after, in one transaction. The figures of `places` are few rows: its rate counts receipts folded.",
        plan.rounds,
        grouped(receipts as f64)
    );
    let mut section = Section::new("rebuild", &["", "seconds", "receipts/s", "ratio to COPY", "aim"], taken);
    for (name, seconds, aim) in [
        ("COPY of the rows of `receipts`", copy_s, ""),
        ("`projector rebuild receipts`", journal_s, "at least 0.5"),
        ("`projector rebuild places`", places_s, "at least 0.5"),
    ] {
        section.row([
            name.to_owned(),
            format!("{seconds:.1}"),
            grouped(receipts as f64 / seconds),
            format!("{:.2}", copy_s / seconds),
            aim.to_owned(),
        ]);
    }
    section
}

/// How long COPY takes for the rows of a projection's live generation, with keys and indexes.
async fn copy_live(url: &str, projection: &str, receipts: u64, folder: &Path) -> Result<Duration> {
    let connection = &mut PgConnection::connect(url).await.explain("connecting to Postgres")?;
    let live: String = sqlx::query_scalar("SELECT schema_name FROM till.projections WHERE name = $1")
        .bind(projection)
        .fetch_one(&mut *connection)
        .await
        .explain(format!("looking for the live generation of {projection}"))?;
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {live}.{projection}")))
        .fetch_one(&mut *connection)
        .await
        .explain("counting the rebuilt rows")?;
    if u64::try_from(rows) != Ok(receipts) {
        return Err(Failure::new(format!(
            "the rebuilt {live} has {rows} rows for {receipts} receipts in the log"
        )));
    }
    let mut tables = Vec::new();
    for name in tables_of(connection, &live).await? {
        let rows = folder.join(format!("{name}.rows"));
        dump(connection, &format!("{live}.{name}"), &rows).await?;
        tables.push(Dumped { name, rows });
    }
    let indexes = indexes_of(connection, &live).await?;
    let start = Instant::now();
    copy(connection, &live, &tables, &indexes).await?;
    let took = start.elapsed();
    run(connection, format!("DROP SCHEMA {COPIES} CASCADE")).await?;
    Ok(took)
}

async fn tables_of(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>> {
    sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1")
        .bind(schema)
        .fetch_all(connection)
        .await
        .explain(format!("listing the tables of {schema}"))
}

/// The statements that make the schema's indexes, and those of its keys, for the copied tables.
async fn indexes_of(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>> {
    let rows = sqlx::query("SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY indexname")
        .bind(schema)
        .fetch_all(connection)
        .await
        .explain(format!("listing the indexes of {schema}"))?;
    let statement =
        |row| Row::get::<String, _>(&row, 0).replace(&format!(" ON {schema}."), &format!(" ON {COPIES}."));
    Ok(rows.into_iter().map(statement).collect())
}

/// Writes the rows into a file. The server writes it itself, into its own folder: that is the fastest way, and is not
/// measured.
async fn dump(connection: &mut PgConnection, table: &str, path: &Path) -> Result<()> {
    run(connection, format!("COPY {table} TO '{}'", path.display())).await
}

/// Copies in one transaction, as the first part of a rebuild does. With `wal_level = minimal` Postgres does not log the
/// rows of a table that the same transaction has made.
async fn copy(
    connection: &mut PgConnection,
    live: &str,
    tables: &[Dumped],
    indexes: &[String],
) -> Result<()> {
    run(connection, "BEGIN").await?;
    run(connection, "SET LOCAL synchronous_commit = off").await?;
    run(connection, format!("CREATE SCHEMA {COPIES}")).await?;
    for Dumped { name, rows } in tables {
        let columns = format!("LIKE {live}.{name} INCLUDING ALL EXCLUDING INDEXES");
        run(connection, format!("CREATE TABLE {COPIES}.{name} ({columns})")).await?;
        send(connection, &format!("COPY {COPIES}.{name} FROM STDIN"), rows).await?;
    }
    for index in indexes {
        run(connection, index.as_str()).await?;
    }
    run(connection, "COMMIT").await
}

async fn send(connection: &mut PgConnection, statement: &str, rows: &Path) -> Result<()> {
    let mut file = File::open(rows).explain(format!("reading {}", rows.display()))?;
    let mut copy = connection.copy_in_raw(statement).await.explain(statement)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = file.read(&mut chunk).explain(format!("reading {}", rows.display()))?;
        if length == 0 {
            return copy.finish().await.map(drop).explain(statement);
        }
        copy.send(&chunk[..length]).await.explain(statement)?;
    }
}

async fn run(connection: &mut PgConnection, statement: impl Into<String>) -> Result<()> {
    let statement = statement.into();
    raw_sql(AssertSqlSafe(statement.clone())).execute(connection).await.map(drop).explain(statement)
}

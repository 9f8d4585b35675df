//! `projector status`: prints how far each projection is.

use std::time::Duration;

use chrono::Utc;
use rdkafka::error::KafkaError;
use runtime::kafka::{Cluster, Ends, Isolation, LogReader};
use sqlx::PgConnection;

use crate::database::{LEADER_LOCK, connect};
use crate::log::ends;
use crate::log::record::Positions;
use crate::projections;
use crate::projections::definition::Projection;
use crate::settings::Settings;
use crate::tables::generation::{Generation, GenerationError};
use crate::tables::identity;
use crate::tables::positions::{Checkpoint, beginning};

/// How long the oldest record that is not folded yet is looked for.
const LOOK_FOR: Duration = Duration::from_secs(3);

struct Line {
    projection: Projection,
    version: i32,
    generation: i32,
    checkpoint: Checkpoint,
    leader: String,
    parked: i64,
}

/// Prints a table, a line a projection.
///
/// # Errors
/// In words, when Postgres or Kafka is away, or no migration has run.
pub async fn print(settings: &Settings) -> Result<(), String> {
    let mut connection = connect(&settings.own, "status")
        .await
        .map_err(|error| format!("Postgres (TILL_DATABASE_URL): {error}"))?;
    let mut lines = Vec::new();
    for projection in projections::ALL {
        let line = line(&mut connection, projection, settings.common.partitions).await;
        lines.push(line.map_err(|error| format!("{}: {error}", projection.name))?);
    }
    let kafka = |error: KafkaError| format!("Kafka: {error}");
    let cloned = settings.clone();
    let ends = tokio::task::spawn_blocking(move || {
        let (cluster, common) = (Cluster::new(&cloned.common), &cloned.common);
        ends::ends(&Ends::new(&cluster), &common.topic_prefix, projections::topics(), common.partitions)
    });
    let ends = ends.await.expect("asking does not panic").map_err(kafka)?;
    let faults = faults(settings, &lines, &ends).await?;
    let settings = settings.clone();
    let table = tokio::task::spawn_blocking(move || table(&settings, &lines, &ends));
    print!("{}{faults}", table.await.expect("writing a table does not panic").map_err(kafka)?);
    Ok(())
}

/// A line for each projection that was folded from another log than this one.
async fn faults(settings: &Settings, lines: &[Line], ends: &Positions) -> Result<String, String> {
    let (cluster, prefix) = (Cluster::new(&settings.common), &settings.common.topic_prefix);
    let mut text = String::new();
    for line in lines {
        match identity::check_records(line.projection, &cluster, prefix, &line.checkpoint, ends).await {
            Err(error) if error.is_another_log() => text += &format!("{}: {error}\n", line.projection.name),
            other => other.map_err(|error| error.to_string())?,
        }
    }
    Ok(text)
}

async fn line(
    connection: &mut PgConnection,
    projection: Projection,
    partitions: i32,
) -> Result<Line, GenerationError> {
    let (live, version) = Generation::live_of_any_version(connection, projection).await?;
    let mut checkpoint = live.checkpoint(connection).await?;
    if projection.unlogged {
        for (key, start) in beginning(projection, partitions) {
            checkpoint.positions.entry(key).or_insert(start);
        }
    }
    let leader = sqlx::query_scalar!(
        r#"SELECT coalesce(host(a.client_addr), 'local') || ' pid ' || a.pid AS "leader!"
           FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
           WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = $1::integer::oid
               AND l.objid = $2::integer::oid
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"#,
        LEADER_LOCK,
        projection.lock_number()
    )
    .fetch_optional(&mut *connection)
    .await?;
    let parked = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM till.parked WHERE projection = $1 AND generation = $2"#,
        projection.name,
        live.number
    )
    .fetch_one(connection)
    .await?;
    let leader = leader.unwrap_or_else(|| "none".to_owned());
    Ok(Line { projection, version, generation: live.number, checkpoint, leader, parked })
}

fn table(settings: &Settings, lines: &[Line], ends: &Positions) -> Result<String, KafkaError> {
    let (cluster, common) = (Cluster::new(&settings.common), &settings.common);
    let mut text = format!(
        "{:<12}{:>8}{:>12}{:>14}{:>12}{:>8}{:>8}  {}\n",
        "projection",
        "version",
        "generation",
        "position",
        "lag events",
        "lag s",
        "parked",
        "leader (Postgres session)"
    );
    for line in lines {
        let lag = lag(&line.checkpoint.positions, ends);
        let events: i64 = lag.values().map(|(_, behind)| behind).sum();
        let seconds = lag_seconds(&cluster, &common.topic_prefix, &lag)?;
        let position: i64 = line.checkpoint.positions.values().sum();
        text += &format!(
            "{:<12}{:>8}{:>12}{position:>14}{events:>12}{seconds:>8}{:>8}  {}\n",
            line.projection.name, line.version, line.generation, line.parked, line.leader
        );
    }
    Ok(text)
}

type Lag = std::collections::BTreeMap<(schemas::Topic, i32), (i64, i64)>;

/// The partitions that lag, each with the next offset to fold and the number of offsets up to its end.
fn lag(positions: &Positions, ends: &Positions) -> Lag {
    let behind = positions.iter().filter_map(|(key, next)| {
        let behind = ends.get(key).copied().unwrap_or_default() - next;
        (behind > 0).then_some((*key, (*next, behind)))
    });
    behind.collect()
}

/// The age in seconds of the oldest record that is not folded yet: 0 if there is none, `-` if none was found in time.
fn lag_seconds(cluster: &Cluster, prefix: &str, lag: &Lag) -> Result<String, KafkaError> {
    if lag.is_empty() {
        return Ok("0".to_owned());
    }
    let reader = LogReader::new(cluster, prefix, Isolation::Committed)?;
    reader.add(lag.iter().map(|(partition, (next, _))| (*partition, *next)))?;
    let deadline = std::time::Instant::now() + LOOK_FOR;
    let mut oldest = None;
    let mut seen = std::collections::BTreeSet::new();
    while std::time::Instant::now() < deadline && seen.len() < lag.len() {
        let Some(message) = reader.poll(Duration::from_millis(100))? else { continue };
        let position = message.position();
        if seen.insert((position.topic, position.partition)) {
            let at = message.appended_at();
            oldest = Some(oldest.map_or(at, |oldest| at.min(oldest)));
        }
    }
    Ok(oldest.map_or_else(|| "-".to_owned(), |at| (Utc::now() - at).num_seconds().max(0).to_string()))
}

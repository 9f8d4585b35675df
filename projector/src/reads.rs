//! Reads that have seen what they must: they wait for positions, bounded, and check them in the snapshot that
//! answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use runtime::Problem;
use schemas::{Position, Topic};
use sqlx::PgPool;

pub use crate::database::Snapshot;
use crate::database::{begin_snapshot, pool};
use crate::ends::Ends;
use crate::generation::{Generation, GenerationError, enter, positions};
use crate::progress::Progress;
use crate::projections::definition::Projection;
use crate::projections::topics;
use crate::record::Positions;
use crate::settings::ProjectorSettings;
use crate::turns::{NoTurn, Turns};

/// How long a read waits where the client does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// How long it waits at most, whatever the client says.
const LONGEST_WAIT_S: u64 = 30;
/// How long a read waits until others of its caller, which have all the connections that one may have, are answered.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// What a read must have seen, from its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    after: Vec<Position>,
    is_strong: bool,
    wait: Duration,
}

impl Consistency {
    /// Sees everything accepted before the read was asked for.
    #[must_use]
    pub const fn strong() -> Self {
        Self { after: Vec::new(), is_strong: true, wait: DEFAULT_WAIT }
    }

    /// Sees what is folded.
    #[must_use]
    pub const fn eventual() -> Self {
        Self { after: Vec::new(), is_strong: false, wait: DEFAULT_WAIT }
    }

    /// From `Till-Position` (positions of earlier answers, separated by commas), `Till-Consistency: strong` and
    /// `Prefer: wait=SECONDS` (RFC 7240).
    ///
    /// # Errors
    /// 400 where one of them cannot be read.
    pub fn from_headers(headers: &HeaderMap, partitions: i32) -> Result<Self, Problem> {
        let mut after = Vec::new();
        for token in values(headers, "till-position")? {
            let position: Position =
                token.parse().map_err(|error| bad_request(format!("Till-Position {error}")))?;
            if position.partition >= partitions {
                let detail =
                    format!("Till-Position names partition {}, there are {partitions}", position.partition);
                return Err(bad_request(detail));
            }
            after.push(position);
        }
        let mut is_strong = false;
        for value in values(headers, "till-consistency")? {
            is_strong |= match value.as_str() {
                "strong" => true,
                "eventual" => false,
                _ => return Err(bad_request("Till-Consistency must be `strong` or `eventual`")),
            };
        }
        let mut wait = DEFAULT_WAIT;
        for preference in values(headers, "prefer")? {
            let Some(seconds) = preference.strip_prefix("wait=") else { continue };
            let seconds: u64 = seconds
                .trim()
                .parse()
                .map_err(|_| bad_request("Prefer: wait=SECONDS takes a whole number"))?;
            wait = Duration::from_secs(seconds.min(LONGEST_WAIT_S));
        }
        Ok(Self { after, is_strong, wait })
    }
}

/// The values of a header, separated by commas, of all its lines.
fn values(headers: &HeaderMap, name: &'static str) -> Result<Vec<String>, Problem> {
    let mut values = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| bad_request(format!("{name} must be plain ASCII")))?;
        values.extend(line.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()));
    }
    Ok(values)
}

fn bad_request(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// Where reads come from.
#[derive(Clone)]
pub struct Reads {
    pool: PgPool,
    progress: Progress,
    ends: Ends,
    /// Turns of reads that wait for what they must have seen.
    waiting: Turns,
    /// Turns of reads that have a connection.
    connected: Turns,
}

type Needs = BTreeMap<Projection, Positions>;

impl Reads {
    /// Reads through a pool of their own. As many of them may wait at the same time as the settings say, and half of the
    /// connections may be one caller's.
    #[must_use]
    pub fn new(settings: &ProjectorSettings, progress: Progress, ends: Ends) -> Self {
        let connections = usize::try_from(settings.database_connections).unwrap_or(usize::MAX);
        Self {
            pool: pool(settings),
            progress,
            ends,
            waiting: Turns::new(settings.waiting_reads, settings.waiting_reads_of_a_caller),
            connected: Turns::new(connections, (connections / 2).max(1)),
        }
    }

    /// A snapshot of the projections, for a caller, that is as consistent as asked.
    ///
    /// # Errors
    /// 400 where it names a position that the log does not have, 429 where too many of the caller's reads wait or are under way,
    /// 503 where it does not come to what was asked in time, where too many wait in all, or where Postgres or Kafka is away.
    pub async fn snapshot(
        &self,
        projections: &[Projection],
        consistency: &Consistency,
        caller: &str,
    ) -> Result<Snapshot, Problem> {
        if consistency.after.is_empty() && !consistency.is_strong {
            return self.open(projections, &Needs::new(), caller).await?.ok_or_else(never);
        }
        let _turn = self.waiting.try_take(caller).map_err(no_turn_to_wait)?;
        let deadline = Instant::now() + consistency.wait;
        let waited =
            tokio::time::timeout_at(deadline.into(), self.wait_and_open(projections, consistency, caller))
                .await;
        waited.unwrap_or_else(|_| Err(late(consistency.wait)))
    }

    async fn wait_and_open(
        &self,
        projections: &[Projection],
        consistency: &Consistency,
        caller: &str,
    ) -> Result<Snapshot, Problem> {
        let asked = || topics_waited_for(projections, &consistency.after);
        let ends = match consistency.is_strong {
            true => Some(self.ends.ask(asked()).await.map_err(|reason| Problem::unavailable(reason, 1))?),
            false => None,
        };
        let needs = needs(projections, consistency, ends.as_deref());
        if let Some(ends) = &ends {
            refuse_past_the_end(&consistency.after, ends)?;
        } else if let Some(snapshot) = self.open(projections, &needs, caller).await? {
            return Ok(snapshot);
        } else if let Ok(ends) = self.ends.ask(asked()).await {
            // Without Kafka nobody knows: then it waits, and may see what is folded elsewhere meanwhile.
            refuse_past_the_end(&consistency.after, &ends)?;
        }
        loop {
            for (&projection, wanted) in &needs {
                let (mut positions, _waiting) = self.progress.watch(projection);
                let reached = positions.wait_for(|positions| reaches(positions, wanted)).await;
                reached.map_err(|_| never())?;
            }
            if let Some(snapshot) = self.open(projections, &needs, caller).await? {
                return Ok(snapshot);
            }
            // What this process knew was ahead of the tables: Postgres lost its last moments, or a generation was
            // rolled back. The fold goes over it again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens a snapshot, if it has what is needed.
    async fn open(
        &self,
        projections: &[Projection],
        needs: &Needs,
        caller: &str,
    ) -> Result<Option<Snapshot>, Problem> {
        let turn = self.connected.take(caller, TURN_WAIT).await.map_err(no_turn_to_read)?;
        let mut snapshot = begin_snapshot(&self.pool, turn).await.map_err(failed)?;
        let mut schemas = Vec::with_capacity(projections.len());
        for &projection in projections {
            let live = Generation::live(&mut snapshot, projection)
                .await
                .map_err(|error| unreadable(projection, error))?;
            if let Some(wanted) = needs.get(&projection) {
                live.enter(&mut snapshot).await.map_err(failed)?;
                if !reaches(&positions(&mut snapshot).await.map_err(failed)?, wanted) {
                    return Ok(None);
                }
            }
            schemas.push(live.schema);
        }
        enter(&mut snapshot, &schemas.join(", ")).await.map_err(failed)?;
        Ok(Some(snapshot))
    }
}

/// The topics whose ends a read must know: those that its projections fold, and those of the positions it names, which may be
/// past the end. A topic that no projection folds has no positions to wait for.
fn topics_waited_for(projections: &[Projection], after: &[Position]) -> BTreeSet<Topic> {
    let named = after.iter().map(|position| position.topic).filter(|topic| topics().contains(topic));
    projections.iter().flat_map(|projection| projection.topics).copied().chain(named).collect()
}

/// The next offsets each projection must have reached; a position in a topic it does not read says nothing.
fn needs(projections: &[Projection], consistency: &Consistency, ends: Option<&Positions>) -> Needs {
    let mut needs = Needs::new();
    for projection in projections {
        let reads = |topic| projection.topics.contains(&topic);
        let mut wanted = Positions::new();
        for position in consistency.after.iter().filter(|position| reads(position.topic)) {
            let next = wanted.entry((position.topic, position.partition)).or_default();
            *next = position.offset.saturating_add(1).max(*next);
        }
        for (&(topic, partition), &end) in ends.into_iter().flatten() {
            if reads(topic) {
                let next = wanted.entry((topic, partition)).or_default();
                *next = end.max(*next);
            }
        }
        if !wanted.is_empty() {
            needs.insert(*projection, wanted);
        }
    }
    needs
}

/// Nothing was ever answered with a position past the end of the log: who waits for one waits in vain.
fn refuse_past_the_end(after: &[Position], ends: &Positions) -> Result<(), Problem> {
    for position in after {
        let Some(end) = ends.get(&(position.topic, position.partition)) else { continue };
        if position.offset >= *end {
            return Err(bad_request(format!(
                "Till-Position names {position}, which the log does not have: its partition ends before offset {end}. Send the Till-Position of an earlier answer of this deployment"
            )));
        }
    }
    Ok(())
}

fn reaches(positions: &Positions, wanted: &Positions) -> bool {
    wanted.iter().all(|(key, next)| positions.get(key).copied().unwrap_or_default() >= *next)
}

/// What a failed query means to the client. Logged here, once.
#[must_use]
#[allow(clippy::needless_pass_by_value, reason = "the form `map_err` wants")]
pub fn failed(error: sqlx::Error) -> Problem {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
    if code == "57014" {
        return Problem::unavailable("the read took too long; ask for less", 5);
    }
    let is_away = match &error {
        // Connections, resources, shutdown and recovery.
        sqlx::Error::Database(_) => ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class)),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        _ => false,
    };
    tracing::warn!(%error, "a read failed");
    if is_away {
        return Problem::unavailable("Postgres cannot be read at the moment", 1);
    }
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the read failed; the projector's log says why")
}

fn unreadable(projection: Projection, error: GenerationError) -> Problem {
    match error {
        GenerationError::Database(error) => failed(error),
        other => Problem::unavailable(format!("{}: {other}", projection.name), 10),
    }
}

fn no_turn_to_wait(reason: NoTurn) -> Problem {
    match reason {
        NoTurn::OfCaller(most) => Problem::too_many(
            format!(
                "{most} reads of this caller wait already for what they must have seen; send the next one when one is answered, or read without Till-Position and Till-Consistency"
            ),
            1,
        ),
        NoTurn::OfAll => Problem::unavailable("too many reads wait for a position already", 1),
    }
}

fn no_turn_to_read(reason: NoTurn) -> Problem {
    match reason {
        NoTurn::OfCaller(most) => Problem::too_many(
            format!(
                "{most} reads of this caller are under way and take long; send the next one when one is answered"
            ),
            1,
        ),
        NoTurn::OfAll => Problem::unavailable("too many reads are under way and take long", 1),
    }
}

fn late(wait: Duration) -> Problem {
    let detail = format!(
        "the projection did not get as far within {} s; retry, or wait longer with `Prefer: wait=SECONDS` ({LONGEST_WAIT_S} at most)",
        wait.as_secs()
    );
    Problem::unavailable(detail, 1)
}

fn never() -> Problem {
    Problem::unavailable("the process is stopping", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::{PLACES, RECEIPTS};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_say_what_a_read_must_have_seen() {
        let asked = headers(&[("till-position", "r3-7, a0-1"), ("prefer", "respond-async, wait=90")]);
        let consistency = Consistency::from_headers(&asked, 4).unwrap();
        let position = |topic, partition, offset| Position { topic, partition, offset };
        assert_eq!(consistency.after, [position(Topic::Receipts, 3, 7), position(Topic::Accounts, 0, 1)]);
        assert_eq!(consistency.wait, Duration::from_secs(30));
        assert!(!consistency.is_strong);
        assert!(Consistency::from_headers(&headers(&[("till-consistency", "strong")]), 4).unwrap().is_strong);
    }

    #[test]
    fn a_position_past_the_end_of_the_log_is_refused_and_one_of_another_topic_is_not_looked_at() {
        let ends = Positions::from([((Topic::Receipts, 0), 7)]);
        let refused = |text: &str| refuse_past_the_end(&[text.parse().unwrap()], &ends).is_err();
        assert!(!refused("r0-6"));
        assert!(refused("r0-7"));
        assert!(!refused("s0-9"));
    }

    #[test]
    fn a_read_asks_for_the_ends_of_the_topics_it_waits_for() {
        let asked = |positions: &[&str]| {
            let after: Vec<_> = positions.iter().map(|text| text.parse().unwrap()).collect();
            topics_waited_for(&[PLACES, RECEIPTS], &after).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(asked(&[]), [Topic::Receipts]);
        assert_eq!(asked(&["a0-7", "s0-9"]), [Topic::Receipts, Topic::Accounts]);
    }

    #[test]
    fn headers_that_say_nothing_are_refused() {
        for pair in [
            ("till-position", "r4-7"),
            ("till-position", "x"),
            ("till-consistency", "weak"),
            ("prefer", "wait=-1"),
        ] {
            let refused = Consistency::from_headers(&headers(&[pair]), 4).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{pair:?}");
        }
    }
}

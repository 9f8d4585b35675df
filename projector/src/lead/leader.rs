//! A projection has one leader among all replicas. It holds an advisory lock on the connection it writes with, so a lost connection
//! is lost leadership. A former leader that has not noticed yet can fold nothing twice: the positions have moved.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use runtime::kafka::{Attendance, Cluster, Standstill};
use schemas::Topic;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::database::{LEADER_LOCK, connect_leader, try_lock};
use crate::fold::folding::{Folding, FoldingError};
use crate::fold::parked::Parked;
use crate::fold::write::{WriteError, Writer};
use crate::lead::progress::Progress;
use crate::log::ends::SharedEnds;
use crate::log::reader::ReadError;
use crate::log::record::Positions;
use crate::projections::definition::Projection;
use crate::settings::Settings;
use crate::tables::generation::Generation;
use crate::tables::positions::Checkpoint;
use crate::tables::{anew, identity};

/// How often a standby asks for the lock, and a leader without batches whether its generation is still live.
const TICK: Duration = Duration::from_millis(500);
/// How often a leader asks Kafka where the committed records end, to see whether its reader stands still.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The first and the longest pause after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Leads projections; a clone for each.
#[derive(Clone)]
pub struct Leader {
    pub settings: std::sync::Arc<Settings>,
    pub cluster: Cluster,
    /// High watermarks: where the log ends.
    pub ends: SharedEnds,
    /// Last stable offsets: where the committed records end.
    pub committed: SharedEnds,
    /// Learns of every commit.
    pub progress: Progress,
    /// Ends the leading after the batch under way.
    pub shutdown: CancellationToken,
}

impl Leader {
    /// Folds the projection whenever no other replica does, until the shutdown. After every failure it begins again where the positions
    /// stand, so no event is skipped.
    pub async fn run(self, projection: Projection) {
        let mut pause = BACK_OFF.0;
        while !self.shutdown.is_cancelled() {
            let term = self.serve(projection, &mut pause).await;
            self.progress.set_leading(projection, false);
            let Err(error) = term else { return };
            tracing::warn!(projection = projection.name, %error, retry_in_ms = pause.as_millis(), "not folding");
            self.progress.set_fault(projection, Some(error.to_string()));
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = self.shutdown.cancelled() => return,
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// Waits for the lock, then leads until the shutdown or a failure.
    async fn serve(&self, projection: Projection, pause: &mut Duration) -> Result<(), FoldingError> {
        let mut connection = connect_leader(&self.settings, projection.name).await?;
        loop {
            let generation = Generation::live(&mut connection, projection).await?;
            if try_lock(&mut connection, LEADER_LOCK, projection.lock_number()).await? {
                return self.lead_on(&mut connection, generation, pause).await;
            }
            self.progress.set_fault(projection, None);
            *pause = BACK_OFF.0;
            tokio::select! {
                () = tokio::time::sleep(TICK) => (),
                () = self.shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Leads one generation after the other: when a rebuild replaces the live one, the lock stays, because it is the projection's.
    async fn lead_on(
        &self,
        connection: &mut PgConnection,
        mut generation: Generation,
        pause: &mut Duration,
    ) -> Result<(), FoldingError> {
        identity::check(connection, &self.cluster, &self.settings.common).await?;
        loop {
            match self.lead(connection, &generation, pause).await {
                Err(FoldingError::Write(error @ (WriteError::Replaced | WriteError::Overtaken))) => {
                    tracing::info!(projection = generation.projection.name, %error, "going on from the live positions");
                }
                other => return other,
            }
            generation = Generation::live(connection, generation.projection).await?;
        }
    }

    async fn lead(
        &self,
        connection: &mut PgConnection,
        generation: &Generation,
        pause: &mut Duration,
    ) -> Result<(), FoldingError> {
        let projection = generation.projection;
        let checkpoint = self.resume(connection, generation).await?;
        let ends = self.ends.ask(projection.topics.iter().copied()).await.map_err(ReadError::NoEnds)?;
        let prefix = &self.settings.common.topic_prefix;
        identity::check_records(projection, &self.cluster, prefix, &checkpoint, &ends).await?;
        let parked = Parked::load(connection, generation).await?;
        let mut looks = Looks::new(checkpoint.seen_at);
        let positions = checkpoint.positions;
        let mut folding = Folding::start(&self.settings, &self.cluster, Writer::Leader, positions, parked)?;
        tracing::info!(projection = projection.name, generation = generation.number, "leading");
        self.progress.set(projection, folding.positions.clone());
        self.progress.set_leading(projection, true);
        // After a failure the fault stays until something goes well: a reader that must stop again says so in a moment.
        if *pause == BACK_OFF.0 {
            self.progress.set_fault(projection, None);
        }
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // In this order: only a leader that has no batch looks at its reader, so a reader that has batches is not taken for
                // silent.
                biased;
                () = self.shutdown.cancelled() => return Ok(()),
                batch = folding.next() => {
                    let (batch, begun) = (batch?, Instant::now());
                    folding.write(connection, generation, Writer::Leader, &batch).await?;
                    looks.busy += begun.elapsed();
                    self.progress.moved(projection, &batch.moves);
                }
                // The query also keeps Postgres from ending the session as idle, and finds a lost connection.
                _ = tick.tick() => if !generation.is_live(connection).await? {
                    return Err(WriteError::Replaced.into());
                },
                _ = look.tick() => self.look(connection, generation, &mut looks, &folding.positions).await?,
            }
            *pause = BACK_OFF.0;
            self.progress.set_fault(projection, None);
        }
    }

    /// Reads how far the generation has folded. Where it cannot be folded on from there, it begins anew.
    async fn resume(
        &self,
        connection: &mut PgConnection,
        generation: &Generation,
    ) -> Result<Checkpoint, FoldingError> {
        let (projection, partitions) = (generation.projection, self.settings.common.partitions);
        let checkpoint = generation.checkpoint(connection).await?;
        let Some(reason) = anew::reason(projection, partitions, &checkpoint, Utc::now()) else {
            return Ok(checkpoint);
        };
        tracing::warn!(projection = projection.name, %reason, "folding anew from the beginning");
        anew::begin(connection, generation, partitions).await?;
        Ok(generation.checkpoint(connection).await?)
    }

    /// Fails where the reader has gone silent, or was away from the end for too long. The leader then begins again, with a new
    /// Kafka client.
    async fn look(
        &self,
        connection: &mut PgConnection,
        generation: &Generation,
        looks: &mut Looks,
        positions: &Positions,
    ) -> Result<(), FoldingError> {
        let asked_at = Utc::now();
        // If Kafka is away, the readiness check says so.
        let Ok(committed) = self.committed.ask(generation.projection.topics.iter().copied()).await else {
            return Ok(());
        };
        let ends = positions.iter().filter_map(|(place, next)| Some((*place, *next, *committed.get(place)?)));
        if let Some((topic, partition)) = looks.note(ends.clone()) {
            return Err(ReadError::Silent { topic: topic.short_name(), partition }.into());
        }
        let Some(attendance) = &mut looks.attendance else { return Ok(()) };
        let ends = ends.map(|(place, _, end)| (place, end)).collect();
        if let Some(at) = attendance.see(asked_at, positions, ends)? {
            generation.note_seen(connection, at).await?;
        }
        Ok(())
    }
}

/// What a leader has seen of its reader. While the fold is busy writing the reader cannot hand over what it has, so a partition that
/// does not move then proves nothing.
struct Looks {
    standstill: Standstill<(Topic, i32)>,
    last: Instant,
    /// How much of the time since the last look the fold was writing.
    busy: Duration,
    /// `None` for event logs, from which nothing is ever deleted.
    attendance: Option<Attendance>,
}

impl Looks {
    fn new(seen_at: Option<DateTime<Utc>>) -> Self {
        let attendance = seen_at.map(Attendance::new);
        Self { standstill: Standstill::default(), last: Instant::now(), busy: Duration::ZERO, attendance }
    }

    /// See [`Standstill::note`]. If the fold was busy for most of the time since the last look, earlier looks are forgotten.
    fn note(&mut self, ends: impl IntoIterator<Item = ((Topic, i32), i64, i64)>) -> Option<(Topic, i32)> {
        if self.busy > self.last.elapsed() / 2 {
            self.standstill = Standstill::default();
        }
        (self.last, self.busy) = (Instant::now(), Duration::ZERO);
        self.standstill.note(ends)
    }
}

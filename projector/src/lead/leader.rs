//! One leader a projection: it holds an advisory lock on the connection it writes with, so that a lost connection
//! is lost leadership, and the guarded positions refuse whoever has not noticed.

use std::time::{Duration, Instant};

use runtime::kafka::{Cluster, Standstill};
use schemas::Topic;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::database::{LEADER_LOCK, connect_leader, try_lock};
use crate::fold::folding::{Folding, FoldingError};
use crate::fold::parked::Parked;
use crate::fold::write::{Standing, WriteError};
use crate::lead::progress::Progress;
use crate::log::ends::Ends;
use crate::log::reader::ReadError;
use crate::log::record::Positions;
use crate::projections::definition::Projection;
use crate::settings::Settings;
use crate::tables::generation::Generation;
use crate::tables::identity;

/// How often a standby asks for the lock, and an idle leader whether its generation is still live.
const TICK: Duration = Duration::from_millis(500);
/// How often a leader looks whether its reader stands still. It asks Kafka where the committed records end.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// First and longest pause after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What a leader works with.
#[derive(Clone)]
pub struct Leader {
    /// All settings.
    pub settings: std::sync::Arc<Settings>,
    /// Kafka.
    pub cluster: Cluster,
    /// The ends of the log.
    pub ends: Ends,
    /// The ends of what is committed.
    pub committed: Ends,
    /// Told of every commit.
    pub progress: Progress,
    /// Ends the work after the batch under way.
    pub shutdown: CancellationToken,
}

impl Leader {
    /// Folds the projection whenever no other replica does, until the shutdown. Every failure is retried: an event
    /// is never skipped.
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

    /// Waits for the lock, then leads until something fails or the shutdown.
    async fn serve(&self, projection: Projection, pause: &mut Duration) -> Result<(), FoldingError> {
        let settings = &self.settings.own;
        let mut connection = connect_leader(settings, projection.name).await?;
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

    /// Leads generation after generation: the lock is the projection's, not a generation's.
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
        let (positions, last) = generation.checkpoint(connection).await?;
        let ends = self.ends.ask(projection.topics.iter().copied()).await.map_err(ReadError::NoEnds)?;
        let prefix = &self.settings.common.topic_prefix;
        identity::check_records(projection, &self.cluster, prefix, (&positions, &last), &ends).await?;
        let parked = Parked::load(connection, generation).await?;
        let mut folding = Folding::start(&self.settings, &self.cluster, Standing::Live, positions, parked)?;
        tracing::info!(projection = projection.name, generation = generation.number, "leading");
        self.progress.set(projection, folding.positions.clone());
        self.progress.set_leading(projection, true);
        // After a failure only once something has gone well: a reader that must stop says so in a moment.
        if *pause == BACK_OFF.0 {
            self.progress.set_fault(projection, None);
        }
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = Looks::new();
        loop {
            tokio::select! {
                // A batch that is there comes first: where none is, the fold waits for its reader, and what the reader has not
                // given is seen.
                biased;
                () = self.shutdown.cancelled() => return Ok(()),
                batch = folding.next() => {
                    let (batch, begun) = (batch?, Instant::now());
                    folding.write(connection, generation, Standing::Live, &batch).await?;
                    looks.busy += begun.elapsed();
                    self.progress.moved(projection, &batch.moves);
                }
                // Also keeps the session from looking idle to Postgres, and finds a lost connection.
                _ = tick.tick() => if !generation.is_live(connection).await? {
                    return Err(WriteError::Replaced.into());
                },
                _ = look.tick() => self.look(&mut looks, projection, &folding.positions).await?,
            }
            *pause = BACK_OFF.0;
            self.progress.set_fault(projection, None);
        }
    }

    /// Ends the term of a reader that has gone silent: the next one makes a new Kafka client.
    async fn look(
        &self,
        looks: &mut Looks,
        projection: Projection,
        positions: &Positions,
    ) -> Result<(), ReadError> {
        // That Kafka is away is the readiness check's to say.
        let Ok(committed) = self.committed.ask(projection.topics.iter().copied()).await else {
            return Ok(());
        };
        let ends = positions.iter().filter_map(|(place, next)| Some((*place, *next, *committed.get(place)?)));
        match looks.note(ends) {
            Some((topic, partition)) => Err(ReadError::Silent { topic: topic.noun(), partition }),
            None => Ok(()),
        }
    }
}

/// What a leader has seen of its reader. Where the fold was busy writing, that a partition did not move says nothing of the reader:
/// it could not hand over what it had.
struct Looks {
    standstill: Standstill<(Topic, i32)>,
    last: Instant,
    /// How long the fold has written since the last look.
    busy: Duration,
}

impl Looks {
    fn new() -> Self {
        Self { standstill: Standstill::default(), last: Instant::now(), busy: Duration::ZERO }
    }

    /// See [`Standstill::note`]; earlier looks are forgotten where the fold was busy for most of the time since the last one.
    fn note(&mut self, ends: impl IntoIterator<Item = ((Topic, i32), i64, i64)>) -> Option<(Topic, i32)> {
        if self.busy > self.last.elapsed() / 2 {
            self.standstill = Standstill::default();
        }
        (self.last, self.busy) = (Instant::now(), Duration::ZERO);
        self.standstill.note(ends)
    }
}

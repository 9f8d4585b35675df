//! `projector rebuild`: the next generation beside the live one, from offset 0, and the switch to it.

use std::time::{Duration, Instant};

use runtime::kafka::{Cluster, Isolation};
use sqlx::{Connection, PgConnection};

use crate::database::{REBUILD_LOCK, connect, try_lock};
use crate::ends;
use crate::generation::{Generation, GenerationError, execute, insert_positions};
use crate::log_identity::{self, IdentityError};
use crate::meter::Meter;
use crate::migrate::beginning;
use crate::projection::{FoldError, Projection};
use crate::projections::{places, receipts};
use crate::reader::{Limits, ReadError, Reader};
use crate::record::{Batch, Folded, Positions};
use crate::settings::Settings;
use crate::write::{ParkedKeys, Sieve, Standing, WriteError, write};

/// How long the switch waits for locks before it lets others pass and tries again.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '1s'";
/// Between two looks at whether the new generation has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why a rebuild ended without a switch. The live generation is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// One at a time.
    #[error("another rebuild of {0} is under way; wait for it, or end it")]
    UnderWay(&'static str),
    /// The projection's tables.
    #[error("{0}")]
    Generation(#[from] GenerationError),
    /// The log.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// A batch.
    #[error("{0}")]
    Write(#[from] WriteError),
    /// The log is another one.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// There is nothing to go back to.
    #[error("{0} has no generation before the live one; a rebuild makes one")]
    NoneBefore(&'static str),
}

impl From<FoldError> for RebuildError {
    fn from(error: FoldError) -> Self {
        Self::Write(error.into())
    }
}

/// One rebuild under way.
struct Rebuild<'s> {
    settings: &'s Settings,
    cluster: Cluster,
    generation: Generation,
    connection: PgConnection,
}

/// Builds the next generation of the projection and makes it live. Says how it goes on standard error.
///
/// # Errors
/// See [`RebuildError`]; it can be run again.
pub async fn rebuild(settings: &Settings, projection: Projection) -> Result<(), RebuildError> {
    let cluster = Cluster::new(&settings.common);
    let mut connection = connect(&settings.own, &format!("rebuild {}", projection.name())).await?;
    if !try_lock(&mut connection, REBUILD_LOCK, projection.lock_number()).await? {
        return Err(RebuildError::UnderWay(projection.name()));
    }
    let (live, live_version) = Generation::live_of_any_version(&mut connection, projection).await?;
    log_identity::check(&mut connection, &cluster, &settings.common).await?;
    drop_where(&mut connection, projection, |generation| generation.number > live.number).await?;
    let generation = Generation::new(projection, live.number + 1);
    let mut rebuild = Rebuild { settings, cluster, generation, connection };

    let ends = rebuild.ends().await?;
    let mut meter = Meter::start(projection.name(), ends.values().sum());
    let started = Instant::now();
    let (mut reader, mut positions, mut parked) = rebuild.fill(&ends, &mut meter).await?;
    rebuild.catch_up(&live, live_version, &mut reader, &mut positions, &mut parked, &mut meter).await?;
    meter.finish();
    let folded: i64 = positions.values().sum();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}: generation {} is live, {folded} offsets in {seconds:.1} s ({:.0}/s); generation {} is kept",
        projection.name(),
        rebuild.generation.number,
        folded as f64 / seconds,
        live.number
    );
    drop_where(&mut rebuild.connection, projection, |generation| generation.number < live.number).await
}

/// Makes the generation before the live one live again; the leader goes on from its positions.
///
/// # Errors
/// When there is none, or Postgres fails.
pub async fn roll_back(settings: &Settings, projection: Projection) -> Result<(), RebuildError> {
    let mut connection = connect(&settings.own, "rollback").await?;
    let (live, version) = Generation::live_of_any_version(&mut connection, projection).await?;
    let all = Generation::all(&mut connection, projection).await?;
    let before = all.into_iter().rev().find(|generation| generation.number < live.number);
    let before = before.ok_or(RebuildError::NoneBefore(projection.name()))?;
    let own_version = before == Generation::new(projection, before.number);
    if !own_version {
        let (live, own) = (version, projection.version());
        return Err(GenerationError::Version { name: projection.name(), live, own }.into());
    }
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, LOCK_TIMEOUT).await?;
    before.publish(&mut transaction, Some(version)).await?;
    transaction.commit().await?;
    println!("{}: generation {} is live again", projection.name(), before.number);
    Ok(())
}

impl Rebuild<'_> {
    async fn ends(&self) -> Result<Positions, RebuildError> {
        let reader = self.cluster.reader(Isolation::Uncommitted).map_err(ReadError::Kafka)?;
        let (projection, common) = (self.generation.projection, self.settings.common.clone());
        let asked = tokio::task::spawn_blocking(move || {
            ends::ends(&reader, &common.topic_prefix, projection.topics(), common.partitions)
        });
        Ok(asked.await.expect("asking does not panic").map_err(ReadError::Kafka)?)
    }

    fn read_from_the_beginning(&self) -> Result<(Reader, Positions), RebuildError> {
        let (common, own) = (&self.settings.common, &self.settings.own);
        let positions = beginning(self.generation.projection, common.partitions);
        let limits = Limits { events: own.batch_events, bytes: own.batch_bytes };
        let reader = Reader::start(&self.cluster, &common.topic_prefix, &positions, limits)?;
        Ok((reader, positions))
    }

    /// Fills the generation up to `ends`: in bulk, or batch by batch where rows refuse that.
    async fn fill(
        &mut self,
        ends: &Positions,
        meter: &mut Meter,
    ) -> Result<(Reader, Positions, ParkedKeys), RebuildError> {
        match self.load(ends, meter).await {
            Err(RebuildError::Write(WriteError::Refused(error))) => {
                tracing::warn!(%error, "some events cannot be loaded in bulk: folding batch by batch, to find and park them");
                meter.restart();
                self.prepare_batchwise().await
            }
            other => other,
        }
    }

    /// One transaction, so that nothing is left of one that fails, and that a Postgres which allows it needs not log
    /// rows of a table nobody else has seen. Indexes come last.
    async fn load(
        &mut self,
        ends: &Positions,
        meter: &mut Meter,
    ) -> Result<(Reader, Positions, ParkedKeys), RebuildError> {
        let (mut reader, mut positions) = self.read_from_the_beginning()?;
        let mut parked = ParkedKeys::default();
        let generation = self.generation.clone();
        let mut loader = Loader::new(generation.projection);
        let mut transaction = self.connection.begin().await?;
        execute(&mut transaction, "SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL work_mem = '64MB'")
            .await?;
        generation.create(&mut transaction).await?;
        if loader.wants_keys_first() {
            generation.create_keys(&mut transaction).await?;
        }
        while !at_or_past(&positions, ends) {
            let batch = reader.next().await?;
            let mut sieve = Sieve::new(&generation, &parked);
            loader.take(&mut transaction, &sieve.sound(&batch.records)?).await?;
            parked = sieve.note(&mut transaction).await?;
            meter.add(advance(&mut positions, &batch));
        }
        meter.say("sums, keys and indexes");
        loader.finish(&mut transaction, &generation).await?;
        insert_positions(&mut transaction, &positions).await?;
        for table in generation.projection.tables() {
            execute(&mut transaction, format!("ANALYZE {table}")).await?;
        }
        transaction.commit().await?;
        Ok((reader, positions, parked))
    }

    async fn prepare_batchwise(&mut self) -> Result<(Reader, Positions, ParkedKeys), RebuildError> {
        let (reader, positions) = self.read_from_the_beginning()?;
        let mut transaction = self.connection.begin().await?;
        self.generation.create(&mut transaction).await?;
        self.generation.create_keys(&mut transaction).await?;
        insert_positions(&mut transaction, &positions).await?;
        transaction.commit().await?;
        Ok((reader, positions, ParkedKeys::default()))
    }

    /// Folds on as the live leader does, until the switch succeeds.
    async fn catch_up(
        &mut self,
        live: &Generation,
        live_version: i32,
        reader: &mut Reader,
        positions: &mut Positions,
        parked: &mut ParkedKeys,
        meter: &mut Meter,
    ) -> Result<(), RebuildError> {
        loop {
            let target = live.positions(&mut self.connection).await?;
            if at_or_past(positions, &target) && self.switch(live, live_version).await? {
                return Ok(());
            }
            let Ok(batch) = tokio::time::timeout(LOOK_EVERY, reader.next()).await else { continue };
            let batch = batch?;
            write(&mut self.connection, &self.generation, Standing::Rebuilding, &batch, parked).await?;
            meter.add(advance(positions, &batch));
        }
    }

    /// Holds the live positions still, and publishes the new generation where it is at or past each. `false`: not
    /// yet, or someone holds a lock too long.
    async fn switch(&mut self, live: &Generation, live_version: i32) -> Result<bool, RebuildError> {
        match self.try_switch(live, live_version).await {
            Err(error) if is_lock_timeout(&error) => {
                tracing::info!("the switch waits for others' locks; trying again");
                Ok(false)
            }
            other => Ok(other?),
        }
    }

    async fn try_switch(&mut self, live: &Generation, live_version: i32) -> sqlx::Result<bool> {
        let mut transaction = self.connection.begin().await?;
        execute(&mut transaction, LOCK_TIMEOUT).await?;
        execute(&mut transaction, format!("LOCK TABLE {}.positions IN EXCLUSIVE MODE", live.schema)).await?;
        live.enter(&mut transaction).await?;
        let target = crate::generation::positions(&mut transaction).await?;
        self.generation.enter(&mut transaction).await?;
        let own = crate::generation::positions(&mut transaction).await?;
        if !at_or_past(&own, &target) {
            transaction.rollback().await?;
            return Ok(false);
        }
        self.generation.publish(&mut transaction, Some(live_version)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

enum Loader {
    Receipts(receipts::Bulk),
    Places(places::Bulk),
    /// Small ones are folded as when live, only in one transaction.
    Folding(Projection),
}

impl Loader {
    fn new(projection: Projection) -> Self {
        match projection {
            Projection::Receipts => Self::Receipts(receipts::Bulk::default()),
            Projection::Places => Self::Places(places::Bulk::default()),
            Projection::Accounts | Projection::Hours => Self::Folding(projection),
        }
    }

    const fn wants_keys_first(&self) -> bool {
        matches!(self, Self::Folding(_))
    }

    async fn take(&mut self, connection: &mut PgConnection, events: &[Folded<'_>]) -> Result<(), FoldError> {
        match self {
            Self::Receipts(bulk) => bulk.take(connection, events).await,
            Self::Places(bulk) => bulk.take(connection, events).await,
            Self::Folding(projection) => projection.fold(connection, events).await,
        }
    }

    async fn finish(self, connection: &mut PgConnection, generation: &Generation) -> Result<(), FoldError> {
        match self {
            Self::Receipts(bulk) => {
                generation.create_keys(connection).await?;
                bulk.finish(connection).await
            }
            Self::Places(bulk) => {
                bulk.finish(connection).await?;
                Ok(generation.create_keys(connection).await?)
            }
            Self::Folding(_) => Ok(()),
        }
    }
}

/// Moves positions by a batch; by how many offsets.
fn advance(positions: &mut Positions, batch: &Batch) -> i64 {
    for step in &batch.moves {
        positions.insert((step.topic, step.partition), step.to);
    }
    batch.moves.iter().map(|step| step.to - step.from).sum()
}

fn at_or_past(positions: &Positions, target: &Positions) -> bool {
    target.iter().all(|(key, next)| positions.get(key).is_some_and(|own| own >= next))
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("55P03")
}

/// Drops generations that nobody reads, and what was parked in them.
async fn drop_where(
    connection: &mut PgConnection,
    projection: Projection,
    condition: impl Fn(&Generation) -> bool,
) -> Result<(), RebuildError> {
    for generation in Generation::all(connection, projection).await?.iter().filter(|found| condition(found)) {
        let mut transaction = connection.begin().await?;
        execute(&mut transaction, LOCK_TIMEOUT).await?;
        match generation.drop(&mut transaction).await {
            Err(error) if is_lock_timeout(&error) => {
                tracing::warn!(schema = generation.schema, "still read: the next rebuild drops it");
                continue;
            }
            other => other?,
        }
        sqlx::query!(
            "DELETE FROM till.parked WHERE projection = $1 AND generation = $2",
            projection.name(),
            generation.number
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
    }
    Ok(())
}

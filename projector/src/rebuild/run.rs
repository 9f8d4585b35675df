//! `projector rebuild`: folds the next generation beside the live one, from offset 0, and switches to it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use runtime::kafka::{Cluster, Ends, at_or_past};
use sqlx::{Connection, PgConnection};

use super::change::{connect_alone, drop_where};
use super::meter::Meter;
use crate::database::{LOCK_TIMEOUT, execute, is_lock_timeout};
use crate::fold::folding::{Folding, FoldingError};
use crate::fold::parked::{Parked, ParkingFilter};
use crate::fold::write::{WriteError, Writer};
use crate::log::ends;
use crate::log::reader::ReadError;
use crate::log::record::Positions;
use crate::projections::definition::Projection;
use crate::settings::Settings;
use crate::tables::generation::Generation;
use crate::tables::identity;
use crate::tables::positions::{beginning, insert_positions, positions};

/// The time between two looks at whether the new generation has caught up with the live one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One rebuild under way.
struct Rebuild<'s> {
    settings: &'s Settings,
    cluster: Cluster,
    generation: Generation,
    connection: PgConnection,
    /// How far to fold if the live generation was folded from another log, whose positions mean nothing in this one: where this log
    /// ended at the start.
    only_target: Option<Positions>,
}

/// Folds the next generation of the projection and makes it live. Shows on standard error how far it is.
///
/// # Errors
/// See [`FoldingError`]. The live generation stays as it is, and the rebuild can be run again.
pub async fn rebuild(settings: &Settings, projection: Projection) -> Result<(), FoldingError> {
    let cluster = Cluster::new(&settings.common);
    let mut connection = connect_alone(settings, "rebuild", projection).await?;
    let (live, live_version) = Generation::live_of_any_version(&mut connection, projection).await?;
    identity::check(&mut connection, &cluster, &settings.common).await?;
    drop_where(&mut connection, projection, |generation| generation.number > live.number).await?;
    let generation = Generation::new(projection, live.number + 1);
    let mut rebuild = Rebuild { settings, cluster, generation, connection, only_target: None };

    let ends = rebuild.ends().await?;
    rebuild.compare(&live, &ends).await?;
    let mut meter = Meter::start(projection.name, ends.values().sum());
    let started = Instant::now();
    let mut folding = rebuild.fill(&ends, &mut meter).await?;
    rebuild.catch_up(&live, live_version, &mut folding, &mut meter).await?;
    meter.finish();
    let folded: i64 = folding.positions.values().sum();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}: generation {} is live, {folded} offsets in {seconds:.1} s ({:.0}/s); generation {} is {}",
        projection.name,
        rebuild.generation.number,
        folded as f64 / seconds,
        live.number,
        if projection.keeps_former { "kept" } else { "dropped, because it may hold what others forget" }
    );
    drop_where(&mut rebuild.connection, projection, |generation| generation.number < live.number).await
}

impl Rebuild<'_> {
    async fn ends(&self) -> Result<Positions, FoldingError> {
        let asker = Ends::new(&self.cluster);
        let (projection, common) = (self.generation.projection, self.settings.common.clone());
        let asked = tokio::task::spawn_blocking(move || {
            ends::ends(&asker, &common.topic_prefix, projection.topics.iter().copied(), common.partitions)
        });
        Ok(asked.await.expect("asking does not panic").map_err(ReadError::Kafka)?)
    }

    /// Compares the log with the one the live generation was folded from. If that was another one, only the ends of this one count.
    async fn compare(&mut self, live: &Generation, ends: &Positions) -> Result<(), FoldingError> {
        let checkpoint = live.checkpoint(&mut self.connection).await?;
        let prefix = &self.settings.common.topic_prefix;
        match identity::check_records(live.projection, &self.cluster, prefix, &checkpoint, ends).await {
            Err(error) if error.is_another_log() => {
                tracing::warn!(%error, "the live generation is replaced wherever it stands");
                self.only_target = Some(ends.clone());
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn start_from_the_beginning(&self) -> Result<Folding, ReadError> {
        let positions = beginning(self.generation.projection, self.settings.common.partitions);
        Folding::start(self.settings, &self.cluster, Writer::Rebuild, positions, Parked::default())
    }

    /// Fills the generation up to `ends`. If an event is refused, nothing is filled: then every batch is folded by itself, which finds
    /// the event and parks it.
    async fn fill(&mut self, ends: &Positions, meter: &mut Meter) -> Result<Folding, FoldingError> {
        match self.load(ends, meter).await {
            Err(FoldingError::Write(WriteError::Refused(error))) => {
                tracing::warn!(%error, "some events cannot be loaded in bulk: folding batch by batch, to find and park them");
                meter.restart();
                self.prepare_batchwise().await
            }
            other => other,
        }
    }

    /// Fills the generation in one transaction. So nothing is left of a load that fails, and Postgres (with `wal_level=minimal`) need
    /// not log the rows of a table that nobody else has seen.
    async fn load(&mut self, ends: &Positions, meter: &mut Meter) -> Result<Folding, FoldingError> {
        let mut folding = self.start_from_the_beginning()?;
        let generation = self.generation.clone();
        let projection = generation.projection;
        let mut bulk = projection.bulk.map(|begin| begin());
        let mut transaction = self.connection.begin().await?;
        execute(&mut transaction, "SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL work_mem = '64MB'")
            .await?;
        generation.create(&mut transaction).await?;
        if bulk.is_none() {
            generation.create_keys(&mut transaction).await?;
        }
        while !folding.has_reached(ends) {
            let batch = folding.next().await?;
            // An event that is refused ends the load, so no event of it is ever held back.
            let mut filter = ParkingFilter::new(&generation, folding.parked, HashSet::new());
            let events = filter.admit(&batch.records);
            match &mut bulk {
                Some(bulk) => bulk.take(&mut transaction, &events).await?,
                None => (projection.fold)(&mut transaction, &events).await?,
            }
            folding.parked = filter.note(&mut transaction).await?;
            meter.add(folding.advance(&batch));
        }
        meter.say("sums, keys and indexes");
        if let Some(mut bulk) = bulk {
            bulk.finish_without_keys(&mut transaction).await?;
            generation.create_keys(&mut transaction).await?;
            bulk.finish_with_keys(&mut transaction).await?;
        }
        insert_positions(&mut transaction, &folding.positions, &folding.last).await?;
        for table in projection.tables {
            execute(&mut transaction, format!("ANALYZE {table}")).await?;
        }
        transaction.commit().await?;
        Ok(folding)
    }

    /// Makes the generation empty and with its keys, to be folded batch by batch.
    async fn prepare_batchwise(&mut self) -> Result<Folding, FoldingError> {
        let folding = self.start_from_the_beginning()?;
        let mut transaction = self.connection.begin().await?;
        self.generation.create(&mut transaction).await?;
        self.generation.create_keys(&mut transaction).await?;
        insert_positions(&mut transaction, &folding.positions, &folding.last).await?;
        transaction.commit().await?;
        Ok(folding)
    }

    /// Folds on batch by batch, as a leader does, until the switch succeeds.
    async fn catch_up(
        &mut self,
        live: &Generation,
        live_version: i32,
        folding: &mut Folding,
        meter: &mut Meter,
    ) -> Result<(), FoldingError> {
        loop {
            let target = match &self.only_target {
                Some(ends) => ends.clone(),
                None => live.positions(&mut self.connection).await?,
            };
            if folding.has_reached(&target) && self.switch(live, live_version).await? {
                return Ok(());
            }
            let Ok(batch) = tokio::time::timeout(LOOK_EVERY, folding.next()).await else { continue };
            let batch = batch?;
            let Self { connection, generation, .. } = self;
            meter.add(folding.write(connection, generation, Writer::Rebuild, &batch).await?);
        }
    }

    /// Keeps the live positions from being moved, and makes the new generation live if it is at or past each of them. The one
    /// that it replaces is dropped at once where it is not kept. `false`: it is not so far, or somebody else holds a lock for too
    /// long.
    async fn switch(&mut self, live: &Generation, live_version: i32) -> Result<bool, FoldingError> {
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
        // Reads of tables that are to be dropped are waited for at the positions, where they begin.
        let mode = if live.projection.keeps_former { "EXCLUSIVE" } else { "ACCESS EXCLUSIVE" };
        execute(&mut transaction, format!("LOCK TABLE {}.positions IN {mode} MODE", live.schema)).await?;
        live.enter(&mut transaction).await?;
        let live_positions = positions(&mut transaction).await?;
        let target = self.only_target.as_ref().unwrap_or(&live_positions);
        self.generation.enter(&mut transaction).await?;
        let own = positions(&mut transaction).await?;
        if !at_or_past(&own, target) {
            transaction.rollback().await?;
            return Ok(false);
        }
        self.generation.publish(&mut transaction, Some(live_version)).await?;
        if !live.projection.keeps_former {
            live.drop(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

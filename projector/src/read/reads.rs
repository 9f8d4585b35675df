//! Reads that have seen what they must. They wait for positions, for a bounded time, and check them again in the snapshot that
//! answers.

use std::time::{Duration, Instant};

use runtime::Problem;
use sqlx::PgPool;

use super::consistency::Consistency;
use super::needs::{Needs, needs, reaches, refuse_past_the_end, topics_waited_for};
use super::problems::{failed, never, no_turn_to_read, no_turn_to_wait, unreadable};
use super::snapshot::{Snapshot, begin_snapshot};
use super::turns::Turns;
use crate::database::{enter, is_missing_table, pool};
use crate::lead::progress::Progress;
use crate::log::ends::SharedEnds;
use crate::projections::definition::Projection;
use crate::settings::ProjectorSettings;
use crate::tables::generation::Generation;
use crate::tables::positions::positions;

/// How long a read waits for a connection while other reads of its caller have all that one caller may have.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// Opens snapshots for reads. Clones share connections and turns.
#[derive(Clone)]
pub struct Reads {
    pool: PgPool,
    progress: Progress,
    ends: SharedEnds,
    /// The turns to wait for what a read must have seen.
    waiting: Turns,
    /// The turns to have a connection.
    connected: Turns,
}

impl Reads {
    /// Makes the pool of reads. The settings say how many reads may wait at once; one caller may have half of the connections.
    #[must_use]
    pub fn new(settings: &ProjectorSettings, progress: Progress, ends: SharedEnds) -> Self {
        let connections = usize::try_from(settings.database_connections).unwrap_or(usize::MAX);
        Self {
            pool: pool(settings),
            progress,
            ends,
            waiting: Turns::new(settings.waiting_reads, settings.waiting_reads_of_a_caller),
            connected: Turns::new(connections, (connections / 2).max(1)),
        }
    }

    /// Opens a snapshot of the projections that has seen what `consistency` asks for. `caller` is whose turns it takes.
    ///
    /// # Errors
    /// 400 for a position that the log does not have; 429 if too many of the caller's reads wait or are under way; 503 if the
    /// projections do not get as far in time, too many reads wait in all, or Postgres or Kafka is away.
    pub async fn snapshot(
        &self,
        projections: &[Projection],
        consistency: &Consistency,
        caller: &str,
    ) -> Result<Snapshot, Problem> {
        if consistency.after.is_empty()
            && !consistency.is_strong
            && let Some(snapshot) = self.open(projections, &Needs::new(), caller).await?
        {
            return Ok(snapshot);
        }
        let _turn = self.waiting.try_take(caller).map_err(no_turn_to_wait)?;
        let deadline = Instant::now() + consistency.wait;
        let waited =
            tokio::time::timeout_at(deadline.into(), self.wait_and_open(projections, consistency, caller))
                .await;
        waited.unwrap_or_else(|_| Err(consistency.late()))
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
            // While Kafka is away nobody knows where the log ends. Then the read waits: another replica may have folded so far already.
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
            // The tables are behind what this process knew: Postgres has lost its last commits, or a generation was rolled
            // back. The leader folds these events again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens a snapshot. `None`: the tables are not as far as needed, or are there no more.
    async fn open(
        &self,
        projections: &[Projection],
        needs: &Needs,
        caller: &str,
    ) -> Result<Option<Snapshot>, Problem> {
        let turn = self.connected.take(caller, TURN_WAIT).await.map_err(no_turn_to_read)?;
        let mut snapshot = begin_snapshot(&self.pool, turn).await.map_err(failed)?;
        let lives = Generation::enter_live(&mut snapshot, projections)
            .await
            .map_err(|(projection, error)| unreadable(projection, error))?;
        let mut has_left = false;
        for live in &lives {
            let (projection, wanted) = (live.projection, needs.get(&live.projection));
            // A rebuild drops tables that are not kept at its switch. It waits for whoever has read their positions.
            if wanted.is_some() || !projection.keeps_former {
                live.enter(&mut snapshot).await.map_err(failed)?;
                has_left = true;
                match positions(&mut snapshot).await {
                    Ok(positions) if wanted.is_none_or(|wanted| reaches(&positions, wanted)) => (),
                    Ok(_) => return Ok(None),
                    Err(error) if !projection.keeps_former && is_missing_table(&error) => return Ok(None),
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        if has_left {
            let schemas: Vec<_> = lives.iter().map(|live| live.schema.as_str()).collect();
            enter(&mut snapshot, &schemas.join(", ")).await.map_err(failed)?;
        }
        Ok(Some(snapshot))
    }
}

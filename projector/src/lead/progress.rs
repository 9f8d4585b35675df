//! How far each projection has got as this process knows it: reads wait for it, and readiness reports faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::log::record::{Move, Positions};
use crate::projections::ALL;
use crate::projections::definition::Projection;
use crate::tables::generation::{Generation, GenerationError};

/// How often positions are read from Postgres while a read waits and another replica folds.
const POLL: Duration = Duration::from_millis(20);
/// How often they are read while this replica folds. It knows them then, but a rebuild may switch to tables that are further on.
const POLL_LEADING: Duration = Duration::from_millis(200);

/// The positions and the fault of every projection. Clones share them.
#[derive(Clone)]
pub struct Progress(Arc<BTreeMap<Projection, Projected>>);

struct Projected {
    positions: watch::Sender<Positions>,
    leads: AtomicBool,
    waiting: AtomicUsize,
    wanted: Notify,
    fault: watch::Sender<Option<String>>,
}

/// While it lives, somebody waits for the projection's positions, and they are kept fresh.
pub struct Waiting<'p>(&'p Projected);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Progress {
    /// Before anything is known: no positions, and each projection is starting.
    #[must_use]
    pub fn new() -> Self {
        let projected = || Projected {
            positions: watch::Sender::default(),
            leads: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
            fault: watch::Sender::new(Some("starting".to_owned())),
        };
        Self(Arc::new(ALL.iter().map(|projection| (*projection, projected())).collect()))
    }

    fn of(&self, projection: Projection) -> &Projected {
        &self.0[&projection]
    }

    /// Sets the positions of the live generation as read from Postgres.
    pub fn set(&self, projection: Projection, positions: Positions) {
        self.of(projection).positions.send_replace(positions);
    }

    /// Moves positions after a batch of this process was committed.
    pub fn moved(&self, projection: Projection, moves: &[Move]) {
        self.of(projection).positions.send_modify(|positions| {
            for step in moves {
                positions.insert((step.topic, step.partition), step.to);
            }
        });
    }

    /// Says whether this process folds the projection.
    pub fn set_leading(&self, projection: Projection, leads: bool) {
        self.of(projection).leads.store(leads, Ordering::Relaxed);
    }

    /// Notes why the projection cannot be folded or read; `None` that it can.
    pub fn set_fault(&self, projection: Projection, fault: Option<String>) {
        self.of(projection).fault.send_if_modified(|current| {
            let changes = *current != fault;
            *current = fault;
            changes
        });
    }

    /// The faults of projections, each as `NAME: fault`.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let faults = self.0.iter().filter_map(|(projection, projected)| {
            let fault = projected.fault.borrow();
            fault.as_ref().map(|fault| format!("{}: {fault}", projection.name))
        });
        faults.collect()
    }

    /// The positions of a projection as they change. They are kept fresh while the second value lives.
    #[must_use]
    pub fn watch(&self, projection: Projection) -> (watch::Receiver<Positions>, Waiting<'_>) {
        let projected = self.of(projection);
        projected.waiting.fetch_add(1, Ordering::Relaxed);
        projected.wanted.notify_one();
        (projected.positions.subscribe(), Waiting(projected))
    }

    /// Reads the positions from Postgres again and again while somebody waits for them, until `shutdown`.
    pub async fn keep_fresh(self, projection: Projection, pool: PgPool, shutdown: CancellationToken) {
        let work = async {
            let projected = self.of(projection);
            loop {
                if projected.waiting.load(Ordering::Relaxed) == 0 {
                    projected.wanted.notified().await;
                    continue;
                }
                let leads = projected.leads.load(Ordering::Relaxed);
                tokio::time::sleep(if leads { POLL_LEADING } else { POLL }).await;
                match positions(&pool, projection).await {
                    Ok(positions) => self.merge(projection, positions),
                    Err(error) => tracing::debug!(%error, "positions could not be read; trying again"),
                }
            }
        };
        tokio::select! {
            () = work => (),
            () = shutdown.cancelled() => (),
        }
    }

    /// Takes positions that were read. The leader of this process may have moved on while Postgres answered, so the further one counts.
    fn merge(&self, projection: Projection, read: Positions) {
        self.of(projection).positions.send_if_modified(|positions| {
            let mut changes = false;
            for (key, next) in read {
                let known = positions.entry(key).or_default();
                changes |= next > *known;
                *known = next.max(*known);
            }
            changes
        });
    }
}

async fn positions(pool: &PgPool, projection: Projection) -> Result<Positions, GenerationError> {
    let mut connection = pool.acquire().await?;
    let live = Generation::live_of_any_version(&mut connection, projection).await?.0;
    Ok(live.positions(&mut connection).await?)
}

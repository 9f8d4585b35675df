//! `projector serve`: starts the leaders, the reads and the health checks, and ends them.

use std::sync::Arc;
use std::time::Duration;

use runtime::auth::Tokens;
use runtime::kafka::{self, Cluster, TopicSpec, await_topics};
use runtime::server::{self, Edge, Readiness, Sites};
use runtime::vault::Vault;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contracts;
use crate::database::own_pool;
use crate::http::{App, Callers};
use crate::lead::leader::Leader;
use crate::lead::progress::Progress;
use crate::log::ends::SharedEnds;
use crate::projections;
use crate::read::Reads;
use crate::routes;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// The time between two looks at whether everything works.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT. Kafka and Postgres may come later, and may go away and come again.
///
/// # Errors
/// When the address is taken, the topics are not what Till needs, or the log was written with other secrets.
pub async fn serve(settings: Settings) -> Result<(), String> {
    let (common, own) = (&settings.common, &settings.own);
    let listener = server::bind(&own.projector_listen, "TILL_PROJECTOR_LISTEN").await?;
    let cluster = Cluster::new(common);
    let start_ends = |asker, capacity| {
        let started = SharedEnds::start(asker, &common.topic_prefix, common.partitions, capacity);
        started.map_err(|error| format!("no threads: {error}"))
    };
    let ends = start_ends(kafka::Ends::new(&cluster), own.waiting_reads)?;
    let committed = start_ends(kafka::Ends::committed(&cluster), projections::ALL.len())?;
    let (progress, pool) = (Progress::new(), own_pool(own));
    let secrets = Secrets::new(cluster.clone(), &common.topic_prefix, Vault::new(&own.vault));
    let readiness = Readiness::waiting("starting");
    let shutdown = server::shutdown_on_signal();
    let reads = Reads::new(own, progress.clone(), ends.clone());
    let app = App {
        callers: Callers::new(reads.clone(), common.partitions),
        reads,
        tokens: Tokens::new(&own.jwt_secret),
        vault: Vault::new(&own.vault),
        partitions: common.partitions,
        zone: common.business_timezone.parse().expect("the settings were checked"),
    };
    let contracts = contracts::routes(&app, &settings);
    let router = routes::router(app, contracts, readiness.clone());
    let grace = Duration::from_millis(common.shutdown_grace_ms);
    let edge = Edge::new(router, Sites::new(common, &[])).shaped_by(::contracts::answers::in_shape_of);
    let settings = Arc::new(settings);

    let tasks = TaskTracker::new();
    let leader = Leader {
        settings: Arc::clone(&settings),
        cluster: cluster.clone(),
        ends: ends.clone(),
        committed,
        progress: progress.clone(),
        shutdown: shutdown.clone(),
    };
    let health = Health { progress, pool, ends, secrets: secrets.clone(), readiness: readiness.clone() };
    let folding = fold_when_topics_are_there(leader, tasks.clone(), readiness);
    health.start(&tasks, &shutdown);
    tracing::info!(listen = settings.own.projector_listen, "serving");
    let serving = server::serve(listener, edge, shutdown.clone(), grace);
    let ended = tokio::select! {
        () = serving => Ok(()),
        refused = folding => Err(refused),
        refused = secrets.refused() => Err(refused),
    };
    shutdown.cancel();
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!("a batch was still under way when the grace ended; its transaction is undone");
    }
    ended
}

/// Makes and checks the topics, then starts a leader for each projection: a log that is not whole must not be folded. Returns only
/// if it is not whole, with the faults in words.
async fn fold_when_topics_are_there(leader: Leader, tasks: TaskTracker, readiness: Readiness) -> String {
    let common = &leader.settings.common;
    let specs: Vec<_> = projections::topics().into_iter().map(|topic| TopicSpec::of(topic, common)).collect();
    let waiting = |reason| {
        readiness.set_waiting(reason);
        for projection in projections::ALL {
            leader.progress.set_fault(projection, Some("waiting for the topics".into()));
        }
    };
    if let Err(faults) = await_topics(&leader.cluster, &specs, waiting).await {
        return faults;
    }
    for &projection in projections::ALL {
        tasks.spawn(leader.clone().run(projection));
    }
    std::future::pending().await
}

struct Health {
    progress: Progress,
    pool: PgPool,
    ends: SharedEnds,
    secrets: Secrets,
    readiness: Readiness,
}

impl Health {
    /// Starts the tasks that keep the readiness, and the positions that reads wait for.
    fn start(self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        for &projection in projections::ALL {
            let (progress, pool) = (self.progress.clone(), self.pool.clone());
            tasks.spawn(progress.keep_fresh(projection, pool, shutdown.clone()));
        }
        tasks.spawn(self.watch(shutdown.clone()));
    }

    /// Keeps the readiness: the service is ready while Postgres and Kafka answer and every projection is folded, here or by another
    /// replica, once its secrets were compared with the log's.
    async fn watch(self, shutdown: CancellationToken) {
        loop {
            let mut faults = self.progress.faults();
            faults.extend(self.secrets.fault());
            if let Err(error) = sqlx::query("SELECT 1").execute(&self.pool).await {
                faults.push(format!("Postgres: {error}"));
            }
            if let Err(reason) = self.ends.ask(projections::topics()).await {
                faults.push(reason);
            }
            if faults.is_empty() {
                self.readiness.set_ready();
            } else {
                self.readiness.set_waiting(faults.join("; "));
            }
            let pause = if faults.is_empty() { CHECK_EVERY } else { CHECK_EVERY / 10 };
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = shutdown.cancelled() => return self.readiness.set_waiting("shutting down"),
            }
        }
    }
}

//! The service: health over HTTP, the worker on a thread of its own.

use std::time::Duration;

use runtime::Common;
use runtime::kafka::{Cluster, TopicSpec, await_topics};
use runtime::registry;
use runtime::server::{self, Edge, Readiness, Sites};
use schemas::Topic;
use schemas::codec::Framing;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::reader::Watch;
use crate::settings::Settings;
use crate::worker::Worker;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Where it cannot listen, or the topics are not what Till needs.
pub(crate) async fn serve(settings: Settings) -> Result<(), String> {
    let shutdown = server::shutdown_on_signal();
    let grace = Duration::from_millis(settings.common.shutdown_grace_ms);
    let readiness = Readiness::waiting("checking the topics");
    let listener = server::bind(&settings.own.analytics_listen, "TILL_ANALYTICS_LISTEN").await?;
    let router = server::with_fallbacks(server::health_routes(readiness.clone()).into());
    let edge = Edge::new(router, Sites::new(&settings.common, &[]));
    let http = tokio::spawn(server::serve(listener, edge, shutdown.clone(), grace));
    tracing::info!(listen = settings.own.analytics_listen, "analytics-worker");

    let worked = work(settings, Watch { shutdown: shutdown.clone(), readiness }, grace).await;
    shutdown.cancel();
    http.await.map_err(|error| error.to_string())?;
    worked
}

async fn work(settings: Settings, watch: Watch, grace: Duration) -> Result<(), String> {
    let shutdown = watch.shutdown.clone();
    let framing = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        prepared = prepare(&settings.common, &watch.readiness) => prepared?,
    };
    watch.readiness.set_waiting("folding the closed windows");
    let worker = Worker::new(&settings, framing, watch)?;
    let (ended, end) = oneshot::channel();
    let threads = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            worker.run(&threads);
            // Once the grace is over nobody listens, which is no error.
            let _ = ended.send(());
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    await_end(end, &shutdown, grace).await
}

/// The worker ends by itself only when it panics.
async fn await_end(
    mut end: oneshot::Receiver<()>,
    shutdown: &CancellationToken,
    grace: Duration,
) -> Result<(), String> {
    tokio::select! {
        ended = &mut end => return ended.map_err(|_| "the worker's thread has panicked: see the log".to_owned()),
        () = shutdown.cancelled() => {}
    }
    if tokio::time::timeout(grace, end).await.is_err() {
        // The next replica to take the transactional id aborts an unfinished transaction.
        tracing::warn!("the worker was still busy when the grace ended");
    }
    Ok(())
}

async fn prepare(common: &Common, readiness: &Readiness) -> Result<Framing, String> {
    await_topics(&Cluster::new(common), &topics(common), |reason| readiness.set_waiting(reason)).await?;
    registry::framing(common, readiness).await
}

fn topics(common: &Common) -> Vec<TopicSpec> {
    [Topic::Receipts, Topic::Analytics].map(|topic| TopicSpec::of(topic, common)).into()
}

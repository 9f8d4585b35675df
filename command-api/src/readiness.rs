//! `/readyz`: whether commands can be taken. It is watched for as long as the process runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::server::Readiness;
use tokio_util::sync::CancellationToken;

use crate::http::App;
use crate::http::accounts::{admin_missing, ensure_first_accounts};
use crate::shard::Engine;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Keeps `readiness` up to date until `stopping`. The service becomes ready once every shard has an owner and the first
/// accounts are in the local store. It stays ready as long as every shard has an owner and the log is followed.
pub async fn watch(app: App, engine: Arc<Engine>, readiness: Readiness, stopping: CancellationToken) {
    tokio::select! {
        () = look(&app, &engine, &readiness) => {}
        () = stopping.cancelled() => readiness.set_waiting("shutting down"),
    }
}

async fn look(app: &App, engine: &Engine, readiness: &Readiness) {
    while !engine.is_near_the_end() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    readiness.set_waiting("waiting for an owner of every shard");
    while !app.shards.unserved().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    readiness.set_waiting("waiting for the first accounts");
    ensure_first_accounts(app).await;
    if let Some(remedy) = admin_missing(app) {
        tracing::warn!("{remedy}");
    }
    // Requests wait so long for a shard that moves. Only a shard that is gone for longer has requests refused, and
    // makes the service not ready.
    let a_move = Duration::from_millis(app.own.move_timeout_ms);
    let mut unserved_since = None;
    loop {
        let unserved = app.shards.unserved();
        if let Some(reason) = engine.stands_still() {
            readiness.set_waiting(reason);
        } else if unserved.is_empty() {
            unserved_since = None;
            if readiness.reason().is_some() {
                readiness.set_ready();
                tracing::info!("ready");
            }
        } else if unserved_since.get_or_insert_with(Instant::now).elapsed() > a_move {
            if readiness.reason().is_none() {
                tracing::warn!(shards = ?unserved, "not ready: shards have no owner");
            }
            readiness.set_waiting(format!("shards without an owner: {unserved:?}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

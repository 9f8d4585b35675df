//! `command-api serve`: starts the parts and connects them, and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use runtime::kafka::{Cluster, await_topics};
use runtime::registry;
use runtime::server::{self, Edge, Readiness, Sites, Starting};
use tokio_util::sync::CancellationToken;

use crate::contracts;
use crate::http::App;
use crate::settings::Settings;
use crate::shard::engine::Unstarted;
use crate::shard::{Engine, ownership};
use crate::topics;
use crate::{readiness, routes};

const RETRY: Duration = Duration::from_secs(1);
/// How long an idle connection to another replica is kept. The other replica keeps it for longer (30 s), so it never
/// closes one while a request is on its way.
const IDLE: Duration = Duration::from_secs(15);

/// Serves until SIGTERM. An error is in words for the operator.
pub async fn serve(settings: Settings) -> Result<(), String> {
    let listener = server::bind(&settings.own.command_api_listen, "TILL_COMMAND_API_LISTEN").await?;
    let stopping = server::shutdown_on_signal();
    let readiness = Readiness::waiting("waiting for Kafka");
    let (starting, listener) =
        Starting::begin(listener, &readiness).map_err(|error| format!("cannot share the socket: {error}"))?;
    let replicas = replicas()?;
    let engine = tokio::select! {
        engine = start_engine(&settings, &readiness, &replicas) => Arc::new(engine?),
        () = stopping.cancelled() => return Ok(()),
    };
    let app = App::new(&settings, &engine, replicas)?;
    starting.end().await;

    // At the end the shards are given up first, and the port is closed later: until other replicas serve the shards,
    // requests that come here are forwarded.
    let left = CancellationToken::new();
    let owning = own_shards(&settings, &engine, &readiness, &stopping, &left);
    tokio::spawn(readiness::watch(app.clone(), engine.clone(), readiness.clone(), stopping));
    let grace = Duration::from_millis(settings.common.shutdown_grace_ms);
    let contracts = contracts::routes(&app, &settings);
    let router = routes::router(app, contracts, readiness);
    // Other replicas forward requests to the advertised address, so its name must be one that is served.
    let advertised = settings.own.advertised_url();
    let sites = Sites::new(&settings.common, &[advertised.split("://").last().unwrap_or_default()]);
    let edge = Edge::new(router, sites).shaped_by(::contracts::answers::in_shape_of);
    server::serve(listener, edge, left, grace).await;
    let owned = tokio::task::spawn_blocking(move || owning.join()).await;
    engine.stop_following();
    owned.map_err(|error| error.to_string())?.map_err(|_| "the ownership thread panicked".to_owned())?
}

async fn start_engine(
    settings: &Settings,
    readiness: &Readiness,
    replicas: &reqwest::Client,
) -> Result<Engine, String> {
    let cluster = Cluster::new(&settings.common);
    await_topics(&cluster, &topics::specs(&settings.common), |reason| readiness.set_waiting(reason)).await?;
    let framing = registry::framing(&settings.common, readiness).await?;
    readiness.set_waiting("opening the local store");
    loop {
        let (settings, framing, replicas) = (settings.clone(), framing.clone(), replicas.clone());
        let started = tokio::task::spawn_blocking(move || Engine::start(&settings, framing, replicas));
        match started.await.map_err(|error| error.to_string())? {
            Ok(engine) => return Ok(engine),
            Err(Unstarted::Kafka(error)) => {
                tracing::warn!(%error, "waiting for Kafka");
                readiness.set_waiting(error.to_string());
                tokio::time::sleep(RETRY).await;
            }
            Err(Unstarted::Refused(error)) => return Err(error),
        }
    }
}

/// The client by which this replica asks the others.
fn replicas() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("other replicas cannot be asked: {error}"))
}

/// Joins the group once the store is near the end of the log, so that a new replica slows nobody down. `left` is
/// cancelled when the shards are given back, or when the process must end.
fn own_shards(
    settings: &Settings,
    engine: &Arc<Engine>,
    readiness: &Readiness,
    stopping: &CancellationToken,
    left: &CancellationToken,
) -> std::thread::JoinHandle<Result<(), String>> {
    let (engine, settings) = (Arc::clone(engine), settings.own.clone());
    let (stopping, left) = (stopping.clone(), left.clone().drop_guard());
    readiness.set_waiting("folding the log into the local store");
    let own = move || {
        let _left = left;
        while !engine.is_near_the_end() {
            if stopping.is_cancelled() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        ownership::own(&engine, &settings, &stopping)
    };
    std::thread::Builder::new().name("ownership".into()).spawn(own).expect("a thread can be started")
}

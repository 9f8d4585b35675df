//! `command-api serve`: wires the parts together, and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use runtime::kafka::{Cluster, Ends, Isolation, RecordWriter, await_topics};
use runtime::registry;
use runtime::server::{self, Edge, Readiness, Sites, Starting};
use schemas::codec::Framing;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::contracts;
use crate::effects::tell::Teller;
use crate::http::App;
use crate::settings::Settings;
use crate::shard::directory::{Directory, DirectoryError};
use crate::shard::follower::Follower;
use crate::shard::ownership::Patience;
use crate::shard::source::Source;
use crate::shard::store::Store;
use crate::shard::topology::TopologyError;
use crate::shard::{Engine, Limits, Shards, ownership, topology, verify};
use crate::topics;
use crate::{readiness, routes};

const RETRY: Duration = Duration::from_secs(1);
/// How long a connection to another replica is kept idle: shorter than that keeps it (30 s), so that none is closed while a
/// request is on its way.
const IDLE: Duration = Duration::from_secs(15);

/// Serves until SIGTERM. `Err` is what to tell the operator.
pub async fn serve(settings: Settings) -> Result<(), String> {
    let listener = server::bind(&settings.own.command_api_listen, "TILL_COMMAND_API_LISTEN").await?;
    let stopping = server::shutdown_on_signal();
    let readiness = Readiness::waiting("waiting for Kafka");
    let (starting, listener) =
        Starting::begin(listener, &readiness).map_err(|error| format!("cannot share the socket: {error}"))?;
    let prepared = tokio::select! {
        prepared = prepare(&settings, &readiness) => prepared?,
        () = stopping.cancelled() => return Ok(()),
    };
    let Parts { engine, shards, app } = prepared;
    starting.end().await;

    // Shards first, then requests: until others serve them, what comes here is forwarded.
    let left = CancellationToken::new();
    let owning = own_shards(&settings, &engine, &shards, &readiness, &stopping, &left);
    tokio::spawn(readiness::watch(app.clone(), engine.clone(), readiness.clone(), stopping));
    let grace = Duration::from_millis(settings.common.shutdown_grace_ms);
    let contracts = contracts::routes(&app, &settings);
    let router = routes::router(app, contracts, readiness);
    // Other replicas forward to the address it advertises.
    let advertised = settings.own.advertised_url();
    let sites = Sites::new(&settings.common, &[advertised.split("://").last().unwrap_or_default()]);
    let edge = Edge::new(router, sites).shaped_by(::contracts::answers::in_shape_of);
    server::serve(listener, edge, left, grace).await;
    let owned = tokio::task::spawn_blocking(move || owning.join()).await;
    engine.follower.stop();
    owned.map_err(|error| error.to_string())?.map_err(|_| "the ownership thread panicked".to_owned())?
}

struct Parts {
    engine: Arc<Engine>,
    shards: Arc<Shards>,
    app: App,
}

async fn prepare(settings: &Settings, readiness: &Readiness) -> Result<Parts, String> {
    let cluster = Cluster::new(&settings.common);
    await_topics(&cluster, &topics::specs(&settings.common), |reason| readiness.set_waiting(reason)).await?;
    let framing = registry::framing(&settings.common, readiness).await?;
    readiness.set_waiting("opening the local store");
    loop {
        let (settings, framing) = (settings.clone(), framing.clone());
        let built = tokio::task::spawn_blocking(move || build(&settings, framing))
            .await
            .map_err(|error| error.to_string())?;
        match built {
            Ok(parts) => return Ok(parts),
            Err(Unbuilt::Kafka(error)) => {
                tracing::warn!(%error, "waiting for Kafka");
                readiness.set_waiting(error.to_string());
                tokio::time::sleep(RETRY).await;
            }
            Err(Unbuilt::Refused(error)) => return Err(error),
        }
    }
}

enum Unbuilt {
    /// Passes when Kafka is back.
    Kafka(KafkaError),
    /// Needs an operator.
    Refused(String),
}

impl From<DirectoryError> for Unbuilt {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Kafka(error) => Self::Kafka(error),
            DirectoryError::Unreadable(error) => Self::Refused(error.to_string()),
        }
    }
}

impl From<KafkaError> for Unbuilt {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl From<TopologyError> for Unbuilt {
    fn from(error: TopologyError) -> Self {
        match error {
            TopologyError::Kafka(error) => Self::Kafka(error),
            TopologyError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

fn build(settings: &Settings, framing: Framing) -> Result<Parts, Unbuilt> {
    let (common, own) = (&settings.common, &settings.own);
    let cluster = Cluster::new(common);
    let prefix = &common.topic_prefix;
    let store = Arc::new(open_store(settings, &cluster)?);
    let ends = Arc::new(Ends::new(&cluster));
    // Threads that only watch ask for ends through a client of their own, so that takeovers do not wait for them.
    let watching = Arc::new(Ends::new(&cluster));
    let directory = Directory::start(&cluster, prefix, Arc::clone(&watching), |error| end(&error))?;
    let topology_epoch = topology::agreed(&cluster, common, &directory, &ends, &framing)?;
    let failed = |error| end(&error);
    let follower =
        Follower::start(&cluster, prefix, common.partitions, Arc::clone(&store), watching, failed)?;
    let limits = Limits {
        queue: own.shard_queue,
        answer_timeout: Duration::from_millis(own.answer_timeout_ms),
        move_timeout: Duration::from_millis(own.move_timeout_ms),
    };
    let url = own.advertised_url();
    let shards =
        Arc::new(Shards::new(common.shards, common.partitions, url.clone(), directory.clone(), &limits));
    let source = Arc::new(Source::new(&cluster, prefix));
    let replicas = replicas().map_err(Unbuilt::Refused)?;
    let teller = Teller::new(
        Arc::clone(&shards),
        Arc::clone(&source),
        replicas.clone(),
        runtime::auth::derived_secret(&own.jwt_secret, "internal"),
        limits.answer_timeout,
        Handle::current(),
    );
    let engine = Arc::new(Engine {
        prefix: prefix.clone(),
        shards: common.shards,
        partitions: common.partitions,
        topology_epoch,
        records: RecordWriter::new(prefix, framing),
        url,
        instance: Uuid::now_v7(),
        store,
        follower,
        directory,
        membership: ownership::member(&cluster, prefix, Arc::clone(&shards))?,
        ends,
        teller: teller.clone(),
        refusals: refusals(&cluster, prefix)?,
        batch: own.shard_batch,
        pause: Duration::from_micros(own.shard_pause_us),
        cluster,
    });
    let app = App::new(settings, Arc::clone(&shards), Arc::clone(&engine.store), source, replicas, teller)
        .map_err(Unbuilt::Refused)?;
    Ok(Parts { engine, shards, app })
}

/// The client by which replicas ask each other.
fn replicas() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("other replicas cannot be asked: {error}"))
}

fn end(error: &dyn std::fmt::Display) {
    tracing::error!(%error, "the log cannot be followed: this process ends");
    std::process::exit(1);
}

/// No client has to live for it: a group without members has the same metadata for ever.
fn refusals(cluster: &Cluster, prefix: &str) -> Result<ConsumerGroupMetadata, KafkaError> {
    let mut config = cluster.reader_config(Isolation::Committed);
    let client: BaseConsumer = config.set("group.id", format!("{prefix}-refusals")).create()?;
    client.group_metadata().ok_or(KafkaError::Canceled)
}

/// Opens the store and compares it with the log; one that differs is discarded.
fn open_store(settings: &Settings, cluster: &Cluster) -> Result<Store, Unbuilt> {
    let (common, own) = (&settings.common, &settings.own);
    let origin = format!("{} {}", common.topic_prefix, common.partitions);
    let open = || {
        Store::open(&own.store_dir, &origin, own.store_cache_mib).map_err(|error| {
            let dir = own.store_dir.display();
            Unbuilt::Refused(format!("cannot open the local store {dir}: {error}; TILL_STORE_DIR chooses another, each replica needs its own"))
        })
    };
    let store = open()?;
    let Some(difference) = verify::difference(&store, cluster, &common.topic_prefix, common.partitions)?
    else {
        return Ok(store);
    };
    tracing::warn!(difference, "the local store is not of this log: it is rebuilt");
    drop(store);
    Store::discard(&own.store_dir).map_err(|error| Unbuilt::Refused(error.to_string()))?;
    open()
}

/// Joins the group once the store is near the end of the log, so that a new replica makes nobody slower.
/// `left` is cancelled when the shards are given back, or when the process must end.
fn own_shards(
    settings: &Settings,
    engine: &Arc<Engine>,
    shards: &Arc<Shards>,
    readiness: &Readiness,
    stopping: &CancellationToken,
    left: &CancellationToken,
) -> std::thread::JoinHandle<Result<(), String>> {
    let (engine, shards) = (Arc::clone(engine), Arc::clone(shards));
    let (stopping, left) = (stopping.clone(), left.clone().drop_guard());
    let patience = Patience {
        serving: Duration::from_millis(settings.own.serving_timeout_ms),
        successors: Duration::from_millis(settings.own.move_timeout_ms),
    };
    readiness.set_waiting("folding the log into the local store");
    let own = move || {
        let _left = left;
        while !engine.follower.is_near_the_end() {
            if stopping.is_cancelled() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = ownership::own(&engine, &shards, &patience, &stopping);
        shards.stop_waiting();
        ended
    };
    std::thread::Builder::new().name("ownership".into()).spawn(own).expect("a thread can be started")
}

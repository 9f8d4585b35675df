//! What handlers share, and how they send a command to its shard.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::HeaderMap;
use chrono_tz::Tz;
use domain::Command;
use ipnet::IpNet;
use runtime::auth::Tokens;
use runtime::vault::Vault;
use tokio::sync::Semaphore;

use super::batch::Turns;
use super::known_callers::KnownCallers;
use super::login_guard::LoginGuard;
use super::prefer::preferred_wait;
use super::room::Rooms;
use crate::blocking::Threads;
use crate::effects::tell::Teller;
use crate::passwords::Passwords;
use crate::settings::{Own, Settings, networks};
use crate::shard::barrier::Barrier;
use crate::shard::source::Source;
use crate::shard::store::Store;
use crate::shard::{Answer, Engine, Origin, Refusal, Shards};

/// Threads that read receipts from the log, for callers and for strangers each. They share one Kafka client, so that more
/// threads would only wait for it.
const READING: usize = 4;

/// The state of all handlers. A clone shares its parts.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub shards: Arc<Shards>,
    pub store: Arc<Store>,
    pub source: Arc<Source>,
    /// What is passed before a handler relies on states of other homes.
    pub barrier: Barrier,
    /// Threads that read from the log for callers with a token.
    pub reading: Threads,
    /// Threads that read from the log for strangers, who so hold up nobody but each other.
    pub strangers_reading: Threads,
    pub tokens: Tokens,
    pub known_callers: KnownCallers,
    pub passwords: Passwords,
    /// Seals and opens what is personal.
    pub vault: Vault,
    pub login_guard: Arc<LoginGuard>,
    /// The peers whose `X-Real-IP` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The zone of times that are sent without one; `None` where each time must name its own.
    pub zone: Option<Tz>,
    pub demo: bool,
    pub own: Own,
    pub rooms: Rooms,
    pub turns: Turns,
    /// Permits for commands of batches in the queues of this replica's shards: they leave a quarter of a queue to others.
    pub batch_commands: Semaphore,
    pub replicas: reqwest::Client,
    pub teller: Teller,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<App> for Tokens {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}

impl App {
    pub fn new(settings: &Settings, engine: &Engine, replicas: reqwest::Client) -> Result<Self, String> {
        let own = settings.own.clone();
        let zone: Tz =
            settings.common.business_timezone.parse().map_err(|_| "the time zone was checked".to_owned())?;
        let trusted_proxies = networks(&own.trusted_proxies).unwrap_or_default();
        Ok(Self(Arc::new(Parts {
            shards: Arc::clone(engine.shards()),
            store: Arc::clone(engine.store()),
            source: Arc::clone(engine.source()),
            barrier: engine.barrier().clone(),
            reading: Threads::new(READING),
            strangers_reading: Threads::new(READING),
            tokens: Tokens::new(&own.jwt_secret),
            known_callers: KnownCallers::default(),
            passwords: Passwords::default(),
            vault: engine.vault().clone(),
            login_guard: Arc::new(LoginGuard::new(own.login_attempts, own.login_lock_s)),
            trusted_proxies,
            zone: (!own.require_zone).then_some(zone),
            demo: settings.common.demo,
            batch_commands: Semaphore::new((own.shard_queue / 4 * 3).max(1)),
            own,
            rooms: Rooms::default(),
            turns: Turns::default(),
            replicas,
            teller: engine.teller().clone(),
        })))
    }

    /// Sends a client's command to its shard and waits for the answer. With `Prefer: wait=N` it then also waits, `N` seconds at
    /// most, until the to-dos that the event raised are settled.
    pub async fn submit(&self, command: impl Into<Command>, headers: &HeaderMap) -> Result<Answer, Refusal> {
        let origin = Origin::of(headers);
        match preferred_wait(headers) {
            Some(wait) => {
                // A replica that forwarded the request gives its owner the whole time: the answer must come before it is over.
                let within = wait.min(Duration::from_millis(self.own.answer_timeout_ms / 2));
                self.shards.submit_settled(command, origin, within).await
            }
            None => self.shards.submit(command, origin).await,
        }
    }
}

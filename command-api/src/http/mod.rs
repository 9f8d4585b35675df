//! HTTP: what handlers share. A handler parses, sends one command to its shard, and answers.

pub mod accounts;
mod amount;
pub mod batch;
pub mod bodies;
mod error;
mod form;
pub mod forward;
mod login_guard;
pub mod receipts;
mod segment;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::http::HeaderMap;
use chrono_tz::Tz;
use runtime::auth::Tokens;
use tokio::sync::Semaphore;

pub use error::ApiError;
pub use segment::Segment;

use crate::passwords::Passwords;
use crate::settings::{Own, Settings};
use crate::shard::source::Source;
use crate::shard::store::Store;
use crate::shard::{Origin, Shards};
use login_guard::LoginGuard;

/// Bytes of request bodies in memory at once; past it requests are refused with 503.
const BODIES_IN_FLIGHT_KIB: usize = 32 * 1024;

/// Batches under way at once: they leave room for requests of one receipt.
const BATCHES: usize = 4;

/// What handlers work with.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub shards: Arc<Shards>,
    pub store: Arc<Store>,
    pub source: Arc<Source>,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub login_guard: LoginGuard,
    pub zone: Tz,
    pub demo: bool,
    pub own: Own,
    pub bodies_in_flight: Arc<Semaphore>,
    pub batches: Arc<Semaphore>,
    /// Commands of batches that wait for shards of this replica: they leave room in the queues for others.
    pub batch_commands: Semaphore,
    pub replicas: reqwest::Client,
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
    pub fn new(
        settings: &Settings,
        shards: Arc<Shards>,
        store: Arc<Store>,
        source: Source,
    ) -> Result<Self, String> {
        let own = settings.own.clone();
        let zone =
            settings.common.business_timezone.parse().map_err(|_| "the time zone was checked".to_owned())?;
        let replicas = reqwest::Client::builder()
            .connect_timeout(std::time::Duration::from_secs(1))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot forward to other replicas: {error}"))?;
        Ok(Self(Arc::new(Parts {
            shards,
            store,
            source: Arc::new(source),
            tokens: Tokens::new(&own.jwt_secret),
            passwords: Passwords::default(),
            login_guard: LoginGuard::new(own.login_attempts, own.login_lock_s),
            zone,
            demo: settings.common.demo,
            batch_commands: Semaphore::new((own.shard_queue / 4 * 3).max(1)),
            own,
            bodies_in_flight: Arc::new(Semaphore::new(BODIES_IN_FLIGHT_KIB)),
            batches: Arc::new(Semaphore::new(BATCHES)),
            replicas,
        })))
    }
}

impl Origin {
    /// Request id and trace context, where the client sent well-formed ones.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str, at_most: usize| {
            let value = headers.get(name)?.to_str().ok()?;
            (1..=at_most).contains(&value.len()).then(|| value.to_owned())
        };
        Self {
            correlation_id: text("x-request-id", 128),
            traceparent: text("traceparent", 128),
            causation_id: None,
        }
    }
}

//! Tells: the commands of a to-do go to the owners of their homes, and what their events say comes back as the command
//! that settles the to-do.
//!
//! A tell is repeated until it is settled, if need be by the shard's next owner. So an aggregate that is told keeps its
//! first answer, and gives that one again.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use crossbeam_channel::Sender;
use domain::{Command, Settle, TodoKey};
use futures_util::{StreamExt, TryStreamExt, stream};
use rdkafka::error::KafkaError;
use schemas::codec::{self, DecodeError, Framing};
use schemas::shards::ShardAnnounced;
use schemas::{Event, Position};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::blocking::Threads;
use crate::settings::Own;
use crate::shard::source::Source;
use crate::shard::{Answer, Origin, Refusal, Shards};

/// The path at which an owner takes the commands of other owners' to-dos. nginx does not serve it.
pub const PATH: &str = "/internal/commands";
/// The most commands of one tell that are under way at once.
const SIDE_BY_SIDE: usize = 32;
/// The most events that are read from the log at once, for tells that are repeated.
const READING: usize = 4;

/// The body of the request that tells a command.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The id of the event whose to-do sends the command.
    pub cause: Uuid,
    /// The command, as [`Command::to_json`] writes it.
    pub command: Value,
}

/// A to-do's commands, and the function that makes the settling command of their events.
pub struct Tell {
    pub key: TodoKey,
    pub cause: Uuid,
    pub commands: Vec<Command>,
    pub settle: Settle,
}

/// How a tell ended: with the command that settles its to-do, or with the reason why it must be told again.
pub struct Ended {
    pub key: TodoKey,
    pub cause: Uuid,
    pub result: Result<Command, Untold>,
}

/// Why a told command has given no event. It is told again later.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    #[error("its shard said {0:?}")]
    Refused(Refusal),
    #[error("the event it had led to before cannot be read: {0}")]
    Unread(#[from] KafkaError),
    #[error("{} cannot be asked: {error}", owner.url)]
    Unreachable { owner: ShardAnnounced, error: reqwest::Error },
    #[error("{} answered {status}", owner.url)]
    Status { owner: ShardAnnounced, status: StatusCode },
    #[error("{}'s event cannot be read: {error}", owner.url)]
    Unreadable { owner: ShardAnnounced, error: DecodeError },
    #[error("no to-do may tell this command")]
    NotTold,
}

impl From<Refusal> for Untold {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Tells commands to other owners, and decides the commands that other owners tell.
#[derive(Clone)]
pub struct Teller(Arc<Parts>);

struct Parts {
    shards: Arc<Shards>,
    source: Arc<Source>,
    reading: Threads,
    replicas: reqwest::Client,
    /// The secret by which replicas of one deployment know each other.
    secret: String,
    timeout: Duration,
    runtime: Handle,
}

impl Teller {
    /// Tells by the client `replicas`. They run on the tokio runtime in which this is called.
    pub fn new(shards: &Arc<Shards>, source: &Arc<Source>, replicas: reqwest::Client, own: &Own) -> Self {
        Self(Arc::new(Parts {
            shards: Arc::clone(shards),
            source: Arc::clone(source),
            reading: Threads::new(READING),
            replicas,
            secret: runtime::auth::derived_secret(&own.jwt_secret, "internal"),
            timeout: Duration::from_millis(own.answer_timeout_ms),
            runtime: Handle::current(),
        }))
    }

    /// Whether a request to [`PATH`] comes from a replica of this deployment.
    pub fn knows(&self, secret: &[u8]) -> bool {
        runtime::auth::are_equal_secrets(self.0.secret.as_bytes(), secret)
    }

    /// Begins a tell, and sends how it ended to `ended`. Where the shard has left this replica by then, nobody receives
    /// it.
    pub fn begin(&self, tell: Tell, ended: Sender<Ended>) {
        let teller = self.clone();
        self.0.runtime.spawn(async move {
            let Tell { key, cause, commands, settle } = tell;
            let events = stream::iter(commands).map(|command| teller.tell(command, cause));
            let events: Result<Vec<Event>, Untold> = events.buffered(SIDE_BY_SIDE).try_collect().await;
            let _ = ended.send(Ended { key, cause, result: events.map(|events| settle(&events)) });
        });
    }

    async fn tell(&self, command: Command, cause: Uuid) -> Result<Event, Untold> {
        let json = command.to_json();
        match self.decide(command, cause).await {
            Err(Untold::Refused(Refusal::Elsewhere(owner))) => {
                self.ask(owner, Told { cause, command: json.ok_or(Untold::NotTold)? }).await
            }
            decided => decided,
        }
    }

    /// The event of a command whose shard is served here. Where the command had happened before, its event is read from
    /// the log.
    pub async fn decide(&self, command: Command, cause: Uuid) -> Result<Event, Untold> {
        let origin = Origin { causation_id: Some(cause), ..Origin::default() };
        let Answer { position, event, .. } = self.0.shards.submit(command, origin).await?;
        match event {
            Some(event) => Ok(Arc::unwrap_or_clone(event)),
            None => self.read(position).await,
        }
    }

    async fn read(&self, position: Position) -> Result<Event, Untold> {
        let thread = self.0.reading.wait(self.0.timeout).await.ok_or(Untold::Refused(Refusal::Overloaded))?;
        let source = Arc::clone(&self.0.source);
        Ok(thread.run(move || source.read(position)).await?)
    }

    async fn ask(&self, owner: ShardAnnounced, told: Told) -> Result<Event, Untold> {
        let url = format!("{}{PATH}", owner.url);
        let request =
            self.0.replicas.post(url).bearer_auth(&self.0.secret).json(&told).timeout(self.0.timeout);
        let exchange = async {
            let response = request.send().await?;
            Ok((response.status(), response.bytes().await?))
        };
        match exchange.await {
            Ok((StatusCode::OK, event)) => {
                codec::decode(&event, None).map_err(|error| Untold::Unreadable { owner, error })
            }
            Ok((status, _)) => Err(Untold::Status { owner, status }),
            Err(error) => Err(Untold::Unreachable { owner, error }),
        }
    }
}

/// The body of the answer to a told command, which is its event in Avro single-object encoding.
pub fn body_of(event: &Event) -> Vec<u8> {
    codec::encode(event, &Framing::SingleObject).value
}

//! A deployment in which one thing is killed once, and a client that sends each request until it is answered.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use till_tests::client::{Answer, eventually};
use till_tests::{Client, Till};
use uuid::Uuid;

use crate::chaos;
use crate::ownership::SURELY;

/// How long a step may take, whatever was killed. Liveness only.
const STEP_WITHIN: Duration = Duration::from_secs(120);
/// How long one try of a request may take.
const TRY_WITHIN: Duration = Duration::from_secs(15);
/// How long the request that was met by the kill may still take before what was killed comes back.
const MET_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    CommandApi,
    Projector,
    Broker,
    Postgres,
}

impl Victim {
    pub const ALL: [Self; 4] = [Self::CommandApi, Self::Projector, Self::Broker, Self::Postgres];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The victim is dead when the request is sent.
    Before,
    /// The victim dies so many milliseconds after the request was sent.
    During(u64),
}

/// A request that is sent as often as need be: its idempotency key makes all of them the same one.
#[derive(Clone)]
struct Request {
    client: Client,
    method: Method,
    path: String,
    body: Value,
}

impl Request {
    fn new(method: Method, client: &Client, path: &str, body: Value) -> Self {
        let key = Uuid::now_v7().to_string();
        let client = client.with_timeout(TRY_WITHIN).with_header("idempotency-key", &key);
        Self { client, method, path: path.to_owned(), body }
    }

    async fn send(self) -> reqwest::Result<Answer> {
        match self.method {
            Method::GET => self.client.try_get(&self.path).await,
            Method::PUT => self.client.try_put(&self.path, &self.body).await,
            _ => self.client.try_post(&self.path, self.body.to_string()).await,
        }
    }
}

/// A deployment, and what is killed at which step of the life that is lived in it.
pub struct Peril<'t> {
    till: &'t mut Till,
    victim: Victim,
    killed_at: usize,
    moment: Moment,
    /// The step that comes next.
    step: usize,
}

impl<'t> Peril<'t> {
    pub fn new(till: &'t mut Till, victim: Victim, killed_at: usize, moment: Moment) -> Self {
        Self { till, victim, killed_at, moment, step: 0 }
    }

    /// The steps so far.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// Creates something. The request is sent once more in the end, and must have created the same.
    pub async fn create(&mut self, client: &Client, path: &str, body: Value) -> Value {
        let request = Request::new(Method::POST, client, path, body);
        let created = self.step(&request).await;
        let again = self.until_answered(&request).await;
        assert_eq!(again.body["id"], created.body["id"], "{path}: {} and then {}", created.text, again.text);
        created.body
    }

    pub async fn post(&mut self, client: &Client, path: &str, body: Value) -> Value {
        self.step(&Request::new(Method::POST, client, path, body)).await.body
    }

    pub async fn put(&mut self, client: &Client, path: &str, body: Value) -> Value {
        self.step(&Request::new(Method::PUT, client, path, body)).await.body
    }

    pub async fn get(&mut self, client: &Client, path: &str) -> Value {
        self.step(&Request::new(Method::GET, client, path, Value::Null)).await.body
    }

    /// Waits until what is read is so.
    pub async fn settles(&self, client: &Client, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) {
        eventually(&format!("{path}: {what}"), STEP_WITHIN.max(SURELY), async || {
            client.try_get(path).await.is_ok_and(|answer| answer.status == 200 && is_so(&answer.body))
        })
        .await;
    }

    /// Sends a request, and kills the victim where this is its step.
    async fn step(&mut self, request: &Request) -> Answer {
        let step = self.step;
        self.step += 1;
        if step != self.killed_at {
            return self.until_answered(request).await;
        }
        let met = self.send_and_kill(request).await;
        self.bring_back().await;
        let answer = self.until_answered(request).await;
        if let Some(met) = met {
            let path = &request.path;
            assert_eq!(answer.body["id"], met.body["id"], "{path}: {} and then {}", met.text, answer.text);
        }
        answer
    }

    /// Sends the request while the victim dies or is dead. Gives the answer where it is a success. Whatever came of it, the request is
    /// to be sent again, as a client would that had no answer.
    async fn send_and_kill(&mut self, request: &Request) -> Option<Answer> {
        if self.moment == Moment::Before {
            self.kill();
        }
        let sent = tokio::spawn(request.clone().send());
        if let Moment::During(millis) = self.moment {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            self.kill();
        }
        let met = tokio::time::timeout(MET_WITHIN, sent).await.ok()?;
        met.expect("sending does not panic").ok().filter(is_success)
    }

    fn kill(&mut self) {
        match self.victim {
            Victim::CommandApi => self.till.command_api.kill(),
            Victim::Projector => self.till.projector.kill(),
            Victim::Broker => self.till.servers.kafka.kill(),
            Victim::Postgres => self.till.servers.postgres.kill(),
        }
    }

    async fn bring_back(&mut self) {
        match self.victim {
            Victim::CommandApi => self.till.command_api.start_ready().await,
            Victim::Projector => self.till.projector.start_ready().await,
            Victim::Broker => {
                self.till.servers.kafka.restart();
                self.till.servers.kafka.ready().await;
            }
            Victim::Postgres => {
                self.till.servers.postgres.restart();
                self.till.servers.postgres.ready().await;
            }
        }
    }

    /// Sends a request until it is answered with success. A 5xx or no answer may mean anything, so it is sent again.
    async fn until_answered(&mut self, request: &Request) -> Answer {
        let deadline = Instant::now() + STEP_WITHIN;
        let Request { method, path, .. } = request;
        loop {
            match request.clone().send().await {
                Ok(answer) if is_success(&answer) => return answer,
                Ok(answer) if answer.status < 500 => {
                    panic!("{method} {path} is answered {}: {}", answer.status, answer.text)
                }
                other => assert!(Instant::now() < deadline, "{method} {path} is not answered: {other:?}"),
            }
            for service in [&mut self.till.command_api, &mut self.till.projector] {
                chaos::revive(service);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What is read. The projector answers 503 until it has come to the end of the log again.
pub async fn read(client: &Client, path: &str) -> Value {
    let mut read = Value::Null;
    eventually(&format!("{path} is read"), SURELY, async || {
        let answer = client.get(path).await;
        read = answer.body;
        answer.status == 200
    })
    .await;
    read
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

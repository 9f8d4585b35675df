//! The HTTP client of a till. It sends receipts with a terminal key that the admin issues for it, and sends again what is refused
//! for now.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep};

use super::plan::{Answered, Kind, Planned};
use crate::failure::{Explain, Failure, Result};

/// How long a request is sent again: long enough for a restart of any part of Till.
const PATIENCE: Duration = Duration::from_secs(60);
/// What people see the key called, by which they know one that was left behind.
const LABEL: &str = "sample traffic";
/// How long a login is tried. It is shorter, because somebody who starts traffic at a front door that is not there
/// wants to know.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A name and its password, written `NAME:PASSWORD`.
#[derive(Clone, Debug)]
pub struct Account {
    name: String,
    password: String,
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, password) = text.split_once(':').ok_or("expected NAME:PASSWORD")?;
        Ok(Self { name: name.to_owned(), password: password.to_owned() })
    }
}

/// The terminal key that receipts are sent with, and where to revoke it.
#[derive(Clone)]
struct Key {
    text: String,
    path: String,
}

type Answer = std::result::Result<(u16, String), String>;

/// A client of one front door. Its clones are cheap and share what they send requests with.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    front_door: String,
    admin: Account,
    admin_token: Arc<RwLock<String>>,
    key: Key,
}

impl Client {
    /// A client that sends receipts with a new key of the account called `terminal`.
    ///
    /// # Errors
    /// When the front door does not answer in time, refuses the admin, or has no such account.
    pub async fn open(front_door: &str, terminal: &str, admin: Account) -> Result<Self> {
        // An environment's proxy is not used: it is meant for elsewhere, and the front door is on this machine or
        // network.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .explain("making an HTTP client")?;
        let front_door = front_door.trim_end_matches('/').to_owned();
        let key = Key { text: String::new(), path: String::new() };
        let client = Self { http, front_door, admin, admin_token: Arc::default(), key };
        client.login().await?;
        let key = client.issue_key(terminal).await?;
        Ok(Self { key, ..client })
    }

    async fn login(&self) -> Result<()> {
        let Account { name, password } = &self.admin;
        let body = json!({"username": name, "password": password});
        let (answer, _) = self.patiently("/v1/auth/login", &body.to_string(), None, LOGIN_PATIENCE).await;
        let (status, text) = answer.map_err(|why| {
            Failure::new(format!(
                "{} does not answer ({why}): is Till up? `./till up` starts it",
                self.front_door
            ))
        })?;
        if status != 200 {
            return Err(Failure::new(format!(
                "login of {name:?} was answered {status} {text}: choose an admin with --admin"
            )));
        }
        *self.admin_token.write().await = text_of(&text, "access_token")?;
        Ok(())
    }

    async fn issue_key(&self, terminal: &str) -> Result<Key> {
        let found = self.ask_as_admin("/v1/accounts/search", &json!({"username": terminal})).await?;
        let found: Value = serde_json::from_str(&found).explain("reading the accounts that were found")?;
        let number = found["accounts"][0]["number"].as_i64();
        let number = number.ok_or_else(|| {
            Failure::new(format!(
                "there is no account {terminal:?}: choose one of role terminal with --terminal"
            ))
        })?;
        let keys = format!("/v1/accounts/{number}/keys");
        let issued = self.ask_as_admin(&keys, &json!({"label": LABEL})).await?;
        Ok(Key { text: text_of(&issued, "key")?, path: format!("{keys}/{}", text_of(&issued, "id")?) })
    }

    async fn ask_as_admin(&self, path: &str, body: &Value) -> Result<String> {
        let token = self.admin_token.read().await.clone();
        let (answer, _) = self.patiently(path, &body.to_string(), Some(&token), PATIENCE).await;
        match answer {
            Ok((200..=299, text)) => Ok(text),
            Ok((status, text)) => Err(Failure::new(format!("{path} was answered {status} {text}"))),
            Err(why) => Err(Failure::new(format!("{path} was not answered: {why}"))),
        }
    }

    /// Revokes the key that receipts were sent with.
    ///
    /// # Errors
    /// When it cannot be revoked: then it can be found by its label.
    pub async fn close(&self) -> Result<()> {
        // The admin's token is older than the traffic.
        self.login().await?;
        let token = self.admin_token.read().await.clone();
        match self.once(Method::DELETE, &self.key.path, "", Some(&token)).await {
            Ok((204, ..)) => Ok(()),
            Ok((status, text, _)) => {
                Err(Failure::new(format!("the terminal key {LABEL:?} could not be revoked: {status} {text}")))
            }
            Err(why) => Err(Failure::new(format!("the terminal key {LABEL:?} could not be revoked: {why}"))),
        }
    }

    /// Sends the request until its answer is final. A token that has run out is renewed once.
    pub async fn answer(&self, request: Planned) -> Answered {
        let (mut answer, mut attempts) = self.authorised(&request).await;
        if matches!(answer, Ok((401, _))) && self.login().await.is_ok() {
            let (second, more) = self.authorised(&request).await;
            (answer, attempts) = (second, attempts + more);
        }
        Answered { request, answer, attempts }
    }

    async fn authorised(&self, request: &Planned) -> (Answer, u32) {
        let token = match request.kind {
            Kind::Void => self.admin_token.read().await.clone(),
            _ => self.key.text.clone(),
        };
        self.patiently(&request.path, &request.body, Some(&token), PATIENCE).await
    }

    /// POSTs until there is an answer that is not 502, 503 or 504, or patience ends. The number is that of the
    /// attempts.
    async fn patiently(
        &self,
        path: &str,
        body: &str,
        token: Option<&str>,
        patience: Duration,
    ) -> (Answer, u32) {
        let deadline = Instant::now() + patience;
        for attempts in 1.. {
            let (answer, wait) = match self.once(Method::POST, path, body, token).await {
                Ok((status @ 502..=504, text, retry_after)) => (Ok((status, text)), retry_after),
                Ok((status, text, _)) => return (Ok((status, text)), attempts),
                Err(why) => (Err(why), None),
            };
            let wait = wait.unwrap_or(Duration::from_secs(1));
            if Instant::now() + wait > deadline {
                return (answer, attempts);
            }
            sleep(wait).await;
        }
        unreachable!("the attempts end by the deadline")
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: &str,
        token: Option<&str>,
    ) -> std::result::Result<(u16, String, Option<Duration>), String> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.front_door))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| causes(&error))?;
        let status: StatusCode = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let text = response.text().await.map_err(|error| causes(&error))?;
        Ok((status.as_u16(), text, retry_after))
    }
}

/// The text in a field of an answer.
fn text_of(answer: &str, field: &str) -> Result<String> {
    let json: Value = serde_json::from_str(answer).explain("reading an answer")?;
    let text = json[field].as_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("the answer has no {field}: {answer}")))
}

/// The text of an error with its causes, which have the useful part, such as "connection refused".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

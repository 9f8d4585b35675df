//! The HTTP client of a till. It logs in, and sends again what is refused for now.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, header};
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep};

use super::plan::{Answered, Kind, Planned};
use crate::failure::{Explain, Failure, Result};

/// How long a request is sent again: long enough for a restart of any part of Till.
const PATIENCE: Duration = Duration::from_secs(60);
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

#[derive(Default)]
struct Tokens {
    terminal: String,
    admin: String,
}

/// A client of one front door. Its clones are cheap and share its tokens.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    front_door: String,
    terminal: Account,
    admin: Account,
    tokens: Arc<RwLock<Tokens>>,
}

impl Client {
    /// A client; it has no tokens until [`Client::login`].
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(front_door: &str, terminal: Account, admin: Account) -> Result<Self> {
        // An environment's proxy is not used: it is meant for elsewhere, and the front door is on this machine or
        // network.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .explain("making an HTTP client")?;
        let front_door = front_door.trim_end_matches('/').to_owned();
        Ok(Self { http, front_door, terminal, admin, tokens: Arc::default() })
    }

    /// Logs both accounts in.
    ///
    /// # Errors
    /// When the front door does not answer in time or refuses an account.
    pub async fn login(&self) -> Result<()> {
        let fresh =
            Tokens { terminal: self.token(&self.terminal).await?, admin: self.token(&self.admin).await? };
        *self.tokens.write().await = fresh;
        Ok(())
    }

    async fn token(&self, account: &Account) -> Result<String> {
        let body = serde_json::json!({"username": account.name, "password": account.password}).to_string();
        let (answer, _) = self.patiently("/v1/auth/login", &body, None, LOGIN_PATIENCE).await;
        let (status, text) = answer.map_err(|why| {
            Failure::new(format!(
                "{} does not answer ({why}): is Till up? `./till up` starts it",
                self.front_door
            ))
        })?;
        if status != 200 {
            return Err(Failure::new(format!(
                "login of {:?} was answered {status} {text}: choose the accounts with --terminal and --admin",
                account.name
            )));
        }
        let json: serde_json::Value = serde_json::from_str(&text).explain("reading the login's answer")?;
        let token = json["access_token"].as_str();
        token
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(format!("the login's answer has no access_token: {text}")))
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

    async fn authorised(&self, request: &Planned) -> (std::result::Result<(u16, String), String>, u32) {
        let token = {
            let tokens = self.tokens.read().await;
            if request.kind == Kind::Void { tokens.admin.clone() } else { tokens.terminal.clone() }
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
    ) -> (std::result::Result<(u16, String), String>, u32) {
        let deadline = Instant::now() + patience;
        for attempts in 1.. {
            let (answer, wait) = match self.once(path, body, token).await {
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
        path: &str,
        body: &str,
        token: Option<&str>,
    ) -> std::result::Result<(u16, String, Option<Duration>), String> {
        let mut request = self
            .http
            .post(format!("{}{path}", self.front_door))
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

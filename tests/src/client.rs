//! A client of Till's HTTP, such as an integrator would write. Of an answer it keeps everything.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// How long a request may take before it counts as never answered. Most of Till's own waits are shorter.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a patient client asks again.
const PATIENCE: Duration = Duration::from_secs(30);

/// One account's view of a deployment. Its writes go to command-api, its reads to the projector.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    writes: Turns,
    reads: Turns,
    token: Option<String>,
    headers: Vec<(&'static str, String)>,
    is_patient: bool,
}

/// Base URLs to which requests go in turn. All clones of a client share the turn.
#[derive(Clone)]
struct Turns {
    urls: Arc<[String]>,
    taken: Arc<AtomicUsize>,
}

impl Turns {
    fn new(urls: impl IntoIterator<Item = String>) -> Self {
        Self { urls: urls.into_iter().collect(), taken: Arc::default() }
    }

    fn next(&self) -> &str {
        &self.urls[self.taken.fetch_add(1, Ordering::Relaxed) % self.urls.len()]
    }
}

/// An answer, with everything that Till says in it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code, such as 201.
    pub status: u16,
    /// The header `Content-Type`, or empty.
    pub content_type: String,
    /// The header `Location`, where it was sent.
    pub location: Option<String>,
    /// The header `Till-Position`, where it was sent.
    pub position: Option<String>,
    /// The header `ETag`, where it was sent.
    pub etag: Option<String>,
    /// The header `Retry-After`, in seconds where it was sent.
    pub retry_after: Option<String>,
    /// The header `WWW-Authenticate`, where it was sent.
    pub www_authenticate: Option<String>,
    /// The header `Preference-Applied`, where it was sent.
    pub preference_applied: Option<String>,
    /// The body, byte for byte.
    pub text: String,
    /// The body, `null` if it is not JSON.
    pub body: Value,
}

impl Answer {
    async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let content_type = header("content-type").unwrap_or_default();
        let (location, position) = (header("location"), header("till-position"));
        let (retry_after, www_authenticate) = (header("retry-after"), header("www-authenticate"));
        let (preference_applied, etag) = (header("preference-applied"), header("etag"));
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Self {
            status,
            content_type,
            location,
            position,
            etag,
            retry_after,
            www_authenticate,
            preference_applied,
            text,
            body,
        })
    }

    /// The answer, if it has the status.
    ///
    /// # Panics
    /// The answer has another status.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "expected {status}, got {}: {}", self.status, self.text);
        self
    }

    /// The answer, if it is a problem (RFC 9457) of this status.
    ///
    /// # Panics
    /// The answer is anything else.
    #[must_use]
    #[track_caller]
    pub fn problem(self, status: u16) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.content_type, "application/problem+json", "{}", answer.text);
        assert_eq!(answer.body["status"], status, "{}", answer.text);
        for field in ["type", "title", "detail"] {
            let text = answer.body[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "a problem without {field}: {}", answer.text);
        }
        answer
    }

    /// Whether it says that nothing came of the request, and that it may be sent again.
    fn nothing_happened(&self) -> bool {
        self.status == 503
            && self.body["detail"].as_str().is_some_and(|told| told.contains("nothing happened"))
    }

    /// The `pointer`s of a problem's errors, sorted.
    ///
    /// # Panics
    /// An error has no pointer or no detail.
    #[must_use]
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let mut pointers: Vec<String> = errors
            .iter()
            .map(|error| {
                assert!(
                    error["detail"].as_str().is_some_and(|d| !d.is_empty()),
                    "an error without detail: {}",
                    self.text
                );
                error["pointer"]
                    .as_str()
                    .unwrap_or_else(|| panic!("an error without pointer: {}", self.text))
                    .to_owned()
            })
            .collect();
        pointers.sort();
        pointers
    }
}

impl Client {
    /// A caller without account.
    ///
    /// # Panics
    /// If the HTTP client cannot be built.
    #[must_use]
    pub fn new(writes: &str, reads: &str) -> Self {
        Self::across([writes.to_owned()], [reads.to_owned()])
    }

    /// A caller without account, whose requests go to the replicas of command-api and projector in turn.
    ///
    /// # Panics
    /// If the HTTP client cannot be built.
    #[must_use]
    pub fn across(writes: impl IntoIterator<Item = String>, reads: impl IntoIterator<Item = String>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .expect("plain HTTP needs nothing");
        Self {
            http,
            writes: Turns::new(writes),
            reads: Turns::new(reads),
            token: None,
            headers: Vec::new(),
            is_patient: false,
        }
    }

    /// The same deployment, logged in.
    ///
    /// # Panics
    /// If the login is refused.
    pub async fn login(&self, username: &str, password: &str) -> Self {
        let answer = self.try_login(username, password).await.expect(200);
        assert_eq!(answer.body["token_type"], "Bearer");
        self.with_token(answer.body["access_token"].as_str().expect("a login answers a token"))
    }

    /// The answer to a login.
    pub async fn try_login(&self, username: &str, password: &str) -> Answer {
        self.post("/v1/auth/login", &json!({"username": username, "password": password})).await
    }

    /// The same caller, at another command-api.
    #[must_use]
    pub fn at(&self, writes: &str) -> Self {
        Self { writes: Turns::new([writes.to_owned()]), ..self.clone() }
    }

    /// The same caller, at another command-api and projector.
    #[must_use]
    pub fn of(&self, writes: &str, reads: &str) -> Self {
        Self {
            writes: Turns::new([writes.to_owned()]),
            reads: Turns::new([reads.to_owned()]),
            ..self.clone()
        }
    }

    /// The same deployment, under another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client, which sends one more header with every request.
    #[must_use]
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name, value.to_owned()));
        client
    }

    /// The same client, which asks again where it is told with 503 that nothing happened, as a good integrator does. It is
    /// for tests that are not about such answers: a deployment gives them on a machine that stands still for seconds.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { is_patient: true, ..self.clone() }
    }

    /// The same client, which waits at most so long for an answer.
    ///
    /// # Panics
    /// If the HTTP client cannot be built.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let http =
            reqwest::Client::builder().timeout(timeout).no_proxy().build().expect("plain HTTP needs nothing");
        Self { http, ..self.clone() }
    }

    /// The same client, from a loopback address that no other client has, so that limits by address count this caller
    /// alone.
    ///
    /// # Panics
    /// If the HTTP client cannot be built.
    #[must_use]
    pub fn from_its_own_address(&self) -> Self {
        static GIVEN: AtomicU16 = AtomicU16::new(1);
        let [high, low] = GIVEN.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .local_address(IpAddr::from([127, 16, high, low]))
            .no_proxy()
            .build()
            .expect("plain HTTP needs nothing");
        Self { http, ..self.clone() }
    }

    /// The base URL of the command-api that takes its next write.
    #[must_use]
    pub fn writes(&self) -> &str {
        self.writes.next()
    }

    /// The token that the client sends.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// A write.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_raw(path, body.to_string()).await
    }

    /// A write whose body is these bytes, as `application/json`.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn post_raw(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.try_post(path, body).await.unwrap_or_else(|e| panic!("no answer to POST {path}: {e:?}"))
    }

    /// A write whose body is these bytes, as another media type.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn post_as(&self, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, self.writes.next(), path).header("content-type", media_type);
        self.send(request.body(body)).await.unwrap_or_else(|e| panic!("no answer to POST {path}: {e:?}"))
    }

    /// A write whose body is these bytes. Gives the answer, or why there was none.
    ///
    /// # Errors
    /// The HTTP client's own error.
    pub async fn try_post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Result<Answer> {
        self.send(
            self.request(Method::POST, self.writes.next(), path)
                .header("content-type", "application/json")
                .body(body),
        )
        .await
    }

    /// A write with PUT.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.try_put(path, body).await.unwrap_or_else(|e| panic!("no answer to PUT {path}: {e:?}"))
    }

    /// A write with PUT. Gives the answer, or why there was none.
    ///
    /// # Errors
    /// The HTTP client's own error.
    pub async fn try_put(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        let request =
            self.request(Method::PUT, self.writes.next(), path).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// A write with PATCH.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let request =
            self.request(Method::PATCH, self.writes.next(), path).header("content-type", "application/json");
        let sent = self.send(request.body(body.to_string())).await;
        sent.unwrap_or_else(|e| panic!("no answer to PATCH {path}: {e:?}"))
    }

    /// A write with DELETE.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn delete(&self, path: &str) -> Answer {
        self.try_delete(path).await.unwrap_or_else(|e| panic!("no answer to DELETE {path}: {e:?}"))
    }

    /// A write with DELETE. Gives the answer, or why there was none.
    ///
    /// # Errors
    /// The HTTP client's own error.
    pub async fn try_delete(&self, path: &str) -> reqwest::Result<Answer> {
        self.send(self.request(Method::DELETE, self.writes.next(), path)).await
    }

    /// A write with DELETE that has a body.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn delete_with(&self, path: &str, body: &Value) -> Answer {
        let request =
            self.request(Method::DELETE, self.writes.next(), path).header("content-type", "application/json");
        let sent = self.send(request.body(body.to_string())).await;
        sent.unwrap_or_else(|e| panic!("no answer to DELETE {path}: {e:?}"))
    }

    /// A read that asks with a body.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn search(&self, path: &str, body: &Value) -> Answer {
        let request =
            self.request(Method::POST, self.reads.next(), path).header("content-type", "application/json");
        let sent = self.send(request.body(body.to_string())).await;
        sent.unwrap_or_else(|e| panic!("no answer to POST {path}: {e:?}"))
    }

    /// A read.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap_or_else(|e| panic!("no answer to GET {path}: {e:?}"))
    }

    /// A read. Gives the answer, or why there was none.
    ///
    /// # Errors
    /// The HTTP client's own error.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        self.send(self.request(Method::GET, self.reads.next(), path)).await
    }

    /// A read that has seen every write answered before it. It waits up to 30 s for that.
    pub async fn get_strong(&self, path: &str) -> Answer {
        self.with_header("till-consistency", "strong").with_header("prefer", "wait=30").get(path).await
    }

    /// A read that has seen the write that was answered with `position`. It waits up to 30 s for that.
    pub async fn get_at(&self, path: &str, position: &str) -> Answer {
        self.with_header("till-position", position).with_header("prefer", "wait=30").get(path).await
    }

    /// Posts a receipt to `/v1/receipts`.
    pub async fn receipt(&self, receipt: &Value) -> Answer {
        self.post("/v1/receipts", receipt).await
    }

    /// Voids a receipt by its transaction id.
    pub async fn void(&self, transaction_id: &str, reason: &str) -> Answer {
        self.post(&format!("/v1/receipts/{transaction_id}/void"), &json!({"reason": reason})).await
    }

    fn request(&self, method: Method, base: &str, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{base}{path}"));
        let request =
            self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, mut request: RequestBuilder) -> reqwest::Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let again = request.try_clone().filter(|_| self.is_patient && Instant::now() < deadline);
            let answer = Answer::of(request.send().await?).await?;
            match again {
                Some(again) if answer.nothing_happened() => request = again,
                _ => return Ok(answer),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Waits until `check` is true. It is asked ten times a second.
///
/// # Panics
/// It is not true within `limit`.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, limit: Duration, mut check: F) {
    let deadline = Instant::now() + limit;
    while !check().await {
        assert!(Instant::now() < deadline, "within {limit:?} it did not come to this: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

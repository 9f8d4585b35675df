//! A schema registry with Confluent's REST API, which others offer too. Writers need it at their start only;
//! readers never do.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode, Url};
use schemas::codec::Framing;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Common;
use crate::server::Readiness;

/// Versions of a subject must read each other, each and every one: consumers may be older or newer than what
/// they read, by any number of versions.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";
/// What the API's own clients send.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const WORDS_CHARS_MAX: usize = 1_000;

/// Why schemas are not registered.
#[derive(Debug, thiserror::Error)]
enum RegistryError {
    /// The registry cannot be reached or is not ready; the next try may find it back.
    #[error("the schema registry at {registry} does not answer: {reason}")]
    Away { registry: Url, reason: String },
    /// The registry refuses a schema for good: an operator must change it.
    #[error("the schema registry at {registry} refuses {subject} ({status}): {words}")]
    Refused { registry: Url, subject: String, status: StatusCode, words: String },
}

/// How values are written: with a registry, every schema is registered before the first of them.
///
/// Waits for a registry that does not answer, and says so in `readiness`.
///
/// # Errors
/// What the registry refuses, in its words.
pub async fn framing(common: &Common, readiness: &Readiness) -> Result<Framing, String> {
    if common.schema_registry_url.is_empty() {
        return Ok(Framing::SingleObject);
    }
    let schemas = schemas::registry::subjects(&common.topic_prefix);
    let ids = register(&common.schema_registry_url, &schemas, readiness).await?;
    Ok(Framing::confluent(&ids))
}

/// Registers the schemas, each under its subject, in this order, and gives the ids they have in the registry,
/// in the same order. Registering again what is registered changes nothing.
async fn register(url: &str, schemas: &[(String, &str)], readiness: &Readiness) -> Result<Vec<u32>, String> {
    let registry = Registry::new(url)?;
    loop {
        match registry.register(schemas).await {
            Ok(ids) => {
                tracing::info!(registry.url = %registry.shown, schemas = ids.len(), "the schemas are registered");
                return Ok(ids);
            }
            Err(error @ RegistryError::Refused { .. }) => return Err(error.to_string()),
            Err(error @ RegistryError::Away { .. }) => {
                tracing::warn!(%error, "waiting for the schema registry");
                readiness.set_waiting(error.to_string());
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// The URL of a registry, where the text is one.
pub(crate) fn parse_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_base =
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    is_base.then_some(url)
}

struct Registry {
    http: Client,
    /// User and password may stand in it: reqwest makes basic authentication of them.
    url: Url,
    /// The URL without user and password, for errors and log lines.
    shown: Url,
}

impl Registry {
    fn new(url: &str) -> Result<Self, String> {
        let url = parse_url(url).ok_or("TILL_SCHEMA_REGISTRY_URL is no URL of a registry")?;
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot speak HTTP: {error}"))?;
        let mut shown = url.clone();
        // Both fail only for a URL without a host, which `parse_url` does not give.
        let _ = shown.set_username("").and_then(|()| shown.set_password(None));
        Ok(Self { http, url, shown })
    }

    async fn register(&self, schemas: &[(String, &str)]) -> Result<Vec<u32>, RegistryError> {
        let mut ids = Vec::with_capacity(schemas.len());
        let mut former = "";
        for (subject, schema) in schemas {
            if former != subject {
                // Set before a subject's first version, so that the registry compares every version with all before it.
                self.require_compatibility(subject).await?;
                former = subject;
            }
            ids.push(self.register_version(subject, schema).await?);
        }
        Ok(ids)
    }

    async fn require_compatibility(&self, subject: &str) -> Result<(), RegistryError> {
        let body = json!({ "compatibility": COMPATIBILITY });
        match self.send(Method::PUT, &["config", subject], subject, &body).await {
            // Apicurio answers 409 when another writer sets it in the same moment. The next try finds it set.
            Err(RegistryError::Refused { registry, status: StatusCode::CONFLICT, words, .. }) => {
                Err(RegistryError::Away { registry, reason: words })
            }
            answer => answer.map(drop),
        }
    }

    async fn register_version(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        #[derive(Deserialize)]
        struct Registered {
            id: u32,
        }
        let body = json!({ "schema": schema });
        let answer = self.send(Method::POST, &["subjects", subject, "versions"], subject, &body).await?;
        let registered: Registered = serde_json::from_slice(&answer).map_err(|_| RegistryError::Refused {
            registry: self.shown.clone(),
            subject: subject.to_owned(),
            status: StatusCode::OK,
            words: format!("an answer without an id: {}", words(&answer)),
        })?;
        Ok(registered.id)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        subject: &str,
        body: &Value,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut url = self.url.clone();
        url.path_segments_mut().expect("http URLs have a path").pop_if_empty().extend(path);
        let request = self.http.request(method, url).header(CONTENT_TYPE, MEDIA_TYPE).json(body);
        let away = |reason| RegistryError::Away { registry: self.shown.clone(), reason };
        let mut response = request.send().await.map_err(|error| away(chain(error)))?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| away(chain(error)))? {
            answer.extend_from_slice(&part);
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(away(format!("its answer has more than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        if status.is_success() {
            return Ok(answer);
        }
        if is_passing(status) {
            return Err(away(format!("{status}: {}", words(&answer))));
        }
        let (registry, subject) = (self.shown.clone(), subject.to_owned());
        Err(RegistryError::Refused { registry, subject, status, words: words(&answer) })
    }
}

/// Whether the status is one of a registry that starts, is overloaded or has lost its own storage for a while.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// What the registry says in its answer.
fn words(answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        message: String,
    }
    let said = match serde_json::from_slice(answer) {
        Ok(Problem { message }) => message,
        Err(_) => String::from_utf8_lossy(answer).into_owned(),
    };
    if said.is_empty() { "no more words".to_owned() } else { said.chars().take(WORDS_CHARS_MAX).collect() }
}

/// The error with its causes: reqwest's own words leave them out.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_in_no_error() {
        let registry = Registry::new("https://till:geheim@registry.example:8081/apis/ccompat/v7/").unwrap();
        assert_eq!(registry.url.password(), Some("geheim"));
        assert_eq!(registry.shown.as_str(), "https://registry.example:8081/apis/ccompat/v7/");
    }

    #[test]
    fn only_a_base_url_of_http_is_one_of_a_registry() {
        for text in ["http://registry:8081", "https://user:pw@registry/apis/ccompat/v7"] {
            assert!(parse_url(text).is_some(), "{text}");
        }
        for text in ["registry:8081", "ftp://registry", "http://", "http://registry?a=b", "/subjects", ""] {
            assert!(parse_url(text).is_none(), "{text}");
        }
    }
}

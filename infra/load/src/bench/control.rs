//! Single requests beside the load: readiness, logins, and answers that are looked at.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::wire::{Connection, request};
use crate::failure::{Explain, Failure, Result};

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("this process may open an epoll")
});

/// Waits for a future, outside of every measurement.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// Sends one request on a connection of its own, and gives the answer's status and body.
///
/// # Errors
/// When there is no answer within 30 s.
pub fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String)> {
    let bytes = request(method, path, headers, body);
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let response = connection.exchange(&bytes).await?;
        Ok::<_, std::io::Error>((response.status, String::from_utf8_lossy(response.body).into_owned()))
    };
    // The timer is made within the runtime, because it can be made nowhere else.
    let answer = block_on(async { timeout(ANSWERS_WITHIN, exchange).await });
    let what = format!("{method} {path} at {address}");
    answer.explain(&what)?.explain(&what)
}

/// A token for one of the demo's accounts.
///
/// # Errors
/// When the login is refused.
pub fn login(address: SocketAddr, username: &str) -> Result<String> {
    let body = serde_json::json!({"username": username, "password": username}).to_string();
    let (status, text) = call(address, "POST", "/v1/auth/login", &[], &body)?;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match json["access_token"].as_str() {
        Some(token) if status == 200 => Ok(token.to_owned()),
        _ => Err(Failure::new(format!("login of {username}: {status} {text}"))),
    }
}

/// What receipts are sent with: a key of the demo's account `terminal`. Services that were built before there were such keys get
/// a token of the account.
///
/// # Errors
/// When neither is given.
pub fn terminal(address: SocketAddr) -> Result<String> {
    // The demo opens its terminal's account third.
    let (path, admin) = ("/v1/accounts/3/keys", format!("Bearer {}", login(address, "admin")?));
    let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
    let (status, text) = call(address, "POST", path, &headers, r#"{"label": "bench"}"#)?;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match (status, json["key"].as_str()) {
        (201, Some(key)) => Ok(key.to_owned()),
        (404, _) => login(address, "terminal"),
        _ => Err(Failure::new(format!("POST {path}: {status} {text}"))),
    }
}

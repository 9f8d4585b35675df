//! A deployment that tests share which only send requests, each with ids of its own.

use std::sync::Arc;

use till_tests::{Client, Till};
use tokio::sync::OnceCell;

/// Seconds a login stays locked after too many wrong passwords.
pub const LOCK_S: u64 = 3;

/// The shared deployment, all services serving; it lives as long as the test process.
pub async fn shared() -> Arc<Till> {
    static SHARED: OnceCell<Arc<Till>> = OnceCell::const_new();
    let start = || async {
        let mut till = Till::prepare("shared-services").await;
        till.command_api.set("TILL_LOGIN_LOCK_S", &LOCK_S.to_string());
        till.start_all().await;
        Arc::new(till)
    };
    SHARED.get_or_init(start).await.clone()
}

/// A new account with these roles, logged in.
pub async fn account(till: &Till, name: &str, roles: &[&str], places: &[&str]) -> Client {
    let password = "correct horse battery";
    let body = serde_json::json!({"username": name, "password": password});
    let _ = till.anyone().post("/v1/auth/register", &body).await.expect(201);
    let body = serde_json::json!({"roles": roles, "places": places});
    let _ = till.admin().await.put(&format!("/v1/accounts/{name}/roles"), &body).await.expect(200);
    till.anyone().login(name, password).await
}

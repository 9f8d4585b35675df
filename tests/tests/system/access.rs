//! Accounts, logins, tokens, and who may call what.

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::receipts::simple;
use till_tests::{Client, Till};

use crate::common::{Entry, LOCK_S, Setting, account, in_every_setting};

in_every_setting! {
    an_account_is_registered_once_logs_in_and_can_do_nothing_yet,
    an_idempotency_key_makes_a_repeated_registration_the_same_one,
    credentials_and_roles_that_break_a_rule_are_told_by_field,
    logins_are_limited_whether_the_account_exists_or_not,
    many_guesses_at_once_are_no_more_than_many_in_a_row,
    terminals_that_share_an_account_are_all_let_in_at_once,
    a_known_idempotency_key_is_no_way_to_guess_a_password,
    a_login_with_a_name_of_64_kib_is_refused_and_the_service_goes_on,
    every_route_lets_its_roles_in_and_nobody_else,
    a_token_of_the_demo_secret_is_refused_by_a_deployment_with_its_own,
}

async fn an_account_is_registered_once_logs_in_and_can_do_nothing_yet(at: Setting) {
    let (_till, entry) = at.shared().await;
    let anyone = entry.anyone();
    let name = at.own("anna");
    let body = json!({"username": name, "password": "a long password"});
    let registered = anyone.post("/v1/auth/register", &body).await.expect(201);
    assert_eq!(
        (&registered.body["username"], &registered.body["roles"]),
        (&json!(name), &json!(["customer"]))
    );
    let _ = anyone.post("/v1/auth/register", &body).await.problem(409);

    let login = anyone.try_login(&name, "a long password").await.expect(200);
    assert_eq!(login.body["token_type"], "Bearer");
    assert!(login.body["expires_in"].as_u64().is_some_and(|seconds| seconds > 0));
    let anna = anyone.login(&name, "a long password").await;
    let _ = anna.receipt(&simple(&at.own("annas"), "p", "1.00")).await.problem(403);
    let _ = anna.get("/v1/receipts").await.problem(403);
    let number = registered.body["number"].as_i64().unwrap();
    let _ =
        anna.put(&format!("/v1/accounts/{number}/roles"), &json!({"roles": ["admin"]})).await.problem(403);
}

async fn an_idempotency_key_makes_a_repeated_registration_the_same_one(at: Setting) {
    let (_till, entry) = at.shared().await;
    let client = entry.anyone().with_header("idempotency-key", &at.own("8e1b"));
    let name = at.own("ivan");
    let body = json!({"username": name, "password": "a long password"});
    let first = client.post("/v1/auth/register", &body).await.expect(201);
    let again = client.post("/v1/auth/register", &body).await;
    assert!([200, 201].contains(&again.status), "{}", again.text);
    assert_eq!(again.body, first.body);
    let other = json!({"username": name, "password": "another password"});
    let _ = client.post("/v1/auth/register", &other).await.problem(422);
}

async fn credentials_and_roles_that_break_a_rule_are_told_by_field(at: Setting) {
    let (_till, entry) = at.shared().await;
    let anyone = entry.anyone();
    let cases = [
        (json!({}), vec!["/password", "/username"]),
        (json!({"username": "", "password": "short"}), vec!["/password", "/username"]),
        (json!({"username": "with space", "password": "a long password"}), vec!["/username"]),
        (json!({"username": "x".repeat(151), "password": "a long password"}), vec!["/username"]),
        (json!({"username": "nul\u{0}", "password": "a long password"}), vec!["/username"]),
        (json!({"username": 5, "password": ["a long password"]}), vec!["/password", "/username"]),
    ];
    for (body, pointers) in cases {
        assert_eq!(anyone.post("/v1/auth/register", &body).await.problem(422).pointers(), pointers, "{body}");
    }
    let admin = entry.admin().await;
    for body in [json!({}), json!({"roles": ["king"]}), json!({"roles": "admin"})] {
        assert_eq!(
            admin.put("/v1/accounts/2/roles", &body).await.problem(422).pointers(),
            ["/roles"],
            "{body}"
        );
    }
    let _ = admin.put("/v1/accounts/999999/roles", &json!({"roles": ["staff"]})).await.problem(404);
}

/// Logs in with a wrong password until the limit, which must come soon.
async fn lock_out(anyone: &Client, username: &str) {
    for attempt in 1..=20 {
        let answer = anyone.try_login(username, "wrong").await;
        if answer.status == 429 {
            assert!(attempt > 3, "a few mistakes are forgiven");
            let wait: u64 = answer.retry_after.clone().expect("Retry-After").parse().unwrap();
            assert!((1..=LOCK_S + 1).contains(&wait), "{wait}");
            let _ = answer.problem(429);
            return;
        }
        let _ = answer.problem(401);
    }
    panic!("20 wrong passwords were let through");
}

async fn logins_are_limited_whether_the_account_exists_or_not(at: Setting) {
    let (_till, entry) = at.shared().await;
    let anyone = entry.anyone();
    let guessed = at.own("guessed");
    let _ = account(&anyone, &guessed, &["staff"], &[]).await;
    lock_out(&anyone, &guessed).await;
    let _ = anyone.try_login(&guessed, "correct horse battery").await.problem(429);
    lock_out(&anyone, &at.own("not-an-account")).await;
    let _ = anyone.login("analyst", "analyst").await;
    eventually("the lock ends", std::time::Duration::from_secs(60), async || {
        anyone.try_login(&guessed, "correct horse battery").await.status == 200
    })
    .await;
}

async fn many_guesses_at_once_are_no_more_than_many_in_a_row(at: Setting) {
    let (_till, entry) = at.shared().await;
    let known = at.own("guessed-at-once");
    let _ = account(&entry.anyone(), &known, &["staff"], &[]).await;
    for username in [known, at.own("nobody-at-once")] {
        let anyone = entry.anyone();
        let guesses = (0..64).map(|number| {
            let (anyone, username) = (anyone.clone(), username.clone());
            tokio::spawn(async move { anyone.try_login(&username, &format!("guess {number}")).await.status })
        });
        let mut statuses = Vec::new();
        for guess in guesses.collect::<Vec<_>>() {
            statuses.push(guess.await.unwrap());
        }
        let looked_at = statuses.iter().filter(|status| **status != 429).count();
        assert!(looked_at <= 5, "{username}: {looked_at} of 64 guesses were looked at: {statuses:?}");
        assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    }
}

async fn terminals_that_share_an_account_are_all_let_in_at_once(at: Setting) {
    let (_till, entry) = at.shared().await;
    let shared = at.own("shared");
    let of_one_address = entry.anyone();
    let _ = account(&of_one_address, &shared, &["terminal"], &[]).await;
    let logins = (0..12).map(|_| {
        let (anyone, shared) = (of_one_address.clone(), shared.clone());
        tokio::spawn(async move { anyone.try_login(&shared, "correct horse battery").await })
    });
    for login in logins.collect::<Vec<_>>() {
        let _ = login.await.unwrap().expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_slows_logins_down_and_locks_nobody_out() {
    // These clients are on this machine, so their `X-Real-IP` is believed, as nginx's is.
    for at in [Setting { replicas: 1, front_door: false }, Setting { replicas: 2, front_door: false }] {
        let (_till, entry) = at.shared().await;
        let _ = account(&entry.anyone(), "envied", &["staff"], &[]).await;
        let stranger = entry.anyone().with_header("x-real-ip", "203.0.113.66");
        lock_out(&stranger, "envied").await;
        let owner = entry.anyone().with_header("x-real-ip", "198.51.100.7");
        let _ = owner.try_login("envied", "correct horse battery").await.expect(200);
        let _ = owner.try_login("envied", "correct horse battery").await.expect(200);
    }
}

async fn a_known_idempotency_key_is_no_way_to_guess_a_password(at: Setting) {
    let (_till, entry) = at.shared().await;
    let client = entry.anyone().with_header("idempotency-key", "known-key");
    let name = at.own("keyed");
    let body = |password: &str| json!({"username": name, "password": password});
    let _ = client.post("/v1/auth/register", &body("a long password")).await.expect(201);
    let mut statuses = Vec::new();
    for number in 0..8 {
        let guess = body(&format!("a long guess {number}"));
        statuses.push(client.post("/v1/auth/register", &guess).await.status);
    }
    let looked_at = statuses.iter().filter(|status| **status == 422).count();
    assert!(looked_at <= 5 && statuses.ends_with(&[429]), "{statuses:?}");
}

async fn a_login_with_a_name_of_64_kib_is_refused_and_the_service_goes_on(at: Setting) {
    let (_till, entry) = at.shared().await;
    let anyone = entry.anyone();
    for bytes in [151, 15_000, 65_530, 65_536] {
        let name = "n".repeat(bytes);
        let body = json!({"username": name, "password": "a long password"});
        for path in ["/v1/auth/login", "/v1/auth/register"] {
            let answer = anyone.post(path, &body).await;
            match answer.status {
                // Here the body is already too large as a whole.
                413 => assert!(bytes > 15_000, "{path} {bytes}: {}", answer.text),
                _ => assert_eq!(answer.problem(422).pointers(), ["/username"], "{path} {bytes}"),
            }
        }
    }
    let admin = entry.admin().await;
    let long = "n".repeat(6_000);
    let _ = admin.put(&format!("/v1/accounts/{long}/roles"), &json!({"roles": ["staff"]})).await.problem(404);
    let _ = admin.void(&long, "no such receipt").await.problem(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_admin_cannot_take_its_own_role() {
    let till = Till::start("last-admin").await;
    let admin = till.admin().await;
    let staff = json!({"roles": ["staff"]});
    let refused = admin.put("/v1/accounts/1/roles", &staff).await.problem(409);
    assert_eq!(refused.body["type"], "urn:till:last-admin");
    let second = account(&till.anyone(), "second", &["admin"], &[]).await;
    let _ = admin.put("/v1/accounts/1/roles", &staff).await.expect(200);
    let _ = second.put("/v1/accounts/4/roles", &staff).await.problem(409);
}

/// The roles that there are.
const EVERYBODY: &[&str] = &["customer", "staff", "terminal", "analyst", "admin"];

/// Every route that asks for a caller, with the roles that may call it. A call that is permitted need not succeed.
pub fn routes() -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    vec![
        ("POST", "/v1/receipts", &["terminal", "admin"]),
        ("POST", "/v1/receipts/validate", &["terminal", "admin"]),
        ("POST", "/v1/receipts/none/void", &["admin"]),
        ("PUT", "/v1/accounts/999999/roles", &["admin"]),
        ("POST", "/v1/accounts/999999/disable", &["admin"]),
        ("POST", "/v1/accounts/999999/enable", &["admin"]),
        ("POST", "/v1/accounts/999999/close", &["admin"]),
        ("DELETE", "/v1/accounts/999999", &["admin"]),
        ("POST", "/v1/accounts/999999/keys", &["admin"]),
        ("DELETE", "/v1/accounts/999999/keys/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55", &["admin"]),
        ("GET", "/v1/accounts", &["admin"]),
        ("GET", "/v1/accounts/999999", &["admin"]),
        ("GET", "/v1/accounts/999999/keys", &["admin"]),
        ("SEARCH", "/v1/accounts/search", &["admin"]),
        ("GET", "/v1/audit", &["admin"]),
        ("POST", "/v1/customers", &["staff", "admin"]),
        ("PATCH", "/v1/customers/none", &["staff", "admin"]),
        ("DELETE", "/v1/customers/none", &["admin"]),
        ("SEARCH", "/v1/customers/search", &["staff", "admin"]),
        ("GET", "/v1/customers", &["staff", "admin"]),
        ("GET", "/v1/customers/none", &["staff", "admin"]),
        ("POST", "/v1/sellers", &["staff", "admin"]),
        ("PATCH", "/v1/sellers/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55", &["staff", "admin"]),
        ("DELETE", "/v1/sellers/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55", &["staff", "admin"]),
        ("POST", "/v1/products", &["staff", "admin"]),
        ("PATCH", "/v1/products/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55", &["staff", "admin"]),
        ("POST", "/v1/products/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55/stock", &["staff", "admin"]),
        ("DELETE", "/v1/products/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55", &["staff", "admin"]),
        ("POST", "/v1/orders", &["customer", "staff", "terminal", "admin"]),
        ("POST", "/v1/orders/quote", &["customer", "staff", "terminal", "admin"]),
        ("POST", "/v1/orders/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55/move", &["staff", "admin"]),
        ("POST", "/v1/orders/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55/cancel", EVERYBODY),
        ("POST", "/v1/import", &["admin"]),
        ("GET", "/v1/sellers", EVERYBODY),
        ("GET", "/v1/sellers/none", EVERYBODY),
        ("GET", "/v1/products", EVERYBODY),
        ("GET", "/v1/products/none", EVERYBODY),
        ("GET", "/v1/orders", &["customer", "staff", "analyst", "admin"]),
        ("GET", "/v1/orders/none", &["customer", "staff", "analyst", "admin"]),
        ("GET", "/v1/orders/none/events", &["customer", "staff", "analyst", "admin"]),
        ("GET", "/v1/kitchen/queue", &["staff", "admin"]),
        ("GET", "/v1/revenue/none", &["analyst", "admin"]),
        ("GET", "/v1/revenue/none/entries", &["analyst", "admin"]),
        ("GET", "/v1/receipts/none", &["staff", "analyst", "admin"]),
        ("GET", "/v1/receipts", &["staff", "analyst", "admin"]),
        ("GET", "/v1/places", &["staff", "analyst", "admin"]),
        ("GET", "/v1/places/none", &["staff", "analyst", "admin"]),
        ("GET", "/v1/analytics/places", &["analyst", "admin"]),
        ("GET", "/v1/analytics/places/none", &["analyst", "admin"]),
        ("GET", "/v1/analytics/taxes-and-tips", &["analyst", "admin"]),
        ("GET", "/v1/analytics/categories", &["analyst", "admin"]),
        ("GET", "/v1/analytics/runs", &["analyst", "admin"]),
    ]
}

pub async fn call(client: &Client, method: &str, path: &str) -> till_tests::Answer {
    match method {
        // It is a POST that the projector answers.
        "SEARCH" => client.search(path, &json!({})).await,
        "GET" => client.get(path).await,
        _ => call_with(client, method, path, &json!({})).await,
    }
}

/// A request with a body, where its method has one; a read has seen every write answered before it.
pub async fn call_with(client: &Client, method: &str, path: &str, body: &Value) -> till_tests::Answer {
    match method {
        "GET" => client.get_strong(path).await,
        "PUT" => client.put(path, body).await,
        "PATCH" => client.patch(path, body).await,
        "DELETE" => client.delete(path).await,
        _ => client.post(path, body).await,
    }
}

async fn every_route_lets_its_roles_in_and_nobody_else(at: Setting) {
    let (_till, entry) = at.shared().await;
    let foreign = foreign_tokens(&entry).await;
    for &role in EVERYBODY {
        let client = account(&entry.anyone(), &at.own(&format!("only-{role}")), &[role], &[]).await;
        for (method, path, allowed) in routes() {
            let answer = call(&client, method, path).await;
            let may = allowed.contains(&role);
            assert_eq!(
                answer.status != 403,
                may,
                "{role} {method} {path}: {} {}",
                answer.status,
                answer.text
            );
            assert!(answer.status < 500 && answer.status != 401, "{role} {method} {path}: {}", answer.text);
        }
    }
    for (method, path, _) in routes() {
        for client in &foreign {
            let answer = call(client, method, path).await.problem(401);
            assert_eq!(answer.www_authenticate.as_deref(), Some("Bearer"), "{method} {path}");
        }
    }
}

/// Callers without a token, or with one that Till did not sign.
async fn foreign_tokens(entry: &Entry) -> Vec<Client> {
    let anyone = entry.anyone();
    let good = entry.admin().await.token().to_owned();
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let other_signature = format!("{}.{}.{}", parts[0], parts[1], parts[2].chars().rev().collect::<String>());
    let tokens = ["", "x", "a.b.c", &unsigned, &other_signature];
    let mut clients = vec![anyone.clone()];
    clients.extend(tokens.iter().map(|token| anyone.with_token(token)));
    clients
}

async fn a_token_of_the_demo_secret_is_refused_by_a_deployment_with_its_own(at: Setting) {
    let (_demo, demo) = at.shared().await;
    let mut till = Till::prepare(&at.own(&format!("own-secret-{}", at.replicas))).await;
    for service in [&mut till.command_api, &mut till.projector] {
        service.set("TILL_DEMO", "false");
        service.set_own_secrets();
    }
    till.command_api.set("TILL_ADMIN_USERNAME", "root");
    till.command_api.set("TILL_ADMIN_PASSWORD", "chosen by the operator");
    till.analytics.set("TILL_DEMO", "false");
    let entry = at.start(&mut till).await;
    let demo_admin = demo.admin().await;
    let foreign = entry.anyone().with_token(demo_admin.token());
    let _ = foreign.receipt(&simple("x", "p", "1.00")).await.problem(401);
    let _ = foreign.get("/v1/receipts").await.problem(401);
    for (username, password) in [("admin", "admin"), ("analyst", "analyst"), ("terminal", "terminal")] {
        let _ = entry.anyone().try_login(username, password).await.problem(401);
    }
    let root = entry.anyone().login("root", "chosen by the operator").await;
    let _ = root.receipt(&simple("x", "p", "1.00")).await.expect(201);
    assert_eq!(root.get_strong("/v1/receipts/x").await.expect(200).body["transaction_id"], Value::from("x"));
}

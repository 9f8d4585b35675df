//! Accounts over HTTP: sessions, passwords, keys of terminals, what ends an account, and those of former Tills.

use std::time::Instant;

use schemas::Event;
use schemas::accounts::{AccountRegistered, LoginTokenIssued};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use till_tests::client::eventually;
use till_tests::receipts::simple;
use till_tests::{Answer, Client, Isolation, Till};

use crate::access::{call, routes};
use crate::common::{Entry, Setting, in_every_setting, serve_contracts};
use crate::forged;
use crate::ownership::SURELY;

const PASSWORD: &str = "correct horse battery";

in_every_setting!(
    a_session_goes_on_by_its_newest_token_and_ends_by_an_older_one,
    logging_out_everywhere_ends_all_tokens_on_both_services_and_no_key,
    a_password_is_changed_by_who_knows_the_present_one,
    a_terminals_key_sends_receipts_of_its_places_and_does_nothing_else,
    an_account_that_may_not_act_is_let_in_by_no_route,
    an_erased_account_takes_its_customers_along_and_frees_all_names,
    a_customer_erases_itself_with_its_accounts_password,
);

/// Somebody who is logged in.
struct Person {
    number: i64,
    name: String,
    client: Client,
    refresh_token: String,
}

impl Person {
    /// Registers an account, and gives it roles and places.
    async fn register(entry: &Entry, name: &str, roles: &[&str], places: &[&str]) -> Self {
        let body = json!({"username": name, "password": PASSWORD});
        let registered = entry.anyone().post("/v1/auth/register", &body).await.expect(201);
        let number = registered.body["number"].as_i64().expect("a number");
        let rights = json!({"roles": roles, "places": places});
        let path = format!("/v1/accounts/{number}/roles");
        let _ = entry.admin().await.put(&path, &rights).await.expect(200);
        Self::log_in(entry, number, name, PASSWORD).await
    }

    async fn log_in(entry: &Entry, number: i64, name: &str, password: &str) -> Self {
        let anyone = entry.anyone();
        let tokens = anyone.try_login(name, password).await.expect(200).body;
        Self::with(&anyone, number, name, &tokens)
    }

    /// The same person in another session.
    async fn again(&self, entry: &Entry) -> Self {
        Self::log_in(entry, self.number, &self.name, PASSWORD).await
    }

    fn with(client: &Client, number: i64, name: &str, tokens: &Value) -> Self {
        let text = |field: &str| tokens[field].as_str().expect("a token").to_owned();
        let (client, refresh_token) = (client.with_token(&text("access_token")), text("refresh_token"));
        Self { number, name: name.to_owned(), client, refresh_token }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}{rest}", self.number)
    }

    async fn refresh(&self) -> Answer {
        self.client.post("/v1/auth/refresh", &json!({"refresh_token": self.refresh_token})).await
    }

    async fn refreshed(&self) -> Self {
        let tokens = self.refresh().await.expect(200).body;
        Self::with(&self.client, self.number, &self.name, &tokens)
    }
}

/// Waits until the token or key is worth nothing at any replica of both services, and prints how long that took.
async fn refused_everywhere(what: &str, client: &Client) {
    let begun = Instant::now();
    // Requests go to one replica after the other, so that four in a row reach both of each.
    eventually(&format!("{what} is refused"), SURELY, async || {
        for _ in 0..2 {
            let write = client.post("/v1/receipts/validate", &json!({})).await;
            let read = client.get("/v1/audit").await;
            if (write.status, read.status) != (401, 401) {
                return false;
            }
        }
        true
    })
    .await;
    println!("{what} was refused everywhere after {:?}", begun.elapsed());
}

async fn a_session_goes_on_by_its_newest_token_and_ends_by_an_older_one(at: Setting) {
    let (_till, entry) = at.shared().await;
    let first = Person::register(&entry, &at.own("refreshes"), &["staff"], &[]).await;
    let other = first.again(&entry).await;
    let second = first.refreshed().await;
    let third = second.refreshed().await;
    let _ = third.client.get(&third.path("")).await.expect(200);
    assert_eq!(second.refresh().await.problem(401).body["detail"], "this session has ended: log in again");
    let _ = third.refresh().await.problem(401);
    let _ = third.client.get(&third.path("")).await.expect(200);
    let other = other.refreshed().await;

    let logout = json!({"refresh_token": other.refresh_token});
    let _ = other.client.post("/v1/auth/logout", &logout).await.expect(204);
    let _ = other.client.post("/v1/auth/logout", &logout).await.expect(204);
    let _ = other.refresh().await.problem(401);
    for wrong in ["", "till-refresh-", "till-refresh-1-x-y", "nonsense"] {
        let _ = entry.anyone().post("/v1/auth/refresh", &json!({"refresh_token": wrong})).await.problem(401);
    }
    let _ = entry.anyone().post("/v1/auth/refresh", &json!({})).await.problem(422);
}

async fn logging_out_everywhere_ends_all_tokens_on_both_services_and_no_key(at: Setting) {
    let (_till, entry) = at.shared().await;
    let one = Person::register(&entry, &at.own("leaves"), &["terminal"], &[]).await;
    let two = one.again(&entry).await;
    let (key, _) = issued(&entry, &one, &[]).await;
    let _ = one.client.post("/v1/auth/logout-everywhere", &json!({})).await.expect(204);
    refused_everywhere("the token that logged out", &one.client).await;
    refused_everywhere("the token of another session", &two.client).await;
    for session in [&one, &two] {
        let _ = session.refresh().await.problem(401);
    }
    let receipt = simple(&at.own("left"), "p", "1.00");
    assert!([200, 201].contains(&key.receipt(&receipt).await.status));
    let again = one.again(&entry).await;
    let _ = again.client.get(&again.path("")).await.expect(200);
}

async fn a_password_is_changed_by_who_knows_the_present_one(at: Setting) {
    let (_till, entry) = at.shared().await;
    let person = Person::register(&entry, &at.own("changes"), &["staff"], &[]).await;
    let change = async |from: &str, to: &str| {
        let body = json!({"password": from, "new_password": to});
        person.client.put("/v1/auth/password", &body).await
    };
    assert_eq!(change("a wrong one", "another horse").await.problem(422).pointers(), ["/password"]);
    assert_eq!(change(PASSWORD, "short").await.problem(422).pointers(), ["/new_password"]);
    let _ = entry.anyone().put("/v1/auth/password", &json!({})).await.problem(401);
    let tokens = change(PASSWORD, "another horse").await.expect(200).body;
    let changed = Person::with(&person.client, person.number, &person.name, &tokens);
    let _ = changed.client.get(&changed.path("")).await.expect(200);
    let _ = changed.refreshed().await;
    refused_everywhere("a token under the former password", &person.client).await;
    let _ = person.refresh().await.problem(401);
    let _ = entry.anyone().try_login(&person.name, PASSWORD).await.problem(401);
    let _ = Person::log_in(&entry, person.number, &person.name, "another horse").await;
}

/// A client with a new key of the account, and the key's path.
async fn issued(entry: &Entry, person: &Person, places: &[&str]) -> (Client, String) {
    let body = json!({"label": "Till at the door", "places": places});
    let issued = entry.admin().await.post(&person.path("/keys"), &body).await.expect(201).body;
    let key = entry.anyone().with_token(issued["key"].as_str().expect("a key"));
    (key, person.path(&format!("/keys/{}", issued["id"].as_str().expect("an id"))))
}

async fn a_terminals_key_sends_receipts_of_its_places_and_does_nothing_else(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let person =
        Person::register(&entry, &at.own("has-keys"), &["terminal", "admin"], &["cafe", "bar"]).await;
    let (key, path) = issued(&entry, &person, &["cafe", "kiosk"]).await;
    let send =
        async |place: &str| key.receipt(&simple(&at.own(&format!("by-key-{place}")), place, "1.00")).await;
    let _ = send("cafe").await.expect(201);
    for place in ["bar", "kiosk"] {
        let _ = send(place).await.problem(403);
    }
    // Its account may do everything, and it may do what a terminal may.
    let _ = key.get("/v1/audit").await.problem(403);
    let _ = key.post("/v1/auth/logout-everywhere", &json!({})).await.problem(403);
    let _ =
        key.put("/v1/auth/password", &json!({"password": PASSWORD, "new_password": "x"})).await.problem(403);
    let _ = key.post(&person.path("/close"), &json!({})).await.problem(403);
    let _ = key.delete(&person.path("")).await.problem(403);

    let listed = admin.get_strong(&person.path("/keys")).await.expect(200);
    let of_key = &listed.body["keys"][0];
    assert_eq!(
        (&of_key["label"], &of_key["places"]),
        (&json!("Till at the door"), &json!(["cafe", "kiosk"]))
    );
    assert!(!listed.text.contains("till-key-"), "a key is told once: {}", listed.text);
    eventually("its use is noted", SURELY, async || {
        admin.get_strong(&person.path("/keys")).await.expect(200).body["keys"][0]["used_at"].is_string()
    })
    .await;

    let reason = json!({"reason": "lost"});
    let _ = admin.post(&person.path("/disable"), &reason).await.expect(204);
    refused_everywhere("the key of a disabled account", &key).await;
    let _ = admin.post(&person.path("/enable"), &reason).await.expect(204);
    eventually("the key is good again", SURELY, async || send("cafe").await.status != 401).await;
    let _ = admin.delete(&path).await.expect(204);
    refused_everywhere("a revoked key", &key).await;
    let _ = admin.delete(&path).await.problem(404);
    let wrong = json!({"label": " ", "places": [""]});
    assert_eq!(
        admin.post(&person.path("/keys"), &wrong).await.problem(422).pointers(),
        ["/label", "/places"]
    );
}

async fn an_account_that_may_not_act_is_let_in_by_no_route(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let reason = json!({"reason": "a test"});
    for state in ["disabled", "closed", "erased", "of an old generation", "by a revoked key"] {
        let name = at.own(&format!("walk-{}", state.replace(' ', "-")));
        let person = Person::register(&entry, &name, &["admin", "terminal"], &[]).await;
        let mut client = person.client.clone();
        match state {
            "disabled" => drop(admin.post(&person.path("/disable"), &reason).await.expect(204)),
            "closed" => drop(admin.post(&person.path("/close"), &json!({})).await.expect(204)),
            "erased" => drop(admin.delete(&person.path("")).await.expect(204)),
            "of an old generation" => {
                drop(person.client.post("/v1/auth/logout-everywhere", &json!({})).await.expect(204));
            }
            _ => {
                let (key, path) = issued(&entry, &person, &[]).await;
                let _ = key.post("/v1/receipts/validate", &json!({})).await.problem(422);
                let _ = admin.delete(&path).await.expect(204);
                client = key;
            }
        }
        refused_everywhere(state, &client).await;
        for (method, path, _) in routes() {
            let _ = call(&client, method, path).await.problem(401);
        }
        let may_refresh = state == "by a revoked key";
        assert_eq!(person.refresh().await.status == 200, may_refresh, "{state}");
        let login = entry.anyone().try_login(&name, PASSWORD).await;
        let expected = match state {
            "disabled" => 403,
            "closed" | "erased" => 401,
            _ => 200,
        };
        assert_eq!(login.status, expected, "{state}: {}", login.text);
    }
    let _ = admin.post("/v1/accounts/999999/disable", &reason).await.problem(404);
    let _ = admin.post("/v1/accounts/999999/close", &json!({})).await.problem(404);
    let _ = admin.delete("/v1/accounts/999999").await.problem(404);
    let _ = admin.get("/v1/accounts/999999").await.problem(404);
}

/// A customer who logs in with the account.
async fn customer_of(admin: &Client, person: &Person) -> String {
    let customer = json!({"name": person.name, "email": format!("{}@example.com", person.name), "account": person.number});
    let registered = admin.post("/v1/customers", &customer).await.expect(201);
    assert_eq!(registered.body["account"], person.number);
    registered.location.expect("a Location")
}

async fn an_erased_account_takes_its_customers_along_and_frees_all_names(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let person = Person::register(&entry, &at.own("erased"), &["customer"], &[]).await;
    let customer = customer_of(&admin, &person).await;
    let missing = json!({"name": "x", "account": 999_999});
    let refused = admin.post("/v1/customers", &missing).await.problem(409);
    assert_eq!(refused.body["type"], "urn:till:customer-account-unknown");

    let erase = async |client: &Client, body: &Value| client.delete_with(&person.path(""), body).await;
    assert_eq!(erase(&person.client, &json!({})).await.problem(422).pointers(), ["/password"]);
    let wrong = json!({"password": "a wrong one"});
    assert_eq!(erase(&person.client, &wrong).await.problem(422).pointers(), ["/password"]);
    let _ = person.client.delete("/v1/accounts/1").await.problem(403);
    let _ = erase(&person.client, &json!({"password": PASSWORD})).await.expect(204);
    let _ = admin.delete(&person.path("")).await.expect(204);

    let account = admin.get(&person.path("")).await.expect(200).body;
    assert_eq!((&account["erased"], &account["username"]), (&json!(true), &Value::Null));
    let read = admin.get(&customer).await.expect(200).body;
    assert_eq!((&read["erased"], &read["name"], &read["email"]), (&json!(true), &Value::Null, &Value::Null));
    let search = json!({"username": person.name});
    let found = admin.search("/v1/accounts/search", &search).await.expect(200).body;
    assert_eq!(found["accounts"], json!([]));
    let audit = admin.get_strong("/v1/audit?limit=1000").await.expect(200).body;
    let by = format!("till/{}", person.number);
    let is_it = |act: &&Value| act["act"] == "PersonErased" && act["by"] == by.as_str();
    let act = audit["acts"].as_array().expect("acts").iter().find(is_it).expect("the erasure");
    assert_eq!(
        (&act["reason"], &act["subject"]["home"]),
        (&json!("asked for by the person"), &json!("till"))
    );
    assert!(!audit.to_string().contains(&person.name), "nothing personal is in it");

    let again = Person::register(&entry, &person.name, &["customer"], &[]).await;
    assert_ne!(again.number, person.number);
    let _ = customer_of(&admin, &again).await;
}

async fn a_customer_erases_itself_with_its_accounts_password(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let person = Person::register(&entry, &at.own("erases-itself"), &["customer"], &[]).await;
    let other = Person::register(&entry, &at.own("another"), &["customer"], &[]).await;
    let customer = customer_of(&admin, &person).await;
    let proof = json!({"password": PASSWORD});
    let _ = other.client.delete_with(&customer, &proof).await.problem(403);
    let _ = person.client.delete_with(&customer, &json!({"password": "wrong"})).await.problem(422);
    let _ = person.client.delete_with(&customer, &proof).await.expect(204);
    assert_eq!(admin.get(&customer).await.expect(200).body["erased"], true);
    assert_eq!(admin.get(&person.path("")).await.expect(200).body["erased"], true);
    refused_everywhere("the token of who was erased", &person.client).await;
}

/// What an earlier Till of the demo's secret gave `nina` as the receipts contract's token: an HMAC over the name.
const FORMER_TOKEN: &str = "f62cf4e1916aae5b2fa5031b79eadf4ea8f43954";

/// An account as earlier Tills recorded it.
fn former(username: &str, number: i64, roles: &[&str]) -> Event {
    let roles = roles.iter().map(ToString::to_string).collect();
    AccountRegistered { roles, ..forged::account(username, number) }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_a_former_till_are_sealed_by_the_upgrade_and_log_in_as_before() {
    let mut till = Till::prepare("upgrade").await;
    serve_contracts(&mut till);
    let _ = till.command_api.run("create-topics", &[]).success("command-api create-topics");
    let issued = LoginTokenIssued {
        realm: "till".into(),
        username: "nina".into(),
        generation: 0,
        token_hash: Sha256::digest(FORMER_TOKEN).to_vec(),
        account: 0,
    };
    let events = [
        former("root", 1, &["admin"]),
        former("nina", 2, &["staff", "courier"]),
        former("gone", 3, &["analyst"]),
        issued.into(),
    ];
    let accounts = till.topic("accounts");
    forged::append(&accounts, events.iter().map(|event| forged::record(event, 4)).collect()).await;

    // The steps of docs/operations.md: the projector first, while no command-api runs.
    let _ = till.projector.run("migrate", &[]).success("projector migrate");
    till.projector.start_ready().await;
    till.analytics.start_ready().await;
    let [writes, reads] = Entry::direct(&till).contract("receipts", "consumer");
    let consumer =
        Client::across(writes, reads).with_header("authorization", &format!("Token {FORMER_TOKEN}"));
    let user = async || consumer.get("/auth/user/").await.expect(200).body;
    assert_eq!(user().await["username"], "nina");
    assert_eq!(
        accounts.records(Isolation::Committed).await.len(),
        events.len(),
        "nobody has sealed them yet"
    );
    till.command_api.start_ready().await;
    let opened = async || {
        let records = accounts.records(Isolation::Committed).await;
        records.iter().filter(|record| record.header("event-type") == Some(b"AccountOpened")).count()
    };
    eventually("every account is sealed", SURELY, async || opened().await >= 3).await;

    assert_eq!(user().await["username"], "nina", "a token of before is good");
    let login = json!({"username": "nina", "password": forged::PASSWORD});
    let again = consumer.post("/auth/login/", &login).await.expect(200).body;
    assert_eq!(again["key"], FORMER_TOKEN, "and is handed out again");
    let root = till.anyone().login("root", forged::PASSWORD).await;
    let nina = till.anyone().login("nina", forged::PASSWORD).await;
    let listed = root.get_strong("/v1/accounts").await.expect(200).body;
    let of = |number: usize| &listed["accounts"][number - 1];
    assert_eq!((&of(2)["username"], &of(2)["number"]), (&json!("nina"), &json!(2)));
    assert_eq!(of(2)["roles"], json!(["staff", "courier"]), "a role that nobody knows stays");
    let _ = nina.get("/v1/receipts").await.expect(200);
    let _ = nina.get("/v1/audit").await.problem(403);
    let _ = nina.receipt(&simple("by-courier", "p", "1.00")).await.problem(403);

    let _ = root.delete("/v1/accounts/3").await.expect(204);
    let _ = till.anyone().try_login("gone", forged::PASSWORD).await.problem(401);
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let clear: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE username IS NOT NULL")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(clear, 0, "no table has a name in the clear any more");

    // Once sealed, always sealed: a start that reads the log anew does nothing again.
    let sealed = opened().await;
    assert!(till.command_api.terminate().success());
    std::fs::remove_dir_all(till.command_api.setting("TILL_STORE_DIR").unwrap()).unwrap();
    till.command_api.start_ready().await;
    let _ = till.anyone().login("nina", forged::PASSWORD).await;
    assert_eq!(opened().await, sealed);
    for projection in ["accounts", "audit"] {
        let _ = till.projector.run("rebuild", &[projection]).success("projector rebuild");
    }
    assert_eq!(root.get_strong("/v1/accounts").await.expect(200).body["accounts"][1], *of(2));
}

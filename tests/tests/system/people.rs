//! Customers over HTTP: sealed in the log, opened in reads, erased for good.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemas::{Event, codec, keys, people};
use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::oracle::judge;
use till_tests::process::Finished;
use till_tests::{Client, Isolation, KafkaProxy, Till};

use crate::common::{Entry, serve_contracts};
use crate::ownership::SURELY;

pub const INDEX_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub const FIRST_MASTER: &str = "1:0101010101010101010101010101010101010101010101010101010101010101";
pub const SECOND_MASTER: &str = "2:0202020202020202020202020202020202020202020202020202020202020202";

/// A deployment with secrets of its own.
pub async fn with_secrets(mut till: Till) -> Till {
    set_secrets(&mut till, FIRST_MASTER, INDEX_KEY);
    till.start_all().await;
    till
}

pub fn set_secrets(till: &mut Till, masters: &str, index: &str) {
    for service in [&mut till.command_api, &mut till.projector] {
        service.set("TILL_MASTER_KEYS", masters);
        service.set("TILL_INDEX_KEY", index);
    }
}

fn ann() -> Value {
    json!({
        "name": "Ann Ohara",
        "email": "Ann@Example.com",
        "document": "529.982.247-25",
        "phone": "+55 82 99999-0000",
        "address": "Rua do Sol 1, Maceió",
    })
}

/// Registers a customer, and gives the path of its reads.
pub async fn registered(client: &Client, customer: &Value) -> String {
    client.post("/v1/customers", customer).await.expect(201).location.expect("a Location")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_recorded_read_found_changed_and_erased() {
    let till = with_secrets(Till::prepare("customers").await).await;
    let admin = till.admin().await;
    let created = admin.post("/v1/customers", &ann()).await.expect(201);
    assert_eq!(created.etag.as_deref(), Some("\"1\""));
    let path = created.location.clone().unwrap();
    let read = admin.get(&path).await.expect(200);
    for (field, value) in ann().as_object().unwrap() {
        assert_eq!((&created.body[field], &read.body[field]), (value, value), "{field}");
    }
    assert_eq!((&read.body["erased"], &read.body["scope"]), (&json!(false), &json!("v1")));

    for known in [json!({"email": "ann@example.COM"}), json!({"document": "52998224725"})] {
        let found = admin.search("/v1/customers/search", &known).await.expect(200);
        assert_eq!(found.body["customers"][0]["id"], created.body["id"], "{known}");
    }
    let stranger = admin.search("/v1/customers/search", &json!({"email": "bob@example.com"})).await;
    assert_eq!(stranger.expect(200).body["customers"], json!([]));

    let other = json!({"name": "Bob", "email": "ann@example.com"});
    assert_eq!(admin.post("/v1/customers", &other).await.problem(409).body["type"], "urn:till:email-taken");
    let other = json!({"name": "Bob", "document": "529982247-25"});
    assert_eq!(
        admin.post("/v1/customers", &other).await.problem(409).body["type"],
        "urn:till:document-taken"
    );

    let changed = admin.patch(&path, &json!({"email": "ann@ohara.example", "phone": null})).await.expect(200);
    assert_eq!((&changed.body["revision"], &changed.body["phone"]), (&json!(2), &Value::Null));
    let read = admin.get(&path).await.expect(200);
    assert_eq!((&read.body["email"], &read.body["name"]), (&json!("ann@ohara.example"), &json!("Ann Ohara")));
    let stale =
        admin.with_header("if-match", "\"1\"").patch(&path, &json!({"name": "Anne"})).await.problem(412);
    assert_eq!(stale.body["type"], "urn:till:stale");
    let _ = registered(&admin, &json!({"name": "Bob", "email": "ann@example.com"})).await;

    let _ = admin.delete(&path).await.expect(204);
    let _ = admin.delete(&path).await.expect(204);
    let erased = admin.get(&path).await.expect(200);
    assert_eq!(erased.body["erased"], true);
    for field in ann().as_object().unwrap().keys() {
        assert_eq!(erased.body[field], Value::Null, "{field}");
    }
    assert_eq!(
        admin.patch(&path, &json!({"name": "Anne"})).await.problem(409).body["type"],
        "urn:till:erased"
    );
    let found = admin.search("/v1/customers/search", &json!({"document": "52998224725"})).await.expect(200);
    assert_eq!(found.body["customers"], json!([]));
    let again = registered(&admin, &json!({"name": "Ann", "document": "529.982.247-25"})).await;
    assert_ne!(again, path, "another customer with another key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sent_again_with_its_key_is_one_customer() {
    let till = with_secrets(Till::prepare("customers-again").await).await;
    let admin = till.admin().await.with_header("idempotency-key", "0b1f7d3e");
    let first = admin.post("/v1/customers", &ann()).await.expect(201);
    let again = admin.post("/v1/customers", &ann()).await.expect(200);
    assert_eq!((&again.body, &again.position), (&first.body, &first.position));
    let other = json!({"name": "Another"});
    let reused = admin.post("/v1/customers", &other).await.problem(422);
    assert_eq!(reused.body["type"], "urn:till:idempotency-key-reused");
    let page = admin.get("/v1/customers").await.expect(200);
    assert_eq!(page.body["customers"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_are_kept_by_staff_and_told_what_is_wrong_with_their_fields() {
    let till = with_secrets(Till::prepare("customers-rules").await).await;
    let admin = till.admin().await;
    for who in [till.analyst().await, till.terminal().await] {
        let _ = who.post("/v1/customers", &ann()).await.problem(403);
        let _ = who.get("/v1/customers").await.problem(403);
        let _ = who.search("/v1/customers/search", &json!({"email": "a@b"})).await.problem(403);
        let _ = who.delete("/v1/customers/x").await.problem(403);
    }
    let _ = till.anyone().post("/v1/customers", &ann()).await.problem(401);
    let wrong = json!({"email": "no address", "document": "é", "phone": "none", "address": " ", "active": 1, "nam": ""});
    let refused = admin.post("/v1/customers", &wrong).await.problem(422);
    assert_eq!(refused.pointers(), ["/active", "/address", "/document", "/email", "/nam", "/name", "/phone"]);
    let _ = admin.patch("/v1/customers/unknown", &json!({"name": "Ann"})).await.problem(404);
    let _ = admin.get("/v1/customers/unknown").await.problem(404);
    let _ = admin.delete("/v1/customers/unknown").await.problem(404);
    for search in [json!({}), json!({"email": 1}), json!({"email": "a", "document": "b"}), json!([])] {
        let _ = admin.search("/v1/customers/search", &search).await.problem(422);
    }
}

/// What a topic's records are, with the tombstones of keys.
pub async fn events(till: &Till, noun: &str) -> Vec<Event> {
    let records = till.topic(noun).records(Isolation::Committed).await;
    records.iter().filter_map(|record| codec::decode(&record.value, None).ok()).collect()
}

/// The numbers of the master keys that wrap the living persons' keys.
pub async fn masters(till: &Till) -> Vec<i32> {
    let mut latest = std::collections::BTreeMap::new();
    for event in events(till, "keys").await {
        let Event::Keys(keys::Event::PersonKeyed(key)) = event else { continue };
        latest.insert(key.subject, key.master);
    }
    latest.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_is_rotated_while_the_fleet_runs_and_the_former_one_is_dropped() {
    let mut till = with_secrets(Till::prepare("rotation").await).await;
    let admin = till.admin().await;
    let mut paths = Vec::new();
    for number in 0..20 {
        paths.push(registered(&admin, &json!({"name": format!("Customer {number}")})).await);
    }
    let _ = admin.delete(&paths[0]).await.expect(204);
    restart_with(&mut till, &format!("{SECOND_MASTER},{FIRST_MASTER}")).await;
    let printed = till.command_api.run("keys", &["rewrap"]).success("keys rewrap");
    // Those of 19 customers and of the demo's three accounts.
    assert!(printed.contains("22 rewrapped") && printed.contains("master key 2"), "{printed}");
    let printed = till.command_api.run("keys", &["rewrap"]).success("keys rewrap");
    assert!(printed.contains(" 0 rewrapped"), "what is done is not done again: {printed}");
    restart_with(&mut till, SECOND_MASTER).await;
    let admin = till.admin().await;
    assert!(masters(&till).await.iter().filter(|master| **master == 2).count() >= 22);
    assert_eq!(admin.get(&paths[0]).await.expect(200).body["erased"], true);
    for (number, path) in paths.iter().enumerate().skip(1) {
        assert_eq!(admin.get(path).await.expect(200).body["name"], format!("Customer {number}"));
    }
}

pub async fn restart_with(till: &mut Till, masters: &str) {
    for service in [&mut till.command_api, &mut till.projector] {
        assert!(service.terminate().success());
        service.set("TILL_MASTER_KEYS", masters);
        service.start_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_other_secrets_than_the_logs_does_not_start() {
    let mut till = with_secrets(Till::prepare("secrets").await).await;
    let _ = registered(&till.admin().await, &ann()).await;
    assert!(till.command_api.terminate().success() && till.projector.terminate().success());
    let other = "1:0303030303030303030303030303030303030303030303030303030303030303";
    let other_index = &INDEX_KEY.replace("00", "ff");
    for (masters, index, named) in
        [(other, INDEX_KEY, "TILL_MASTER_KEYS"), (FIRST_MASTER, other_index.as_str(), "TILL_INDEX_KEY")]
    {
        set_secrets(&mut till, masters, index);
        for service in [&mut till.command_api, &mut till.projector] {
            service.start();
            assert!(!service.wait(SURELY).expect("it ends").success());
            assert!(service.log().contains(named), "{}", service.log());
            let secret = masters.split(':').next_back().unwrap();
            assert!(!service.log().contains(secret) && !service.log().contains(index));
            service.kill();
        }
    }
    set_secrets(&mut till, FIRST_MASTER, INDEX_KEY);
    till.command_api.start_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_an_erased_person_are_deleted_once_more() {
    let mut till = Till::prepare("forget").await;
    till.command_api.set("TILL_FORGET_AFTER_S", "1");
    let till = with_secrets(till).await;
    let admin = till.admin().await;
    let path = registered(&admin, &ann()).await;
    let _ = admin.delete(&path).await.expect(204);
    let tombstones = async || {
        let records = till.topic("keys").records(Isolation::Committed).await;
        records.iter().filter(|record| record.value.is_empty()).count()
    };
    eventually("a second tombstone", SURELY, async || tombstones().await == 2).await;
    let forgotten = |event: &Event| matches!(event, Event::People(people::Event::PersonForgotten(_)));
    assert_eq!(events(&till, "people").await.iter().filter(|event| forgotten(event)).count(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(tombstones().await, 2, "and no third one");
}

/// Where the owner of a shard is killed while it writes a customer and its key.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The key and the names are on their way.
    Claims,
    /// They are acknowledged, and the event is on its way.
    Event,
    /// All is acknowledged and not committed.
    Commit,
}

impl Step {
    fn hold(self, till: &Till, proxy: &KafkaProxy) {
        match self {
            Self::Claims => proxy.hold_requests(Api::Produce, &format!("{}.keys", till.prefix)),
            Self::Event => proxy.hold_requests(Api::Produce, &format!("{}.people", till.prefix)),
            Self::Commit => proxy.hold_requests(Api::EndTxn, &till.prefix),
        }
    }
}

/// Registers the customer, with an `Idempotency-Key` of its own, until its answer is known.
async fn insisted(client: &Client, number: usize) -> String {
    let client =
        client.with_header("idempotency-key", &format!("customer-{number}")).with_timeout(SURELY / 10);
    let customer = json!({"name": format!("Customer {number}"), "email": format!("{number}@example.com")});
    let mut path = None;
    eventually("the customer is recorded", SURELY * 2, async || {
        let answer = client.try_post("/v1/customers", customer.to_string()).await;
        let known = answer.ok().filter(|answer| [200, 201].contains(&answer.status));
        path = known.map(|answer| format!("/v1/customers/{}", answer.body["id"].as_str().unwrap()));
        path.is_some()
    })
    .await;
    path.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_killed_between_key_event_and_commit_loses_no_customer_and_gives_no_name_twice() {
    let mut till = Till::prepare("people-killed").await;
    till.command_api.set("TILL_SHARDS", "1");
    set_secrets(&mut till, FIRST_MASTER, INDEX_KEY);
    let proxy = till.kafka_proxy();
    let direct = till.servers.kafka.brokers().to_owned();
    till.start_all().await;
    let token = till.admin().await.token().to_owned();
    for (number, step) in [Step::Claims, Step::Event, Step::Commit].into_iter().enumerate() {
        println!("{step:?}");
        assert!(till.command_api.terminate().success());
        till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
        till.command_api.start_ready().await;
        let client = till.anyone().with_token(&token);
        let before = insisted(&client, 100 + number).await;
        step.hold(&till, &proxy);
        let doomed = json!({"name": "Doomed", "email": format!("{number}@example.com")});
        let cut =
            client.with_timeout(Duration::from_secs(3)).try_post("/v1/customers", doomed.to_string()).await;
        assert!(cut.is_err(), "{step:?} is held: {cut:?}");
        till.command_api.kill();
        till.command_api.set("TILL_KAFKA_BROKERS", &direct);
        till.command_api.start_ready().await;
        // What was held arrives late, from an owner that is fenced by now.
        proxy.release();

        let path = insisted(&client, number).await;
        assert_eq!(client.get(&path).await.expect(200).body["email"], format!("{number}@example.com"));
        assert_eq!(client.get(&before).await.expect(200).body["name"], format!("Customer {}", 100 + number));
        let other = json!({"name": "Another", "email": format!("{number}@example.com")});
        let _ = client.post("/v1/customers", &other).await.problem(409);
    }
    let listed = till.anyone().with_token(&token).get("/v1/customers").await.expect(200);
    let mut emails: Vec<_> =
        listed.body["customers"].as_array().unwrap().iter().map(|one| one["email"].to_string()).collect();
    emails.sort();
    let all = emails.len();
    emails.dedup();
    assert_eq!((emails.len(), all), (6, 6), "each name is one customer's: {emails:?}");
    let printed = till.command_api.run("keys", &["rewrap"]).success("keys rewrap");
    println!("{printed}");
}

/// All files below a folder that contain a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The beginning of every text that is planted.
const CANARY: &str = "zq7canary";

/// Where texts are planted.
struct Garden {
    admin: Client,
    anyone: Client,
    /// Of the receipts contract.
    consumer: Client,
    restaurant: Client,
}

/// What was planted, to be erased again.
#[derive(Default)]
struct Planted {
    accounts: Vec<String>,
    customers: Vec<String>,
    /// Sent to the customers' addresses.
    orders: Vec<String>,
}

/// Every route that takes something personal, each with a text of its own, so that a leak tells its route. A new route
/// gets its lines here.
async fn plant(garden: &Garden) -> Planted {
    let Garden { admin, anyone, consumer, restaurant } = garden;
    let text = |route: &str| format!("{CANARY}{route}");
    let mut planted = Planted::default();

    let (name, password) = (text("register"), text("password"));
    let body = json!({"username": name, "password": password});
    let opened = anyone.post("/v1/auth/register", &body).await.expect(201).body;
    planted.accounts.push(format!("/v1/accounts/{}", opened["number"]));
    let _ = anyone.try_login(&text("login"), &text("loginpassword")).await.problem(401);
    let account = anyone.login(&name, &password).await;
    let change = json!({"password": password, "new_password": text("newpassword")});
    let _ = account.put("/v1/auth/password", &change).await.expect(200);
    let found = admin.search("/v1/accounts/search", &json!({"username": name})).await.expect(200);
    assert_eq!(found.body["accounts"][0]["number"], opened["number"]);
    let proof = json!({"password": text("proof")});
    let account = anyone.login(&name, &text("newpassword")).await;
    let _ = account.delete_with(&planted.accounts[0], &proof).await.problem(422);

    let customer = json!({
        "name": text("name"),
        "email": format!("{}@example.com", text("email")),
        "document": text("document"),
        "address": text("address"),
        "account": opened["number"],
    });
    let path = registered(admin, &customer).await;
    let _ = admin.patch(&path, &json!({"address": text("changed")})).await.expect(200);
    let email = json!({"email": format!("{}@example.com", text("email"))});
    assert_eq!(
        admin.search("/v1/customers/search", &email).await.expect(200).body["customers"][0]["name"],
        text("name")
    );
    let unknown = json!({"document": text("search")});
    let _ = admin.search("/v1/customers/search", &unknown).await.expect(200);
    let wrong = json!({"name": text("refused"), "email": text("noaddress"), "phone": text("nophone")});
    let _ = admin.post("/v1/customers", &wrong).await.problem(422);
    let product =
        admin.post("/v1/products", &json!({"title": "Book", "price": "5.00"})).await.expect(201).body;
    let order = json!({
        "customer": path.rsplit('/').next(),
        "fulfilment": "shipping",
        "ship_to": {"recipient": text("recipient"), "address": text("shipaddress")},
        "lines": [{"product": product["id"], "quantity": 1}],
        "payment": {"method": "cash"},
    });
    let placed = admin.post("/v1/orders", &order).await.expect(201).body;
    let read =
        admin.get_strong(&format!("/v1/orders/{}", placed["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(read["ship_to"]["recipient"], text("recipient"));
    planted.orders.push(format!("/v1/orders/{}", placed["id"].as_str().unwrap()));
    planted.customers.push(path);

    let (name, password) = (text("contract"), text("contractpassword"));
    let body = json!({
        "username": name, "password1": password, "password2": password, "email": format!("{}@example.com", text("contractemail"))
    });
    let answer = consumer.post("/auth/registration/", &body).await;
    assert!([201, 204].contains(&answer.status), "{}", answer.text);
    let login = json!({"username": name, "password": password});
    let _ = consumer.post("/auth/login/", &login).await.expect(200);
    let found = admin.search("/v1/accounts/search", &json!({"username": name})).await.expect(200);
    planted.accounts.push(format!("/v1/accounts/{}", found.body["accounts"][0]["number"]));

    let mut client = json!({
        "nome": text("clientname"),
        "cpf": text("clientdocument"),
        "email": format!("{}@example.com", text("clientemail")),
        "telefone": text("clientphone"),
        "hashed_password": text("clientpassword"),
    });
    let taken = restaurant.post("/clientes/", &client).await.expect(200).body;
    assert_eq!(restaurant.get(&format!("/clientes/{}", taken["id"])).await.expect(200).body, taken);
    let _ = restaurant.post("/clientes/", &client).await.expect(409);
    client["id"] = taken["id"].clone();
    client["nome"] = json!(text("clientchanged"));
    let _ = restaurant.put("/clientes/", &client).await.expect(200);
    let wrong = json!({"nome": text("clientrefused"), "hashed_password": text("clientrefused")});
    let _ = restaurant.post("/clientes/", &wrong).await.expect(503);
    planted
}

/// The oracle's judgement of what is sealed, with its own AES.
fn judged(till: &Till, checks: &[&str], more: &[&str]) -> Finished {
    judge(till, "", till.scratch.path(), checks, more)
}

/// The records of persons' keys, as a copy of the log would have them.
async fn copy_of_keys(till: &Till) -> PathBuf {
    let keys = events(till, "keys").await.into_iter().filter_map(|event| match event {
        Event::Keys(keys::Event::PersonKeyed(key)) => {
            Some(json!({"subject": key.subject, "home": key.home, "wrapped": hex(&key.wrapped.0)}))
        }
        _ => None,
    });
    let path = till.scratch.path().join("copy-of-keys.json");
    std::fs::write(&path, Value::from_iter(keys).to_string()).unwrap();
    path
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_personal_is_on_no_disk_in_the_clear_and_opens_for_nobody_once_it_is_erased() {
    let mut till = Till::prepare_alone("canary").await;
    serve_contracts(&mut till);
    for service in [&mut till.command_api, &mut till.projector, &mut till.analytics] {
        service.set("TILL_LOG_FILTER", "info,command_api=debug,projector=debug,runtime=debug");
    }
    till.command_api.set("TILL_FORGET_AFTER_S", "1");
    let mut till = with_secrets(till).await;
    let service = |contract, service| {
        let [writes, reads] = Entry::direct(&till).contract(contract, service);
        Client::across(writes, reads)
    };
    let garden = Garden {
        admin: till.admin().await,
        anyone: till.anyone(),
        consumer: service("receipts", "consumer"),
        restaurant: service("restaurant", "restaurant"),
    };
    let planted = plant(&garden).await;

    // What must be found, by the same search: a receipt's place, which is nobody's name, is in topics and in tables.
    let mut receipt = till_tests::receipts::simple("canary", "p", "1.00");
    receipt["place_name"] = "zq7found".into();
    let answer = garden.admin.receipt(&receipt).await.expect(201);
    let _ = garden.admin.get_at("/v1/receipts/canary", &answer.position.unwrap()).await.expect(200);
    let folders = [till.scratch.path().to_owned(), till.servers.scratch.path().to_owned()];
    let found = |text: &str| folders.iter().flat_map(|folder| files_with(folder, text)).collect::<Vec<_>>();
    eventually("it is in the log and in a table", SURELY, async || found("zq7found").len() >= 2).await;
    assert_eq!(found(CANARY), Vec::<String>::new());

    let expected = [
        "register",
        "name",
        "email",
        "document",
        "changed",
        "contract",
        "contractemail",
        "clientdocument",
        "clientemail",
        "clientphone",
        "clientchanged",
        "recipient",
        "shipaddress",
    ];
    let expected: Vec<_> =
        expected.iter().flat_map(|route| ["--expect".to_owned(), format!("{CANARY}{route}")]).collect();
    let mut options = vec!["--masters", FIRST_MASTER];
    options.extend(expected.iter().map(String::as_str));
    println!("{}", judged(&till, &["sealed"], &options).success("the oracle opens what was planted"));
    let copy = copy_of_keys(&till).await;
    let copied = |masters: &'static str| ["--masters", masters, "--copy", copy.to_str().unwrap()];
    let opens = judged(&till, &["copied"], &copied(FIRST_MASTER));
    assert!(!opens.status.success(), "before a rotation a copy opens: {}", opens.output);

    let before = rows(&till).await;
    rebuild(&till);
    assert_eq!(rows(&till).await, before, "a rebuild before it gives the same rows");
    let paths: Vec<_> = planted.accounts.iter().chain(&planted.customers).cloned().collect();
    let admin = garden.admin.clone();
    let erasures = tokio::spawn(async move {
        for path in paths {
            let _ = admin.delete(&path).await.expect(204);
        }
    });
    rebuild(&till);
    erasures.await.unwrap();
    for path in planted.accounts.iter().chain(&planted.customers) {
        assert_eq!(garden.admin.get(path).await.expect(200).body["erased"], true, "{path}");
    }
    for path in &planted.orders {
        let order = garden.admin.get(path).await.expect(200).body;
        assert_eq!(
            (&order["ship_to"]["recipient"], &order["total"]),
            (&Value::Null, &json!("5.00")),
            "{order}"
        );
    }
    compact_until_forgotten(&till, &garden.admin).await;
    println!(
        "{}",
        judged(&till, &["sealed"], &["--masters", FIRST_MASTER]).success("the oracle after the erasure")
    );
    assert_eq!(found(CANARY), Vec::<String>::new());
    let erased = rows(&till).await;
    let history = |rows: &[String]| rows.iter().filter(|row| before.contains(row)).count();
    assert_eq!(history(&erased), before.len(), "boxes stay as they are");
    rebuild(&till);
    assert_eq!(rows(&till).await, erased, "a rebuild after it gives the same rows");

    restart_with(&mut till, &format!("{SECOND_MASTER},{FIRST_MASTER}")).await;
    let _ = till.command_api.run("keys", &["rewrap"]).success("keys rewrap");
    restart_with(&mut till, SECOND_MASTER).await;
    println!(
        "{}",
        judged(&till, &["sealed"], &["--masters", SECOND_MASTER]).success("the oracle after the rotation")
    );
    println!(
        "{}",
        judged(&till, &["copied"], &copied(SECOND_MASTER)).success("a copy of before opens with no key")
    );
    let admin = till.admin().await;
    for path in planted.accounts.iter().chain(&planted.customers) {
        assert_eq!(admin.get(path).await.expect(200).body["erased"], true, "{path}");
    }
}

/// Folds the projections of people anew.
fn rebuild(till: &Till) {
    for projection in ["keys", "customers", "accounts", "audit"] {
        let rebuilt = tokio::task::block_in_place(|| till.projector.run("rebuild", &[projection]));
        let _ = rebuilt.success("projector rebuild");
    }
}

/// The rows of everybody, with what is sealed of them.
async fn rows(till: &Till) -> Vec<String> {
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let accounts = "SELECT to_jsonb(a)::text FROM accounts AS a ORDER BY realm, number";
    let customers = "SELECT to_jsonb(c)::text FROM customers AS c ORDER BY home, id";
    let mut rows: Vec<String> = sqlx::query_scalar(accounts).fetch_all(&mut database).await.unwrap();
    rows.extend(sqlx::query_scalar::<_, String>(customers).fetch_all(&mut database).await.unwrap());
    rows
}

/// Has Kafka compact the keys, until neither a record nor a row is left of anybody who was erased.
async fn compact_until_forgotten(till: &Till, admin: &Client) {
    let forgotten: BTreeSet<_> = events(till, "people")
        .await
        .into_iter()
        .filter_map(|event| match event {
            Event::People(people::Event::PersonErased(event)) => Some(event.subjects),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(!forgotten.is_empty());
    let log = till.topic("keys");
    let at_once = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "500"),
        ("max.compaction.lag.ms", "1"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("message.timestamp.type", "LogAppendTime"),
    ];
    log.configure(&at_once).await;
    let mut number = 0;
    eventually("no record has the key of anybody who was erased", SURELY * 2, async || {
        // A segment is rolled when something is appended.
        number += 1;
        let _ = registered(admin, &json!({"name": format!("Roll {number}")})).await;
        let records = log.records(Isolation::Uncommitted).await;
        let is_of = |key: &[u8]| forgotten.iter().any(|subject| subject.to_string().as_bytes() == key);
        !records.iter().any(|record| is_of(&record.key) && !record.value.is_empty())
    })
    .await;
    log.configure(schemas::Topic::Keys.config()).await;
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let subjects: Vec<_> = forgotten.iter().copied().collect();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM person_keys WHERE subject = ANY($1)")
        .bind(subjects)
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(left, 0, "no row has the key of anybody who was erased");
}

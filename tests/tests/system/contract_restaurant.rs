//! Contract 004, `restaurant`, as an unchanged client meets it: through nginx, where it has a port, and under its prefix on the
//! services themselves.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value, json};
use till_tests::process::Finished;
use till_tests::{Client, Spec, Till, places};

use crate::common::{Entry, Setting, in_every_setting, serve_contracts};
use crate::trade;

/// Base URLs of the contract: those for what command-api serves, then those for what the projector serves.
type Urls = [Vec<String>; 2];

/// How long the Python client may take before the test gives up.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

in_every_setting! {
    an_unchanged_client_of_the_restaurant_contract_finds_what_its_document_says,
    an_idempotency_key_makes_a_repeated_request_of_the_restaurant_contract_the_same_one,
    the_restaurant_contract_is_not_there_where_it_is_not_switched_on,
    what_the_former_restaurant_had_is_imported_and_stands_in_the_kitchens_order,
}

fn urls(entry: &Entry) -> Urls {
    entry.contract("restaurant", "restaurant")
}

fn client(entry: &Entry) -> Client {
    let [writes, reads] = urls(entry);
    Client::across(writes, reads)
}

/// Runs the Python client against the contract at these base URLs, and gives what it said.
fn run(till: &Till, label: &str, [writes, reads]: &Urls, more: &[&str]) -> Finished {
    let script = places::repository().join("tests/contracts/restaurant_client.py");
    let mut spec = Spec::new(&format!("restaurant-{label}"), &places::python(), till.scratch.path());
    spec.env.insert("PYTHONIOENCODING".into(), "utf-8".into());
    spec.env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    let options = [("--restaurant", writes), ("--restaurant-reads", reads)];
    let options = options.into_iter().flat_map(|(name, urls)| [name.to_owned(), urls.join(",")]);
    let args = [script.into_os_string()].into_iter().chain(options.map(OsString::from));
    spec.args(args.chain(more.iter().map(OsString::from))).run(ENDS_WITHIN)
}

async fn an_unchanged_client_of_the_restaurant_contract_finds_what_its_document_says(at: Setting) {
    let (till, entry) = at.shared().await;
    let label = at.own(&format!("content-{}", at.replicas));
    let content = run(&till, &label, &urls(&entry), &[]);
    println!("{}", content.success("the client of the restaurant contract"));
    // That the client notices faults does not depend on the setting, so it is shown in one setting only.
    if at.replicas == 1 && at.front_door {
        the_client_notices_planted_faults(&till, &urls(&entry));
        // The client finds nothing of the contract under /v1.
        let lost = run(&till, "v1", &entry.v1(), &[]);
        assert!(!lost.status.success(), "{}", lost.output);
    }
}

/// Spoils every answer in one way after the other. Each section that should notice must say so.
fn the_client_notices_planted_faults(till: &Till, urls: &Urls) {
    let everywhere = [
        "products_are_kept",
        "clients_are_kept",
        "orders_are_placed",
        "payments_are_told",
        "orders_are_corrected",
        "the_queue_is_in_order",
        "what_is_removed_is_gone",
        "routes_are_as_fastapi_has_them",
        "the_document_describes_what_is_served",
    ];
    let numbers = [
        "products_are_kept",
        "orders_are_placed",
        "payments_are_told",
        "the_queue_is_in_order",
        "what_is_removed_is_gone",
    ];
    let words = [
        "products_are_kept",
        "clients_are_kept",
        "orders_are_placed",
        "payments_are_told",
        "orders_are_corrected",
        "what_is_removed_is_gone",
        "routes_are_as_fastapi_has_them",
    ];
    let faults: [(&str, &[&str]); 6] = [
        ("status", &everywhere),
        ("headers", &everywhere),
        ("keys", &everywhere),
        ("numbers", &numbers),
        ("times", &["orders_are_placed", "orders_are_corrected"]),
        ("messages", &words),
    ];
    for (fault, expected) in faults {
        let spoilt = run(till, fault, urls, &["--plant", fault]);
        assert!(!spoilt.status.success(), "{fault}: the client is content:\n{}", spoilt.output);
        let lines = spoilt.output.lines().filter_map(|line| line.split_once(": "));
        let found: BTreeSet<_> = lines.map(|(section, _)| section.to_owned()).collect();
        let missed: Vec<_> = expected.iter().filter(|section| !found.contains(**section)).collect();
        assert!(missed.is_empty(), "{fault}: {missed:?} notice nothing:\n{}", spoilt.output);
    }
}

async fn an_idempotency_key_makes_a_repeated_request_of_the_restaurant_contract_the_same_one(at: Setting) {
    let (_till, entry) = at.shared().await;
    let name = at.own(&format!("key-{}", at.replicas));
    let restaurant = client(&entry);
    let keyed = restaurant.with_header("idempotency-key", &name);
    let person =
        json!({"nome": name, "cpf": name, "email": format!("{name}@example.com"), "hashed_password": "x"});
    let dish = json!({"nome": name, "categoria": 1, "valor": 2.5, "descricao": null});
    let (ana, soup) = (
        keyed.post("/clientes/", &person).await.expect(200).body,
        keyed.post("/produtos/", &dish).await.expect(200).body,
    );
    let item = json!({"produto": soup["id"], "quantidade": 2});
    let order = json!({"id_cliente": ana["id"], "itens": [item]});
    let placed = keyed.post("/pedidos/checkout/", &order).await.expect(200).body;
    for (path, body, first) in
        [("/clientes/", &person, &ana), ("/produtos/", &dish, &soup), ("/pedidos/checkout/", &order, &placed)]
    {
        assert_eq!(keyed.post(path, body).await.expect(200).body, *first, "{path}");
    }
    let (mut other_person, mut other_dish, mut other_order) = (person, dish, order.clone());
    other_person["nome"] = json!("Another");
    other_dish["valor"] = json!(3);
    other_order["itens"] = json!([]);
    for (path, body) in
        [("/clientes/", &other_person), ("/produtos/", &other_dish), ("/pedidos/checkout/", &other_order)]
    {
        let refused = keyed.post(path, body).await.expect(422);
        assert!(refused.body["detail"].is_string(), "{path}: {}", refused.text);
    }
    let another = restaurant.post("/pedidos/checkout/", &order).await.expect(200).body;
    assert_ne!(another["id"], placed["id"]);
}

async fn the_restaurant_contract_is_not_there_where_it_is_not_switched_on(at: Setting) {
    let mut till = Till::prepare(&at.own(&format!("restaurant-off-{}", at.replicas))).await;
    let entry = at.start(&mut till).await;
    let restaurant = client(&entry);
    let _ = restaurant.get("/produtos/").await.problem(404);
    let _ = restaurant.post("/pedidos/checkout/", &json!({})).await.problem(404);
    till.command_api.set("TILL_RESTAURANT_PAYMENTS", "nonsense");
    let checked = till.command_api.run("check-config", &[]);
    assert!(
        !checked.status.success() && checked.output.contains("TILL_RESTAURANT_PAYMENTS"),
        "{}",
        checked.output
    );
}

async fn what_the_former_restaurant_had_is_imported_and_stands_in_the_kitchens_order(at: Setting) {
    let mut till = Till::prepare(&at.own(&format!("restaurant-fixtures-{}", at.replicas))).await;
    serve_contracts(&mut till);
    let entry = at.start(&mut till).await;
    let fixtures = std::fs::read_to_string(places::repository().join("infra/fixtures/restaurant.json"));
    let admin = entry.admin().await;
    trade::import(&admin, &fixtures.unwrap()).await;
    let restaurant = client(&entry);
    let ids = |list: &Value| list.as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    let queue = restaurant.get("/pedidos/").await.expect(200).body;
    assert_eq!(json!(ids(&queue)), json!([7, 13, 3, 8, 14, 2, 9, 15, 6, 12, 5, 11, 1]));
    let finished = restaurant.get("/pedidos/finalizados/").await.expect(200).body;
    assert_eq!(json!(ids(&finished)), json!([4, 10]));
    for (number, total) in [(1, 1663.2), (2, 20.0), (3, 36.0), (4, 0.0)] {
        let order = restaurant.get(&format!("/pedidos/{number}")).await.expect(200).body;
        assert_eq!(order["valor_total"], total, "{order}");
    }
    let first = json!({"id_pagamento": "b715bik7-2726-4d51-a729-749cc7bda703"});
    let webhook = trade::webhook(&first, "state_CANCELED");
    let told = restaurant.post("/pedidos/status_pagamento/", &webhook).await.expect(200).body;
    assert_eq!((&told["id"], &told["status_pagamento"]), (&json!(1), &json!(3)));
    let clients = restaurant.get("/clientes/").await.expect(200).body;
    assert_eq!(json!(ids(&clients)), json!([1, 2, 3, 4, 5, 6, 7]));
    assert_eq!((&clients[0]["nome"], &clients[0]["email"]), (&json!("Administrador"), &json!("adm@adm")));
    let dish = json!({"nome": "Sopa", "categoria": 1, "valor": 9, "descricao": null});
    assert_eq!(restaurant.post("/produtos/", &dish).await.expect(200).body["id"], 13);
    let order = json!({"id_cliente": 1, "itens": [
        {"produto": 3, "quantidade": 5, "descricao": "sem tomate", "valor": 15.2},
        {"produto": 2, "quantidade": 3, "descricao": "com tomate", "valor": 11}]});
    let placed = restaurant.post("/pedidos/checkout/", &order).await.expect(200).body;
    assert_eq!((&placed["id"], &placed["valor_total"]), (&json!(16), &json!(194.0)));
}

//! Who may do and see what of sellers, products, stock, orders and revenue: every route of theirs, for every role and every binding to a
//! seller.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use till_tests::{Answer, Client, places};

use crate::access::call_with;
use crate::common::{Entry, Setting, account, in_two_settings};

in_two_settings!(what_sellers_sell_is_open_to_roles_and_to_those_whom_a_seller_names_alone);

/// A line is a request, the status that each caller is answered with, and the body that is sent. Each caller walks down the lines with
/// a seller, a product of it and an order of that product that nobody else touches; what is in braces is theirs. `+` is an answer that
/// names the order, and `-` one that does not.
///
/// `adm` is an admin, `sta` is staff, `man` manages the seller, `oth` manages another one (`foreign`), `buy` has ordered and manages
/// none, `ter` is a terminal, `ana` an analyst, `key` a terminal's key of the seller's manager, and `non` nobody. Who manages and who
/// has ordered are customers by role.
const TABLE: &str = r#"
request                            | adm  sta  man  oth  buy  ter  ana  key  non  | body
GET    /v1/sellers                 | 200  200  200  200  200  200  200  200  401  |
GET    /v1/sellers/{seller}        | 200  200  200  200  200  200  200  200  401  |
POST   /v1/sellers                 | 422  422  403  403  403  403  403  403  401  | {}
POST   /v1/sellers                 | 201  201  403  403  403  403  403  403  401  | {"name": "Walked"}
PATCH  /v1/sellers/{seller}        | 422  422  422  403  403  403  403  403  401  | {"name": 5}
PATCH  /v1/sellers/{seller}        | 200  200  200  403  403  403  403  403  401  | {"description": "Pies"}

GET    /v1/products                | 200  200  200  200  200  200  200  200  401  |
GET    /v1/products/{product}      | 200  200  200  200  200  200  200  200  401  |
POST   /v1/products                | 422  422  403  403  403  403  403  403  401  | {}
POST   /v1/products                | 422  422  403  403  403  403  403  403  401  | {"seller": 5, "title": "Tart"}
POST   /v1/products                | 422  422  422  403  403  403  403  403  401  | {"seller": "{seller}", "title": 5}
POST   /v1/products                | 201  201  403  403  403  403  403  403  401  | {"title": "Tart"}
POST   /v1/products                | 201  201  201  403  403  403  403  403  401  | {"seller": "{seller}", "title": "Tart"}
POST   /v1/products                | 201  201  403  201  403  403  403  403  401  | {"seller": "{foreign}", "title": "Tart"}

POST   /v1/orders/quote            | 422  422  422  422  422  422  403  403  401  | {}
POST   /v1/orders/quote            | 200  200  200  200  200  200  403  403  401  | {order of it}
POST   /v1/orders                  | 422  422  422  422  422  422  403  403  401  | {}
POST   /v1/orders                  | 201  201  201  201  201  201  403  403  401  | {order of it}
GET    /v1/orders                  | 200  200  200- 200- 200+ 403  200  403  401  |
GET    /v1/orders?buyer={buyer}    | 200+ 200+ 200- 200- 200+ 403  200+ 403  401  |
GET    /v1/orders/{order}          | 200+ 200+ 404  404  200+ 403  200+ 403  401  |
GET    /v1/orders/{order}/events   | 200  200  404  404  200  403  200  403  401  |
GET    /v1/kitchen/queue           | 200  200  403  403  403  403  403  403  401  |
GET    /v1/revenue/{seller}        | 200  403  200  403  403  403  200  403  401  |
GET    /v1/revenue/{seller}/entries| 200+ 403  200+ 403  403  403  200+ 403  401  |
GET    /v1/revenue/{foreign}       | 200  403  403  200  403  403  200  403  401  |
POST   /v1/orders/{order}/move     | 422  422  403  403  403  403  403  403  401  | {}
POST   /v1/orders/{order}/move     | 200+ 200+ 403  403  403  403  403  403  401  | {"stage": "preparing"}
POST   /v1/orders/{order}/cancel   | 422  422  404  404  422  404  404  404  401  | {"note": 5}
POST   /v1/orders/{order}/cancel   | 200+ 200+ 404  404  200+ 404  404  404  401  | {}

PATCH  /v1/products/{product}      | 422  422  422  403  403  403  403  403  401  | {"title": 5}
PATCH  /v1/products/{product}      | 200  200  200  403  403  403  403  403  401  | {"counts_stock": true}
POST   /v1/products/{product}/stock| 422  422  422  403  403  403  403  403  401  | {}
POST   /v1/products/{product}/stock| 200  200  200  403  403  403  403  403  401  | {"available": 5}
POST   /v1/products/{product}/stock| 200  200  200  403  403  403  403  403  401  | {"change": 1, "reason": "found"}
PATCH  /v1/products/{product}      | 200  200  403  403  403  403  403  403  401  | {"seller": "{foreign}"}
DELETE /v1/products/{product}      | 204  204  204  403  403  403  403  403  401  |
DELETE /v1/sellers/{seller}        | 204  204  204  403  403  403  403  403  401  |
"#;

/// A caller's seller, product and order, and what else a request may name.
struct Things {
    names: [(&'static str, String); 6],
    order: String,
}

/// Who calls.
struct People {
    admin: Client,
    buyer: Client,
    /// The numbers of accounts.
    manager: i64,
    bought: i64,
    /// The seller that another account manages.
    foreign: String,
    /// The callers, by the names of their columns.
    callers: Vec<(&'static str, Client)>,
}

async fn what_sellers_sell_is_open_to_roles_and_to_those_whom_a_seller_names_alone(at: Setting) {
    let (_till, entry) = at.shared().await;
    let people = People::gathered(&entry, at).await;
    let mut wrong = Vec::new();
    for (column, (name, client)) in people.callers.iter().enumerate() {
        let things = people.things().await;
        for (request, expected, body) in table() {
            let told = things.told(request, body);
            let answer = call_with(client, told.method, &told.path, &told.body).await;
            if !is_like(&answer, expected[column], &things.order) {
                let Answer { status, text, .. } = &answer;
                wrong.push(format!("{name}: {request} {body}: {}, not {status}: {text}", expected[column]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_walk_by_binding_has_every_route_of_sellers_products_stock_orders_and_revenue() {
    let walked: BTreeSet<_> = table().iter().map(|(request, ..)| without_ids(request)).collect();
    let mut described = BTreeSet::new();
    for service in ["command-api", "projector"] {
        let path = places::repository().join(format!("docs/openapi/{service}.json"));
        let description: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (path, methods) in description["paths"].as_object().unwrap() {
            let is_walked = |noun: &&str| path.starts_with(&format!("/v1/{noun}"));
            if ["sellers", "products", "orders", "kitchen", "revenue"].iter().any(is_walked) {
                let methods = methods.as_object().unwrap().keys();
                described
                    .extend(methods.map(|method| without_ids(&format!("{} {path}", method.to_uppercase()))));
            }
        }
    }
    assert_eq!(walked, described);
}

/// The lines: the request, what is expected for each caller, and the body.
fn table() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    let lines = TABLE.lines().skip(2).filter(|line| !line.is_empty());
    let line = |line: &'static str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [request, expected, body] = cells[..] else { panic!("three cells: {line}") };
        (request, expected.split_whitespace().collect(), body)
    };
    lines.map(line).collect()
}

/// A line's method and path, with `{id}` for whatever is named.
fn without_ids(request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let path = path.trim().split('?').next().unwrap();
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{id}" } else { part });
    format!("{method} {}", parts.collect::<Vec<_>>().join("/"))
}

/// Whether an answer has the status, is a problem where that says so, and names the order or not, as a cell says.
fn is_like(answer: &Answer, expected: &str, order: &str) -> bool {
    let status: u16 = expected[..3].parse().unwrap();
    let names_it = answer.text.contains(order);
    answer.status == status
        && (status >= 400) == (answer.content_type == "application/problem+json")
        && match &expected[3..] {
            "+" => names_it,
            "-" => !names_it,
            _ => true,
        }
}

/// A request as it is sent.
struct Told {
    method: &'static str,
    path: String,
    body: Value,
}

impl Things {
    /// A line's request and body, about these things.
    fn told(&self, request: &'static str, body: &str) -> Told {
        let named = |text: &str| {
            self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
        };
        let (method, path) = request.split_once(' ').unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&named(body)).unwrap() };
        Told { method, path: named(path.trim()), body }
    }
}

impl People {
    /// Accounts of this test alone, with a seller that one of them manages.
    async fn gathered(entry: &Entry, at: Setting) -> Self {
        let (admin, anyone) = (entry.admin().await, entry.anyone());
        let mut clients = Vec::new();
        for role in ["staff", "manager", "other", "buyer", "terminal", "analyst"] {
            let name = at.own(&format!("walks-as-{role}"));
            let role = if ["manager", "other", "buyer"].contains(&role) { "customer" } else { role };
            let client = account(&anyone, &name, &[role], &[]).await;
            clients.push((client, number(&admin, &name).await));
        }
        let Ok([staff, manager, other, buyer, terminal, analyst]) = <[_; 6]>::try_from(clients) else {
            panic!("six accounts")
        };
        let keys = format!("/v1/accounts/{}/keys", manager.1);
        let key = admin.post(&keys, &json!({"label": "Till of the manager"})).await.expect(201).body;
        let key = anyone.with_token(key["key"].as_str().expect("a key"));
        let seller = json!({"name": "Foreign", "managers": [other.1]});
        Self {
            foreign: id(&admin.post("/v1/sellers", &seller).await.expect(201)),
            manager: manager.1,
            bought: buyer.1,
            buyer: buyer.0.clone(),
            callers: vec![
                ("adm", admin.clone()),
                ("sta", staff.0),
                ("man", manager.0),
                ("oth", other.0),
                ("buy", buyer.0),
                ("ter", terminal.0),
                ("ana", analyst.0),
                ("key", key),
                ("non", anyone),
            ],
            admin,
        }
    }

    /// A seller, its product, and an order of the product, all of them new.
    async fn things(&self) -> Things {
        let seller = json!({"name": "Corner", "managers": [self.manager]});
        let seller = id(&self.admin.post("/v1/sellers", &seller).await.expect(201));
        let product = json!({"title": "Pie", "price": "3.00", "seller": seller});
        let product = id(&self.admin.post("/v1/products", &product).await.expect(201));
        // Nothing of it is reserved, so that it is with the kitchen at once.
        let body = json!({
            "lines": [{"product": product, "quantity": 1}],
            "fulfilment": "kitchen",
            "payment": {"method": "cash"},
        });
        let order = self.buyer.post("/v1/orders", &body).await.expect(201);
        assert_eq!(order.body["stage"], "received", "{}", order.text);
        let order = id(&order);
        let names = [
            ("{seller}", seller),
            ("{foreign}", self.foreign.clone()),
            ("{product}", product),
            ("{order}", order.clone()),
            ("{buyer}", self.bought.to_string()),
            ("{order of it}", body.to_string()),
        ];
        Things { names, order }
    }
}

async fn number(admin: &Client, name: &str) -> i64 {
    let found = admin.search("/v1/accounts/search", &json!({"username": name})).await.expect(200).body;
    found["accounts"][0]["number"].as_i64().unwrap_or_else(|| panic!("an account: {found}"))
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap_or_else(|| panic!("an id: {}", answer.text)).to_owned()
}

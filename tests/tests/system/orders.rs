//! Sellers, products, stock and orders of `/v1`, from their listing to the kitchen.

use serde_json::{Value, json};
use till_tests::Client;
use till_tests::client::eventually;

use crate::common::{Setting, account, in_two_settings};
use crate::ownership::SURELY;

in_two_settings! {
    products_are_listed_changed_counted_and_removed,
    an_order_is_priced_by_the_catalogue_reserved_and_goes_through_the_kitchen,
    an_order_that_stock_is_too_short_for_is_refused_as_a_whole_and_reserves_nothing,
    an_order_that_is_called_off_gives_its_stock_back,
    a_price_that_was_changed_is_told_and_never_taken_from_the_client,
    orders_are_read_and_called_off_by_their_buyer_and_by_staff_alone,
    a_seller_is_managed_by_the_accounts_that_it_names,
    an_order_sent_again_with_its_key_is_one_order,
}

/// Lists a product, and waits until its stock has taken the count.
async fn listed(admin: &Client, product: &Value) -> String {
    let product_id = id(&admin.post("/v1/products", product).await.expect(201).body);
    if let Some(count) = product["available"].as_i64() {
        comes_to_have(admin, &product_id, &format!("{count}.000")).await;
    }
    product_id
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("an id: {body}")).to_owned()
}

fn counted(title: &str, price: &str, available: i64) -> Value {
    json!({"title": title, "price": price, "section": "dishes", "counts_stock": true, "available": available})
}

fn order(lines: &Value) -> Value {
    json!({"lines": lines, "fulfilment": "kitchen", "payment": {"method": "cash"}})
}

/// Places an order, and waits for its stock: longer than an answer does, where the machine is slow.
async fn placed(client: &Client, order: &Value) -> Value {
    let mut placed = client.with_header("prefer", "wait=10").post("/v1/orders", order).await.expect(201).body;
    let path = format!("/v1/orders/{}", id(&placed));
    eventually("its stock has answered", SURELY, async || {
        if placed["stage"] == "placed" {
            placed = client.get_strong(&path).await.expect(200).body;
        }
        placed["stage"] != "placed"
    })
    .await;
    placed
}

async fn available(client: &Client, product: &str) -> Value {
    client.get_strong(&format!("/v1/products/{product}")).await.expect(200).body["available"].clone()
}

/// Whether the order is on a page of the queue. Other tests of the deployment fill pages too.
async fn waits_in_the_kitchen(staff: &Client, order: &Value) -> bool {
    let mut path = "/v1/kitchen/queue".to_owned();
    loop {
        let page = staff.get_strong(&path).await.expect(200).body;
        if page["orders"].as_array().unwrap().iter().any(|one| one["id"] == order["id"]) {
            return true;
        }
        let Some(cursor) = page["next_cursor"].as_str() else { return false };
        path = format!("/v1/kitchen/queue?cursor={cursor}");
    }
}

async fn comes_to_have(client: &Client, product: &str, count: &str) {
    eventually("its stock is counted", SURELY, async || available(client, product).await == count).await;
}

async fn products_are_listed_changed_counted_and_removed(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let product = listed(&admin, &counted("Soup", "4.50", 3)).await;
    let path = format!("/v1/products/{product}");
    let read = admin.get_strong(&path).await.expect(200);
    assert_eq!(
        (&read.body["price"], &read.body["available"]),
        (&json!("4.50"), &json!("3.000")),
        "{}",
        read.text
    );
    assert_eq!(read.etag.as_deref(), Some("\"1\""));

    let changed =
        admin.with_header("if-match", "\"1\"").patch(&path, &json!({"price": "5"})).await.expect(200);
    assert_eq!((&changed.body["price"], &changed.body["title"]), (&json!("5.00"), &json!("Soup")));
    let _ = admin.with_header("if-match", "\"1\"").patch(&path, &json!({"price": "6"})).await.problem(412);

    let stock = format!("{path}/stock");
    let taken = json!({"change": "-1.5", "reason": "spilt"});
    let adjusted = admin.post(&stock, &taken).await.expect(200);
    assert_eq!(adjusted.body["available"], "1.500");
    let _ = admin.post(&stock, &json!({"change": "-2", "reason": "spilt"})).await.problem(409);
    let _ = admin.post(&stock, &json!({"available": 9})).await.expect(200);
    comes_to_have(&admin, &product, "9.000").await;

    let _ = admin.delete(&path).await.expect(204);
    let _ = admin.get_strong(&path).await.problem(404);
    let refused = admin.post("/v1/orders", &order(&json!([{"product": product, "quantity": 1}]))).await;
    assert_eq!(refused.problem(409).body["type"], "urn:till:order-product-unknown");
}

async fn an_order_is_priced_by_the_catalogue_reserved_and_goes_through_the_kitchen(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let (soup, water) = (
        listed(&admin, &counted("Soup", "4.55", 10)).await,
        listed(&admin, &json!({"title": "Water", "price": "1.99"})).await,
    );
    let lines = json!([
        {"product": soup, "quantity": 2, "note": "hot"},
        {"product": water, "quantity": "0.5"},
        {"product": soup, "quantity": 1, "unit_price": "4.55"},
    ]);
    let quote = admin.post("/v1/orders/quote", &order(&lines)).await.expect(200);
    // 9.10, 0.995 rounded away from zero, and 4.55.
    assert_eq!(quote.body["total"], "14.65");
    let placed = placed(&admin, &order(&lines)).await;
    assert_eq!((&placed["stage"], &placed["total"]), (&json!("received"), &json!("14.65")), "{placed}");
    assert_eq!(available(&admin, &soup).await, "7.000");

    let path = format!("/v1/orders/{}", id(&placed));
    assert!(waits_in_the_kitchen(&admin, &placed).await);
    let skipped = admin.post(&format!("{path}/move"), &json!({"stage": "ready"})).await.problem(409);
    assert_eq!(
        (&skipped.body["stage"], &skipped.body["allowed"]),
        (&json!("received"), &json!(["preparing"]))
    );
    for stage in ["preparing", "ready", "finished"] {
        let moved = admin.post(&format!("{path}/move"), &json!({"stage": stage})).await.expect(200);
        assert_eq!(moved.body["stage"], stage);
        assert!(moved.body[format!("{stage}_at")].is_string(), "{}", moved.text);
    }
    let read = admin.get_strong(&path).await.expect(200).body;
    assert_eq!((&read["stage"], &read["lines"][0]["note"]), (&json!("finished"), &json!("hot")), "{read}");
    assert!(!waits_in_the_kitchen(&admin, &placed).await);
    let events = admin.get_strong(&format!("{path}/events")).await.expect(200).body;
    let stages: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| event["stage"].clone()).collect();
    assert_eq!(stages, ["placed", "received", "preparing", "ready", "finished"], "{events}");
}

async fn an_order_that_stock_is_too_short_for_is_refused_as_a_whole_and_reserves_nothing(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let (some, few) =
        (listed(&admin, &counted("Some", "1", 5)).await, listed(&admin, &counted("Few", "1", 1)).await);
    let lines = json!([{"product": some, "quantity": 3}, {"product": few, "quantity": 2}]);
    let refused = placed(&admin, &order(&lines)).await;
    let path = format!("/v1/orders/{}", id(&refused));
    eventually("it is refused", SURELY, async || {
        admin.get_strong(&path).await.expect(200).body["stage"] == "refused"
    })
    .await;
    eventually("what was held is given back", SURELY, async || available(&admin, &some).await == "5.000")
        .await;
    assert_eq!(available(&admin, &few).await, "1.000");
}

async fn an_order_that_is_called_off_gives_its_stock_back(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let product = listed(&admin, &counted("Cake", "3", 2)).await;
    let placed = placed(&admin, &order(&json!([{"product": product, "quantity": 2}]))).await;
    assert_eq!(available(&admin, &product).await, "0.000");
    let cancel = format!("/v1/orders/{}/cancel", id(&placed));
    for _ in 0..2 {
        let cancelled = admin.post(&cancel, &json!({"note": "rain"})).await.expect(200);
        assert_eq!(cancelled.body["stage"], "cancelled");
    }
    eventually("the stock is back", SURELY, async || available(&admin, &product).await == "2.000").await;
}

async fn a_price_that_was_changed_is_told_and_never_taken_from_the_client(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let product = listed(&admin, &json!({"title": "Tea", "price": "2.00"})).await;
    // The order's home is another one than the product's: it must see the price that was just answered, each time.
    for cents in 1..=20 {
        let price = format!("2.{cents:02}");
        let _ = admin.patch(&format!("/v1/products/{product}"), &json!({"price": price})).await.expect(200);
        let placed = placed(&admin, &order(&json!([{"product": product, "quantity": 1}]))).await;
        assert_eq!(placed["total"], price);
    }
    let lines = json!([{"product": product, "quantity": 1, "unit_price": "2.19"}]);
    let refused = admin.post("/v1/orders", &order(&lines)).await.problem(409);
    assert_eq!(refused.body["type"], "urn:till:price-changed");
    assert_eq!(refused.body["prices"], json!({"/lines/0/unit_price": "2.20"}));
    let wrong = json!([{"product": product, "quantity": 0}, {"product": 5, "quantity": "1.0001"}]);
    let mut body = order(&wrong);
    body["payment"]["method"] = "card".into();
    let refused = admin.post("/v1/orders", &body).await.problem(422);
    let pointers = ["/lines/0/quantity", "/lines/1/product", "/lines/1/quantity", "/payment/method"];
    assert_eq!(refused.pointers(), pointers, "{}", refused.text);
}

async fn orders_are_read_and_called_off_by_their_buyer_and_by_staff_alone(at: Setting) {
    let (_till, entry) = at.shared().await;
    let (admin, anyone) = (entry.admin().await, entry.anyone());
    let product = listed(&admin, &json!({"title": "Tea", "price": "2.00"})).await;
    let buyer = account(&anyone, &at.own("buyer"), &["customer"], &[]).await;
    let stranger = account(&anyone, &at.own("stranger"), &["customer"], &[]).await;
    let placed = placed(&buyer, &order(&json!([{"product": product, "quantity": 1}]))).await;
    let path = format!("/v1/orders/{}", id(&placed));
    assert_eq!(buyer.get_strong(&path).await.expect(200).body["id"], placed["id"]);
    let _ = stranger.get_strong(&path).await.problem(404);
    let of = |orders: Value| orders["orders"].as_array().unwrap().iter().map(id).collect::<Vec<_>>();
    assert_eq!(of(buyer.get_strong("/v1/orders").await.expect(200).body), [id(&placed)]);
    assert!(of(stranger.get_strong("/v1/orders").await.expect(200).body).is_empty());
    let _ = stranger.post(&format!("{path}/cancel"), &json!({})).await.problem(404);
    let _ = buyer.post(&format!("{path}/move"), &json!({"stage": "preparing"})).await.problem(403);
    let _ = admin.post(&format!("{path}/move"), &json!({"stage": "preparing"})).await.expect(200);
    // Once it is being prepared, staff alone calls it off.
    let late = buyer.post(&format!("{path}/cancel"), &json!({})).await;
    assert!([403, 409].contains(&late.status), "{}", late.text);
    let _ = admin.post(&format!("{path}/cancel"), &json!({})).await.expect(200);
}

async fn a_seller_is_managed_by_the_accounts_that_it_names(at: Setting) {
    let (_till, entry) = at.shared().await;
    let (admin, anyone) = (entry.admin().await, entry.anyone());
    let name = at.own("manager");
    let manager = account(&anyone, &name, &["customer"], &[]).await;
    let found = admin.search("/v1/accounts/search", &json!({"username": name})).await.expect(200).body;
    let number = &found["accounts"][0]["number"];
    let seller =
        admin.post("/v1/sellers", &json!({"name": "Corner", "managers": [number]})).await.expect(201).body;
    let product = json!({"title": "Pie", "price": "3.00", "seller": seller["id"]});
    let listed = manager.post("/v1/products", &product).await.expect(201).body;
    let path = format!("/v1/products/{}", id(&listed));
    let _ = manager.patch(&path, &json!({"price": "3.50"})).await.expect(200);
    let _ = manager.patch(&path, &json!({"seller": null})).await.problem(403);
    let _ = manager.post("/v1/products", &json!({"title": "Pie", "price": "3.00"})).await.problem(403);
    let other = json!({"managers": []});
    let _ = admin.patch(&format!("/v1/sellers/{}", id(&seller)), &other).await.expect(200);
    let _ = manager.patch(&path, &json!({"price": "4.00"})).await.problem(403);
}

async fn an_order_sent_again_with_its_key_is_one_order(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let product = listed(&admin, &counted("Bun", "1.00", 5)).await;
    let client = admin.with_header("idempotency-key", &at.own("order"));
    let body = order(&json!([{"product": product, "quantity": 2}]));
    let first = placed(&client, &body).await;
    let again = client.post("/v1/orders", &body).await.expect(200).body;
    assert_eq!(again["id"], first["id"]);
    let other = order(&json!([{"product": product, "quantity": 3}]));
    let _ = client.post("/v1/orders", &other).await.problem(422);
    assert_eq!(available(&admin, &product).await, "3.000");
}

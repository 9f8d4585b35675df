//! What sellers earn, from their orders to the figures, the entries and the CSV.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use till_tests::Client;
use till_tests::client::eventually;
use uuid::Uuid;

use crate::common::{Setting, account, in_two_settings};
use crate::ownership::SURELY;
use crate::trade::import;

in_two_settings! {
    what_a_seller_earns_is_what_its_lines_were_sold_for_less_what_was_called_off,
    a_sale_counts_on_the_day_that_it_was_made_and_its_end_on_the_day_that_it_ended,
    entries_are_the_same_rows_in_pages_and_in_one_csv,
    revenue_is_for_the_managers_of_the_seller_and_for_analysts_and_admins,
}

/// A seller with a product for 4.50 and one for 0.99, whose stock nobody counts.
struct Shop {
    path: String,
    seller: String,
    products: [String; 2],
}

impl Shop {
    async fn new(admin: &Client, managers: &Value) -> Self {
        let seller = created(admin, "/v1/sellers", &json!({"name": "Corner", "managers": managers})).await;
        let product = |title: &'static str, price: &'static str| {
            let product = json!({"title": title, "price": price, "seller": seller});
            async move { created(admin, "/v1/products", &product).await }
        };
        let products = [product("Pie", "4.50").await, product("Tea", "0.99").await];
        Self { path: format!("/v1/revenue/{seller}"), seller, products }
    }

    /// The seller's figures once they have seen all that was answered.
    async fn figures(&self, client: &Client, query: &str) -> Value {
        client.get_strong(&format!("{}{query}", self.path)).await.expect(200).body
    }

    async fn entries(&self, client: &Client, query: &str) -> Value {
        client.get_strong(&format!("{}/entries{query}", self.path)).await.expect(200).body
    }
}

async fn created(client: &Client, path: &str, body: &Value) -> String {
    let created = client.post(path, body).await.expect(201);
    created.body["id"].as_str().unwrap_or_else(|| panic!("an id: {}", created.text)).to_owned()
}

/// Orders so much of each product, for cash, and gives the order's id.
async fn ordered(client: &Client, lines: &[(&str, &str)]) -> String {
    let line = |(product, quantity): &(&str, &str)| json!({"product": product, "quantity": quantity});
    let lines: Vec<_> = lines.iter().map(line).collect();
    let order = json!({"lines": lines, "fulfilment": "kitchen", "payment": {"method": "cash"}});
    created(client, "/v1/orders", &order).await
}

async fn cancel(client: &Client, order: &str) {
    let cancelled = client.post(&format!("/v1/orders/{order}/cancel"), &json!({})).await.expect(200);
    assert_eq!(cancelled.body["stage"], "cancelled", "{}", cancelled.text);
}

/// The figures of an answer, or of one of its products or entries.
fn sums(of: &Value) -> [&str; 3] {
    ["sold", "approved", "refunded"].map(|sum| of[sum].as_str().unwrap_or_else(|| panic!("{sum}: {of}")))
}

async fn what_a_seller_earns_is_what_its_lines_were_sold_for_less_what_was_called_off(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let (ann, bob) = (Shop::new(&admin, &json!([])).await, Shop::new(&admin, &json!([])).await);
    let [pie, tea] = &ann.products;
    let none = ann.figures(&admin, "").await;
    assert_eq!(
        (sums(&none), &none["orders"], &none["products"]),
        (["0.00"; 3], &json!(0), &json!([])),
        "{none}"
    );

    // The order has two lines of a product of Ann's, one of her other, and one of Bob's.
    let kept = ordered(&admin, &[(pie, "2"), (&bob.products[0], "1"), (tea, "1"), (pie, "0.5")]).await;
    let off = ordered(&admin, &[(tea, "3"), (&bob.products[1], "1")]).await;
    cancel(&admin, &off).await;

    let earned = ann.figures(&admin, "").await;
    assert_eq!(earned["seller"], ann.seller.as_str());
    // 9.00, 0.99 and 2.25; of the order that was called off 2.97 came and went back.
    assert_eq!(sums(&earned), ["12.24", "15.21", "2.97"], "{earned}");
    assert_eq!((&earned["orders"], &earned["quantity"]), (&json!(1), &json!("3.500")), "{earned}");
    let products: Vec<_> = earned["products"].as_array().unwrap().iter().collect();
    let [first, second] = products[..] else { panic!("two products: {earned}") };
    assert_eq!((first["product"].as_str(), sums(first)), (Some(pie.as_str()), ["11.25", "11.25", "0.00"]));
    assert_eq!((second["product"].as_str(), sums(second)), (Some(tea.as_str()), ["0.99", "3.96", "2.97"]));

    let listed = ann.entries(&admin, "").await;
    let entries: Vec<_> = listed["entries"].as_array().unwrap().iter().collect();
    let [newest, oldest] = entries[..] else { panic!("two entries: {listed}") };
    assert_eq!((newest["order"].as_str(), sums(newest)), (Some(off.as_str()), ["0.00", "2.97", "2.97"]));
    assert_eq!((oldest["order"].as_str(), sums(oldest)), (Some(kept.as_str()), ["12.24", "12.24", "0.00"]));
    let placed = admin.get_strong(&format!("/v1/orders/{kept}")).await.expect(200).body;
    assert_eq!(oldest["at"], placed["placed_at"]);
    assert_eq!(sums(&bob.figures(&admin, "").await), ["4.50", "5.49", "0.99"]);
}

async fn a_sale_counts_on_the_day_that_it_was_made_and_its_end_on_the_day_that_it_ended(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let shop = Shop::new(&admin, &json!([])).await;
    let order = Uuid::now_v7().to_string();
    let line = json!({"product": shop.products[0], "quantity": 2, "unit_price": "4.50"});
    let sold =
        json!({"fulfilment": "kitchen", "lines": [line], "payment_id": order, "payment_method": "cash"});
    // It is the last second of a day of the zone, which is UTC.
    let lines = json!([{"id": order, "at": "2024-05-01T23:59:59Z", "order": sold}]);
    import(&admin, &lines.to_string()).await;
    let day = shop.figures(&admin, "?from=2024-05-01&to=2024-05-02").await;
    assert_eq!((&day["orders"], sums(&day)[0]), (&json!(1), "9.00"), "{day}");
    let before = shop.figures(&admin, "?to=2024-05-01").await;
    assert_eq!((&before["orders"], sums(&before)), (&json!(0), ["0.00"; 3]), "{before}");

    cancel(&admin, &order).await;
    let today = Utc::now().date_naive() - TimeDelta::days(1);
    let ended = shop.figures(&admin, &format!("?from={today}")).await;
    assert_eq!((&ended["orders"], sums(&ended)[0]), (&json!(-1), "-9.00"), "{ended}");
    assert_eq!(ended["products"][0]["quantity"], "-2.000", "{ended}");
    let again = shop.figures(&admin, "?from=2024-05-01&to=2024-05-02").await;
    assert_eq!(again, day, "a day that is over is not rewritten");
    let ever = shop.figures(&admin, "").await;
    assert_eq!((&ever["orders"], sums(&ever)[0]), (&json!(0), "0.00"), "{ever}");
    for wrong in ["?from=2024-05-01T12:00:00Z", "?from=2024-05-02&to=2024-05-02", "?day=2024-05-01"] {
        let _ = admin.get(&format!("{}{wrong}", shop.path)).await.problem(400);
    }
}

async fn entries_are_the_same_rows_in_pages_and_in_one_csv(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let shop = Shop::new(&admin, &json!([])).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(ordered(&admin, &[(&shop.products[0], "1")]).await);
    }
    let mut found = Vec::new();
    let mut query = "?limit=2".to_owned();
    for pages in 1.. {
        let page = shop.entries(&admin, &query).await;
        found.extend(page["entries"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(pages, 3);
            break;
        };
        query = format!("?limit=2&cursor={cursor}");
    }
    let listed: Vec<_> = found.iter().map(|entry| entry["order"].as_str().unwrap()).collect();
    let newest_first: Vec<_> = orders.iter().rev().map(String::as_str).collect();
    assert_eq!(listed, newest_first);

    let reader = admin.with_header("accept", "text/csv");
    let path = format!("{}/entries", shop.path);
    let csv = reader.get_strong(&path).await.expect(200);
    assert!(csv.content_type.starts_with("text/csv"), "{}", csv.content_type);
    let line = |entry: &Value| {
        ["order", "at", "sold", "approved", "refunded"].map(|name| entry[name].as_str().unwrap()).join(",")
    };
    let lines = std::iter::once("order,at,sold,approved,refunded".to_owned()).chain(found.iter().map(line));
    assert_eq!(csv.text, lines.map(|line| line + "\r\n").collect::<String>());
    let _ = reader.get(&format!("{path}?limit=2")).await.problem(400);
    let ended = shop.entries(&admin, "?to=2024-05-01").await;
    assert_eq!((&ended["entries"], &ended["next_cursor"]), (&json!([]), &Value::Null));
}

async fn revenue_is_for_the_managers_of_the_seller_and_for_analysts_and_admins(at: Setting) {
    let (_till, entry) = at.shared().await;
    let (admin, anyone) = (entry.admin().await, entry.anyone());
    let name = at.own("earns");
    let manager = account(&anyone, &name, &["customer"], &[]).await;
    let stranger = account(&anyone, &at.own("envies"), &["customer", "staff"], &[]).await;
    let found = admin.search("/v1/accounts/search", &json!({"username": name})).await.expect(200).body;
    let number = &found["accounts"][0]["number"];
    let shop = Shop::new(&admin, &json!([number])).await;
    let analyst = entry.anyone().login("analyst", "analyst").await;
    let _ = ordered(&admin, &[(&shop.products[0], "1")]).await;
    for path in [shop.path.clone(), format!("{}/entries", shop.path)] {
        for reader in [&manager, &analyst, &admin] {
            let _ = reader.get_strong(&path).await.expect(200);
        }
        for client in [&stranger, &stranger.with_header("accept", "text/csv")] {
            let _ = client.get_strong(&path).await.problem(403);
        }
        let _ = anyone.get(&path).await.problem(401);
    }
    for unknown in [Uuid::now_v7().to_string(), "none".to_owned(), "restaurant-999999999".to_owned()] {
        for path in [format!("/v1/revenue/{unknown}"), format!("/v1/revenue/{unknown}/entries")] {
            let _ = analyst.get_strong(&path).await.problem(404);
            let _ = manager.get_strong(&path).await.problem(403);
        }
    }
    let seller = format!("/v1/sellers/{}", shop.seller);
    let _ = admin.patch(&seller, &json!({"managers": []})).await.expect(200);
    let _ = manager.get_strong(&shop.path).await.problem(403);
    let _ = admin.delete(&seller).await.expect(204);
    eventually("the seller is off the lists", SURELY, async || admin.get_strong(&seller).await.status == 404)
        .await;
    assert_eq!(sums(&shop.figures(&analyst, "").await)[0], "4.50", "what it has earned stays");
}

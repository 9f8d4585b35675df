//! Traffic of the catalogue and of orders, of every sort: sellers and products that are listed, changed, imported and removed, stock
//! that is counted and changed, and orders of `/v1` and of contract 004 that go on, are refused, called off, paid, corrected
//! and removed.

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::{Client, Till};
use uuid::Uuid;

use crate::common::Entry;
use crate::ownership::SURELY;

/// Imports lines, each once. A line that found a partition behind is told so, and is imported with the next try.
pub async fn import(admin: &Client, lines: &str) {
    eventually("all lines are imported", SURELY, async || {
        let imported = admin.post_raw("/v1/import", lines.to_owned()).await.expect(200);
        let refused: Vec<_> = imported.text.lines().filter(|line| line.contains("\"status\"")).collect();
        assert!(refused.iter().all(|line| line.contains("nothing happened")), "{refused:?}");
        refused.is_empty()
    })
    .await;
}

/// Whoever sells and orders. The deployment must serve the contract `restaurant`.
pub struct Trade {
    admin: Client,
    /// The same, who is answered when all that follows from a command is done.
    waiting: Client,
    restaurant: Client,
}

/// Some of what a round left behind.
pub struct Round {
    /// The id of a product of `/v1` whose stock is counted.
    pub product: String,
    /// The id of an order of it that is finished.
    pub order: String,
    /// The number of an order of contract 004 whose payment is approved.
    pub paid: i64,
}

impl Trade {
    pub fn new(till: &Till, admin: &Client) -> Self {
        let [writes, reads] = Entry::direct(till).contract("restaurant", "restaurant");
        let admin = admin.patient();
        let waiting = admin.with_header("prefer", "wait=10");
        Self { admin, waiting, restaurant: Client::across(writes, reads).patient() }
    }

    /// Does one of each sort. At its end nothing is left to be done for any order or stock.
    pub async fn round(&self) -> Round {
        let product = self.sell().await;
        self.import().await;
        let order = self.order(&product).await;
        let paid = self.dine().await;
        Round { product, order, paid }
    }

    /// Lists, changes and removes. Gives a product of which five are left.
    async fn sell(&self) -> String {
        let seller = self.created("/v1/sellers", &json!({"name": "Corner"})).await;
        let path = format!("/v1/sellers/{seller}");
        let _ = self.waiting.patch(&path, &json!({"description": "Burgers"})).await.expect(200);
        let gone = self.created("/v1/sellers", &json!({"name": "Gone"})).await;
        let _ = self.waiting.delete(&format!("/v1/sellers/{gone}")).await.expect(204);

        let product = self.counted("Soup", Some(&seller), 9).await;
        let path = format!("/v1/products/{product}");
        let change = json!({"price": "4.55", "description": "With onions"});
        let _ = self.waiting.patch(&path, &change).await.expect(200);
        for stock in [json!({"change": "-1.5", "reason": "spilt"}), json!({"available": 5})] {
            let _ = self.waiting.post(&format!("{path}/stock"), &stock).await.expect(200);
        }
        let gone = self.counted("Gone", None, 1).await;
        let _ = self.waiting.delete(&format!("/v1/products/{gone}")).await.expect(204);
        product
    }

    /// Imports a product, and an order of it at a price of its own.
    async fn import(&self) {
        let [product, order] = [Uuid::now_v7(), Uuid::now_v7()].map(|id| id.to_string());
        let at = "2024-05-01T12:00:00Z";
        let line = json!({"product": product, "quantity": 2, "unit_price": "2.75"});
        let sold =
            json!({"fulfilment": "kitchen", "lines": [line], "payment_id": order, "payment_method": "cash"});
        let lines = json!([
            {"id": product, "at": at, "product": {"title": "Cake", "price": "3.00", "section": "dishes"}},
            {"id": order, "at": at, "order": sold},
        ]);
        import(&self.admin, &lines.to_string()).await;
    }

    /// Places an order that is finished, one that is refused, and one that is called off. Gives the first.
    async fn order(&self, product: &str) -> String {
        let few = self.counted("Few", None, 1).await;
        let finished = self.placed(&[(product, 2)], "received").await;
        let refused = self.placed(&[(product, 1), (&few, 2)], "refused").await;
        let cancelled = self.placed(&[(product, 1), (&few, 1)], "received").await;
        let cancel = format!("/v1/orders/{cancelled}/cancel");
        let _ = self.waiting.post(&cancel, &json!({"note": "rain"})).await.expect(200);
        for stage in ["preparing", "ready", "finished"] {
            let moved = format!("/v1/orders/{finished}/move");
            let _ = self.waiting.post(&moved, &json!({"stage": stage})).await.expect(200);
        }
        for order in [refused, cancelled] {
            let path = format!("/v1/orders/{order}/events");
            self.reads(&path, "what was held is given back", |read| {
                let mut events = read["events"].as_array().into_iter().flatten();
                events.any(|event| event["event"] == "OrderStockReleased")
            })
            .await;
        }
        finished
    }

    async fn placed(&self, lines: &[(&str, i64)], stage: &str) -> String {
        let line = |(product, quantity): &(&str, i64)| json!({"product": product, "quantity": quantity});
        let lines: Vec<_> = lines.iter().map(line).collect();
        let body = json!({"lines": lines, "fulfilment": "kitchen", "payment": {"method": "cash"}});
        let order = self.created("/v1/orders", &body).await;
        self.reads(&format!("/v1/orders/{order}"), stage, |read| read["stage"] == stage).await;
        order
    }

    /// Has orders of contract 004 paid, called off, corrected and removed. Gives the number of the first.
    async fn dine(&self) -> i64 {
        let name = Uuid::now_v7().simple().to_string();
        let person = json!({"nome": "Ana", "cpf": name, "email": format!("{name}@example.com"), "hashed_password": "x"});
        let ana = self.restaurant.post("/clientes/", &person).await.expect(200).body;
        let dish = json!({"nome": "Sopa", "categoria": 1, "valor": 7.5, "descricao": null});
        let soup = self.restaurant.post("/produtos/", &dish).await.expect(200).body;
        let change = json!({"id": soup["id"], "valor": 8, "descricao": "com sal"});
        let _ = self.restaurant.put("/produtos/", &change).await.expect(200);
        let item = json!({"produto": soup["id"], "quantidade": 2, "descricao": "sem sal"});
        let order = json!({"id_cliente": ana["id"], "itens": [item]});
        let mut placed = Vec::new();
        for _ in 0..4 {
            placed.push(self.restaurant.post("/pedidos/checkout/", &order).await.expect(200).body);
        }
        let [paid, called_off, corrected, removed] = &placed[..] else { unreachable!("four were placed") };
        for (order, action) in [(paid, "state_FINISHED"), (called_off, "state_CANCELED")] {
            let _ =
                self.restaurant.post("/pedidos/status_pagamento/", &webhook(order, action)).await.expect(200);
        }
        let correction = json!({"id": corrected["id"], "status_pedido": 9, "status_pagamento": 3,
            "datahora_pronto": "2024-02-07T12:34:56", "id_pagamento": name});
        for change in [json!({"id": paid["id"], "status_pedido": 2}), correction] {
            let _ = self.restaurant.put("/pedidos/", &change).await.expect(200);
        }
        let _ = self.restaurant.delete(&format!("/pedidos/{}", removed["id"])).await.expect(200);
        paid["id"].as_i64().unwrap()
    }

    async fn counted(&self, title: &str, seller: Option<&str>, available: i64) -> String {
        let product = json!({"title": title, "price": "4.50", "section": "dishes", "seller": seller,
            "counts_stock": true, "available": available});
        let product = self.created("/v1/products", &product).await;
        let counted = format!("{available}.000");
        self.reads(&format!("/v1/products/{product}"), "the count is taken", |read| {
            read["available"] == counted.as_str()
        })
        .await;
        product
    }

    async fn created(&self, path: &str, body: &Value) -> String {
        let created = self.waiting.post(path, body).await.expect(201);
        created.body["id"].as_str().unwrap_or_else(|| panic!("an id: {}", created.text)).to_owned()
    }

    /// Waits until what is read is so.
    async fn reads(&self, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) {
        eventually(&format!("{path}: {what}"), SURELY, async || {
            let answer = self.admin.get(path).await;
            answer.status == 200 && is_so(&answer.body)
        })
        .await;
    }
}

/// What contract 004 is told of the payment of an order, as it was answered.
pub fn webhook(order: &Value, action: &str) -> Value {
    json!({"id": order["id_pagamento"], "type": "payment", "date_created": "2015-03-25 10:04:58", "user_id": 44444,
        "api_version": "v1", "action": action})
}

//! The life of orders of `/v1`: one goes through the kitchen, one is refused, one is called off.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use till_tests::{Client, Till};

use super::peril::{Peril, read};

/// The requests of [`Shop::live`] at which something may die.
pub const STEPS: usize = 9;

/// Whoever sells, whoever orders, and what they were answered.
pub struct Shop {
    admin: Client,
    terminal: Client,
    ids: BTreeSet<String>,
    orders: Vec<Ended>,
}

/// An order, as it must be read in the end.
struct Ended {
    id: String,
    stage: &'static str,
    total: &'static str,
}

impl Shop {
    pub async fn of(till: &Till) -> Self {
        let (admin, terminal) = (till.admin().await, till.terminal().await);
        Self { admin, terminal, ids: BTreeSet::new(), orders: Vec::new() }
    }

    pub fn token(&self) -> &str {
        self.admin.token()
    }

    pub async fn live(&mut self, peril: &mut Peril<'_>) {
        let counted = json!({"title": "Espresso", "price": "2.50", "section": "drinks", "counts_stock": true, "available": "5"});
        let counted = self.list(peril, counted).await;
        let free = self.list(peril, json!({"title": "Water", "price": "2.50", "section": "drinks"})).await;
        self.has_left(peril, &counted, "5.000").await;

        let finished = [(&counted, "2"), (&free, "1.5"), (&counted, "1")];
        let finished = self.order(peril, &finished, "11.25", ["received", "finished"]).await;
        // Two are left, so three are too many.
        let refused = [(&free, "1"), (&counted, "3")];
        let _ = self.order(peril, &refused, "10.00", ["refused", "refused"]).await;
        let cancelled = self.order(peril, &[(&counted, "2")], "5.00", ["received", "cancelled"]).await;
        let cancel = format!("/v1/orders/{cancelled}/cancel");
        let _ = peril.post(&self.admin, &cancel, json!({"note": "changed my mind"})).await;
        // What was called off comes back.
        self.has_left(peril, &counted, "2.000").await;
        for stage in ["preparing", "ready", "finished"] {
            let moved = format!("/v1/orders/{finished}/move");
            let _ = peril.post(&self.admin, &moved, json!({"stage": stage})).await;
        }
    }

    /// What is read of every order is what its client was answered.
    pub async fn is_read_as_it_was_answered(&self) {
        let strong = self.admin.with_header("till-consistency", "strong");
        for Ended { id, stage, total } in &self.orders {
            let read = read(&strong, &format!("/v1/orders/{id}")).await;
            assert_eq!((&read["stage"], &read["total"]), (&json!(stage), &json!(total)), "{read}");
        }
    }

    async fn list(&mut self, peril: &mut Peril<'_>, product: Value) -> String {
        let listed = peril.create(&self.admin, "/v1/products", product).await;
        self.new_id(&listed)
    }

    /// Places an order, which comes to the first stage by itself, and in the end will have come to the last.
    async fn order(
        &mut self,
        peril: &mut Peril<'_>,
        lines: &[(&String, &str)],
        total: &'static str,
        [first, last]: [&'static str; 2],
    ) -> String {
        let lines = lines.iter().map(|(product, quantity)| json!({"product": product, "quantity": quantity}));
        let lines: Vec<_> = lines.collect();
        let order = json!({"lines": lines, "fulfilment": "kitchen", "payment": {"method": "cash"}});
        let placed = peril.create(&self.terminal, "/v1/orders", order).await;
        assert_eq!(placed["total"], total, "{placed}");
        let id = self.new_id(&placed);
        let path = format!("/v1/orders/{id}");
        peril.settles(&self.admin, &path, first, |read| read["stage"] == first).await;
        self.orders.push(Ended { id: id.clone(), stage: last, total });
        id
    }

    async fn has_left(&self, peril: &Peril<'_>, product: &str, available: &str) {
        let path = format!("/v1/products/{product}");
        let what = format!("{available} are left");
        peril.settles(&self.admin, &path, &what, |read| read["available"] == available).await;
    }

    /// The id of what was created, which nothing else has.
    fn new_id(&mut self, created: &Value) -> String {
        let id = created["id"].as_str().unwrap_or_else(|| panic!("an id: {created}")).to_owned();
        assert!(self.ids.insert(id.clone()), "{id} was given before");
        id
    }
}

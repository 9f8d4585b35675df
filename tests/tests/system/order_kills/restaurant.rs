//! The life of an order of contract 004: a dish is listed, a client registered, an order checked out, paid and cooked.

use serde_json::{Value, json};
use till_tests::{Client, Till};

use super::peril::{Peril, read};
use crate::common::Entry;
use crate::trade::webhook;

/// The requests of [`Restaurant::live`] at which something may die.
pub const STEPS: usize = 8;

/// The contract's client, and what it was answered.
pub struct Restaurant {
    client: Client,
    dishes: Vec<Value>,
    people: Vec<Value>,
    /// The orders, as they must be read in the end.
    orders: Vec<Value>,
}

impl Restaurant {
    pub fn of(till: &Till) -> Self {
        let [writes, reads] = Entry::direct(till).contract("restaurant", "restaurant");
        let client = Client::across(writes, reads);
        Self { client, dishes: Vec::new(), people: Vec::new(), orders: Vec::new() }
    }

    pub async fn live(&mut self, peril: &mut Peril<'_>) {
        // Numbers begin with 1 and leave nothing out, so each life has its own, whatever was killed before.
        let number = self.orders.len() + 1;
        let dish = json!({"nome": "Sopa", "categoria": 1, "valor": 2.5, "descricao": null});
        let dish = self.create(peril, "/produtos/", number, dish).await;
        let person = json!({"nome": format!("Cliente {number}"), "cpf": format!("{number:011}"),
            "email": format!("cliente-{number}@example.com"), "hashed_password": "segredo"});
        let person = self.create(peril, "/clientes/", number, person).await;
        let item = json!({"produto": number, "quantidade": 3, "descricao": "sem sal", "valor": 99});
        let order = json!({"id_cliente": number, "itens": [item]});
        let mut order = self.create(peril, "/pedidos/checkout/", number, order).await;
        assert_eq!(
            (&order["valor_total"], &order["status_pedido"], &order["status_pagamento"], &order["cliente"]),
            (&json!(7.5), &json!(1), &json!(1), &json!(number)),
            "{order}"
        );

        let paid = webhook(&order, "state_FINISHED");
        let told = peril.post(&self.client, "/pedidos/status_pagamento/", paid).await;
        order["status_pagamento"] = json!(2);
        assert_eq!(told, order);
        for status in [2, 3] {
            self.comes_to(peril, &mut order, status).await;
        }
        // All that came before is finished.
        assert_eq!(peril.get(&self.client, "/pedidos/").await, json!([order]));
        self.comes_to(peril, &mut order, 4).await;
        self.dishes.push(dish);
        self.people.push(person);
        self.orders.push(order);
    }

    /// What is read through the contract is what its client was answered: every order is finished.
    pub async fn is_read_as_it_was_answered(&self) {
        for (path, answered) in [
            ("/produtos/", &self.dishes),
            ("/clientes/", &self.people),
            ("/pedidos/finalizados/", &self.orders),
            ("/pedidos/", &Vec::new()),
        ] {
            assert_eq!(read(&self.client, path).await, json!(answered), "{path}");
        }
        for order in &self.orders {
            assert_eq!(read(&self.client, &format!("/pedidos/{}", order["id"])).await, *order);
        }
    }

    async fn create(&self, peril: &mut Peril<'_>, path: &str, number: usize, body: Value) -> Value {
        let created = peril.create(&self.client, path, body).await;
        assert_eq!(created["id"], number, "{path}: {created}");
        created
    }

    /// Corrects the order's status, which changes nothing else.
    async fn comes_to(&self, peril: &mut Peril<'_>, order: &mut Value, status: u8) {
        let change = json!({"id": order["id"], "status_pedido": status});
        let changed = peril.put(&self.client, "/pedidos/", change).await;
        order["status_pedido"] = json!(status);
        assert_eq!(changed, *order);
    }
}

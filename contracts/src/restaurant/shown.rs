//! What the contract shows of clients, products and orders: a write answers as the read after it does.

use serde::Serialize;

/// A client. The original shows the password's hash too, which Till never does.
#[derive(Debug, PartialEq, Serialize)]
pub struct Client {
    /// Which client it is.
    pub id: i64,
    /// The CPF; null once the person was erased, as all that is personal.
    pub cpf: Option<String>,
    /// The name.
    pub nome: Option<String>,
    /// Nothing sets it, as there.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The phone number.
    pub telefone: Option<String>,
    /// Whether the client is active.
    pub ativo: bool,
}

/// A product.
#[derive(Debug, PartialEq, Serialize)]
pub struct Product {
    /// Which product it is.
    pub id: i64,
    /// The name.
    pub nome: String,
    /// The category's number: see [`super::category`].
    pub categoria: i64,
    /// The price.
    pub valor: f64,
    /// More words on it.
    pub descricao: Option<String>,
    /// Whether it is sold.
    pub ativo: bool,
}

/// An order.
#[derive(Debug, PartialEq, Serialize)]
pub struct Order {
    /// Which order it is.
    pub id: i64,
    /// The status's number: see [`super::stage_number`].
    pub status_pedido: i64,
    /// What was ordered, without products that were deleted since.
    pub itens: Vec<Item>,
    /// When it was placed.
    pub datahora_recebido: Option<String>,
    /// When its preparation began.
    pub datahora_preparacao: Option<String>,
    /// When it was ready.
    pub datahora_pronto: Option<String>,
    /// When it was handed over.
    pub datahora_finalizado: Option<String>,
    /// The payment's status: see [`super::payment_number`].
    pub status_pagamento: i64,
    /// The payment's id.
    pub id_pagamento: Option<String>,
    /// The sum of what `itens` cost.
    pub valor_total: f64,
    /// Whose order it is.
    pub cliente: Option<i64>,
}

/// A line of an order.
#[derive(Debug, PartialEq, Serialize)]
pub struct Item {
    /// The product.
    pub produto: i64,
    /// How many.
    pub quantidade: i64,
    /// A wish, such as: sem tomate.
    pub descricao: Option<String>,
}

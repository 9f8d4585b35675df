//! The texts of the contract, in the language of its original.

/// There is no client of this id.
pub const NO_CLIENT: &str = "Cliente não encontrado";
/// There is no product of this id.
pub const NO_PRODUCT: &str = "Produto não encontrado";
/// There is no order of this id, and none with this payment.
pub const NO_ORDER: &str = "Pedido não encontrado";
/// Another client has the CPF.
pub const CPF_TAKEN: &str = "CPF já cadastrado";
/// Another client has the e-mail address.
pub const EMAIL_TAKEN: &str = "E-mail já cadastrado";
/// The category is none of the four. The original's text swaps the second and the third.
pub const NO_CATEGORY: &str = "Categoria inválida. Opções de categoria: 1 - Lanches | 2 - Bebidas | 3 - Acompanhamentos | 4 - Sobremesa.";
/// The price is not above 0.
pub const BAD_PRICE: &str = "Valor do produto inválido. Somente são aceitos valores decimais e positivos.";
/// The quantity of an item is not above 0.
pub const BAD_QUANTITY: &str = "A quantidade do item deve ser um inteiro positivo.";
/// The original's database refused a row.
pub const DATABASE: &str = "Erro no banco de dados";
/// The `Idempotency-Key` was used with another request. Till's own rule.
pub const KEY_REUSED: &str = "Esta Idempotency-Key já foi usada com outra requisição";
/// No route has this path.
pub const NOT_FOUND: &str = "Not Found";
/// The path's routes have other methods.
pub const METHOD_NOT_ALLOWED: &str = "Method Not Allowed";

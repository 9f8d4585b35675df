//! The schema of money in requests.

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A field that [`super::form::Form::decimal`] reads as money: a number, or the text of one.
pub enum Amount {}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let text =
            ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[0-9]{1,10}(\.[0-9]{1,2})?$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(9_999_999_999.99))
            .multiple_of(Some(0.01));
        OneOfBuilder::new()
            .description(Some("Money, never rounded: at most 2 decimals, below 10,000,000,000."))
            .item(text)
            .item(number)
            .examples([json!("5.00"), json!(2.5)])
            .into()
    }
}

impl ToSchema for Amount {}

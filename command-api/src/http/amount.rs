//! Money and quantities in requests: their schemas, and the rules by which they are read.

use schemas::{Money, Qty};
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

/// A field that [`super::form::Form::decimal`] reads as a quantity: a number, or the text of one.
pub enum Count {}

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        let text =
            ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^-?[0-9]{1,10}(\.[0-9]{1,3})?$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(-9_999_999_999.999))
            .maximum(Some(9_999_999_999.999))
            .multiple_of(Some(0.001));
        OneOfBuilder::new()
            .description(Some("A quantity, never rounded: at most 3 decimals, below 10,000,000,000."))
            .item(text)
            .item(number)
            .examples([json!("2"), json!(1.5)])
            .into()
    }
}

impl ToSchema for Count {}

/// A price: money that is not negative.
pub fn price(digits: &str) -> Result<Money, String> {
    match Money::parse(digits) {
        Ok(price) if price.is_negative() => Err("must not be negative".to_owned()),
        price => price.map_err(|error| error.to_string()),
    }
}

/// What is ordered: more than nothing.
pub fn quantity(digits: &str) -> Result<Qty, String> {
    match Qty::parse(digits) {
        Ok(quantity) if quantity <= Qty::ZERO => Err("must be above 0".to_owned()),
        quantity => quantity.map_err(|error| error.to_string()),
    }
}

/// What there is: nothing or more.
pub fn stock(digits: &str) -> Result<Qty, String> {
    match Qty::parse(digits) {
        Ok(stock) if stock.is_negative() => Err("must not be negative".to_owned()),
        stock => stock.map_err(|error| error.to_string()),
    }
}

/// What came, or went where it is negative.
pub fn difference(digits: &str) -> Result<Qty, String> {
    match Qty::parse(digits) {
        Ok(difference) if difference == Qty::ZERO => Err("must not be 0".to_owned()),
        difference => difference.map_err(|error| error.to_string()),
    }
}

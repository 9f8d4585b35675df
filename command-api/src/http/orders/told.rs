//! What a refusal of an order tells beside its kind: what would be right.

use domain::Rejection as Any;
use domain::catalogue::load_product;
use domain::order::{OrderState, Price, Rejection, Wanted, rules};
use serde_json::{Map, Value, json};

use crate::http::{ApiError, App};
use crate::shard::Refusal;

/// The refusal of lines; where prices have changed, with the present ones in `prices`, under the pointers of those that were
/// sent.
pub fn of_lines(app: &App, refusal: Refusal, lines: &[Wanted]) -> ApiError {
    let has_changed = refusal == Refusal::Rejected(Any::Order(Rejection::PriceChanged));
    let error = ApiError::from(refusal);
    if !has_changed {
        return error;
    }
    let states = app.store.as_ref();
    let price = |(index, line): (usize, &Wanted)| match line.price {
        Price::Expected(expected) => {
            let present = load_product(&states, &line.product)?.price()?;
            (present != expected).then(|| (format!("/lines/{index}/unit_price"), json!(present)))
        }
        Price::Present | Price::Past(_) => None,
    };
    let prices: Map<String, Value> = lines.iter().enumerate().filter_map(price).collect();
    error.tell(|problem| problem.with("prices", prices))
}

/// The refusal of a stage, with the order's present one in `stage`, and those that it can be moved to in `allowed`.
pub fn of_stage(refusal: Refusal, order: Option<OrderState>) -> ApiError {
    let is_not_allowed = refusal == Refusal::Rejected(Any::Order(Rejection::MoveNotAllowed));
    let error = ApiError::from(refusal);
    let Some(order) = order.filter(|_| is_not_allowed) else { return error };
    let rules = rules(&order.rules);
    let allowed = rules.map(|rules| rules.moves(&order.stage, &order.fulfilment).collect::<Vec<_>>());
    error.tell(|problem| {
        problem.with("stage", order.stage.as_str()).with("allowed", json!(allowed.unwrap_or_default()))
    })
}

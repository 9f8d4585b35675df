//! Receipts such as tills send: of a few places, some products more often than others, with exact sums.

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A small deterministic source of random numbers (`SplitMix64`). The same seed makes the same test.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A source whose numbers all follow from the seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 on that is below `limit`.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True in `percent` of 100 cases.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these elements.
    ///
    /// # Panics
    /// There are no elements.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = self.below(of.len() as u64);
        &of[usize::try_from(index).expect("an index")]
    }
}

const CATEGORIES: [&str; 6] = ["Bakery", "Dairy", "Getränke", "Fruit & vegetables", "Ice \"cream\"", "Чай"];
const PAYMENT_METHODS: [&str; 3] = ["card", "cash", "voucher"];

/// Makes valid receipts with ids `PREFIX-0`, `PREFIX-1`, ….
pub struct Receipts {
    prefix: String,
    random: Random,
    made: u64,
    places: u64,
}

impl Receipts {
    /// Receipts of `places` places, the same ones for the same seed.
    #[must_use]
    pub fn new(prefix: &str, seed: u64, places: u64) -> Self {
        Self { prefix: prefix.to_owned(), random: Random::new(seed), made: 0, places }
    }

    /// The next receipt. Its business time is up to three hours ago.
    pub fn make(&mut self) -> Value {
        let id = format!("{}-{}", self.prefix, self.made);
        self.made += 1;
        let ago = i64::try_from(self.random.below(3 * 3600 * 1000)).expect("three hours");
        let place = self.random.below(self.places);
        let items: Vec<Value> = (0..=self.random.below(4)).map(|_| self.item()).collect();
        let tips = if self.random.chance(40) { cents(self.random.below(1000)) } else { Decimal::ZERO };
        let payment_method = *self.random.pick(&PAYMENT_METHODS);
        of_items(
            &id,
            Utc::now() - Duration::milliseconds(ago),
            &format!("place-{place}"),
            &items,
            tips,
            payment_method,
        )
    }

    /// A receipt in which a random field is wrong, in one of the ways that the API refuses.
    pub fn make_invalid(&mut self) -> Value {
        let mut receipt = self.make();
        let (pointer, value) = match self.random.below(8) {
            0 => ("/total_amount", json!("0.005")),
            1 => ("/items", json!([])),
            2 => ("/items/0/quantity", json!(0)),
            3 => ("/tax_amount", json!("-1.00")),
            4 => ("/place_id", json!("")),
            5 => ("/timestamp", json!("yesterday")),
            6 => ("/items/0/price", json!("1e3x")),
            _ => ("/payment_method", json!(["card"])),
        };
        *receipt.pointer_mut(pointer).expect("every receipt has the field") = value;
        receipt
    }

    fn item(&mut self) -> Value {
        // A product of two random numbers is more often small, so products with small numbers are frequent.
        let product = self.random.below(30) * self.random.below(30) / 10;
        let quantity = 1 + self.random.below(3);
        let price = cents(1 + (product * 137 + 99) % 2_000);
        let category = *self.random.pick(&CATEGORIES);
        // Integrators send money both as numbers and as text.
        let price = if self.random.chance(50) { json!(price.to_string()) } else { number(price) };
        json!({"product_id": format!("product-{product}"), "quantity": quantity, "price": price, "category": category})
    }
}

/// A receipt whose total is the sum of its items and whose tax is a tenth of it.
///
/// # Panics
/// An item has no price or quantity that can be read.
#[must_use]
pub fn of_items(
    id: &str,
    at: DateTime<Utc>,
    place_id: &str,
    items: &[Value],
    tips: Decimal,
    payment_method: &str,
) -> Value {
    let total: Decimal = items.iter().map(|item| decimal(&item["price"]) * decimal(&item["quantity"])).sum();
    let tax = (total / Decimal::TEN).round_dp(2);
    json!({
        "transaction_id": id,
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "items": items,
        "total_amount": total.to_string(),
        "tax_amount": tax.to_string(),
        "tips_amount": tips.to_string(),
        "payment_method": payment_method,
        "place_id": place_id,
        "place_name": format!("The {place_id}"),
    })
}

/// A receipt of one piece for `price`, at the present time.
#[must_use]
pub fn simple(id: &str, place_id: &str, price: &str) -> Value {
    let item = json!({"product_id": "bread", "quantity": 1, "price": price, "category": "Bakery"});
    of_items(id, Utc::now(), place_id, &[item], Decimal::ZERO, "card")
}

/// Reads money from a JSON number or text.
///
/// # Panics
/// The value is neither.
#[must_use]
#[track_caller]
pub fn decimal(value: &Value) -> Decimal {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|e| panic!("{text} is no amount: {e}"))
}

fn cents(cents: u64) -> Decimal {
    Decimal::new(i64::try_from(cents).expect("a small amount"), 2)
}

fn number(amount: Decimal) -> Value {
    serde_json::from_str(&amount.to_string()).expect("a decimal is a JSON number")
}

//! A shop chain that does not exist: 50 places in a few cities, a catalogue, and the receipts its tills print.

use chrono::{DateTime, Duration, NaiveTime, SecondsFormat, Timelike, Utc};

use crate::rng::{Rng, Weighted};

const CITIES: [&str; 6] = ["Lisboa", "Porto", "Kraków", "Gdańsk", "Lyon", "Aarhus"];
const STREETS: [&str; 9] = [
    "Station",
    "Market Square",
    "Harbour",
    "Old Town",
    "University",
    "Riverside",
    "Airport",
    "Park",
    "Cathedral",
];
const PLACES: usize = 50;

/// The categories: name, lowest and highest price in cents, and the products. Each has as many products, the popular
/// ones first.
const CATEGORIES: [(&str, u64, u64, &str); 6] = [
    (
        "coffee",
        180,
        520,
        "espresso cappuccino flat-white latte americano cold-brew macchiato mocha cortado decaf",
    ),
    (
        "bakery",
        120,
        480,
        "croissant pastel-de-nata cinnamon-roll baguette rye-bread muffin brownie scone bagel brioche",
    ),
    (
        "lunch",
        690,
        1_890,
        "soup chicken-salad club-sandwich pierogi quiche burger ramen falafel-bowl poke-bowl lasagne",
    ),
    (
        "drinks",
        150,
        690,
        "still-water orange-juice lemonade iced-tea cola tonic ginger-beer kefir smoothie cider",
    ),
    (
        "dinner",
        1_190,
        3_490,
        "steak sea-bass risotto duck-breast moussaka tagliatelle schnitzel paella curry bigos",
    ),
    ("groceries", 90, 1_290, "coffee-beans olive-oil honey jam pasta cheese ham chocolate tea crackers"),
];

const PRODUCTS_A_CATEGORY: usize = 10;

const PAYMENT_METHODS: [&str; 4] = ["card", "cash", "mobile", "voucher"];

/// How busy each hour of the day is, 0 to 23: coffee before work, a lunch peak, an evening peak.
const DAY: [u64; 24] =
    [2, 1, 1, 1, 1, 4, 14, 34, 46, 38, 34, 58, 96, 88, 48, 36, 40, 56, 82, 92, 74, 46, 22, 8];

/// A place that receipts come from.
#[derive(Clone, Debug)]
pub struct Place {
    /// The id, which is always the same, such as `krakow-07`.
    pub id: String,
    /// The name as it is printed on the receipt, such as `Kraków Old Town`.
    pub name: String,
}

/// A line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The product that was sold, such as `bakery-croissant`.
    pub product_id: String,
    /// The category of the product, e.g. `bakery`.
    pub category: &'static str,
    /// The price of one piece, in cents.
    pub price_cents: u64,
    /// How many pieces were bought.
    pub quantity: u32,
}

/// A receipt that adds up: its total is the sum of price x quantity, the tax is within the total, and tips come on top.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The id that the till itself has given.
    pub transaction_id: String,
    /// When the receipt was printed: its business time.
    pub timestamp: DateTime<Utc>,
    /// The lines, at least one.
    pub items: Vec<Item>,
    /// The sum of price x quantity, in cents.
    pub total_cents: u64,
    /// The tax within the total, in cents.
    pub tax_cents: u64,
    /// Tips, in cents; 0 on most receipts.
    pub tips_cents: u64,
    /// `card`, `cash`, `mobile` or `voucher`.
    pub payment_method: &'static str,
    /// The place where the receipt was printed.
    pub place: Place,
}

impl Receipt {
    /// The body of `POST /v1/receipts`. Money is written as JSON numbers with exactly two decimals, and never goes
    /// through a float.
    pub fn to_json(&self) -> String {
        let items: Vec<String> = self.items.iter().map(item_json).collect();
        format!(
            r#"{{"transaction_id":{},"timestamp":"{}","items":[{}],"total_amount":{},"tax_amount":{},"tips_amount":{},"payment_method":"{}","place_id":{},"place_name":{}}}"#,
            quoted(&self.transaction_id),
            self.timestamp.to_rfc3339_opts(SecondsFormat::Secs, true),
            items.join(","),
            money(self.total_cents),
            money(self.tax_cents),
            money(self.tips_cents),
            self.payment_method,
            quoted(&self.place.id),
            quoted(&self.place.name),
        )
    }
}

fn item_json(item: &Item) -> String {
    format!(
        r#"{{"product_id":{},"quantity":{},"price":{},"category":"{}"}}"#,
        quoted(&item.product_id),
        item.quantity,
        money(item.price_cents),
        item.category
    )
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Cents as a decimal with two places, e.g. 1205 -> `12.05`.
pub fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[derive(Clone, Debug)]
struct Product {
    id: String,
    category: &'static str,
    price_cents: u64,
}

/// The chain: what it sells, where, and how often each product is bought.
#[derive(Clone, Debug)]
pub struct Shop {
    places: Vec<Place>,
    place_weights: Weighted,
    products: Vec<Product>,
    product_weights: Weighted,
    hours: Weighted,
}

impl Shop {
    /// The chain. It is the same for every seed, so that several runs add to the same places. Popularity follows Zipf's
    /// law.
    pub fn new() -> Self {
        let products = catalogue();
        Self {
            places: (0..PLACES).map(place).collect(),
            place_weights: Weighted::new((0..PLACES as u64).map(|rank| 1_000 / (rank + 10))),
            product_weights: Weighted::zipf(products.len() as u64),
            products,
            hours: Weighted::new(DAY),
        }
    }

    /// A receipt with this id, printed before `now`. Most are printed within the last day, by its curve. One in twenty
    /// is up to a week older, from a till that was offline.
    pub fn receipt(&self, transaction_id: String, now: DateTime<Utc>, rng: &mut Rng) -> Receipt {
        let count = 1 + rng.below(3) + if rng.chance(150) { rng.below(6) } else { 0 };
        let items: Vec<Item> = (0..count).map(|_| self.item(rng)).collect();
        let total_cents: u64 = items.iter().map(|item| item.price_cents * u64::from(item.quantity)).sum();
        Receipt {
            transaction_id,
            timestamp: self.timestamp(now, rng),
            items,
            total_cents,
            tax_cents: (total_cents + 5) / 10,
            tips_cents: if rng.chance(250) { 50 * (1 + rng.below(12)) } else { 0 },
            payment_method: PAYMENT_METHODS[rng.index(PAYMENT_METHODS.len())],
            place: self.places[self.place_weights.pick(rng)].clone(),
        }
    }

    fn item(&self, rng: &mut Rng) -> Item {
        let product = &self.products[self.product_weights.pick(rng)];
        let quantity = if rng.chance(750) { 1 } else { 2 + u32::from(rng.chance(300)) };
        Item {
            product_id: product.id.clone(),
            category: product.category,
            price_cents: product.price_cents,
            quantity,
        }
    }

    fn timestamp(&self, now: DateTime<Utc>, rng: &mut Rng) -> DateTime<Utc> {
        let hour = i64::try_from(self.hours.pick(rng)).expect("below 24");
        let second = i64::try_from(rng.below(3_600)).expect("below 3,600");
        let midnight = now.with_time(NaiveTime::MIN).single().expect("UTC has every midnight");
        let mut at = midnight + Duration::hours(hour) + Duration::seconds(second);
        if at > now {
            at -= Duration::days(1);
        }
        if rng.chance(50) {
            at -= Duration::days(i64::try_from(1 + rng.below(6)).expect("below 7"));
        }
        at.with_nanosecond(0).expect("0 nanoseconds is a time")
    }
}

/// All products, the most popular first. The order mixes the categories, so that each has popular products.
fn catalogue() -> Vec<Product> {
    let mut prices = Rng::new(0x7111);
    let mut products = Vec::new();
    for row in 0..PRODUCTS_A_CATEGORY {
        for (category, from, to, names) in CATEGORIES {
            let name = names.split(' ').nth(row).expect("each category has as many products");
            let ninth = if prices.chance(400) { 9 } else { 0 };
            let price_cents = from + 10 * prices.below((to - from) / 10) + ninth;
            products.push(Product { id: format!("{category}-{name}"), category, price_cents });
        }
    }
    products
}

fn place(number: usize) -> Place {
    let (city, street) = (CITIES[number % CITIES.len()], STREETS[number / CITIES.len()]);
    let ascii: String = city.to_lowercase().replace('ó', "o").replace('ń', "n");
    Place { id: format!("{ascii}-{:02}", number + 1), name: format!("{city} {street}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(count: usize) -> Vec<Receipt> {
        let (shop, mut rng, now) = (Shop::new(), Rng::new(3), Utc::now());
        (0..count).map(|i| shop.receipt(format!("t-{i}"), now, &mut rng)).collect()
    }

    #[test]
    fn the_json_adds_up_exactly() {
        for receipt in receipts(500) {
            let json = receipt.to_json();
            let body: serde_json::Value = serde_json::from_str(&json).unwrap();
            let cents = |value: &serde_json::Value| (value.as_f64().unwrap() * 100.0).round();
            let sum: f64 = body["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| cents(&item["price"]) * item["quantity"].as_f64().unwrap())
                .sum();
            assert!((sum - cents(&body["total_amount"])).abs() < 0.5, "{json}");
            assert!(cents(&body["tax_amount"]) <= sum);
        }
    }

    #[test]
    fn fifty_places_with_distinct_ids_and_names_are_all_visited() {
        let seen: std::collections::BTreeSet<_> =
            receipts(10_000).into_iter().map(|receipt| (receipt.place.id, receipt.place.name)).collect();
        assert_eq!(seen.len(), PLACES);
    }

    #[test]
    fn no_receipt_is_from_the_future_and_most_are_of_the_last_day() {
        let (now, all) = (Utc::now(), receipts(2_000));
        assert!(all.iter().all(|receipt| receipt.timestamp <= now));
        let recent = all.iter().filter(|receipt| now - receipt.timestamp <= Duration::days(1)).count();
        assert!((1_800..2_000).contains(&recent), "{recent}");
    }
}

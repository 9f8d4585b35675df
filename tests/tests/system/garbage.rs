//! Whatever a client sends, the answer is never a 5xx, and the services go on.

use serde_json::{Value, json};
use till_tests::receipts::{Random, simple};

use crate::common::shared;

/// A random JSON value.
fn value(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(random.chance(50)),
        2 => json!(random.next()),
        3 => json!(f64::from_bits(random.next())),
        4 => json!(-1e300),
        5 => json!("\u{0}\u{7f}\u{fffe}é\"\\"),
        6 => json!("9".repeat(usize::try_from(random.below(60)).unwrap())),
        7 => Value::Array((0..random.below(4)).map(|_| value(random, depth - 1)).collect()),
        _ => (0..random.below(4))
            .map(|n| (format!("k{n}"), value(random, depth - 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// The text of a receipt, with something wrong at a random place.
fn garbled(random: &mut Random, number: u64) -> Vec<u8> {
    let mut receipt = simple(&format!("garbled-{number}"), "place-garbled", "3.00");
    match random.below(4) {
        0 => {
            let pointers = [
                "/transaction_id",
                "/timestamp",
                "/items",
                "/items/0",
                "/items/0/price",
                "/items/0/quantity",
                "/total_amount",
                "/place_id",
            ];
            let pointer = *random.pick(&pointers);
            *receipt.pointer_mut(pointer).unwrap() = value(random, 3);
            receipt.to_string().into_bytes()
        }
        1 => {
            let mut text = receipt.to_string().into_bytes();
            for _ in 0..=random.below(4) {
                let at = usize::try_from(random.below(text.len() as u64)).unwrap();
                text[at] = random.next().to_le_bytes()[0];
            }
            text
        }
        2 => {
            let mut text = receipt.to_string().into_bytes();
            text.truncate(usize::try_from(random.below(text.len() as u64)).unwrap());
            text
        }
        _ => (0..random.below(300)).map(|_| random.next().to_le_bytes()[0]).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbled_bodies_are_never_answered_with_a_5xx() {
    let till = shared().await;
    let admin = till.admin().await;
    let mut random = Random::new(20_261_123);
    let paths = [
        "/v1/receipts",
        "/v1/receipts/validate",
        "/v1/auth/register",
        "/v1/auth/login",
        "/v1/receipts/garbled-1/void",
    ];
    for number in 0..3_000 {
        let body = garbled(&mut random, number);
        let path = if number % 10 == 0 { *random.pick(&paths) } else { paths[0] };
        let answer = admin.post_raw(path, body.clone()).await;
        assert!(
            answer.status < 500,
            "{path} {}: {} {}",
            String::from_utf8_lossy(&body),
            answer.status,
            answer.text
        );
    }
    for nested in ["[".repeat(200_000), "{\"a\":".repeat(100_000), "\u{feff}{}".to_owned(), String::new()] {
        let answer = admin.post_raw("/v1/receipts", nested).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
    }
    let _ = admin.receipt(&simple("after-garbage", "place-garbled", "3.00")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbled_queries_are_never_answered_with_a_5xx() {
    let till = shared().await;
    let admin = till.admin().await;
    let routes = [
        "/v1/receipts",
        "/v1/places",
        "/v1/analytics/places",
        "/v1/analytics/taxes-and-tips",
        "/v1/analytics/categories",
        "/v1/analytics/runs",
    ];
    let values = [
        "",
        "%00",
        "a%00b",
        "%ff",
        "-1",
        "99999999999999999999",
        "2024-13-45T99:99:99Z",
        "0001-01-01T00:00:00Z",
        "+262142-12-31T23:59:59Z",
        "'; DROP SCHEMA public --",
        "zzzz",
        "%F0%9F%92%A9",
        "1e9",
    ];
    for route in routes {
        for name in ["from", "to", "cursor", "limit", "place_id", "unknown", "from=2024-01-01T00:00:00Z&to"] {
            for value in values {
                let answer = admin.get(&format!("{route}?{name}={value}")).await;
                assert!(answer.status < 500, "{route}?{name}={value}: {}", answer.text);
            }
        }
        for (header, value) in [
            ("till-position", "x"),
            ("till-position", "r999999-1"),
            ("till-position", "r0--1"),
            ("till-consistency", "weak"),
            ("prefer", "wait=soon"),
        ] {
            let answer = admin.with_header(header, value).get(route).await;
            assert!(answer.status < 500, "{route} with {header}: {value}: {}", answer.text);
        }
    }
    for path in [
        "/v1/receipts/%00",
        "/v1/receipts/%ff%fe",
        "/v1/places/a%00b",
        "/v1/analytics/places/%00",
        "/nothing",
        "/v1",
    ] {
        let answer = admin.get(path).await;
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
    }
}

//! What `POST /v1/receipts` and the route for voids take and refuse.

use chrono::{Duration, SecondsFormat, Utc};
use reqwest::Body;
use serde_json::{Value, json};
use till_tests::receipts::{self, simple};

use crate::common::{account, shared};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_created_once_repeated_alike_and_refused_with_another_content() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let receipt = simple("once", "place-once", "12.50");
    let first = terminal.receipt(&receipt).await.expect(201);
    assert_eq!(first.location.as_deref(), Some("/v1/receipts/once"));
    assert_eq!(first.position.as_deref(), first.body["position"].as_str());
    assert_eq!(first.body["transaction_id"], "once");

    let again = terminal.receipt(&receipt).await.expect(200);
    assert_eq!(
        (again.body, again.position, again.location),
        (first.body.clone(), first.position, first.location)
    );
    let mut spelt = receipt.clone();
    spelt["total_amount"] = serde_json::from_str("12.5").unwrap();
    assert_eq!(terminal.receipt(&spelt).await.expect(200).body, first.body);
    spelt["unknown"] = json!({"field": ["is", "ignored"]});
    assert_eq!(terminal.receipt(&spelt).await.problem(422).pointers(), ["/unknown"]);
    let lenient = terminal.with_header("prefer", "handling=lenient");
    assert_eq!(lenient.receipt(&spelt).await.expect(200).body, first.body);

    for (pointer, value) in
        [("/place_name", json!("Elsewhere")), ("/payment_method", json!("cash")), ("/tips_amount", json!(1))]
    {
        let mut other = receipt.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        let _ = terminal.receipt(&other).await.problem(409);
    }
    assert_eq!(terminal.receipt(&receipt).await.expect(200).body, first.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_sending_one_receipt_at_once_get_one_201_and_the_same_answer() {
    let till = shared().await;
    let terminal = till.terminal().await;
    for round in 0..20 {
        let receipt = simple(&format!("race-{round}"), "place-race", "1.00");
        let sent: Vec<_> = (0..16)
            .map(|_| {
                let (terminal, receipt) = (terminal.clone(), receipt.clone());
                tokio::spawn(async move { terminal.receipt(&receipt).await })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in sent {
            answers.push(answer.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
        assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 15);
        assert!(answers.iter().all(|a| a.body == answers[0].body));
    }
}

/// Changes of a valid receipt, each with the pointers of the errors that must follow.
fn faults() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let item = json!({"product_id": "p", "quantity": 1, "price": 0, "category": "c"});
    let long = "ж".repeat(151);
    let late = (Utc::now() + Duration::hours(25)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let one = |pointer: &'static str, value: Value| (pointer, value, vec![pointer]);
    let mut faults = vec![
        one("/items", json!([])),
        one("/items", json!(vec![item; 1001])),
        one("/items", json!({})),
        one("/items/0", json!("bread")),
        one("/items/0/quantity", json!(0)),
        one("/items/0/quantity", json!(-3)),
        one("/items/0/quantity", json!(1.5)),
        one("/items/0/price", json!(-1)),
        one("/items/0/price", json!("1.005")),
        one("/items/0/price", json!("NaN")),
        one("/total_amount", json!("12.51")),
        one("/total_amount", json!("-12.50")),
        one("/total_amount", json!(12.505)),
        one("/total_amount", json!("1234567890123")),
        one("/total_amount", json!("12345678901.23")),
        one("/tax_amount", json!("12.51")),
        one("/tax_amount", json!(-0.01)),
        one("/tax_amount", json!(true)),
        one("/tips_amount", json!("-1")),
        one("/tips_amount", json!("0.001")),
        one("/tips_amount", Value::Null),
        one("/total_amount", json!("1_2.50")),
        one("/total_amount", json!("+12.5")),
        one("/tips_amount", json!("0.")),
        one("/tips_amount", json!("0.000000000000000000000000274749e26")),
        one("/timestamp", json!("-9999-01-01T00:00:00")),
        one("/timestamp", json!("0000-01-01T00:00:00Z")),
        one("/timestamp", json!("yesterday")),
        one("/timestamp", json!("2024-02-30T12:00:00Z")),
        one("/timestamp", json!(1_700_000_000)),
        one("/timestamp", json!(late)),
        one("/payment_method", json!([])),
    ];
    for pointer in ["/transaction_id", "/place_id", "/place_name", "/items/0/product_id", "/items/0/category"]
    {
        faults.extend(
            [json!(""), json!(long), json!("a\u{0}b"), json!("a\u{202e}b"), Value::Null, json!({})]
                .map(|value| one(pointer, value)),
        );
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_of_a_receipt_is_refused_with_422_and_the_pointer_of_its_field() {
    let till = shared().await;
    let terminal = till.terminal().await;
    for (path, route) in [("/v1/receipts", "record"), ("/v1/receipts/validate", "validate")] {
        for (pointer, value, expected) in faults() {
            let mut receipt = simple("refused", "place-refused", "12.50");
            *receipt.pointer_mut(pointer).unwrap() = value;
            let answer = terminal.post(path, &receipt).await;
            let told = format!("{route}: {pointer} = {}", receipt.pointer(pointer).unwrap());
            assert_eq!(answer.status, 422, "{told}: {}", answer.text);
            assert_eq!(answer.problem(422).pointers(), expected, "{told}");
        }
    }
    // None of the refused receipts has taken the id.
    let _ = terminal.receipt(&simple("refused", "place-refused", "12.50")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_faults_of_a_body_are_told_at_once() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let body = json!({
        "transaction_id": "", "timestamp": "soon", "payment_method": "card", "place_id": "x".repeat(151),
        "items": [
            {"product_id": "p", "quantity": 0, "price": "1.00", "category": "c"},
            {"product_id": "", "quantity": 1, "price": "-1.00"},
        ],
        "total_amount": "1.234", "tax_amount": "much", "tips_amount": -1,
    });
    let mut expected = vec![
        "/transaction_id",
        "/timestamp",
        "/place_id",
        "/place_name",
        "/items/0/quantity",
        "/items/1/product_id",
        "/items/1/price",
        "/items/1/category",
        "/total_amount",
        "/tax_amount",
        "/tips_amount",
    ];
    expected.sort_unstable();
    assert_eq!(terminal.receipt(&body).await.problem(422).pointers(), expected);
    let all = [
        "/items",
        "/payment_method",
        "/place_id",
        "/place_name",
        "/tax_amount",
        "/timestamp",
        "/tips_amount",
        "/total_amount",
        "/transaction_id",
    ];
    assert_eq!(terminal.receipt(&json!({})).await.problem(422).pointers(), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_at_the_edge_of_the_rules_are_taken() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let item = json!({"product_id": "p", "quantity": 1, "price": "0.01", "category": "c"});
    let at = Utc::now();
    let tips = rust_decimal::Decimal::ZERO;
    let many = receipts::of_items("edge-items", at, "edge", &vec![item; 1000], tips, "card");
    let free = simple("edge-free", "edge", "0.00");
    let dear = simple("edge-dear", "edge", "9999999999.99");
    let mut long = simple(&"ж".repeat(150), &"界".repeat(150), "1.00");
    long["place_name"] = json!("é".repeat(150));
    let mut ahead = simple("edge-ahead", "edge", "1.00");
    ahead["timestamp"] = json!((at + Duration::hours(23)).to_rfc3339());
    let mut zoneless = simple("edge-zoneless", "edge", "1.00");
    zoneless["timestamp"] = json!("2024-02-07T12:34:56");
    let mut old_name = simple("edge-nds", "edge", "1.00");
    let tax = old_name.as_object_mut().unwrap().remove("tax_amount").unwrap();
    old_name["nds_amount"] = tax;
    let mut whole = simple("edge-whole", "edge", "1.00");
    whole["items"][0]["quantity"] = json!(1.0);
    for receipt in [many, free, dear, long, ahead, zoneless, old_name, whole] {
        let _ = terminal.receipt(&receipt).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_fields_are_refused_with_the_name_that_was_meant_unless_the_client_is_lenient() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let mut receipt = simple("misspelt", "misspelt", "1.00");
    let tips = receipt.as_object_mut().unwrap().remove("tips_amount").unwrap();
    receipt["tips"] = tips;
    receipt["items"][0]["qty"] = json!(1);
    for path in ["/v1/receipts", "/v1/receipts/validate"] {
        let answer = terminal.post(path, &receipt).await.problem(422);
        assert_eq!(answer.pointers(), ["/items/0/qty", "/tips", "/tips_amount"], "{path}");
        assert!(answer.text.contains("did you mean tips_amount?"), "{}", answer.text);
    }
    let batch = terminal.post_as("/v1/receipts/batch", "application/x-ndjson", receipt.to_string()).await;
    assert!(batch.text.contains("did you mean tips_amount?"), "{}", batch.text);
    let lenient = terminal.with_header("prefer", "wait=5, handling=lenient");
    assert_eq!(lenient.receipt(&receipt).await.problem(422).pointers(), ["/tips_amount"]);
    receipt["tips_amount"] = json!("0.50");
    let _ = terminal.receipt(&receipt).await.problem(422);
    let _ = lenient.receipt(&receipt).await.expect(201);

    let admin = till.admin().await;
    for (path, mut body) in [
        ("/v1/auth/login", json!({"username": "admin", "password": "admin"})),
        ("/v1/auth/register", json!({"username": "misspelt", "password": "a long password"})),
        ("/v1/receipts/misspelt/void", json!({"reason": "misspelt"})),
    ] {
        body["surprise"] = json!(1);
        assert_eq!(admin.post(path, &body).await.problem(422).pointers(), ["/surprise"], "{path}");
        let values: Vec<Value> = body.as_object().unwrap().values().cloned().collect();
        assert_eq!(admin.post(path, &json!(values)).await.problem(422).pointers(), [""], "{path}");
    }
    let roles = json!({"roles": ["staff"], "place": ["p"]});
    assert_eq!(admin.put("/v1/accounts/3/roles", &roles).await.problem(422).pointers(), ["/place"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_array_is_no_receipt_and_a_field_given_twice_is_refused() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let receipt = simple("array", "array", "1.00");
    let names = [
        "transaction_id",
        "timestamp",
        "items",
        "total_amount",
        "tax_amount",
        "tips_amount",
        "payment_method",
        "place_id",
        "place_name",
    ];
    let values = Value::from_iter(names.map(|name| receipt[name].clone()));
    assert_eq!(terminal.receipt(&values).await.problem(422).pointers(), [""]);
    let mut listed = receipt.clone();
    listed["items"] = json!([["bread", 1, "1.00", "Bakery"]]);
    assert_eq!(terminal.receipt(&listed).await.problem(422).pointers(), ["/items/0"]);
    let twice = receipt.to_string().replacen('{', "{\"tips_amount\":\"0.50\",", 1);
    let answer = terminal.post_raw("/v1/receipts", twice).await.problem(422);
    assert_eq!(answer.pointers(), ["/tips_amount"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_says_what_was_understood_and_a_byte_order_mark_is_passed_over() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let mut receipt = simple("understood", "understood", "1.00");
    receipt["timestamp"] = json!("2024-02-07T12:34:56+03:00");
    receipt["total_amount"] = json!(1);
    receipt["tax_amount"] = json!("1e-1");
    receipt["tips_amount"] = json!(0.5);
    for (path, status) in [("/v1/receipts", 201), ("/v1/receipts", 200), ("/v1/receipts/validate", 200)] {
        let answer = terminal.post_raw(path, format!("\u{feff}{receipt}")).await.expect(status);
        for (name, understood) in [
            ("timestamp", "2024-02-07T09:34:56Z"),
            ("total_amount", "1.00"),
            ("tax_amount", "0.10"),
            ("tips_amount", "0.50"),
        ] {
            assert_eq!(answer.body[name], understood, "{path}: {}", answer.text);
        }
    }
    let location = terminal.receipt(&receipt).await.expect(200).location;
    assert_eq!(location.as_deref(), Some("/v1/receipts/understood"));
    let batch = format!("\u{feff}[{}]", simple("marked", "understood", "1.00"));
    let answer = terminal.post_as("/v1/receipts/batch", "application/json", batch).await.expect(200);
    assert!(answer.text.contains("\"accepted\""), "{}", answer.text);
    let voided = till.admin().await.void("understood", "entered twice").await.expect(201);
    assert!(voided.text.contains("stays taken"), "{}", voided.text);
    for dots in [".", ".."] {
        let receipt = simple(dots, "understood", "1.00");
        assert_eq!(terminal.receipt(&receipt).await.problem(422).pointers(), ["/transaction_id"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_of_bounded_size_whatever_is_wrong() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let mut receipt = simple("refused-large", "place-refused", "1.00");
    receipt["items"] =
        Value::from_iter((0..1000).map(|_| json!({"quantity": "x".repeat(300), "price": "é".repeat(100)})));
    let unknown = Value::from_iter((0..5000).map(|n| (format!("{n}{}", "x".repeat(150)), json!(1))));
    let roles = json!({"roles": ["\u{202e}".repeat(100_000)]});
    let admin = till.admin().await;
    for answer in [
        terminal.receipt(&receipt).await.problem(422),
        terminal.receipt(&unknown).await.problem(422),
        admin.put("/v1/accounts/3/roles", &roles).await.problem(422),
        till.anyone().post_raw("/v1/auth/login", "[".repeat(10_000)).await.problem(422),
        till.anyone().post_raw("/v1/auth/login", "{".repeat(10_000)).await.problem(400),
    ] {
        assert!(answer.text.len() < 70_000, "{} bytes", answer.text.len());
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.len() <= 100, "{}", errors.len());
        assert!(!answer.text.contains("at line") && !answer.text.contains("recursion"), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_as_numbers_and_as_strings_is_the_same_money() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let text = |amounts: [&str; 4]| {
        format!(
            r#"{{"transaction_id":"money","timestamp":"2024-02-07T12:34:56Z","items":[{{"product_id":"p","quantity":3,"price":{},"category":"c"}}],
            "total_amount":{},"tax_amount":{},"tips_amount":{},"payment_method":"card","place_id":"place-money","place_name":"Money"}}"#,
            amounts[0], amounts[1], amounts[2], amounts[3]
        )
    };
    let spellings = [
        ["0.1", "0.3", "0.03", "0"],
        ["\"0.10\"", "\"0.30\"", "\"0.03\"", "\"0.00\""],
        ["0.10", "\"0.3\"", "0.03", "\"0\""],
    ];
    let statuses = [201, 200, 200];
    for (spelling, status) in spellings.into_iter().zip(statuses) {
        let _ = terminal.post_raw("/v1/receipts", text(spelling)).await.expect(status);
    }
    // In binary fractions, 3 x 0.1 is not 0.3.
    let analyst = till.analyst().await;
    let figures = analyst.get_strong("/v1/analytics/places/place-money").await.expect(200);
    assert_eq!(
        (&figures.body["total_amount"], &figures.body["tax_amount"]),
        (&json!("0.30"), &json!("0.03"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_one_mebibyte_is_refused_with_413() {
    let till = shared().await;
    let terminal = till.terminal().await.with_header("prefer", "handling=lenient");
    let mut receipt = simple("large", "place-large", "1.00");
    receipt["note"] = json!("x".repeat(1024 * 1024 - receipt.to_string().len() - 10));
    let text = receipt.to_string();
    assert!(text.len() <= 1024 * 1024 && text.len() > 1024 * 1024 - 20);
    let _ = terminal.post_raw("/v1/receipts", text.clone()).await.expect(201);
    receipt["note"] = json!("x".repeat(1024 * 1024));
    let text = receipt.to_string();
    let _ = terminal.post_raw("/v1/receipts", text.clone()).await.problem(413);
    // A client that sends everything before it reads is told why, too.
    for bytes in [1024 * 1024 + 1, 8 * 1024 * 1024] {
        let _ = terminal.post_raw("/v1/receipts", Body::from(vec![0_u8; bytes])).await.problem(413);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_happens_once_needs_a_reason_a_known_receipt_and_an_admin() {
    let till = shared().await;
    let (terminal, admin) = (till.terminal().await, till.admin().await);
    let _ = terminal.receipt(&simple("to void", "place-void", "5.00")).await.expect(201);
    let path = "/v1/receipts/to%20void/void";
    let _ = terminal.post(path, &json!({"reason": "no right"})).await.problem(403);
    for reason in
        [json!({}), json!({"reason": ""}), json!({"reason": 5}), json!({"reason": "x".repeat(5000)})]
    {
        assert_eq!(admin.post(path, &reason).await.problem(422).pointers(), ["/reason"]);
    }
    let _ = admin.void("never-was", "mistake").await.problem(404);

    let reason = json!({"reason": "wrong till"});
    let first = admin.post(path, &reason).await.expect(201);
    assert_eq!(first.body["transaction_id"], "to void");
    assert_eq!(first.position.as_deref(), first.body["position"].as_str());
    assert_eq!(admin.post(path, &reason).await.expect(200).body, first.body);
    let _ = admin.post(path, &json!({"reason": "another"})).await.problem(409);
    let _ = terminal.receipt(&simple("to void", "place-void", "5.00")).await.expect(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_bound_to_places_sends_receipts_of_those_places_only() {
    let till = shared().await;
    let bound = account(&till.anyone(), "bound-terminal", &["terminal"], &["bound-1", "bound-2"]).await;
    let _ = bound.receipt(&simple("bound-a", "bound-1", "1.00")).await.expect(201);
    let _ = bound.receipt(&simple("bound-b", "bound-2", "1.00")).await.expect(201);
    let _ = bound.receipt(&simple("bound-c", "bound-3", "1.00")).await.problem(403);
    let _ = bound.post("/v1/receipts/validate", &simple("bound-c", "bound-3", "1.00")).await.problem(403);
}

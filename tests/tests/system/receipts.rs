//! What `POST /v1/receipts` and its void take and refuse.

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
    spelt["unknown"] = json!({"field": ["is", "ignored"]});
    assert_eq!(terminal.receipt(&spelt).await.expect(200).body, first.body);

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

/// What to change in a valid receipt, and the pointers of the errors that must follow.
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
        one("/timestamp", json!("yesterday")),
        one("/timestamp", json!("2024-02-30T12:00:00Z")),
        one("/timestamp", json!(1_700_000_000)),
        one("/timestamp", json!(late)),
        one("/payment_method", json!([])),
    ];
    for pointer in ["/transaction_id", "/place_id", "/place_name", "/items/0/product_id", "/items/0/category"]
    {
        faults.extend(
            [json!(""), json!(long), json!("a\u{0}b"), Value::Null, json!({})]
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
    // None of them took the id.
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
    let mut no_tips = simple("edge-no-tips", "edge", "1.00");
    no_tips.as_object_mut().unwrap().remove("tips_amount");
    for receipt in [many, free, dear, long, ahead, zoneless, old_name, no_tips] {
        let _ = terminal.receipt(&receipt).await.expect(201);
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
    // As binary fractions 3 x 0.1 is not 0.3.
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
    let terminal = till.terminal().await;
    let mut receipt = simple("large", "place-large", "1.00");
    receipt["note"] = json!("x".repeat(1024 * 1024 - receipt.to_string().len() - 10));
    let text = receipt.to_string();
    assert!(text.len() <= 1024 * 1024 && text.len() > 1024 * 1024 - 20);
    let _ = terminal.post_raw("/v1/receipts", text.clone()).await.expect(201);
    receipt["note"] = json!("x".repeat(1024 * 1024));
    let text = receipt.to_string();
    let _ = terminal.post_raw("/v1/receipts", text.clone()).await.problem(413);
    // A client that sends all before it listens hears why, too.
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

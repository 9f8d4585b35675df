//! Reads that must have seen a write.

use till_tests::client::eventually;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Client, Till};

use crate::common::shared;

const CONNECTIONS: u64 = 4;
const EACH: u32 = 500;

/// Each receipt must be found right after its 201. A strong read and a read of its position look for it in turns.
async fn write_and_read(terminal: Client, reader: Client, connection: u64) {
    let mut receipts = Receipts::new(&format!("strong-{connection}"), connection, 20);
    for number in 0..EACH {
        let receipt = receipts.make();
        let id = receipt["transaction_id"].as_str().unwrap();
        let written = terminal.receipt(&receipt).await.expect(201);
        let path = format!("/v1/receipts/{id}");
        let read = if number % 2 == 0 {
            reader.get_strong(&path).await
        } else {
            reader.get_at(&path, &written.position.unwrap()).await
        };
        assert_eq!(read.expect(200).body["transaction_id"], receipt["transaction_id"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_asks_for_it_finds_what_was_written_before_thousands_of_times() {
    let till = shared().await;
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(async |connection| (connection, till.terminal().await, till.analyst().await))
        .collect();
    let mut running = Vec::new();
    for connection in connections {
        let (number, terminal, reader) = connection.await;
        running.push(tokio::spawn(write_and_read(terminal, reader, number)));
    }
    for connection in running {
        connection.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strong_read_of_figures_sees_every_receipt_answered_before() {
    let till = shared().await;
    let (terminal, analyst) = (till.terminal().await, till.analyst().await);
    for number in 1..=300_u32 {
        let _ = terminal.receipt(&simple(&format!("sum-{number}"), "place-sum", "0.10")).await.expect(201);
        let figures = analyst.get_strong("/v1/analytics/places/place-sum").await.expect(200);
        let expected = rust_decimal::Decimal::new(i64::from(number) * 10, 2).to_string();
        assert_eq!(
            (&figures.body["purchases"], &figures.body["total_amount"]),
            (&number.into(), &expected.into())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_cannot_have_seen_its_position_says_so_and_does_not_guess() {
    let mut till = Till::start("behind").await;
    let (terminal, analyst) = (till.terminal().await, till.analyst().await);
    let early = terminal.receipt(&simple("early", "place-behind", "1.00")).await.expect(201);
    let _ = analyst.get_at("/v1/receipts/early", &early.position.unwrap()).await.expect(200);

    // No answer has ever had a position past the end of the log, so such a position is refused, and not waited for.
    let refused = analyst.get_at("/v1/receipts/early", "r0-999999").await.problem(400);
    assert!(refused.text.contains("r0-999999"), "{}", refused.text);
    let _ = analyst.with_header("till-position", "no-position").get("/v1/receipts/early").await.problem(400);
    let _ = analyst.get("/v1/receipts/early").await.expect(200);

    // How far the log is folded is kept in Postgres, so a restarted projector knows it.
    till.projector.kill();
    let late = terminal.receipt(&simple("late", "place-behind", "1.00")).await.expect(201);
    till.projector.start();
    eventually("the projector serves", till_tests::till::READY_WITHIN, async || {
        till.projector.is_ready().await
    })
    .await;
    let _ = analyst.get_at("/v1/receipts/late", &late.position.unwrap()).await.expect(200);
}

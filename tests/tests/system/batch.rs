//! `POST /v1/receipts/batch`: each receipt has a line in the answer, in order, whatever is wrong with other receipts.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Client, Isolation, Till};

use crate::common::{account, shared};

const PATH: &str = "/v1/receipts/batch";
const NDJSON: &str = "application/x-ndjson";
/// Longer than any wait of the services. A wait that is bounded by it must come to an end.
const SURELY: Duration = Duration::from_secs(60);

/// The lines of an answer, each under its index.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["index"], index, "{line}");
    }
    lines
}

async fn send_text(client: &Client, body: impl Into<reqwest::Body>) -> Vec<Value> {
    let answer = client.post_as(PATH, NDJSON, body).await.expect(200);
    assert_eq!(answer.content_type, NDJSON);
    lines(&answer.text)
}

async fn send(client: &Client, receipts: &[Value]) -> Vec<Value> {
    send_text(client, ndjson(receipts)).await
}

fn ndjson(receipts: &[Value]) -> String {
    receipts.iter().map(|receipt| format!("{receipt}\n")).collect()
}

fn results(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["result"].as_str().unwrap()).collect()
}

/// How often each result came.
fn counts(lines: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for result in results(lines) {
        *counts.entry(result).or_default() += 1;
    }
    counts
}

/// A line must have everything that its result promises.
#[track_caller]
fn is_well_formed(line: &Value) {
    match line["result"].as_str().unwrap() {
        "accepted" | "duplicate" => {
            let members =
                ["transaction_id", "position", "timestamp", "total_amount", "tax_amount", "tips_amount"];
            assert!(members.iter().all(|member| line[member].is_string()), "{line}");
        }
        result => {
            let statuses = match result {
                "conflict" => [409].as_slice(),
                "invalid" => &[400, 403, 408, 413, 422],
                "unavailable" => &[503],
                _ => panic!("{line}"),
            };
            assert!(statuses.iter().any(|status| line["status"] == *status), "{line}");
            assert!(["type", "title", "detail"].iter().all(|member| line[member].is_string()), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receipt_of_a_batch_has_its_own_result_in_the_batch_s_order() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let before = terminal.receipt(&simple("batch-before", "place-batch", "1.00")).await.expect(201);
    let mut other = simple("batch-a", "place-batch", "2.00");
    other["payment_method"] = json!("cash");
    let mut wrong = simple("batch-wrong", "place-batch", "2.00");
    wrong["total_amount"] = json!("2.01");
    wrong["items"][0]["quantity"] = json!(-1);
    let a = simple("batch-a", "place-batch", "2.00");
    let mut spelt = a.clone();
    spelt["total_amount"] = serde_json::from_str("2.0").unwrap();
    let body = format!(
        "\n{a}\r\n{spelt}\n \n{other}\n{wrong}\n{{\"transaction_id\": \n[]\n{}\n\n{}",
        simple("batch-before", "place-batch", "1.00"),
        simple("batch-b", "place-batch", "3.00"),
    );
    // The first of these receipts was sent a moment ago, with another timestamp.
    let lines = send_text(&terminal, body).await;
    lines.iter().for_each(is_well_formed);
    let expected =
        ["accepted", "duplicate", "conflict", "invalid", "invalid", "invalid", "conflict", "accepted"];
    assert_eq!(results(&lines), expected);
    assert_eq!(lines[0]["position"], lines[1]["position"]);
    assert_eq!(lines[2]["type"], "urn:till:receipt-conflict");
    assert_eq!((&lines[3]["status"], &lines[3]["type"]), (&json!(422), &json!("urn:till:invalid")));
    assert_eq!(lines[3]["errors"][0]["pointer"], "/items/0/quantity");
    assert_eq!((&lines[4]["status"], &lines[5]["status"]), (&json!(400), &json!(422)));

    let single = terminal.receipt(&a).await.expect(200);
    for understood in ["timestamp", "total_amount", "tax_amount", "tips_amount"] {
        assert_eq!(lines[1][understood], single.body[understood], "{}", lines[1]);
    }
    assert_eq!((single.body["position"].clone(), single.status), (lines[0]["position"].clone(), 200));
    let analyst = till.analyst().await;
    let read = analyst.get_at("/v1/receipts/batch-b", lines[7]["position"].as_str().unwrap()).await;
    assert_eq!(read.expect(200).body["position"], lines[7]["position"]);
    assert!(before.position.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_sent_again_as_an_array_gives_duplicates_with_the_same_positions() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let mut made = Receipts::new("batch-again", 5, 4);
    let mut receipts: Vec<Value> = (0..3000).map(|_| made.make()).collect();
    receipts.push(made.make_invalid());
    let first = send(&terminal, &receipts).await;
    assert_eq!(counts(&first), BTreeMap::from([("accepted", 3000), ("invalid", 1)]));
    let again = send(&terminal, &receipts).await;
    let array = serde_json::to_string_pretty(&receipts).unwrap();
    let array = terminal.post_as(PATH, "application/json; charset=utf-8", array).await.expect(200);
    let array = lines(&array.text);
    assert_eq!(again, array);
    assert_eq!(counts(&again), BTreeMap::from([("duplicate", 3000), ("invalid", 1)]));
    for (first, again) in first.iter().zip(&again) {
        let of = |line: &Value| (line["transaction_id"].clone(), line["position"].clone());
        assert_eq!(of(first), of(again));
    }
    let _ = terminal.receipt(&receipts[2999]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_send_a_receipt_may_not_send_it_in_a_batch() {
    let till = shared().await;
    let receipts = [simple("batch-bound-a", "batch-1", "1.00"), simple("batch-bound-b", "batch-2", "1.00")];
    let _ = till.anyone().post_as(PATH, NDJSON, ndjson(&receipts)).await.problem(401);
    let _ = till.analyst().await.post_as(PATH, NDJSON, ndjson(&receipts)).await.problem(403);
    let bound = account(&till.anyone(), "batch-bound", &["terminal"], &["batch-1"]).await;
    let lines = send(&bound, &receipts).await;
    assert_eq!(results(&lines), ["accepted", "invalid"]);
    assert_eq!(lines[1]["status"], 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_batch_is_refused_and_a_broken_array_says_where_after_what_it_took() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let a = simple("batch-array-a", "place-batch", "1.00");
    let _ = terminal.post_as(PATH, "text/csv", "a,b").await.problem(415);
    for (body, place) in [("", "empty"), (" {}", "byte 1 "), ("\"[]\"", "byte 0 "), ("[", "after 1 byte")] {
        let refused = terminal.post_as(PATH, "application/json", body).await.problem(400);
        assert!(refused.body["detail"].as_str().unwrap().contains(place), "{}", refused.text);
    }
    for (media_type, body) in [("application/json", " [ ] "), (NDJSON, ""), (NDJSON, "\n \r\n")] {
        assert_eq!(terminal.post_as(PATH, media_type, body).await.expect(200).text, "");
    }
    let body = format!("[{a}, {{\"transaction_id\": 1]\n, 5 {a}]");
    let answer = terminal.post_as(PATH, "application/json", body.clone()).await.expect(200);
    let lines = lines(&answer.text);
    lines.iter().for_each(is_well_formed);
    assert_eq!(results(&lines), ["accepted", "invalid", "invalid", "invalid"]);
    let place = format!("byte {} ", body.rfind("5 {").unwrap() + 2);
    let last = &lines[3];
    assert_eq!((&last["status"], &last["type"]), (&json!(400), &json!("urn:till:malformed")));
    assert!(last["detail"].as_str().unwrap().contains(&place), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_over_one_mebibyte_is_invalid_and_those_after_it_are_taken() {
    let till = shared().await;
    let terminal = lenient(&till).await;
    let padded = |id: &str, bytes: usize| {
        let mut receipt = simple(id, "place-batch", "1.00");
        receipt["note"] = json!("");
        receipt["note"] = json!("x".repeat(bytes - receipt.to_string().len()));
        assert_eq!(receipt.to_string().len(), bytes);
        receipt
    };
    let mebibyte = 1024 * 1024;
    let receipts = [
        padded("batch-long", mebibyte),
        padded("batch-too-long", mebibyte + 1),
        simple("batch-after", "place-batch", "1.00"),
    ];
    let lines_sent = send(&terminal, &receipts).await;
    assert_eq!(results(&lines_sent), ["accepted", "invalid", "accepted"]);
    assert_eq!(
        (&lines_sent[1]["status"], &lines_sent[1]["type"]),
        (&json!(413), &json!("urn:till:too-large"))
    );
    let array = terminal.post_as(PATH, "application/json", json!(receipts).to_string()).await.expect(200);
    assert_eq!(results(&lines(&array.text)), ["duplicate", "invalid", "duplicate"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_over_ten_thousand_receipts_or_32_mebibytes_ends_with_a_line_that_says_so() {
    let till = shared().await;
    let terminal = lenient(&till).await;
    let too_large = |line: &Value| {
        is_well_formed(line);
        assert_eq!((&line["status"], &line["type"]), (&json!(413), &json!("urn:till:batch-too-large")));
    };
    let mut made = Receipts::new("batch-many", 6, 4);
    let receipts: Vec<Value> = (0..10_002).map(|_| made.make()).collect();
    let answered = send(&terminal, &receipts).await;
    assert_eq!(counts(&answered), BTreeMap::from([("accepted", 10_000), ("invalid", 1)]));
    too_large(answered.last().unwrap());

    let body = vec![b' '; 32 * 1024 * 1024 + 1];
    let refused = terminal.post_as(PATH, NDJSON, body).await.problem(413);
    assert_eq!(refused.body["type"], "urn:till:batch-too-large");

    // A body without a length is read too, although nobody knows its size beforehand.
    let mut receipt = simple("batch-wide", "place-batch", "1.00");
    receipt["note"] = json!("x".repeat(1_000_000));
    let line = format!("{receipt}\n");
    let answered = tokio::task::spawn_blocking(move || {
        let mut raw = Raw::open(&terminal, "transfer-encoding: chunked");
        for _ in 0..40 {
            raw.write(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).unwrap();
        }
        raw.write(b"0\r\n\r\n").unwrap();
        raw.read_to_end()
    });
    let answered = lines(&answered.await.unwrap());
    let fit = 32 * 1024 * 1024 / (receipt.to_string().len() + 1);
    assert_eq!(counts(&answered), BTreeMap::from([("accepted", 1), ("duplicate", fit - 1), ("invalid", 1)]));
    too_large(answered.last().unwrap());
}

/// A connection on which a test sends a batch byte by byte.
struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The demo's terminal. Unknown fields of its receipts are ignored, so a note may pad them.
async fn lenient(till: &Till) -> Client {
    till.terminal().await.with_header("prefer", "handling=lenient")
}

impl Raw {
    fn open(client: &Client, length: &str) -> Self {
        let address = client.writes().strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let mut raw = Self { stream, read: Vec::new() };
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: {NDJSON}\r\nprefer: handling=lenient\r\n{length}\r\n\r\n",
            client.token()
        );
        raw.write(head.as_bytes()).unwrap();
        raw
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads until the answer has the text.
    fn read_until(&mut self, text: &str) {
        self.stream.set_read_timeout(Some(SURELY)).unwrap();
        let mut buffer = vec![0; 65_536];
        while !String::from_utf8_lossy(&self.read).contains(text) {
            let read = self.stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the answer ended: {}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&buffer[..read]);
        }
    }

    /// Reads the body of the whole answer. The answer must be 200, in chunks, and end as it should.
    fn read_to_end(mut self) -> String {
        self.stream.set_read_timeout(Some(SURELY)).unwrap();
        self.stream.read_to_end(&mut self.read).unwrap();
        let text = String::from_utf8(self.read).unwrap();
        let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("transfer-encoding: chunked"), "{head}");
        let mut body = String::new();
        loop {
            let (length, after) = rest.split_once("\r\n").expect("the answer is cut off");
            let length = usize::from_str_radix(length, 16).unwrap();
            if length == 0 {
                return body;
            }
            body.push_str(&after[..length]);
            rest = &after[length + 2..];
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_pauses_is_answered_before_its_batch_ends() {
    let till = shared().await;
    let terminal = till.terminal().await;
    let text = tokio::task::spawn_blocking(move || {
        let mut raw = Raw::open(&terminal, "transfer-encoding: chunked");
        for number in 0..3 {
            let receipt = simple(&format!("batch-paused-{number}"), "place-batch", "1.00");
            let line = format!("{receipt}\n");
            raw.write(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).unwrap();
            raw.read_until(&format!("\"index\":{number},\"result\":\"accepted\""));
        }
        raw.write(b"0\r\n\r\n").unwrap();
        raw.read_to_end()
    });
    assert_eq!(results(&lines(&text.await.unwrap())), ["accepted"; 3]);
}

/// How many batches of one caller command-api works on at the same time. Of all callers it works on twice as many.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_by_the_window_whatever_the_batch_and_its_client_do() {
    let mut till = Till::prepare("batch-memory").await;
    // The shards are slow here, so that whatever is not bounded piles up before them.
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    proxy.delay_answers(Api::Produce, Duration::from_millis(150));
    till.command_api.start_ready().await;
    let terminal = lenient(&till).await;
    // Before memory is measured, some batches fill what the store, the producers and the allocator take once.
    at_once(&terminal, |number| {
        let mut made = Receipts::new(&format!("batch-warm-{number}"), 8, 4);
        ndjson(&(0..2_000).map(|_| made.make()).collect::<Vec<_>>())
    })
    .await;
    let before = till.command_api.peak_mib();

    at_once(&terminal, |number| {
        let mut made = Receipts::new(&format!("batch-large-{number}"), 9, 4);
        let noted = |mut receipt: Value| {
            receipt["note"] = json!("x".repeat(2200));
            receipt
        };
        let body = ndjson(&(0..10_000).map(|_| noted(made.make())).collect::<Vec<_>>());
        assert!(body.len() > 24 * 1024 * 1024, "{}", body.len());
        body
    })
    .await;
    let after_large = till.command_api.peak_mib();

    let admin = till.admin().await.with_header("prefer", "handling=lenient");
    let unread = [terminal, admin].into_iter().flat_map(|client| {
        (0..AT_ONCE).map(move |_| {
            let client = client.clone();
            tokio::task::spawn_blocking(move || unread(&client))
        })
    });
    for lines in unread.collect::<Vec<_>>() {
        assert_eq!(counts(&lines.await.unwrap()), BTreeMap::from([("invalid", 10_000)]));
    }
    let after_unread = till.command_api.peak_mib();
    println!(
        "peaks of command-api: {before} MiB before, {after_large} after large batches, {after_unread} after unread ones"
    );
    assert!(after_large < before + 40, "batches of over 24 MiB took it from {before} to {after_large} MiB");
    assert!(after_unread < before + 40, "answers not read took it from {before} to {after_unread} MiB");
}

/// Sends as many batches as are worked on at the same time. All their receipts must be accepted.
async fn at_once(client: &Client, body: impl Fn(usize) -> String) {
    let sent: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let (client, body) = (client.clone(), body(number));
            tokio::spawn(async move { send_text(&client, body).await })
        })
        .collect();
    for lines in sent {
        let lines = lines.await.unwrap();
        assert_eq!(counts(&lines), BTreeMap::from([("accepted", lines.len())]));
    }
}

/// Sends 30 MB for which there are 7 MB of answers, as many as a line may have. None of them is read until nothing more
/// of the body is taken. How much of it is taken depends on the kernel, whose buffers for it may be as large.
fn unread(client: &Client) -> Vec<Value> {
    let items = vec![json!({"note": "nothing of an item"}); 12];
    let line = json!({"items": items, "note": "x".repeat(2500)});
    let body = format!("{line}\n").repeat(10_000);
    let mut raw = Raw::open(client, &format!("content-length: {}", body.len()));
    raw.stream.set_write_timeout(Some(Duration::from_secs(4))).unwrap();
    let mut sent = 0;
    while sent < body.len() {
        match raw.stream.write(&body.as_bytes()[sent..]) {
            Ok(0) => panic!("the connection was closed"),
            Ok(bytes) => sent += bytes,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                break;
            }
        }
    }
    // Command-api works off what it has taken, as far as there is room for answers.
    std::thread::sleep(Duration::from_secs(2));
    let mut rest = raw.stream.try_clone().unwrap();
    let writes = std::thread::spawn(move || rest.write_all(&body.as_bytes()[sent..]).unwrap());
    let answer = raw.read_to_end();
    writes.join().unwrap();
    assert!(answer.len() > 7_000_000, "{}", answer.len());
    lines(&answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_replicas_a_batch_sent_to_either_is_accepted_exactly_once() {
    let mut till = Till::prepare("batch-replicas").await;
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    let mut second = till.another_command_api("command-api-b");
    second.start_ready().await;
    eventually("both serve a shard", SURELY, async || second.log().contains(" serving ")).await;
    let to_second = Client::new(&second.url(), &till.projector.url()).with_token(terminal.token());

    let mut made = Receipts::new("batch-either", 10, 4);
    let all: Vec<Value> = (0..6000).map(|_| made.make()).collect();
    let mut positions = BTreeMap::new();
    for (client, receipts) in [&terminal, &to_second].into_iter().zip(all.chunks(3000)) {
        let accepted = accepted(client, receipts).await;
        positions.extend(accepted);
    }
    let one_hop = to_second.with_header("till-forwarded", "1");
    let answered = send(&one_hop, &all[..1000]).await;
    answered.iter().for_each(is_well_formed);
    let counted = counts(&answered);
    assert!(counted["duplicate"] > 200 && counted["unavailable"] > 200, "{counted:?}");
    assert!(answered.iter().all(|line| line["result"] == "duplicate" || line["type"] == "urn:till:moving"));

    let killed = Instant::now();
    second.kill();
    let again = accepted(&terminal, &all).await;
    assert!(killed.elapsed() < SURELY);
    assert_eq!(again, positions);
    let committed = till.topic("receipts").records(Isolation::Committed).await;
    let in_log: BTreeMap<String, String> = committed
        .iter()
        .map(|record| {
            (
                String::from_utf8(record.key.clone()).unwrap(),
                format!("r{}-{}", record.partition, record.offset),
            )
        })
        .collect();
    assert_eq!((in_log.len(), committed.len()), (6000, 6000));
    assert_eq!(in_log, positions);
}

/// Sends a batch, and again those of it that were unavailable, until all are accepted. Gives the position of each.
async fn accepted(client: &Client, receipts: &[Value]) -> BTreeMap<String, String> {
    let deadline = Instant::now() + SURELY;
    let mut positions = BTreeMap::new();
    let mut left = receipts.to_vec();
    while !left.is_empty() {
        assert!(Instant::now() < deadline, "{} receipts are still unavailable", left.len());
        let answered = send(client, &left).await;
        assert_eq!(answered.len(), left.len());
        let mut unavailable = Vec::new();
        for (line, receipt) in answered.iter().zip(left) {
            is_well_formed(line);
            match line["result"].as_str().unwrap() {
                "unavailable" => unavailable.push(receipt),
                "accepted" | "duplicate" => {
                    assert_eq!(line["transaction_id"], receipt["transaction_id"]);
                    let text = |member: &str| line[member].as_str().unwrap().to_owned();
                    positions.insert(text("transaction_id"), text("position"));
                }
                _ => panic!("{line}"),
            }
        }
        left = unavailable;
        tokio::time::sleep(Duration::from_millis(if left.is_empty() { 0 } else { 200 })).await;
    }
    positions
}

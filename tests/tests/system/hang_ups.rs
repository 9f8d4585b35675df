//! Clients that hang up while they are served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::receipts::{Random, simple};
use till_tests::{Client, Till};

use crate::common::serve_contracts;

const ROUNDS: u64 = 10;
const HANG_UPS: u64 = 100;
/// How long a wait may take before the test gives up.
const AT_LAST: Duration = Duration::from_secs(60);

/// Sends reads, and hangs up at random moments within the time that an answer takes. It blocks.
fn hang_up(address: &str, token: &str, seed: u64, times: u64) {
    let mut random = Random::new(seed);
    let consistency = ["", "till-consistency: strong\r\n"];
    assert_eq!(status(ask(address, token, "")), "200", "these reads are answered where nobody hangs up");
    for _ in 0..times {
        let client = ask(address, token, random.pick::<&str>(&consistency));
        std::thread::sleep(Duration::from_micros(random.below(3_000)));
        drop(client);
    }
}

/// Sends a read, and leaves its answer unread.
fn ask(address: &str, token: &str, header: &str) -> TcpStream {
    let request = format!(
        "GET /v1/receipts?limit=1 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n{header}\r\n"
    );
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    client
}

fn status(mut client: TcpStream) -> String {
    let mut line = [0; "HTTP/1.1 200".len()];
    client.read_exact(&mut line).unwrap();
    String::from_utf8_lossy(&line[9..]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_no_old_snapshot_to_the_reads_after_it() {
    let mut till = Till::prepare("hang-ups").await;
    // With few connections to Postgres, one on which a read was hung up is soon used again.
    till.projector.set("TILL_DATABASE_CONNECTIONS", "4");
    till.start_all().await;
    let admin = till.admin().await;
    let address = till.projector.url().replace("http://", "");
    for round in 0..ROUNDS {
        let hanging_up: Vec<_> = (0..4)
            .map(|thread| {
                let (address, token) = (address.clone(), admin.token().to_owned());
                let hang_up = move || hang_up(&address, &token, 4 * round + thread, HANG_UPS / 4);
                tokio::task::spawn_blocking(hang_up)
            })
            .collect();
        for thread in hanging_up {
            thread.await.unwrap();
        }
        nothing_is_left_open(&till).await;
        no_read_is_stale(&admin, &format!("hung-up-{round}")).await;
    }
}

/// No read's transaction may outlive its client. One that stays open is ended a minute later. Or it is ended by the
/// next read on its connection, after that read was answered from the old snapshot.
async fn nothing_is_left_open(till: &Till) {
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    eventually("no transaction is left open", Duration::from_secs(30), async || {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND application_name = 'till-projector reads' AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&mut database)
        .await
        .unwrap();
        open == 0
    })
    .await;
}

/// Every read must have the newest receipt, whichever of the projector's connections it goes through.
async fn no_read_is_stale(admin: &Client, id: &str) {
    let _ = admin.receipt(&simple(id, "place-hung-up", "1.00")).await.expect(201);
    let path = format!("/v1/receipts/{id}");
    let _ = admin.get_strong(&path).await.expect(200);
    for _ in 0..40 {
        let _ = admin.get(&path).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_while_its_snapshot_begins_leaves_no_transaction_open() {
    let mut till = Till::prepare("begins").await;
    let (proxy, url) = till.servers.postgres.proxy(&till.prefix).await;
    till.projector.set("TILL_DATABASE_URL", &url);
    till.projector.set("TILL_DATABASE_CONNECTIONS", "2");
    till.start_all().await;
    let admin = till.admin().await;
    let address = till.projector.url().replace("http://", "");
    for round in 0..2 {
        proxy.hold_answers_after("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let client = ask(&address, admin.token(), "");
        proxy.held().await;
        drop(client);
        // The service needs some time to notice that its client is gone.
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.release();
        nothing_is_left_open(&till).await;
        no_read_is_stale(&admin, &format!("begun-{round}")).await;
    }
}

/// Sends a command, and hangs up after the given time.
fn command(address: &str, path: &str, body: &Value, hang_up_after: Duration) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all((head + &body).as_bytes()).unwrap();
    std::thread::sleep(hang_up_after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_noted_though_its_client_hangs_up_while_it_is_recorded() {
    let mut till = Till::prepare("hung-up-checks").await;
    serve_contracts(&mut till);
    till.start_all().await;
    let address = till.command_api.url().replace("http://", "");
    tokio::task::spawn_blocking(move || {
        let mut random = Random::new(7);
        for number in 0..2 * HANG_UPS {
            let mut check = simple(&format!("hung-up-{number}"), "place-hung-up", "1.00");
            check["nds_amount"] = check["tax_amount"].take();
            let after = Duration::from_micros(random.below(6_000));
            command(&address, "/contracts/receipts/api/checks/", &check, after);
        }
    })
    .await
    .unwrap();
    let journal = till.scratch.path().join("journals/journal.csv");
    let anyone = till.anyone();
    eventually("each check is noted", AT_LAST, async || {
        let recorded = anyone.get("/contracts/receipts/api/ch/").await.expect(200);
        let noted = std::fs::read(&journal).unwrap_or_default();
        let noted = String::from_utf8_lossy(&noted);
        let recorded = recorded.body.as_array().unwrap();
        let is_noted =
            |check: &Value| noted.contains(&format!(" {},", check["transaction_id"].as_str().unwrap()));
        !recorded.is_empty() && recorded.iter().all(is_noted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_locked_though_those_who_guess_hang_up() {
    let till = Till::start("hung-up-guesses").await;
    let address = till.command_api.url().replace("http://", "");
    tokio::task::spawn_blocking(move || {
        let guess = json!({"username": "terminal", "password": "a guess"});
        // The moments are close enough that one client hangs up just when its hash begins.
        for after_ms in 1..=200 {
            command(&address, "/v1/auth/login", &guess, Duration::from_millis(after_ms));
        }
    })
    .await
    .unwrap();
    eventually("the lock is recorded", AT_LAST, async || {
        let journal = till.projector.run("journal", &["--topic", "accounts"]).success("projector journal");
        journal.contains("LoginLocked")
    })
    .await;
}

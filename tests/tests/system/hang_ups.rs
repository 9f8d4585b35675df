//! Clients that hang up while they are served.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use till_tests::client::eventually;
use till_tests::receipts::{Random, simple};
use till_tests::{Client, Till};

const ROUNDS: u64 = 10;
const HANG_UPS: u64 = 100;

/// Sends reads and hangs up at random moments within the time an answer takes. Blocks.
fn hang_up(address: &str, token: &str, seed: u64, times: u64) {
    let mut random = Random::new(seed);
    let consistency = ["", "till-consistency: strong\r\n"];
    for _ in 0..times {
        let client = ask(address, token, random.pick::<&str>(&consistency));
        std::thread::sleep(Duration::from_micros(random.below(3_000)));
        drop(client);
    }
}

/// Sends a read, whose answer nobody has read yet.
fn ask(address: &str, token: &str, header: &str) -> TcpStream {
    let request = format!(
        "GET /v1/receipts?limit=1 HTTP/1.1\r\nhost: till\r\nauthorization: Bearer {token}\r\n{header}\r\n"
    );
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_no_old_snapshot_to_the_reads_after_it() {
    let mut till = Till::prepare("hang-ups").await;
    // The fewer connections, the more often one that was hung up on is met again.
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

/// No read's transaction outlives its client. One that stays open would be ended a minute later, or by the read that is
/// given its connection next, after that was answered from its snapshot.
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

/// Every read through any of the projector's connections has the newest receipt.
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
        // The service notices that its client is gone.
        tokio::time::sleep(Duration::from_secs(1)).await;
        proxy.release();
        nothing_is_left_open(&till).await;
        no_read_is_stale(&admin, &format!("begun-{round}")).await;
    }
}

//! A read takes its share only: turns, connections and memory are left for others.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use till_tests::client::eventually;
use till_tests::receipts::simple;
use till_tests::{Client, Till};

use crate::common::{Entry, serve_contracts};
use crate::rebuild::generations;

const SURELY: Duration = Duration::from_secs(120);

/// How many reads of the projector wait for a lock in Postgres.
async fn locked_out(database: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = 'till-projector reads' AND wait_event_type = 'Lock'",
    )
    .fetch_one(database)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_callers_reads_that_take_long_leave_connections_and_readiness_to_others() {
    let mut till = Till::prepare("long-reads").await;
    till.projector.set("TILL_DATABASE_CONNECTIONS", "4");
    till.projector.set("TILL_READ_TIMEOUT_MS", "60000");
    till.start_all().await;
    let (admin, analyst) = (till.admin().await, till.analyst().await);
    let _ = admin.receipt(&simple("long", "place-long", "1.00")).await.expect(201);
    let _ = admin.get_strong("/v1/receipts/long").await.expect(200);

    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let mut blocker = till.servers.postgres.connect(&till.prefix).await;
    let mut lock = blocker.begin().await.unwrap();
    sqlx::query("LOCK TABLE receipts IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let reading = |_| {
        let analyst = analyst.clone();
        tokio::spawn(async move { analyst.get("/v1/receipts").await.status })
    };
    let reads: Vec<_> = (0..8).map(reading).collect();
    eventually("two reads are under way", SURELY, async || locked_out(&mut database).await >= 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _ = admin.get("/v1/accounts").await.expect(200);
    // This is longer than a read waits for a connection.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(locked_out(&mut database).await, 2, "half of the connections are one caller's");
    assert!(till.projector.is_ready().await, "{}", till.projector.log());
    lock.rollback().await.unwrap();
    let mut answered = Vec::new();
    for read in reads {
        answered.push(read.await.unwrap());
    }
    assert!(answered.iter().all(|status| [200, 429].contains(status)), "{answered:?}");
    assert!(answered.contains(&200), "{answered:?}");
}

/// A caller of the receipts contract's service `consumer`.
fn consumer(till: &Till) -> Client {
    let [writes, reads] = Entry::direct(till).contract("receipts", "consumer");
    Client::across(writes, reads)
}

/// The demo's analyst, logged in by the contract's own token.
async fn contract_analyst(consumer: &Client) -> Client {
    let login = json!({"username": "analyst", "password": "analyst"});
    let token = consumer.post("/auth/login/", &login).await.expect(200).body["key"].take();
    let analyst = consumer.with_header("authorization", &format!("Token {}", token.as_str().unwrap()));
    let _ = analyst.get("/auth/user/").await.expect(200);
    analyst
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_tokens_take_no_turn_of_a_consumer_while_the_fold_lags() {
    let mut till = Till::prepare("strangers-tokens").await;
    serve_contracts(&mut till);
    till.projector.set("TILL_WAITING_READS_OF_A_CALLER", "2");
    till.start_all().await;
    let consumer = consumer(&till);
    let analyst = contract_analyst(&consumer).await;
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let schema = generations(&mut database, "accounts").await.pop().unwrap();
    let mut lock = database.begin().await.unwrap();
    let statement = sqlx::AssertSqlSafe(format!("LOCK TABLE {schema}.positions IN EXCLUSIVE MODE"));
    sqlx::query(statement).execute(&mut *lock).await.unwrap();
    let someone =
        json!({"username": "someone", "password1": "their own word", "password2": "their own word"});
    let _ = consumer.post("/auth/registration/", &someone).await.expect(204);

    let read = |client: &Client| {
        let client = client.clone();
        tokio::spawn(async move { client.get("/auth/user/").await.status })
    };
    let stranger = consumer.with_header("authorization", &format!("Token {}", "0".repeat(40)));
    let strangers: Vec<_> = (0..3).map(|_| read(&stranger)).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let known = read(&analyst);
    tokio::time::sleep(Duration::from_millis(500)).await;
    lock.rollback().await.unwrap();
    let mut answered = Vec::new();
    for stranger in strangers {
        answered.push(stranger.await.unwrap());
    }
    assert!(answered.contains(&429), "they have two turns: {answered:?}");
    let known = known.await.unwrap();
    assert!([200, 503].contains(&known), "strangers took the turns of an account: {known}");
}

/// Statements that make a window, and in it categories of two places. One of the places has more than memory should
/// hold at once.
const CATEGORIES: [(&str, &str); 4] = [
    (
        "hours",
        "VALUES (timestamptz '2020-01-01', timestamptz '2020-01-01 01:00', '[]'::jsonb, 2, 0, 2,
             timestamptz '2020-01-01 01:00')",
    ),
    (
        "hour_places",
        "SELECT p, p, window_start, window_start FROM hours, unnest('{many,paged}'::text[]) AS p",
    ),
    (
        "hour_sums",
        "SELECT p, window_start, 1, 0, 1, 1000, 0, 0, 1000, 1, 1000, 0, 0
         FROM hours, unnest('{many,paged}'::text[]) AS p",
    ),
    (
        "hour_categories",
        "SELECT 'many', window_start, repeat(chr(119070), 140) || n, 1, 1, 1, 1
         FROM hours, generate_series(1, 100000) AS n
         UNION ALL
         SELECT 'paged', window_start, 'category ' || n, 1, n, 1, n FROM hours, generate_series(1, 250) AS n",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_places_categories_are_read_page_by_page_however_many_they_are() {
    let mut till = Till::prepare("many-categories").await;
    serve_contracts(&mut till);
    till.command_api.start_ready().await;
    let _ = till.projector.run("migrate", &[]).success("projector migrate");
    till.projector.start_ready().await;
    let terminal = till.terminal().await;
    for place in ["many", "paged"] {
        let _ = terminal.receipt(&simple(place, place, "1.00")).await.expect(201);
    }
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let analyst = contract_analyst(&consumer(&till)).await;
    let _ = analyst.get("/api/analytics/paged/").await.expect(200);
    for (table, rows) in CATEGORIES {
        let insert = sqlx::AssertSqlSafe(format!("INSERT INTO {table} {rows}"));
        sqlx::query(insert).execute(&mut database).await.unwrap();
    }

    let paged = analyst.get("/api/analytics/paged/").await.expect(200);
    let read = paged.body[0]["category_analytics"].as_array().unwrap();
    let of_row = |row: &Value| {
        let name = row["category"].as_str().unwrap().to_owned();
        (name, row["cat_analytics"][0]["total_spent"].as_str().unwrap().to_owned())
    };
    let mut expected: Vec<_> = (1..=250).map(|n| (format!("category {n}"), format!("{n}.00"))).collect();
    expected.sort();
    assert_eq!(read.iter().map(of_row).collect::<Vec<_>>(), expected);

    // A client that begins to read hundreds of MiB, and stops, must not make the projector hold them.
    let before = till.projector.peak_mib();
    let login = json!({"username": "analyst", "password": "analyst"});
    let token = consumer(&till).post("/auth/login/", &login).await.expect(200).body["key"].take();
    let [_, reads] = Entry::direct(&till).contract("receipts", "consumer");
    let mut answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("{}/api/analytics/many/", reads[0]))
        .header("authorization", format!("Token {}", token.as_str().unwrap()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.chunk().await.unwrap().is_some());
    let after = till.projector.peak_mib();
    println!("the projector's peak: {before} MiB before and {after} MiB after the first part");
    assert!(after < before + 20, "{before} MiB before, {after} after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgres_breaks_idle_connections_and_no_read_after_it() {
    let mut till = Till::prepare_alone("reads-restart").await;
    till.start_all().await;
    let analyst = till.analyst().await;
    // Reads at once open connections, which are idle when Postgres dies.
    let at_once = async || {
        let read = || {
            let analyst = analyst.clone();
            tokio::spawn(async move { analyst.get("/v1/places").await })
        };
        let reads: Vec<_> = (0..16).map(|_| read()).collect();
        for read in reads {
            let _ = read.await.unwrap().expect(200);
        }
    };
    at_once().await;
    till.servers.postgres.kill();
    till.servers.postgres.restart();
    till.servers.postgres.ready().await;
    till.projector.ready().await;
    at_once().await;
}

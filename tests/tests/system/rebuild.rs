//! A rebuilt projection is equal, in every column, to the one that was folded while everything happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};
use till_tests::receipts::{Random, Receipts};
use till_tests::{Client, Till};

use crate::common::serve_contracts;
use crate::trade::Trade;

/// The projections that are rebuilt while everything arrives that they are folded from.
const REBUILT: [&str; 7] = ["receipts", "places", "audit", "hours", "catalogue", "orders", "revenue"];

/// The generations of a projection, the oldest first. They are the schemas `NAME_vN_gN`.
pub async fn generations(database: &mut PgConnection, name: &str) -> Vec<String> {
    let pattern = format!("^{name}_v[0-9]+_g[0-9]+$");
    let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname ~ $1 ORDER BY substring(nspname FROM '[0-9]+$')::int";
    sqlx::query_scalar(sql).bind(pattern).fetch_all(database).await.unwrap()
}

/// Compares two generations table by table, with `EXCEPT` both ways, and gives the rows that differ. They must stand at
/// the same positions.
pub async fn differences(database: &mut PgConnection, old: &str, new: &str) -> Vec<String> {
    let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(sql).bind(old).fetch_all(&mut *database).await.unwrap();
    assert!(tables.len() > 1, "{old} has no tables");
    let mut differences = Vec::new();
    for table in tables {
        for (here, there) in [(old, new), (new, old)] {
            let sql = format!(
                "SELECT row_to_json(d)::text FROM (SELECT * FROM {here}.{table} EXCEPT SELECT * FROM {there}.{table}) d"
            );
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *database).await.unwrap();
            differences.extend(rows.into_iter().map(|row| format!("{table}: only in {here}: {row}")));
        }
    }
    differences
}

async fn same_positions(database: &mut PgConnection, old: &str, new: &str) -> bool {
    let sql = format!(
        "SELECT (SELECT count(*) FROM {old}.positions JOIN {new}.positions USING (topic, partition, next)), (SELECT count(*) FROM {old}.positions)"
    );
    let counts: Result<(i64, i64), _> = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(database).await;
    counts.is_ok_and(|(alike, all)| alike == all)
}

/// Compares the two newest generations in one snapshot, and gives what differs; `None` where they stand at different
/// positions.
async fn compare_newest(database: &mut PgConnection, name: &str) -> Option<Vec<String>> {
    let newest = generations(database, name).await;
    let [.., old, new] = newest.as_slice() else { return None };
    // The older generation may be dropped meanwhile. Then there is nothing to compare.
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *database).await.unwrap();
    let compared = if same_positions(database, old, new).await {
        Some(differences(database, old, new).await)
    } else {
        None
    };
    sqlx::raw_sql("ROLLBACK").execute(&mut *database).await.unwrap();
    compared
}

/// Sends bursts of receipts and voids. In the rests between, two generations can come to stand at the same positions.
async fn bursts(admin: Client, stop: Arc<AtomicBool>) -> u64 {
    let mut receipts = Receipts::new("rebuilt", 3, 8);
    let mut random = Random::new(4);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..40 {
            let _ = admin.receipt(&receipts.make()).await.expect(201);
            sent += 1;
            if random.chance(15) {
                let id = format!("rebuilt-{}", random.below(sent));
                let voided = admin.void(&id, "test").await;
                assert!([200, 201].contains(&voided.status), "{}", voided.text);
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    sent
}

/// Trades round after round. Its rests are its own: nothing is folded both from it and from receipts.
async fn trades(trade: &Trade, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let _ = trade.round().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Rebuilds until the kept and the new generation were seen at the same positions, and gives what differed then.
async fn rebuild_and_compare(till: &Till, name: &str) -> Vec<String> {
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    for _ in 0..10 {
        let rebuild = till.projector.command(&format!("rebuild-{name}"), "rebuild", &[name]);
        let rebuilding = tokio::task::spawn_blocking(move || rebuild.run(Duration::from_secs(180)));
        let mut compared = None;
        while !rebuilding.is_finished() {
            compared = compare_newest(&mut database, name).await.or(compared);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = rebuilding.await.unwrap().success("projector rebuild");
        // The kept generation stands where it stood at the switch, and the new one goes on.
        if let Some(differences) = compare_newest(&mut database, name).await.or(compared) {
            return differences;
        }
    }
    panic!("{name}: in ten rebuilds the generations never stood at the same positions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_equals_living_through_in_every_column_while_receipts_and_orders_arrive() {
    let mut till = Till::prepare("rebuild").await;
    serve_contracts(&mut till);
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/2 * * * * *");
    till.start_all().await;
    let stop = Arc::new(AtomicBool::new(false));
    let admin = till.admin().await;
    let load = tokio::spawn(bursts(admin.clone(), Arc::clone(&stop)));
    let rebuilding = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut found = Vec::new();
        for name in REBUILT {
            found.extend(rebuild_and_compare(&till, name).await);
        }
        stop.store(true, Ordering::Relaxed);
        found
    };
    let trade = Trade::new(&till, &admin);
    let (found, ()) = tokio::join!(rebuilding, trades(&trade, &stop));
    assert!(load.await.unwrap() > 100);
    assert!(found.is_empty(), "{} rows differ: {:#?}", found.len(), &found[..found.len().min(20)]);

    // Now nothing happens any more. The generations that have lived through the rebuilds are compared with one more of
    // each.
    let _ = till.analytics.terminate();
    for path in ["/v1/receipts", "/v1/analytics/places", "/v1/audit", "/v1/products", "/v1/orders"] {
        let _ = admin.get_strong(path).await.expect(200);
    }
    // No seller has this id; the answer has seen the end of the log all the same.
    let _ = admin.get_strong("/v1/revenue/0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55").await.problem(404);
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    for name in REBUILT {
        let _ = till.projector.run("rebuild", &[name]).success("projector rebuild");
        let differences = compare_newest(&mut database, name).await.expect("at rest both stand at the end");
        assert!(differences.is_empty(), "{name}: {differences:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_at_a_time_rebuilds_or_rolls_back() {
    let till = Till::prepare("one-at-a-time").await;
    let _ = till.command_api.run("create-topics", &[]).success("create-topics");
    let _ = till.projector.run("migrate", &[]).success("projector migrate");
    let _ = till.projector.run("rebuild", &["places"]).success("projector rebuild");
    let mut other = till.servers.postgres.connect(&till.prefix).await;
    // This is the lock that a rebuild of `places` holds.
    sqlx::query("SELECT pg_advisory_lock(28946, 2)").execute(&mut other).await.unwrap();
    for command in ["rebuild", "rollback"] {
        let refused = till.projector.run(command, &["places"]);
        assert!(!refused.status.success(), "{command}: {}", refused.output);
        assert!(refused.output.contains("is under way"), "{command}: {}", refused.output);
    }
    sqlx::query("SELECT pg_advisory_unlock(28946, 2)").execute(&mut other).await.unwrap();
    let _ = till.projector.run("rollback", &["places"]).success("projector rollback");
}

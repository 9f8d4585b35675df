//! The servers that the harness starts come back after a kill, with all that they held.

use sqlx::Executor;
use till_tests::Servers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_come_back_from_a_kill_with_their_data() {
    let servers = Servers::start("come-back").await;
    let (kafka, postgres) = (&servers.kafka, &servers.postgres);
    let mut connection = postgres.connect("postgres").await;
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    for _ in 0..3 {
        kafka.kill();
        postgres.kill();
        assert!(!kafka.answers().await);
        kafka.restart();
        postgres.restart();
        kafka.ready().await;
        postgres.ready().await;
    }
    let mut connection = postgres.connect("postgres").await;
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
}

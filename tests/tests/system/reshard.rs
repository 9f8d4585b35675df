//! Another number of shards, and what is left of the former topology.

use std::time::Duration;

use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Answer, Client, Isolation, Service, Till};

use crate::ownership::{SURELY, accepted_by};
use crate::settings::refuses_to_start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_resharded_and_a_process_of_the_former_epoch_is_fenced_and_ends() {
    let mut till = Till::prepare("reshard").await;
    till.command_api.set("TILL_SHARDS", "2");
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    // The owner's record is in the log, and the owner does not know: it waits for the answer, and has not begun to
    // commit.
    proxy.delay_answers(Api::Produce, Duration::from_secs(3));
    let receipt = simple("resharded", "place-reshard", "7.00");
    let waiting = {
        let (terminal, receipt) = (terminal.clone(), receipt.clone());
        tokio::spawn(async move { terminal.try_post("/v1/receipts", receipt.to_string()).await })
    };
    let log = till.topic("receipts");
    eventually("the former owner's record is in the log", SURELY, async || {
        !log.of_key("resharded", Isolation::Uncommitted).await.is_empty()
    })
    .await;
    till.command_api.pause();
    // This receipt is for the process's other shard, which is idle. The process reads it only when it goes on.
    let late = simple(&on_another_shard("resharded"), "place-reshard", "8.00");
    let late_key = late["transaction_id"].as_str().unwrap();
    let late_waiting = {
        let (terminal, late) = (terminal.clone(), late.to_string());
        tokio::spawn(async move { terminal.try_post("/v1/receipts", late).await })
    };

    let mut second = till.another_command_api("command-api-b");
    second.set("TILL_KAFKA_BROKERS", till.servers.kafka.brokers());
    let running = second.run("reshard", &["--shards", "3", "--yes"]);
    assert!(!running.status.success() && running.output.contains("stop them all"), "{}", running.output);
    eventually("the stopped process is no member any more", SURELY, async || {
        second.run("reshard", &["--shards", "3"]).status.success()
    })
    .await;
    let shards = format!("{}.shards", till.prefix);
    let partitions = || till_tests::kafka::partitions(till.servers.kafka.brokers(), &shards);
    assert_eq!(partitions().await, 2, "without --yes nothing changes");
    let said = second.run("reshard", &["--shards", "3", "--yes"]).success("reshard");
    assert!(said.contains("1 more partitions") && said.contains("TILL_SHARDS=3"), "{said}");
    assert_eq!(partitions().await, 3);

    refuses_to_start(&mut second, &["set TILL_SHARDS=3"]);
    second.set("TILL_SHARDS", "3");
    second.start_ready().await;
    let to_second = Client::new(&second.url(), &till.projector.url()).with_token(terminal.token());
    let position = accepted_by(&to_second, &receipt).await.expect(201).position.unwrap();
    let _ = accepted_by(&to_second, &late).await.expect(201);
    let mut receipts = Receipts::new("after", 1, 3);
    for _ in 0..50 {
        let _ = accepted_by(&to_second, &receipts.make()).await.expect(201);
    }

    till.command_api.resume();
    if let Ok(answer) = waiting.await.unwrap() {
        let _ = answer.problem(503);
    }
    if let Ok(answer) = late_waiting.await.unwrap() {
        // The receipt may have gone on to the new owner.
        assert!([200, 503].contains(&answer.status), "{}", answer.text);
    }
    let ended = till.command_api.wait(SURELY).expect("a process of the former epoch ends by itself");
    assert!(!ended.success() && till.command_api.log().contains("it was resharded"), "{ended}");
    assert_eq!(log.of_key("resharded", Isolation::Committed).await.len(), 1);
    assert_eq!(log.of_key("resharded", Isolation::Uncommitted).await.len(), 2);
    assert_eq!(log.of_key(late_key, Isolation::Uncommitted).await.len(), 1, "a fenced process appended");

    let again = to_fewer_shards(&mut second, &to_second, &receipt).await;
    assert_eq!(again.position, Some(position));
    for _ in 0..50 {
        let _ = accepted_by(&to_second, &receipts.make()).await.expect(201);
    }
    assert_eq!(partitions().await, 3);
}

/// An id on the other one of two shards than this id.
fn on_another_shard(id: &str) -> String {
    let shard = |id: &str| schemas::partition_of(id.as_bytes(), 4) % 2;
    (0..)
        .map(|number| format!("late-{number}"))
        .find(|late| shard(late) != shard(id))
        .expect("every other one")
}

/// From three shards to two: a partition of the shards' topic is left over, and is nobody's.
async fn to_fewer_shards(replica: &mut Service, client: &Client, receipt: &serde_json::Value) -> Answer {
    assert!(replica.terminate().success(), "{}", replica.log());
    eventually("the replica that ended is no member any more", SURELY, async || {
        replica.run("reshard", &["--shards", "2"]).status.success()
    })
    .await;
    let said = replica.run("reshard", &["--shards", "2", "--yes"]).success("reshard");
    assert!(said.contains("1 of") && said.contains("stay unused"), "{said}");
    replica.set("TILL_SHARDS", "2");
    replica.start_ready().await;
    accepted_by(client, receipt).await.expect(200)
}

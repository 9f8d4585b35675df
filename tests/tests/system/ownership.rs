//! A shard has one writer, whatever is stopped, killed or moved.

use std::time::{Duration, Instant};

use schemas::Event;
use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::receipts::simple;
use till_tests::{Client, Isolation, Till};

use crate::forged;

/// Longer than any wait of the services. A wait that is bounded by it must come to an end.
pub const SURELY: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_owner_is_fenced_its_client_gets_503_and_its_record_stays_invisible() {
    let mut till = Till::prepare("fencing").await;
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    // The owner's record is in the log, and the owner does not know: it waits for the answer, and has not begun to
    // commit.
    proxy.delay_answers(Api::Produce, Duration::from_secs(3));
    let receipt = simple("fenced", "place-fenced", "7.00");
    let waiting = {
        let (terminal, receipt) = (terminal.clone(), receipt.clone());
        tokio::spawn(async move { terminal.receipt(&receipt).await })
    };
    let log = till.topic("receipts");
    eventually("the first owner's record is in the log", SURELY, async || {
        !log.of_key("fenced", Isolation::Uncommitted).await.is_empty()
    })
    .await;
    till.command_api.pause();
    assert!(!waiting.is_finished(), "the client waits for the commit");

    let mut second = till.another_command_api("command-api-b");
    second.set("TILL_KAFKA_BROKERS", till.servers.kafka.brokers());
    second.start_ready().await;
    let to_second = Client::new(&second.url(), &till.projector.url()).with_token(terminal.token());
    let taken = accepted_by(&to_second, &receipt).await;
    assert_eq!(taken.status, 201, "the stopped owner's record never happened: {}", taken.text);

    till.command_api.resume();
    let refused = waiting.await.unwrap().problem(503);
    assert!(refused.retry_after.is_some());
    let position = taken.position.unwrap();
    let committed = log.of_key("fenced", Isolation::Committed).await;
    assert_eq!(committed.len(), 1);
    assert_eq!(format!("r{}-{}", committed[0].partition, committed[0].offset), position);
    assert_eq!(log.of_key("fenced", Isolation::Uncommitted).await.len(), 2);

    // The same receipt is answered alike, whichever replica serves its shard by then and whichever one it is sent
    // through.
    for client in [&terminal, &to_second] {
        let again = accepted_by(client, &receipt).await;
        assert_eq!(
            (again.status, again.position.as_deref()),
            (200, Some(position.as_str())),
            "{}",
            again.text
        );
    }
}

/// Sends a receipt until the answer is another than 503, and gives that answer.
pub async fn accepted_by(client: &Client, receipt: &serde_json::Value) -> till_tests::Answer {
    let deadline = Instant::now() + SURELY;
    loop {
        let answer = client.receipt(receipt).await;
        if answer.status != 503 || Instant::now() > deadline {
            return answer;
        }
        let _ = answer.problem(503);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_owner_is_replaced_and_every_answer_stays_as_it_was() {
    let mut till = Till::prepare("replaced").await;
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    let mut second = till.another_command_api("command-api-b");
    second.start_ready().await;
    let to_second = Client::new(&second.url(), &till.projector.url()).with_token(terminal.token());
    let mut answers = Vec::new();
    for number in 0..200 {
        let receipt = simple(&format!("kept-{number}"), "place-kept", "1.00");
        // Either replica takes the receipt: one that does not own the shard forwards it.
        let client = if number % 2 == 0 { &terminal } else { &to_second };
        let answer = accepted_by(client, &receipt).await.expect(201);
        answers.push((receipt, answer.body));
    }
    till.command_api.kill();
    for (receipt, body) in answers {
        assert_eq!(accepted_by(&to_second, &receipt).await.expect(200).body, body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_asked_to_end_answers_what_it_took_and_ends_well() {
    let mut till = Till::prepare("graceful").await;
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    proxy.delay_answers(Api::Produce, Duration::from_millis(300));
    let sent: Vec<_> = (0..20)
        .map(|number| {
            let terminal = terminal.clone();
            tokio::spawn(
                async move { terminal.receipt(&simple(&format!("last-{number}"), "p", "1.00")).await },
            )
        })
        .collect();
    let log = till.topic("receipts");
    eventually("the receipts are with the service", SURELY, async || {
        !log.records(Isolation::Uncommitted).await.is_empty()
    })
    .await;
    assert!(till.command_api.terminate().success(), "{}", till.command_api.log());
    let mut accepted = 0;
    for answer in sent {
        let answer = answer.await.unwrap();
        assert!([201, 503].contains(&answer.status), "{}", answer.text);
        accepted += usize::from(answer.status == 201);
    }
    assert!(accepted > 0);
    assert_eq!(log.records(Isolation::Committed).await.len(), accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_former_owners_transaction_goes_to_its_successor() {
    let mut till = Till::prepare("waits-behind").await;
    till.command_api.set("TILL_SHARDS", "1");
    // These times are long, so that a wait ends only when the transaction or the shard's service does.
    till.command_api.set("TILL_ANSWER_TIMEOUT_MS", "45000");
    till.command_api.set("TILL_MOVE_TIMEOUT_MS", "45000");
    let mut second = till.another_command_api("command-api-b");
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.command_api.start_ready().await;
    second.start_ready().await;
    let terminal = till.terminal().await;

    // The owner's session ends after 6 s. Its transaction ends after 15 s: its records take 5 s, and then a commit goes
    // unanswered for 10 s.
    proxy.delay_answers(Api::Produce, Duration::from_secs(5));
    proxy.hold_requests(Api::EndTxn, &format!("{}-1-shard-0-", till.prefix));
    proxy.hold_requests(Api::Heartbeat, &format!("{}-shards", till.prefix));
    let send = |id: String| {
        let terminal = terminal.clone();
        tokio::spawn(async move {
            let answer = terminal.receipt(&simple(&id, "place-waits", "1.00")).await;
            (answer, Instant::now())
        })
    };
    let begun = send("begun".to_owned());
    let log = till.topic("receipts");
    eventually("the first receipt is in a transaction", SURELY, async || {
        !log.of_key("begun", Isolation::Uncommitted).await.is_empty()
    })
    .await;
    let behind: Vec<_> = (0..20).map(|number| send(format!("behind-{number}"))).collect();
    eventually("the successor serves", SURELY, async || second.log().contains(" serving ")).await;
    let taken_over = Instant::now();
    let mut last = taken_over;
    for answer in behind {
        let (answer, ended) = answer.await.unwrap();
        let _ = answer.expect(201);
        last = last.max(ended);
    }
    let (refused, ended) = begun.await.unwrap();
    let refused = refused.problem(503);
    assert_eq!(refused.body["type"], "urn:till:unknown", "{}", refused.text);
    // On a machine where the takeover takes as long as the transaction, no request has to wait.
    if taken_over + Duration::from_secs(2) < ended {
        assert!(last < ended, "what waited was held until the transaction ended");
    } else {
        println!("the takeover was too slow to tell");
    }
    assert_eq!(log.records(Isolation::Committed).await.len(), 20);
}

/// Fences the only shard's owner, as a successor does of which it has not heard, and records the events.
async fn succeed(till: &Till, events: [Event; 2]) {
    let logs = ["receipts", "accounts"].map(|noun| till.topic(noun));
    let ids = [0, 1].map(|turn| format!("{}-1-shard-0-{turn}", till.prefix));
    let succeeded = tokio::task::spawn_blocking(move || {
        for ((log, event), id) in logs.iter().zip(&events).zip(&ids) {
            let transaction = log.begin(id, Duration::from_secs(30))?;
            transaction.append(&forged::record(event, 4))?;
            transaction.commit()?;
        }
        Ok::<_, rdkafka::error::KafkaError>(())
    });
    succeeded.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_owner_denies_nothing_that_its_successor_has_accepted() {
    let mut till = Till::prepare("denials").await;
    till.command_api.set("TILL_SHARDS", "1");
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    let receipt = forged::receipt("late").into();
    succeed(&till, [receipt, forged::account("late", 4).into()]).await;

    // Until it commits, nothing tells the former owner that there is another: it must commit before it says no.
    let anyone = till.anyone();
    let void = admin.void("late", "test").await;
    let login = anyone.try_login("late", forged::PASSWORD).await;
    assert!([200, 201, 503].contains(&void.status), "{}", void.text);
    assert!([200, 503].contains(&login.status), "{}", login.text);
    eventually("it takes over again, with what was accepted meanwhile", SURELY, async || {
        let (void, login) =
            (admin.void("late", "test").await, anyone.try_login("late", forged::PASSWORD).await);
        assert!(![404, 401].contains(&void.status) && login.status != 401, "{} {}", void.text, login.text);
        [200, 201].contains(&void.status) && login.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_goes_while_shards_have_no_owner_and_comes_back_with_the_broker() {
    let mut till = Till::prepare_alone("unserved").await;
    till.start_all().await;
    let admin = till.admin().await;
    till.servers.kafka.kill();
    let command_api = Client::new(&till.command_api.url(), &till.command_api.url());
    eventually("readiness is withdrawn", SURELY, async || {
        let answer = command_api.get("/readyz").await;
        answer.status == 503 && answer.problem(503).text.contains("without an owner")
    })
    .await;
    till.servers.kafka.restart();
    till.servers.kafka.ready().await;
    till.all_ready().await;
    let _ = accepted_by(&admin, &simple("after-all", "place-after", "1.00")).await.expect(201);
    let _ = admin.get_strong("/v1/receipts/after-all").await.expect(200);
}

//! The local store is a cache. Where it is deleted, damaged or of another log, that is noticed and it is made anew.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde_json::Value;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Client, Clock, Till};

use crate::ownership::SURELY;

fn store(till: &Till) -> PathBuf {
    till.command_api.setting("TILL_STORE_DIR").expect("the harness sets it").into()
}

/// Sends `count` receipts that are all new, and gives each with its answer.
async fn send(client: &Client, prefix: &str, count: u32) -> Vec<(Value, Value)> {
    let mut receipts = Receipts::new(prefix, 7, 3);
    let mut sent = Vec::new();
    for _ in 0..count {
        let receipt = receipts.make();
        let answer = client.receipt(&receipt).await.expect(201);
        sent.push((receipt, answer.body));
    }
    sent
}

/// Each receipt must be known with its answer, and another content under its id be refused.
async fn all_known(client: &Client, sent: &[(Value, Value)]) {
    for (receipt, body) in sent {
        assert_eq!(&client.receipt(receipt).await.expect(200).body, body);
        let mut other = receipt.clone();
        other["place_name"] = "Another".into();
        let _ = client.receipt(&other).await.problem(409);
    }
}

/// All files below a folder, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_or_damaged_store_is_rebuilt_and_answers_stay_as_they_were() {
    let mut till = Till::prepare("store-damaged").await;
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    let mut sent = send(&admin, "damaged", 300).await;
    let voided = admin.void("damaged-0", "test").await.expect(201);
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 5] = [
        ("deleted", |store| fs::remove_dir_all(store).unwrap()),
        ("truncated", |store| {
            for file in files(store) {
                let length = fs::metadata(&file).unwrap().len();
                fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length / 2).unwrap();
            }
        }),
        ("emptied", |store| files(store).iter().for_each(|file| fs::write(file, "").unwrap())),
        ("overwritten", |store| {
            for file in files(store) {
                let length = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
                fs::write(file, vec![0x5A; length]).unwrap();
            }
        }),
        ("one file less", |store| {
            fs::remove_file(files(store).into_iter().max_by_key(|f| fs::metadata(f).unwrap().len()).unwrap())
                .unwrap();
        }),
    ];
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        // The process is killed and ended well in turns.
        if number % 2 == 0 {
            till.command_api.kill();
        } else {
            assert!(till.command_api.terminate().success());
        }
        damage(&store(&till));
        println!("the store is {what}");
        // A replica that notices the damage only while it works ends itself, and must be started again.
        start_until_ready(&mut till).await;
        all_known(&admin, &sent).await;
        assert_eq!(admin.void("damaged-0", "test").await.expect(200).body, voided.body);
        sent.extend(send(&admin, &format!("after-{number}"), 20).await);
    }
}

async fn start_until_ready(till: &mut Till) {
    for _ in 0..3 {
        till.command_api.start();
        let began = std::time::Instant::now();
        while began.elapsed() < till_tests::till::READY_WITHIN {
            if till.command_api.is_ready().await {
                return;
            }
            if till.command_api.has_ended() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        till.command_api.kill();
    }
    panic!("command-api does not come back: {}", till.command_api.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_log_under_the_same_name_is_noticed_and_rebuilt() {
    let mut till = Till::prepare("store-foreign").await;
    let kept = till.scratch.path().join("store-of-the-former-log");
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    let former = send(&admin, "former", 200).await;
    assert!(till.command_api.terminate().success());
    copy(&store(&till), &kept);

    // The log is lost and begins anew: once with fewer records than the store has seen, and once with more.
    for (round, count) in [(0, 20), (1, 400)] {
        for noun in ["receipts", "accounts", "shards"] {
            till.topic(noun).delete().await;
        }
        fs::remove_dir_all(store(&till)).unwrap();
        till.command_api.start_ready().await;
        let admin = till.admin().await;
        let sent = send(&admin, &format!("present-{round}"), count).await;
        assert!(till.command_api.terminate().success());
        copy(&kept, &store(&till));

        till.command_api.start_ready().await;
        all_known(&admin, &sent).await;
        for (receipt, _) in &former {
            let _ = admin.receipt(receipt).await.expect(201);
        }
        assert!(till.command_api.terminate().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_deployment_is_noticed_and_rebuilt() {
    let mut other = Till::prepare("store-other").await;
    other.command_api.start_ready().await;
    let _ = send(&other.admin().await, "same", 50).await;
    assert!(other.command_api.terminate().success());

    let mut till = Till::prepare("store-own").await;
    till.command_api.start_ready().await;
    let sent = send(&till.admin().await, "own", 50).await;
    assert!(till.command_api.terminate().success());
    copy(&store(&other), &store(&till));
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    all_known(&admin, &sent).await;
    let _ = admin.receipt(&simple("same-0", "place-own", "1.00")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_away_for_sixteen_days_is_rebuilt_because_it_may_have_missed_an_erasure() {
    let mut till = Till::prepare("store-away").await;
    let clock = Clock::of(&mut till.command_api, till.scratch.path());
    till.command_api.start_ready().await;
    let sent = send(&till.admin().await, "away", 20).await;
    assert!(till.command_api.terminate().success());
    let words = "it was not seen at the end of the log for 15 days";
    till.command_api.start_ready().await;
    assert!(!till.command_api.log().contains(words), "{}", till.command_api.log());

    // The same is noticed while it runs: as if the machine had slept for so long. The process ends, and begins anew.
    clock.set(TimeDelta::days(16));
    let ended = till.command_api.wait(SURELY).expect("it ends");
    assert!(!ended.success() && till.command_api.log().contains(words), "{}", till.command_api.log());
    till.command_api.kill();
    till.command_api.start_ready().await;
    assert!(
        till.command_api.log().contains("the local store is rebuilt from the log"),
        "{}",
        till.command_api.log()
    );
    all_known(&till.admin().await, &sent).await;
}

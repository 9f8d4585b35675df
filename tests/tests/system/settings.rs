//! Settings: default secrets, `check-config`, `--help`, and faults that are told in words.

use std::time::Duration;

use till_tests::{Service, Till};

/// The service must end by itself with a failure, and say all of `words`.
pub fn refuses_to_start(service: &mut Service, words: &[&str]) {
    service.start();
    let name = service.name().to_owned();
    let status = service
        .wait(Duration::from_secs(60))
        .unwrap_or_else(|| panic!("{name} did not end: {}", service.log()));
    assert!(!status.success(), "{name} ended with {status}");
    let log = service.log();
    for word in words {
        assert!(log.contains(word), "{name} does not say {word}:\n{log}");
    }
    service.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_secret_is_refused_outside_the_demo() {
    let mut till = Till::prepare("default-secrets").await;
    let _ = till.projector.run("migrate", &[]).success("migrate");
    for service in [&mut till.command_api, &mut till.projector] {
        service.set("TILL_DEMO", "false");
        let secrets = ["TILL_JWT_SECRET", "TILL_MASTER_KEYS", "TILL_INDEX_KEY"];
        refuses_to_start(service, &secrets);
        let checked = service.run("check-config", &[]);
        assert!(!checked.status.success());
        assert!(secrets.iter().all(|secret| checked.output.contains(secret)), "{}", checked.output);
    }
    let command_api = &mut till.command_api;
    command_api.set_own_secrets();
    command_api.set("TILL_ADMIN_PASSWORD", "admin");
    refuses_to_start(command_api, &["TILL_ADMIN_PASSWORD"]);
    command_api.set("TILL_ADMIN_PASSWORD", "chosen by the operator");
    command_api.start_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_other_than_those_the_log_was_written_with_are_refused() {
    let mut till = Till::start("other-keys").await;
    let own = "6d1f".repeat(16);
    for service in [&mut till.command_api, &mut till.projector] {
        assert!(service.terminate().success(), "{}", service.log());
        service.set("TILL_INDEX_KEY", &own);
        refuses_to_start(service, &["TILL_INDEX_KEY"]);
        service.unset("TILL_INDEX_KEY");
        service.set("TILL_MASTER_KEYS", &format!("1:{own}"));
        refuses_to_start(service, &["TILL_MASTER_KEYS"]);
        assert!(!service.log().contains(&own), "{}", service.log());
        service.unset("TILL_MASTER_KEYS");
        service.start();
    }
    till.all_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_with_a_new_number_is_declared_and_held_against_the_next() {
    let mut till = Till::prepare("new-master-key").await;
    till.command_api.set_own_secrets();
    till.projector.set_own_secrets();
    till.start_all().await;
    let first = till.projector.setting("TILL_MASTER_KEYS").unwrap().to_owned();
    let [second, other] = ["6d1f", "b207"].map(|digits| format!("2:{},{first}", digits.repeat(16)));
    assert!(till.command_api.terminate().success(), "{}", till.command_api.log());
    till.command_api.set("TILL_MASTER_KEYS", &second);
    till.command_api.start_ready().await;
    for service in [&mut till.command_api, &mut till.projector] {
        assert!(service.terminate().success(), "{}", service.log());
        service.set("TILL_MASTER_KEYS", &other);
        refuses_to_start(service, &["TILL_MASTER_KEYS", "number 2"]);
        service.set("TILL_MASTER_KEYS", &second);
        service.start();
    }
    till.all_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_config_tells_every_fault_at_once_and_help_lists_every_setting() {
    let mut till = Till::prepare("check-config").await;
    let file = till.scratch.path().join("till.toml");
    for service in [&mut till.command_api, &mut till.projector, &mut till.analytics] {
        let _ = service.run("check-config", &[]).success("check-config");
        let help = service.run("--help", &[]).success("--help");
        for setting in ["kafka_brokers", "topic_prefix", "partitions", "demo", "serve", "check-config"] {
            assert!(help.contains(setting), "{} --help does not tell of {setting}:\n{help}", service.name());
        }
        std::fs::write(&file, "topic_prefx = \"typing-error\"\nlog_format = \"morse\"\n").unwrap();
        service.set("TILL_CONFIG", file.to_str().unwrap());
        service.set("TILL_PARTITIONS", "many");
        let checked = service.run("check-config", &[]);
        assert!(!checked.status.success());
        for word in ["topic_prefx", "TILL_PARTITIONS"] {
            assert!(
                checked.output.contains(word),
                "{} does not tell of {word}: {}",
                service.name(),
                checked.output
            );
        }
        service.unset("TILL_CONFIG");
        service.set("TILL_PARTITIONS", "4");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let mut till = Till::prepare("precedence").await;
    let file = till.scratch.path().join("till.toml");
    let prefix = till.prefix.clone();
    std::fs::write(&file, format!("topic_prefix = \"{prefix}\"\npartitions = 3\nshards = 1\n")).unwrap();
    till.command_api.unset("TILL_TOPIC_PREFIX");
    till.command_api.set("TILL_CONFIG", file.to_str().unwrap());
    till.command_api.start_ready().await;
    for (noun, count) in [("receipts", 4), ("shards", 1)] {
        let topic = format!("{prefix}.{noun}");
        assert_eq!(till_tests::kafka::partitions(till.servers.kafka.brokers(), &topic).await, count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_write_refuse_to_start_on_topics_that_are_not_as_they_must_be() {
    let mut till = Till::start("wrong-topics").await;
    for service in [&mut till.command_api, &mut till.analytics] {
        assert!(service.terminate().success(), "{} ends well on SIGTERM:\n{}", service.name(), service.log());
        service.set("TILL_PARTITIONS", "8");
        refuses_to_start(service, &["4 partitions", "8"]);
        service.set("TILL_PARTITIONS", "4");
        service.start();
    }
    till.all_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_projector_refuses_to_start_on_topics_that_are_not_as_they_must_be() {
    let mut till = Till::start("wrong-topics-read").await;
    assert!(till.projector.terminate().success(), "{}", till.projector.log());
    till.projector.set("TILL_PARTITIONS", "8");
    refuses_to_start(&mut till.projector, &["4 partitions", "8"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_would_be_none_are_refused() {
    let mut till = Till::prepare("vain-limits").await;
    till.projector.set("TILL_WAITING_READS", "100");
    till.projector.set("TILL_WAITING_READS_OF_A_CALLER", "101");
    till.analytics.set("TILL_ANALYTICS_GRACE_MS", "999");
    for (service, setting) in
        [(&till.projector, "TILL_WAITING_READS_OF_A_CALLER"), (&till.analytics, "TILL_ANALYTICS_GRACE_MS")]
    {
        let checked = service.run("check-config", &[]);
        assert!(!checked.status.success() && checked.output.contains(setting), "{}", checked.output);
    }
}

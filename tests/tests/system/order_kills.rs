//! An order's whole life while command-api, projector, broker and Postgres are killed with -9 at its every step. What the
//! log says, what the clients were answered, and what is read must agree.
//!
//! The matrix has a point for each victim, each step, and each moment: just before the step's request, and while it is under
//! way. `TILL_SOAK` runs all points; otherwise ten are drawn from a seed, which is printed, and `TILL_SEED` draws them
//! again.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use till_tests::client::{Answer, eventually};
use till_tests::receipts::Random;
use till_tests::{Client, Till, oracle};
use uuid::Uuid;

use crate::ownership::SURELY;

/// The points that are drawn where not all are run.
const SAMPLE: usize = 10;
/// How long a step may take, whatever was killed. Liveness only.
const STEP_WITHIN: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    CommandApi,
    Projector,
    Broker,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The victim is dead when the request is sent.
    Before,
    /// The victim dies so many milliseconds after the request was sent.
    During(u64),
}

#[derive(Clone, Copy, Debug)]
struct Point {
    victim: Victim,
    step: usize,
    moment: Moment,
}

const VICTIMS: [Victim; 4] = [Victim::CommandApi, Victim::Projector, Victim::Broker, Victim::Postgres];
/// The steps of [`Life::live`] at which something may die.
const STEPS: usize = 9;

fn matrix() -> Vec<Point> {
    let moments = |step: usize| [Moment::Before, Moment::During(3 + 4 * step as u64 % 17)];
    let points = VICTIMS.iter().flat_map(|&victim| {
        (0..STEPS).flat_map(move |step| moments(step).map(|moment| Point { victim, step, moment }))
    });
    points.collect()
}

/// The points to be run, and how they were chosen.
fn chosen() -> (Vec<Point>, String) {
    let mut points = matrix();
    if std::env::var_os("TILL_SOAK").is_some() {
        return (points, "the whole matrix".to_owned());
    }
    let given = std::env::var("TILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| Uuid::now_v7().as_u64_pair().1 >> 40);
    let mut random = Random::new(seed);
    let drawn = (0..SAMPLE).map(|_| {
        let index = usize::try_from(random.below(points.len() as u64)).expect("an index");
        points.swap_remove(index)
    });
    (drawn.collect(), format!("{SAMPLE} points of TILL_SEED={seed}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_live_through_kills_at_every_step() {
    let (points, how) = chosen();
    println!("{how}");
    let mut till = Till::prepare_alone("order-kills").await;
    till.start_all().await;
    let admin = till.admin().await;
    let terminal = till.terminal().await;
    let mut expected = Vec::new();
    for point in points {
        let began = Instant::now();
        let mut life =
            Life { till: &mut till, admin: &admin, terminal: &terminal, point, step: 0, orders: Vec::new() };
        life.live().await;
        expected.append(&mut life.orders);
        println!("{point:?}: lived through in {:?}", began.elapsed());
    }
    for (path, stage) in &expected {
        let read = admin.get_strong(path).await.expect(200).body;
        assert_eq!(read["stage"], *stage, "{path}: {read}");
    }
    let ledger = till.scratch.path().join("no-ledger");
    let judged = oracle::judge(&till, admin.token(), &ledger, &["stream", "orders"], &[]);
    println!("{}", judged.success("the oracle"));
}

/// The life of some orders, in which one thing is killed once.
struct Life<'t> {
    till: &'t mut Till,
    admin: &'t Client,
    terminal: &'t Client,
    point: Point,
    /// The step that comes next.
    step: usize,
    /// The paths of the orders, with the stages that they ended in.
    orders: Vec<(String, &'static str)>,
}

impl Life<'_> {
    async fn live(&mut self) {
        let product = |title: &str, counts_stock: bool| json!({"title": title, "price": "2.50", "section": "drinks", "counts_stock": counts_stock});
        let counted = {
            let mut body = product("Espresso", true);
            body["available"] = "5".into();
            self.create("/v1/products", body).await
        };
        let free = self.create("/v1/products", product("Water", false)).await;
        let order =
            |lines: Value| json!({"lines": lines, "fulfilment": "kitchen", "payment": {"method": "cash"}});
        let line = |product: &str, quantity: &str| json!({"product": product, "quantity": quantity});

        self.settled(&format!("/v1/products/{counted}"), "the count is taken", |read| {
            read["available"] == "5.000"
        })
        .await;
        let first = self
            .create(
                "/v1/orders",
                order(json!([line(&counted, "2"), line(&free, "1.5"), line(&counted, "1")])),
            )
            .await;
        self.comes_to(&first, "received").await;
        // Two are left, so three are too many.
        let refused = self.create("/v1/orders", order(json!([line(&free, "1"), line(&counted, "3")]))).await;
        self.comes_to(&refused, "refused").await;
        let cancelled = self.create("/v1/orders", order(json!([line(&counted, "2")]))).await;
        self.comes_to(&cancelled, "received").await;
        let _ = self.step("/v1/orders", &cancelled, "cancel", json!({"note": "changed my mind"})).await;
        self.settled(&format!("/v1/products/{counted}"), "what was cancelled comes back", |read| {
            read["available"] == "2.000"
        })
        .await;
        for stage in ["preparing", "ready", "finished"] {
            let _ = self.step("/v1/orders", &first, "move", json!({"stage": stage})).await;
        }
        let ends = [(first, "finished"), (refused, "refused"), (cancelled, "cancelled")];
        self.orders.extend(ends.map(|(id, stage)| (format!("/v1/orders/{id}"), stage)));
    }

    /// Creates something, and gives its id. Sent again, the request has the same idempotency key, and the same answer.
    async fn create(&mut self, path: &str, body: Value) -> String {
        let client = if path == "/v1/orders" { self.terminal } else { self.admin };
        let client = client.with_header("idempotency-key", &Uuid::now_v7().to_string());
        let answer = self.send(&client, path, &body).await;
        let again = self.until_answered(&client, path, &body).await;
        assert_eq!(again.body["id"], answer.body["id"], "{}", again.text);
        answer.body["id"].as_str().unwrap_or_else(|| panic!("an id: {}", answer.text)).to_owned()
    }

    async fn step(&mut self, path: &str, id: &str, act: &str, body: Value) -> Answer {
        let client = self.admin.with_header("idempotency-key", &Uuid::now_v7().to_string());
        self.send(&client, &format!("{path}/{id}/{act}"), &body).await
    }

    /// Sends a request, and kills the point's victim where this is its step.
    async fn send(&mut self, client: &Client, path: &str, body: &Value) -> Answer {
        let step = self.step;
        self.step += 1;
        if step != self.point.step {
            return self.until_answered(client, path, body).await;
        }
        match self.point.moment {
            Moment::Before => self.kill(),
            Moment::During(millis) => {
                let (client, path, body) = (client.clone(), path.to_owned(), body.to_string());
                let sent = tokio::spawn(async move { client.try_post(&path, body).await });
                tokio::time::sleep(Duration::from_millis(millis)).await;
                self.kill();
                // Whatever came of it, the request is sent again with its key, as a client would that had no answer.
                let _ = tokio::time::timeout(Duration::from_secs(5), sent).await;
            }
        }
        self.revive().await;
        self.until_answered(client, path, body).await
    }

    fn kill(&mut self) {
        match self.point.victim {
            Victim::CommandApi => self.till.command_api.kill(),
            Victim::Projector => self.till.projector.kill(),
            Victim::Broker => self.till.servers.kafka.kill(),
            Victim::Postgres => self.till.servers.postgres.kill(),
        }
    }

    async fn revive(&mut self) {
        match self.point.victim {
            Victim::CommandApi => self.till.command_api.start_ready().await,
            Victim::Projector => self.till.projector.start_ready().await,
            Victim::Broker => {
                self.till.servers.kafka.restart();
                self.till.servers.kafka.ready().await;
            }
            Victim::Postgres => {
                self.till.servers.postgres.restart();
                self.till.servers.postgres.ready().await;
            }
        }
    }

    /// Sends a request until it is answered with success. A 5xx or no answer may mean anything, so it is sent again.
    async fn until_answered(&mut self, client: &Client, path: &str, body: &Value) -> Answer {
        let deadline = Instant::now() + STEP_WITHIN;
        loop {
            let answer = client.with_timeout(Duration::from_secs(15)).try_post(path, body.to_string()).await;
            match answer {
                Ok(answer) if (200..300).contains(&answer.status) => return answer,
                Ok(answer) if answer.status < 500 => {
                    panic!("{} {path} is answered {}", Method::POST, answer.text)
                }
                other => assert!(Instant::now() < deadline, "{path} is not answered: {other:?}"),
            }
            for service in [&mut self.till.command_api, &mut self.till.projector] {
                if service.has_ended() {
                    service.start();
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn comes_to(&mut self, order: &str, stage: &str) {
        self.settled(&format!("/v1/orders/{order}"), stage, |read| read["stage"] == stage).await;
    }

    async fn settled(&mut self, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) {
        let admin = self.admin.clone();
        eventually(&format!("{path}: {what}"), STEP_WITHIN.max(SURELY), async || {
            admin.try_get(path).await.is_ok_and(|answer| answer.status == 200 && is_so(&answer.body))
        })
        .await;
    }
}

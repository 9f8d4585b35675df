//! Records and transactions that are none of Till's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use schemas::accounts::AccountRegistered;
use schemas::codec::{self, Framing};
use schemas::receipts::{Item, Receipt, ReceiptRecorded};
use schemas::{Event, Money};
use till_tests::{Log, RawRecord, Till};

/// A producer that is none of Till's. It holds transactions open over the ends of windows, and then aborts them.
pub struct Foreigner {
    stop: Arc<AtomicBool>,
    held: Arc<AtomicUsize>,
    thread: tokio::task::JoinHandle<()>,
}

impl Foreigner {
    /// Begins the first transaction.
    pub fn begin(till: &Till) -> Self {
        let (stop, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let log = till.topic("receipts");
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&held));
        let thread = tokio::task::spawn_blocking(move || {
            for number in 0_i32.. {
                // While the broker is killed nothing may succeed. Then the broker ends the transaction itself.
                let held = log.begin("foreign", Duration::from_secs(8)).and_then(|transaction| {
                    transaction.append(&record(&receipt(&format!("foreign-{number}")).into(), 4))?;
                    std::thread::sleep(Duration::from_secs(6));
                    transaction.abort()
                });
                count.fetch_add(usize::from(held.is_ok()), Ordering::Relaxed);
                for _ in 0..80 {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Self { stop, held, thread }
    }

    /// Ends the foreigner, after its present transaction.
    pub async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.await.unwrap();
        println!("{} foreign transactions were held open and aborted", self.held.load(Ordering::Relaxed));
    }
}

/// A receipt that looks right in every way, although nobody has sent it.
pub fn receipt(id: &str) -> ReceiptRecorded {
    let price = Money::parse("1.00").unwrap();
    let receipt = Receipt {
        transaction_id: id.to_owned(),
        occurred_at: Utc::now(),
        items: vec![Item { product_id: "p".into(), quantity: 1, price, category: "c".into() }],
        total_amount: price,
        tax_amount: Money::ZERO,
        tips_amount: Money::ZERO,
        payment_method: "card".into(),
        place_id: "place-0".into(),
        place_name: "The place-0".into(),
    };
    ReceiptRecorded { receipt, totals_match: true, recorded_by: "nobody".into(), fingerprint: vec![1; 17] }
}

/// The password of [`account`].
pub const PASSWORD: &str = "of a former till";

/// Its hash, with parameters that cost little.
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=64,t=1,p=1$rj1RLebnoCq08vxbmhf6gw$Ec2FYl4r7Ueua/XWFglk8jPHXRgwfQG1BRadhpMMYRI";

/// An account of the realm `till` in the form of earlier Tills, which nobody has asked for.
pub fn account(username: &str, number: i64) -> AccountRegistered {
    AccountRegistered {
        realm: "till".into(),
        username: username.into(),
        number,
        password_hash: PASSWORD_HASH.into(),
        roles: Vec::new(),
        places: Vec::new(),
        idempotency_id: None,
    }
}

/// The event as a record of its topic, which has `partitions` partitions.
pub fn record(event: &Event, partitions: i32) -> RawRecord {
    let key = event.key().as_bytes().to_vec();
    let encoded = codec::encode(event, &Framing::SingleObject);
    let headers = [
        ("event-id", uuid::Uuid::now_v7().as_bytes().to_vec()),
        ("event-type", event.type_name().as_bytes().to_vec()),
        ("schema", encoded.fingerprint.to_vec()),
    ];
    RawRecord {
        partition: schemas::partition_of(&key, partitions),
        offset: 0,
        key,
        value: encoded.value,
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// Appends records, in one transaction that is none of Till's.
pub async fn append(log: &Log, records: Vec<RawRecord>) {
    let log = log.clone();
    let appended = tokio::task::spawn_blocking(move || {
        // Tests share a broker, so each transaction has an id of its own.
        let id = format!("foreign-{}", uuid::Uuid::now_v7());
        let transaction = log.begin(&id, Duration::from_secs(30))?;
        transaction.append_all(&records)?;
        transaction.commit()
    });
    appended.await.unwrap().unwrap();
}

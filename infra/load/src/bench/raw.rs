//! Transactions of one record, with nothing around them. No request that is answered after its commit can be faster.

use std::time::{Duration, Instant};

use schemas::{Event, Topic};

use super::producer::{Producer, Recorded};
use super::stack::Stack;
use super::stats::micros;
use crate::failure::Result;

const PREFIX: &str = "bench-raw";
/// The pause between a commit and the next begin. Without it, librdkafka would meet the broker still writing the
/// markers, and back off for 20 ms.
pub const PAUSE: Duration = Duration::from_millis(1);

/// A producer and its receipts, on a topic of their own.
pub struct Raw {
    producer: Producer,
    receipts: Recorded,
    sent: u64,
}

impl Raw {
    /// Makes the topic and the producer.
    ///
    /// # Errors
    /// Those of Kafka.
    pub fn new(stack: &Stack) -> Result<Self> {
        stack.create_topic(Topic::Receipts.name(PREFIX))?;
        let producer = Producer::new(stack, PREFIX)?;
        Ok(Self { producer, receipts: Recorded::new(5), sent: 0 })
    }

    /// Commits transactions of a hundred receipts that are not measured, because a broker that has just started still
    /// compiles its code.
    ///
    /// # Errors
    /// Those of Kafka.
    pub fn warm_up(&mut self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.producer.begin()?;
            for _ in 0..100 {
                let event = self.next();
                self.producer.send(&event)?;
            }
            self.producer.commit()?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn next(&mut self) -> Event {
        self.sent += 1;
        self.receipts.next(format!("raw-{:016}", self.sent))
    }

    /// Commits one transaction after another for `warm_up` and then for `length`. Gives the latencies of the second
    /// time in microseconds, each from the begin to the answer to the commit. They include the encoding, and not the
    /// pauses.
    ///
    /// # Errors
    /// Those of Kafka.
    pub fn round(&mut self, (warm_up, length): (Duration, Duration)) -> Result<Vec<u32>> {
        let from = Instant::now() + warm_up;
        let mut latencies_us = Vec::new();
        loop {
            let event = self.next();
            let start = Instant::now();
            self.producer.begin()?;
            self.producer.send(&event)?;
            self.producer.commit()?;
            let end = Instant::now();
            if end >= from + length {
                return Ok(latencies_us);
            }
            if end >= from {
                latencies_us.push(micros(end - start));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

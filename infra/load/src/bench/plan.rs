//! What all measurements of a run go by.

use std::time::{Duration, Instant};

/// How often, how long and on how much a run measures.
pub struct Plan {
    /// Rounds, of which medians are taken.
    pub rounds: u32,
    /// A round of requests, its warm-up not counted.
    pub round_length: Duration,
    /// Receipts in the logs that are replayed, rising.
    pub sizes: Vec<u64>,
    /// Settings of the services beyond the defaults.
    pub settings: Vec<(String, String)>,
    /// When the run began, from which the lines of progress count.
    pub start: Instant,
}

impl Plan {
    /// Prints a line of progress with the seconds since the start.
    pub fn say(&self, line: &str) {
        println!("{:>5} s  {line}", self.start.elapsed().as_secs());
    }
}

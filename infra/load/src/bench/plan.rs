//! The plan that all measurements of a run follow.

use std::time::{Duration, Instant};

/// How often, how long and on how much a run measures.
pub struct Plan {
    /// The number of rounds, of which medians are taken.
    pub rounds: u32,
    /// The length of a round of requests, without its warm-up.
    pub round_length: Duration,
    /// The numbers of receipts in the logs that are replayed, rising.
    pub sizes: Vec<u64>,
    /// The settings of the services that differ from the defaults.
    pub settings: Vec<(String, String)>,
    /// The time at which the run began. Lines of progress count from it.
    pub start: Instant,
}

impl Plan {
    /// Prints a line of progress with the seconds since the start.
    pub fn say(&self, line: &str) {
        println!("{:>5} s  {line}", self.start.elapsed().as_secs());
    }
}

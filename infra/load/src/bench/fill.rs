//! Logs of a million receipts and more, written without HTTP, and kept for the measurements that read them.

use std::collections::BTreeMap;
use std::time::Instant;

use super::plan::Plan;
use super::producer::{Producer, Recorded};
use super::services::Deployment;
use super::stack::Stack;
use super::stats::grouped;
use crate::failure::Result;

const BATCH: u64 = 10_000;

/// Deployments by the number of receipts in their logs, kept for the measurements that come later.
pub struct Logs<'a> {
    stack: &'a Stack,
    plan: &'a Plan,
    filled: BTreeMap<u64, Deployment>,
}

impl<'a> Logs<'a> {
    /// Logs that are filled when they are first asked for.
    pub fn new(stack: &'a Stack, plan: &'a Plan) -> Self {
        Self { stack, plan, filled: BTreeMap::new() }
    }

    /// The deployment whose log holds so many receipts; its database is empty at first.
    ///
    /// # Errors
    /// When the topics cannot be made or written.
    pub fn of(&mut self, receipts: u64) -> Result<&Deployment> {
        if !self.filled.contains_key(&receipts) {
            let deployment = self.fill(receipts)?;
            self.filled.insert(receipts, deployment);
        }
        Ok(&self.filled[&receipts])
    }

    fn fill(&self, receipts: u64) -> Result<Deployment> {
        let deployment = Deployment::new(self.stack, &format!("bench-log-{receipts}"), &self.plan.settings)?;
        deployment.create_topics()?;
        let producer = Producer::new(self.stack, &deployment.prefix)?;
        let mut recorded = Recorded::new(receipts);
        let start = Instant::now();
        for batch in 0..receipts.div_ceil(BATCH) {
            producer.begin()?;
            for number in batch * BATCH..receipts.min((batch + 1) * BATCH) {
                producer.send(&recorded.next(format!("log-{number:016}")))?;
                if number % 256 == 0 {
                    producer.poll();
                }
            }
            producer.commit()?;
        }
        let per_second = receipts as f64 / start.elapsed().as_secs_f64();
        self.plan.say(&format!(
            "log of {} receipts written, {}/s",
            grouped(receipts as f64),
            grouped(per_second)
        ));
        Ok(deployment)
    }
}

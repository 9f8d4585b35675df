//! Counts answers by kind and status, and says whether all were right.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use super::plan::{Answered, Kind, Planned};
use crate::failure::{Failure, Result};

/// The most unexpected answers that are printed in full. Further ones are only counted.
const SHOWN: usize = 10;

/// What was sent and answered so far.
pub struct Summary {
    start: Instant,
    /// Answers by kind and status, such as "201" or "no answer".
    counts: BTreeMap<(Kind, String), u64>,
    sent_again: u64,
    unexpected: u64,
    shown: Vec<String>,
}

impl Summary {
    /// A summary in which nothing was sent.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            counts: BTreeMap::new(),
            sent_again: 0,
            unexpected: 0,
            shown: Vec::new(),
        }
    }

    /// Counts an answer. Where the request was a new receipt that Till took, the request is given back.
    pub fn count(&mut self, answered: Answered) -> Option<Planned> {
        let Answered { request, answer, attempts } = answered;
        self.sent_again += u64::from(attempts - 1);
        let (label, status, detail) = match answer {
            Ok((status, body)) => (status.to_string(), status, body),
            Err(why) => ("no answer".to_owned(), 0, why),
        };
        if !request.kind.deserves(status, attempts > 1) {
            self.unexpected += 1;
            if self.shown.len() < SHOWN {
                let kind = request.kind.label();
                self.shown.push(format!("  {kind} receipt {}: {label} {detail}", request.transaction_id));
            }
        }
        *self.counts.entry((request.kind, label)).or_default() += 1;
        (request.kind == Kind::New && matches!(status, 200 | 201)).then_some(request)
    }

    /// A line of progress, with the number of answers by status.
    pub fn progress(&self) -> String {
        let mut by_status = BTreeMap::<&str, u64>::new();
        for ((_, status), count) in &self.counts {
            *by_status.entry(status).or_default() += count;
        }
        let parts: Vec<String> =
            by_status.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        let again =
            if self.sent_again > 0 { format!(", sent again: {}", self.sent_again) } else { String::new() };
        format!("{:>5} s  {}{again}", self.start.elapsed().as_secs(), parts.join(", "))
    }

    /// Whether every answer was one that its request deserves.
    ///
    /// # Errors
    /// The number of unexpected answers, where there are any.
    pub fn verdict(&self) -> Result<()> {
        match self.unexpected {
            0 => Ok(()),
            count => Err(Failure::new(format!(
                "{count} answers were not what their requests deserve (listed above)"
            ))),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.counts.values().sum();
        let seconds = self.start.elapsed().as_secs_f64();
        writeln!(
            f,
            "{total} requests in {seconds:.1} s, {} sent again after a 503 or a lost connection",
            self.sent_again
        )?;
        for ((kind, status), count) in &self.counts {
            writeln!(f, "  {:<12} {status:<9} {count:>8}", kind.label())?;
        }
        if !self.shown.is_empty() {
            writeln!(f, "unexpected answers, the first {}:", self.shown.len())?;
        }
        write!(f, "{}", self.shown.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(kind: Kind, status: u16, attempts: u32) -> Answered {
        let request =
            Planned { kind, path: String::new(), body: String::new(), transaction_id: "t".to_owned() };
        Answered { request, answer: Ok((status, String::new())), attempts }
    }

    #[test]
    fn a_repetition_after_a_lost_answer_is_fine_but_not_on_the_first_attempt() {
        let mut summary = Summary::new();
        assert!(summary.count(answered(Kind::New, 200, 2)).is_some());
        assert!(summary.verdict().is_ok());
        summary.count(answered(Kind::New, 200, 1));
        assert!(summary.verdict().is_err());
    }

    #[test]
    fn an_invalid_receipt_that_is_taken_is_unexpected_and_shown() {
        let mut summary = Summary::new();
        assert!(summary.count(answered(Kind::Invalid, 201, 1)).is_none());
        assert!(summary.verdict().is_err());
        assert!(summary.to_string().contains("invalid receipt t: 201"));
    }
}

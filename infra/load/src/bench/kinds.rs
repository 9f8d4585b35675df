//! Kinds of requests that are measured in alternating rounds, so that whatever else the machine does befalls all of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::blast::{self, Requests};
use super::http::Rounds;
use super::plan::Plan;
use super::report::Section;
use super::stats::grouped;
use crate::failure::{Failure, Result};

const WARM_UP: Duration = Duration::from_millis(500);

/// A kind of request that is measured.
pub struct Kind {
    /// What the table calls it.
    pub name: &'static str,
    /// The requests, which connections draw from in turn.
    pub requests: Arc<Requests>,
    /// The status of every answer.
    pub hoped_for: u16,
    /// The numbers of connections that it is measured with.
    pub connections: &'static [usize],
}

/// Measures each kind at each number of its connections. `sent` says in the table what was sent.
///
/// # Errors
/// When any request was answered otherwise.
pub fn measure(
    name: &'static str,
    address: SocketAddr,
    kinds: &[Kind],
    plan: &Plan,
    sent: &str,
) -> Result<Section> {
    let mut rounds: BTreeMap<(usize, usize), Rounds> = BTreeMap::new();
    for round in 1..=plan.rounds {
        for (at, kind) in kinds.iter().enumerate() {
            for &connections in kind.connections {
                let length = (WARM_UP, plan.round_length);
                let mut given = blast::round(address, &kind.requests, connections, length, kind.hoped_for)?;
                if !given.others.is_empty() {
                    let others = given.others;
                    return Err(Failure::new(format!(
                        "{} had other answers, by status: {others:?}",
                        kind.name
                    )));
                }
                plan.say(&format!(
                    "{name} round {round}: {}, {connections} connections, {}/s",
                    kind.name,
                    grouped(given.per_second)
                ));
                rounds.entry((at, connections)).or_default().add(given.per_second, &mut given.latencies_us);
            }
        }
    }
    let taken = format!(
        "Medians of {} alternating rounds of {:.0} s each; {sent}; generator, broker and service share the machine.",
        plan.rounds,
        plan.round_length.as_secs_f64()
    );
    let mut section = Section::new(name, &["request", "connections", "a second", "p50 ms", "p99 ms"], taken);
    for ((at, connections), rounds) in rounds {
        let figures = rounds.medians();
        section.row([
            kinds[at].name.to_owned(),
            connections.to_string(),
            grouped(figures.per_second),
            format!("{:.2}", figures.p50_ms),
            format!("{:.2}", figures.p99_ms),
        ]);
    }
    Ok(section)
}

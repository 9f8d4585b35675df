//! The positions a read must wait for, and those it would wait for in vain.

use std::collections::{BTreeMap, BTreeSet};

use runtime::Problem;
use schemas::{Position, Topic};

use super::consistency::Consistency;
use super::problems::bad_request;
use crate::log::record::Positions;
use crate::projections::definition::Projection;
use crate::projections::topics;

/// The positions that each projection must have reached before a read is answered.
pub type Needs = BTreeMap<Projection, Positions>;

/// The topics whose ends a read must know: those that its projections fold, and those of the positions it names, which may be
/// past the end. A topic that no projection folds has no positions to wait for.
pub fn topics_waited_for(projections: &[Projection], after: &[Position]) -> BTreeSet<Topic> {
    let named = after.iter().map(|position| position.topic).filter(|topic| topics().contains(topic));
    projections.iter().flat_map(|projection| projection.topics).copied().chain(named).collect()
}

/// The positions that each projection must have reached: past those that the client names, and `ends`, if the read must have seen
/// everything. A position in a topic that a projection does not fold is nothing for it to wait for.
pub fn needs(projections: &[Projection], consistency: &Consistency, ends: Option<&Positions>) -> Needs {
    let mut needs = Needs::new();
    for projection in projections {
        let reads = |topic| projection.topics.contains(&topic);
        let mut wanted = Positions::new();
        for position in consistency.after.iter().filter(|position| reads(position.topic)) {
            let next = wanted.entry((position.topic, position.partition)).or_default();
            *next = position.offset.saturating_add(1).max(*next);
        }
        for (&(topic, partition), &end) in ends.into_iter().flatten() {
            if reads(topic) {
                let next = wanted.entry((topic, partition)).or_default();
                *next = end.max(*next);
            }
        }
        if !wanted.is_empty() {
            needs.insert(*projection, wanted);
        }
    }
    needs
}

/// 400 for a position past the end of the log. No answer ever had one, so a read that waited for it would wait in vain.
pub fn refuse_past_the_end(after: &[Position], ends: &Positions) -> Result<(), Problem> {
    for position in after {
        let Some(end) = ends.get(&(position.topic, position.partition)) else { continue };
        if position.offset >= *end {
            return Err(bad_request(format!(
                "Till-Position names {position}, which the log does not have: its partition ends before offset {end}. Send the Till-Position of an earlier answer of this deployment"
            )));
        }
    }
    Ok(())
}

/// Whether positions are nowhere before those wanted.
pub fn reaches(positions: &Positions, wanted: &Positions) -> bool {
    wanted.iter().all(|(key, next)| positions.get(key).copied().unwrap_or_default() >= *next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::{PLACES, RECEIPTS};

    #[test]
    fn a_position_past_the_end_of_the_log_is_refused_and_one_of_another_topic_is_not_looked_at() {
        let ends = Positions::from([((Topic::Receipts, 0), 7)]);
        let refused = |text: &str| refuse_past_the_end(&[text.parse().unwrap()], &ends).is_err();
        assert!(!refused("r0-6"));
        assert!(refused("r0-7"));
        assert!(!refused("s0-9"));
    }

    #[test]
    fn a_read_asks_for_the_ends_of_the_topics_it_waits_for() {
        let asked = |positions: &[&str]| {
            let after: Vec<_> = positions.iter().map(|text| text.parse().unwrap()).collect();
            topics_waited_for(&[PLACES, RECEIPTS], &after).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(asked(&[]), [Topic::Receipts]);
        assert_eq!(asked(&["a0-7", "s0-9"]), [Topic::Receipts, Topic::Accounts]);
    }
}

//! Measures the binaries of another commit beside the present ones, in one run, so that the machine is as fast for
//! both.

use std::path::Path;
use std::time::Duration;

use super::http::{Figures, Rounds, Routes};
use super::plan::Plan;
use super::report::Section;
use super::services::{Deployment, Service};
use super::stack::Stack;
use super::stats::grouped;
use crate::failure::Result;

/// The kinds of rounds: how many connections, and whether receipts are recorded or only validated.
const KINDS: [(usize, bool); 4] = [(1, true), (64, true), (512, true), (512, false)];
const BROKER_WARM_UP: Duration = Duration::from_secs(15);
const WARM_UP: Duration = Duration::from_secs(3);
/// By how many per cent the two must differ for a change to be marked.
const MARKED_PER_CENT: f64 = 5.0;

/// A running command-api, and the rounds that each kind has had on it.
struct Side {
    command_api: Service,
    routes: Routes,
    rounds: [Rounds; KINDS.len()],
}

impl Side {
    fn start(deployment: &Deployment) -> Result<Self> {
        let mut command_api = deployment.start("command-api")?;
        command_api.ready()?;
        let routes = Routes::new(command_api.address)?;
        Ok(Self { command_api, routes, rounds: Default::default() })
    }

    fn warm_up(&self, length: Duration) -> Result<()> {
        self.routes.receipts(512, length)?;
        self.routes.receipts(64, WARM_UP)?;
        self.routes.validate(512, WARM_UP).map(drop)
    }

    fn round(&mut self, kind: usize, length: Duration) -> Result<f64> {
        let (connections, recorded) = KINDS[kind];
        let mut round = if recorded {
            self.routes.receipts(connections, length)?
        } else {
            self.routes.validate(connections, length)?
        };
        self.rounds[kind].add(round.per_second, &mut round.latencies_us);
        Ok(round.per_second)
    }

    fn stop(self) -> [Figures; KINDS.len()] {
        self.command_api.stop();
        self.rounds.map(Rounds::medians)
    }
}

/// Measures the binaries in the folder `former` and the present ones in turns, each with topics of its own.
///
/// # Errors
/// When a service does not start, or any request of a round was refused.
pub fn measure(stack: &Stack, plan: &Plan, former: &Path) -> Result<Section> {
    let of_former = Deployment::new(stack, "bench-former", &plan.settings)?.with_binaries(former);
    let of_present = Deployment::new(stack, "bench-present", &plan.settings)?;
    let mut sides = [Side::start(&of_former)?, Side::start(&of_present)?];
    sides[0].warm_up(BROKER_WARM_UP)?;
    sides[1].warm_up(WARM_UP)?;
    for round in 1..=plan.rounds {
        for (kind, (connections, recorded)) in KINDS.into_iter().enumerate() {
            // The two take turns at being first.
            let order = if round % 2 == 1 { [0, 1] } else { [1, 0] };
            let mut per_second = [0.0; 2];
            for side in order {
                per_second[side] = sides[side].round(kind, plan.round_length)?;
            }
            plan.say(&format!(
                "round {round}: {connections} connections, {} {}/s of the former, {} of the present",
                grouped(per_second[0]),
                what(recorded),
                grouped(per_second[1])
            ));
        }
    }
    let [former, present] = sides.map(Side::stop);
    Ok(section(plan, &former, &present))
}

fn what(recorded: bool) -> &'static str {
    if recorded { "receipts" } else { "validations" }
}

fn section(plan: &Plan, former: &[Figures], present: &[Figures]) -> Section {
    let taken = format!(
        "Medians of {} alternating rounds of {:.0} s each; a difference of more than {MARKED_PER_CENT:.0} % is marked.",
        plan.rounds,
        plan.round_length.as_secs_f64()
    );
    let mut section = Section::new("against", &["", "former", "present", "change"], taken);
    for (((connections, recorded), old), new) in KINDS.into_iter().zip(former).zip(present) {
        let what = what(recorded);
        section.row([
            format!("{what}/s, {connections} connections"),
            grouped(old.per_second),
            grouped(new.per_second),
            change(old.per_second, new.per_second, true),
        ]);
        for (name, old, new) in [("p50", old.p50_ms, new.p50_ms), ("p99", old.p99_ms, new.p99_ms)] {
            section.row([
                format!("{name} ms of {what}, {connections} connections"),
                format!("{old:.2}"),
                format!("{new:.2}"),
                change(old, new, false),
            ]);
        }
    }
    section
}

/// The change as a percentage. It is marked where it is larger than [`MARKED_PER_CENT`].
fn change(old: f64, new: f64, more_is_better: bool) -> String {
    let per_cent = (new / old - 1.0) * 100.0;
    let text = format!("{per_cent:+.1} %");
    if per_cent.abs() <= MARKED_PER_CENT {
        return text;
    }
    let better = (per_cent > 0.0) == more_is_better;
    format!("**{text} {}**", if better { "better" } else { "worse" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_changes_are_marked_and_by_what_they_mean() {
        assert_eq!(change(100.0, 104.0, true), "+4.0 %");
        assert_eq!(change(100.0, 90.0, true), "**-10.0 % worse**");
        assert_eq!(change(2.0, 1.0, false), "**-50.0 % better**");
        assert_eq!(change(2.0, 3.0, false), "**+50.0 % worse**");
    }
}

//! How fast a follower with an empty store folds the log: from its start until it serves.

use super::fill::Logs;
use super::plan::Plan;
use super::report::Section;
use super::stats::{grouped, median};
use crate::failure::Result;

/// Measures replays of each size. A start on an empty log is measured too: it takes what is no replay.
///
/// # Errors
/// When the service does not start or serve.
pub fn measure(logs: &mut Logs<'_>, plan: &Plan) -> Result<Vec<Section>> {
    let head = [
        "receipts in the log",
        "start until serving s",
        "of it on an empty log s",
        "receipts/s replayed",
        "aim",
    ];
    let taken = format!(
        "Medians of {} starts of command-api with an empty store; the rate is of the time beyond a start on an empty log.",
        plan.rounds
    );
    let mut section = Section::new("replay", &head, taken);
    let empty_s = median_start_s(logs, 0, plan)?;
    for &receipts in &plan.sizes {
        let start_s = median_start_s(logs, receipts, plan)?;
        let per_second = receipts as f64 / (start_s - empty_s);
        plan.say(&format!("replay of {} receipts: {}/s", grouped(receipts as f64), grouped(per_second)));
        section.row([
            grouped(receipts as f64),
            format!("{start_s:.2}"),
            format!("{empty_s:.2}"),
            grouped(per_second),
            "at least 200,000/s, time linear".to_owned(),
        ]);
    }
    Ok(vec![section])
}

fn median_start_s(logs: &mut Logs<'_>, receipts: u64, plan: &Plan) -> Result<f64> {
    let deployment = logs.of(receipts)?;
    let mut seconds = Vec::new();
    for _ in 0..plan.rounds {
        let mut command_api = deployment.start("command-api")?;
        seconds.push(command_api.ready()?.as_secs_f64());
        command_api.stop();
    }
    Ok(median(seconds))
}

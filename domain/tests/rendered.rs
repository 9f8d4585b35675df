//! The diagrams of docs/domain.md are those of the rule sets, and it names every event of the streams that it is about. With
//! `TILL_WRITE=1` in the environment the diagrams are rendered anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use domain::order::{ALL, Fulfilment, On, Row, Rules, Stage, Who};
use schemas::{Topic, history};

const HOW: &str = "TILL_WRITE=1 cargo test --release -p domain --test rendered";

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "docs", "domain.md"].iter().collect()
}

fn document() -> String {
    std::fs::read_to_string(path()).expect("docs/domain.md is there")
}

/// The text with other lines between the comment that begins with `<what>: rendered` and the one that says `end of <what>`.
fn with_part(text: &str, what: &str, lines: &str) -> String {
    let begins = format!("<!-- {what}: rendered");
    let begin = text.lines().position(|line| line.starts_with(&begins));
    let begin = begin.unwrap_or_else(|| panic!("no line says `{what}: rendered`"));
    let ends = format!("<!-- end of {what}");
    let end = text.lines().position(|line| line.starts_with(&ends));
    let end = end.unwrap_or_else(|| panic!("no line says `end of {what}`"));
    let all: Vec<_> =
        text.lines().take(begin + 1).chain(lines.lines()).chain(text.lines().skip(end)).collect();
    all.join("\n") + "\n"
}

/// What leads from one stage to another, in words.
fn cause(row: &Row) -> String {
    let who = match row.who {
        Who::Buyer => "buyer or staff",
        Who::Staff => "staff",
        Who::Courier => "courier or staff",
        Who::Fact => "",
    };
    let what = match row.on {
        On::Move => "moved",
        On::Cancel => "cancelled",
        On::Paid => "paid",
        On::Unpaid => "not paid",
        On::Short => "too little stock",
        On::Deadline => "deadline",
        On::Remove => "removed",
    };
    let by = if who.is_empty() { String::new() } else { format!(" by {who}") };
    let of = row.fulfilment.as_ref().map(|fulfilment| format!(", {}", fulfilment.as_str()));
    format!("{what}{by}{}", of.unwrap_or_default())
}

/// The stages that clients may set where a row leaves the stage to them, and the words of their own.
fn set_by_clients(rules: &Rules) -> String {
    let may_be_set = |stage: &&Stage| rules.row(stage, On::Move, &Fulfilment::Kitchen, Some(stage)).is_some();
    let stages: Vec<_> = Stage::KNOWN.iter().filter(may_be_set).map(Stage::as_str).collect();
    format!("{}, or a word of the client", stages.join(", "))
}

fn diagram(rules: &Rules) -> String {
    let mut text = "\n```mermaid\nstateDiagram-v2\n".to_owned();
    if rules.rows.iter().any(|row| row.from.is_none()) {
        text += "    any: any stage\n";
    }
    if rules.rows.iter().any(|row| row.to.is_none()) {
        text += &format!("    wanted: {}\n", set_by_clients(rules));
    }
    text += &format!("    [*] --> {}\n", rules.first.as_str());
    let mut befores = BTreeSet::new();
    for row in rules.rows {
        let from = row.from.as_ref().map_or("any", Stage::as_str);
        let to = row.to.as_ref().map_or("wanted", Stage::as_str);
        befores.insert(from);
        text += &format!("    {from} --> {to}: {}\n", cause(row));
    }
    for end in Stage::KNOWN.iter().map(Stage::as_str) {
        let is_reached = rules.rows.iter().any(|row| row.to.as_ref().is_some_and(|to| to.as_str() == end));
        if is_reached && !befores.contains(end) {
            text += &format!("    {end} --> [*]\n");
        }
    }
    text + "```\n\n"
}

#[test]
fn the_diagrams_are_those_of_the_rule_sets() {
    let there = document();
    let rendered = ALL.iter().fold(there.clone(), |text, rules| {
        with_part(&text, &format!("diagram of {}", rules.name), &diagram(rules))
    });
    if std::env::var_os("TILL_WRITE").is_some() {
        std::fs::write(path(), &rendered).expect("docs/domain.md can be written");
    } else {
        assert!(there == rendered, "docs/domain.md is not as the rule sets say: {HOW}");
    }
}

#[test]
fn every_event_of_the_catalogue_of_stocks_and_of_orders_has_a_row() {
    let document = document();
    let versions = history::all().iter();
    let topics = [Topic::Catalogue, Topic::Stock, Topic::Orders];
    let events = versions.filter(|version| topics.contains(&version.topic)).map(|version| version.event_type);
    let missing: Vec<_> = events.filter(|event| !document.contains(&format!("\n| `{event}` |"))).collect();
    assert_eq!(missing, [""; 0], "docs/domain.md has no row for these");
}

//! The tables of docs/benchmarks.md. Each measurement is a section, between markers of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::Utc;
use till_tests::places;

use crate::failure::{Explain, Failure, Result};

/// A table, and how its figures were taken.
pub struct Section {
    /// The name of the markers that the table stands between, which is also the name for `--only`.
    pub name: &'static str,
    /// The heads of the columns.
    pub head: Vec<String>,
    /// The rows. Each has as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
    /// What a reader must know about how the figures were taken, in a sentence or two.
    pub taken: String,
}

impl Section {
    /// A section without rows.
    pub fn new(name: &'static str, head: &[&str], taken: impl Into<String>) -> Self {
        Self {
            name,
            head: head.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
            taken: taken.into(),
        }
    }

    /// Adds a row, which must have a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as Markdown, and below it where and when its figures were taken.
    pub fn markdown(&self, circumstances: &str) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&self.head);
        text.push_str(&format!("|{}\n", "---|".repeat(self.head.len())));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        format!("{text}\n{} {circumstances}\n", self.taken)
    }
}

/// Machine, versions, date, commit and command, as a sentence.
pub fn circumstances(command: &str) -> String {
    format!(
        "Taken {} at commit {} with `{command}` on {} cores ({}), {:.0} GB of memory, Linux {}, Kafka {}, {}.",
        Utc::now().format("%Y-%m-%d %H:%M UTC"),
        output_of("git", &["describe", "--always", "--dirty"]),
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        cpu_model(),
        memory_gb(),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        kafka_version(),
        output_of(&places::postgres_bin().join("postgres").display().to_string(), &["--version"])
            .replace("postgres (PostgreSQL)", "PostgreSQL"),
    )
}

/// Fails where the file has no markers for a section that is wanted.
///
/// # Errors
/// The file cannot be read, or a section has no markers in it.
pub fn check(path: &Path, sections: &[(&str, bool)]) -> Result<()> {
    let text = read(path)?;
    for (name, _) in sections.iter().filter(|(_, wanted)| *wanted) {
        replaced(&text, name, "").ok_or_else(|| no_place(path, name))?;
    }
    Ok(())
}

/// Puts the section between its markers in the file, and leaves the rest of the file alone.
///
/// # Errors
/// When the file cannot be read or written or has no such markers.
pub fn write(path: &Path, section: &Section, circumstances: &str) -> Result<()> {
    let markdown = section.markdown(circumstances);
    let new = replaced(&read(path)?, section.name, &markdown).ok_or_else(|| no_place(path, section.name))?;
    fs::write(path, new).explain(format!("writing {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).explain(format!("reading {}", path.display()))
}

fn no_place(path: &Path, name: &str) -> Failure {
    let (begin, end) = markers(name);
    let path = path.display();
    Failure::new(format!("{path} has no lines `{begin}` and `{end}` to put the figures between: add them"))
}

fn markers(name: &str) -> (String, String) {
    (format!("<!-- bench {name}: begin -->"), format!("<!-- bench {name}: end -->"))
}

fn replaced(old: &str, name: &str, body: &str) -> Option<String> {
    let (begin, end) = markers(name);
    let from = old.find(&begin)? + begin.len();
    let to = from + old[from..].find(&end)?;
    Some(format!("{}\n{body}{}", &old[..from], &old[to..]))
}

fn output_of(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(places::repository()).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown model".to_owned(), |(_, model)| model.trim().to_owned())
}

fn memory_gb() -> f64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    kib.map_or(f64::NAN, |kib: f64| kib * 1_024.0 / 1e9)
}

fn kafka_version() -> String {
    let jars = fs::read_dir(places::kafka_libs()).into_iter().flatten().flatten();
    let names = jars.filter_map(|jar| jar.file_name().into_string().ok());
    let version =
        names.filter_map(|name| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned()));
    version.min().unwrap_or_else(|| "of unknown version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let old = "by hand\n<!-- bench http: begin -->\nold\n<!-- bench http: end -->\ncauses\n";
        let new = replaced(old, "http", "| new |\n").unwrap();
        assert_eq!(new, "by hand\n<!-- bench http: begin -->\n| new |\n<!-- bench http: end -->\ncauses\n");
        assert_eq!(replaced(old, "replay", "x"), None);
    }

    #[test]
    fn a_section_is_a_markdown_table_and_its_circumstances() {
        let mut section = Section::new("http", &["a", "b"], "Medians.");
        section.row(["1".to_owned(), "2".to_owned()]);
        assert_eq!(section.markdown("Here."), "| a | b |\n|---|---|\n| 1 | 2 |\n\nMedians. Here.\n");
    }
}

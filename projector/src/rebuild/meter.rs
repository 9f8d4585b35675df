//! Shows how far a rebuild is: as a bar with rate and time left on a terminal, elsewhere as a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The time between two lines if standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counts the offsets folded and shows them on standard error.
pub struct Meter {
    name: &'static str,
    total: i64,
    passed: i64,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Meter {
    /// Begins to count, up to `total` offsets.
    #[must_use]
    pub fn start(name: &'static str, total: i64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(name, total));
        let now = Instant::now();
        let meter = Self { name, total, passed: 0, started: now, said: now, bar };
        meter.line(format_args!("{total} offsets to fold"));
        meter
    }

    /// Counts so many more offsets.
    pub fn add(&mut self, offsets: i64) {
        self.passed += offsets;
        if let Some(bar) = &self.bar {
            bar.set_position(self.passed.unsigned_abs());
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            self.line(format_args!("{}", self.state()));
        }
    }

    /// Shows a step whose length is not known.
    pub fn say(&self, step: &'static str) {
        match &self.bar {
            Some(bar) => bar.set_message(step),
            None => self.line(format_args!("{step}")),
        }
    }

    /// Begins to count from 0 again.
    pub fn restart(&mut self) {
        (self.passed, self.started) = (0, Instant::now());
        if let Some(bar) = &self.bar {
            bar.reset();
        }
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn state(&self) -> String {
        let per_second = self.passed as f64 / self.started.elapsed().as_secs_f64();
        let left = (self.total - self.passed).max(0) as f64 / per_second.max(1.0);
        format!("{} of {} offsets, {per_second:.0}/s, {left:.0} s left", self.passed, self.total)
    }

    fn line(&self, text: std::fmt::Arguments<'_>) {
        if self.bar.is_none() {
            eprintln!("{}: {text}", self.name);
        }
    }
}

fn bar(name: &'static str, total: i64) -> ProgressBar {
    let template = "{prefix} [{bar:40}] {human_pos}/{human_len} {per_sec} {eta} left {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is sound");
    ProgressBar::new(total.unsigned_abs()).with_prefix(name).with_style(style)
}

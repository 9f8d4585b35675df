//! The tool's one error: a sentence for the person who ran it.

use std::fmt;

/// What went wrong and, where that is known, what to change.
#[derive(Debug)]
pub struct Failure(String);

/// A result whose error is a sentence that can be printed.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure that says `sentence`.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts what was being done in front of a foreign error.
pub trait Explain<T> {
    /// `what` is a phrase such as "reading docs/benchmarks.md".
    fn explain(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Explain<T> for std::result::Result<T, E> {
    fn explain(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

//! Rows in the text form of Postgres' COPY.

use std::fmt::{Display, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::definition::FoldError;

/// The rows of one COPY statement.
#[derive(Default)]
pub struct Copy {
    text: String,
}

/// A row that is being written, field by field in the order of the statement's columns. It ends when it is dropped.
pub struct Row<'c> {
    text: &'c mut String,
    is_first: bool,
}

impl Copy {
    /// Begins the next row.
    pub fn row(&mut self) -> Row<'_> {
        Row { text: &mut self.text, is_first: true }
    }

    /// Sends the rows. Without rows it sends nothing, not even the statement.
    ///
    /// # Errors
    /// When Postgres refuses or fails.
    pub async fn send(self, connection: &mut PgConnection, statement: &str) -> Result<(), FoldError> {
        if self.text.is_empty() {
            return Ok(());
        }
        let mut copy = connection.copy_in_raw(statement).await?;
        if let Err(error) = copy.send(self.text.as_bytes()).await {
            copy.abort("the rows could not be sent").await?;
            return Err(error.into());
        }
        copy.finish().await?;
        Ok(())
    }
}

impl Row<'_> {
    fn begin(&mut self) {
        if !self.is_first {
            self.text.push('\t');
        }
        self.is_first = false;
    }

    /// Writes a field whose text has nothing to escape: a number, money or a boolean.
    pub fn shown(&mut self, value: impl Display) -> &mut Self {
        self.begin();
        write!(self.text, "{value}").expect("writing to memory does not fail");
        self
    }

    /// Writes a field of type text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.begin();
        escape(value, self.text);
        self
    }

    /// Writes a field of type timestamptz.
    pub fn instant(&mut self, value: DateTime<Utc>) -> &mut Self {
        self.shown(value.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    /// Writes a field of type jsonb.
    pub fn json(&mut self, value: &impl Serialize) -> &mut Self {
        self.begin();
        let json = serde_json::to_string(value).expect("rows have text keys only");
        escape(&json, self.text);
        self
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        self.text.push('\n');
    }
}

/// Escapes the backslash, and the characters that separate fields and rows.
fn escape(value: &str, text: &mut String) {
    if !value.bytes().any(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        return text.push_str(value);
    }
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_separated_by_tabs_and_what_they_hold_is_escaped() {
        let mut copy = Copy::default();
        copy.row().text("a\tb\\N").shown(7).json(&["x\ny"]);
        copy.row().text("").shown(true);
        assert_eq!(copy.text, "a\\tb\\\\N\t7\t[\"x\\\\ny\"]\n\ttrue\n");
    }
}

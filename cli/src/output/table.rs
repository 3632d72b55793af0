//! Rows in columns, for people.
//!
//! Columns of numbers stand to the right. Control characters in a cell are shown as `?`, so that
//! what somebody else wrote into a name cannot steer the reader's terminal.

use std::fmt::{self, Write as _};
use std::io;

/// Column heads and rows.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<Cell>>,
    nothing: &'static str,
}

/// What stands in one column of one row.
#[derive(Debug)]
pub(crate) enum Cell {
    Text(String),
    /// Stands to the right.
    Number(String),
    /// Nothing is known.
    Absent,
}

impl Table {
    /// `nothing` is said instead of a table without rows.
    pub(crate) fn new(nothing: &'static str, heads: &[&'static str]) -> Self {
        Self::headed(nothing, heads.iter().map(|head| (*head).to_owned()).collect())
    }

    /// The same with heads that an answer names.
    pub(crate) fn headed(nothing: &'static str, heads: Vec<String>) -> Self {
        Self { heads, rows: Vec::new(), nothing }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The same for programs that calculate (RFC 4180), with or without a line of heads.
    pub(crate) fn csv(&self, with_heads: bool) -> io::Result<String> {
        let mut table = csv::Writer::from_writer(Vec::new());
        if with_heads {
            let heads = self.heads.iter().map(|head| head.to_lowercase().replace(' ', "_"));
            table.write_record(heads)?;
        }
        for row in &self.rows {
            table.write_record(row.iter().map(Cell::harmless))?;
        }
        let bytes = table.into_inner().map_err(csv::IntoInnerError::into_error)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }

    /// The width of each column, from its head and its cells.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|head| head.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text().chars().count());
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return writeln!(f, "{}", self.nothing);
        }
        let widths = self.widths();
        let first = self.rows.first().map(Vec::as_slice).unwrap_or_default();
        let heads = self.heads.iter().zip(first).map(|(head, cell)| match cell {
            Cell::Text(_) | Cell::Absent => Cell::Text(head.clone()),
            Cell::Number(_) => Cell::Number(head.clone()),
        });
        line(f, &heads.collect::<Vec<_>>(), &widths)?;
        self.rows.iter().try_for_each(|row| line(f, row, &widths))
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[Cell], widths: &[usize]) -> fmt::Result {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        if !text.is_empty() {
            text.push_str("  ");
        }
        match cell {
            Cell::Text(value) => write!(text, "{value:<width$}")?,
            Cell::Number(value) => write!(text, "{value:>width$}")?,
            Cell::Absent => write!(text, "{:<width$}", cell.text())?,
        }
    }
    let text: String = text.chars().map(|one| if one.is_control() { '?' } else { one }).collect();
    writeln!(f, "{}", text.trim_end())
}

impl Cell {
    /// `-` for what is empty.
    pub(crate) fn text_or_dash(text: &str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text.to_owned()) }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Absent => "-",
        }
    }

    /// For a spreadsheet, which would calculate a text that begins like a formula; behind `'` it
    /// does not.
    fn harmless(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
                format!("'{text}")
            }
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Absent => String::new(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Text(if yes { "yes" } else { "no" }.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &[(&str, u64)], text: &str) {
        let mut table = Table::new("no calls", &["API", "CALLS"]);
        for (api, calls) in rows {
            table.row(vec![(*api).into(), (*calls).into()]);
        }
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn numbers_stand_to_the_right_and_lines_end_without_blanks() {
        check(&[("orders", 7), ("pay", 1_200)], "API     CALLS\norders      7\npay      1200\n");
    }

    #[test]
    fn a_table_without_rows_says_so() {
        check(&[], "no calls\n");
    }

    #[test]
    fn csv_has_heads_for_programs_and_names_that_stay_names() {
        let mut table = Table::new("no calls", &["API", "BYTES IN"]);
        for (api, bytes) in [("a,b", 1_u64), ("=cmd()", 2), ("", 3)] {
            table.row(vec![Cell::text_or_dash(api), bytes.into()]);
        }
        assert_eq!(table.csv(true).unwrap(), "api,bytes_in\n\"a,b\",1\n'=cmd(),2\n,3\n");
        assert_eq!(table.csv(false).unwrap().lines().next(), Some("\"a,b\",1"));
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        check(&[("a\u{1b}[2Jb\n", 1)], "API      CALLS\na?[2Jb?      1\n");
    }
}

//! Rows in columns, for people.
//!
//! Columns of numbers stand to the right. Control characters in a cell are shown as `?`, so that
//! what somebody else wrote into a name cannot steer the reader's terminal.

use std::fmt::{self, Write as _};

/// Column heads and rows.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    nothing: &'static str,
}

/// What stands in one column of one row.
#[derive(Debug)]
pub(crate) enum Cell {
    Text(String),
    /// Stands to the right.
    Number(String),
}

impl Table {
    /// `nothing` is said instead of a table without rows.
    pub(crate) fn new(nothing: &'static str, heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new(), nothing }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
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
            Cell::Text(_) => Cell::Text((*head).to_owned()),
            Cell::Number(_) => Cell::Number((*head).to_owned()),
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
        }
    }
    let text: String = text.chars().map(|one| if one.is_control() { '?' } else { one }).collect();
    writeln!(f, "{}", text.trim_end())
}

impl Cell {
    /// `-` for what is empty.
    pub(crate) fn text_or_dash(text: &str) -> Self {
        Self::Text(if text.is_empty() { "-".to_owned() } else { text.to_owned() })
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
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
    fn a_name_cannot_steer_the_terminal() {
        check(&[("a\u{1b}[2Jb\n", 1)], "API      CALLS\na?[2Jb?      1\n");
    }
}

//! Writing to standard output and standard error.
//!
//! A reader who has seen enough (`turnpike … | head`) closes the pipe; that ends the command
//! without a word and without an error.

use std::fmt::Display;
use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::report::{Part, Report};

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// For files
    Yaml,
    /// For spreadsheets; only answers with a table
    Csv,
}

/// Prints answers in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether it prints for spreadsheets, which want heads before the first row of many.
    pub(crate) fn for_spreadsheets(self) -> bool {
        self.format == Format::Csv
    }

    /// Whether it prints for people, who want to hear about progress too.
    pub(crate) fn for_people(self) -> bool {
        self.format == Format::Table
    }

    /// Prints a whole answer.
    pub(crate) fn print(self, report: &Report) -> io::Result<()> {
        match self.format {
            Format::Table => write(&people(&report.parts)),
            Format::Json => write(&format!("{:#}\n", report.value)),
            Format::Yaml => match &report.value {
                Value::Array(documents) if report.is_documents => {
                    let documents: Result<Vec<_>, _> = documents.iter().map(yaml).collect();
                    write(&documents?.join("---\n"))
                }
                value => write(&yaml(value)?),
            },
            Format::Csv => csv(&report.parts, true),
        }
    }

    /// Prints one item of an answer that has no end: a line, or a document.
    pub(crate) fn print_item(self, report: &Report) -> io::Result<()> {
        match self.format {
            Format::Table => write(&people(&report.parts)),
            Format::Json => write(&format!("{}\n", report.value)),
            Format::Yaml => write(&format!("---\n{}", yaml(&report.value)?)),
            Format::Csv => csv(&report.parts, false),
        }
    }
}

/// Says something to the person at the terminal; nobody may depend on it.
pub(crate) fn note(text: impl Display) {
    // A closed standard error is no reason to stop working.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn people(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Table(table) => text.push_str(&table.to_string()),
            Part::Text(line) | Part::Picture(line) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Writes the tables; what is said besides goes to standard error.
fn csv(parts: &[Part], with_heads: bool) -> io::Result<()> {
    let mut tables = 0_usize;
    for part in parts {
        match part {
            Part::Table(table) => {
                write(&table.csv(with_heads)?)?;
                tables += 1;
            }
            Part::Text(line) => note(line),
            Part::Picture(_) => {}
        }
    }
    if tables == 0 { Err(io::Error::other("there is no table; ask for -o json")) } else { Ok(()) }
}

fn yaml(value: &Value) -> io::Result<String> {
    serde_norway::to_string(value).map_err(io::Error::other)
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

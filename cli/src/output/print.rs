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
        }
    }

    /// Prints one item of an answer that has no end: a line, or a document.
    pub(crate) fn print_item(self, report: &Report) -> io::Result<()> {
        match self.format {
            Format::Table => write(&people(&report.parts)),
            Format::Json => write(&format!("{}\n", report.value)),
            Format::Yaml => write(&format!("---\n{}", yaml(&report.value)?)),
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
            Part::Text(line) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

fn yaml(value: &Value) -> io::Result<String> {
    serde_norway::to_string(value).map_err(io::Error::other)
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

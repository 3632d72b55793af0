//! One answer in both forms: for programs and for people.

use serde_json::Value;

use super::table::Table;

/// What a command found out or did.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The whole answer; what `-o json` and `-o yaml` print.
    pub(crate) value: Value,
    /// The value is a list of resources, which a file holds as separate documents.
    pub(crate) is_documents: bool,
    /// The same for people.
    pub(crate) parts: Vec<Part>,
}

/// One block of the form for people.
#[derive(Debug)]
pub(crate) enum Part {
    Table(Table),
    /// Printed as it is, with a line end.
    Text(String),
    /// The same; shows what the table says already.
    Picture(String),
}

impl Report {
    pub(crate) fn new(value: Value) -> Self {
        Self { value, ..Self::default() }
    }

    pub(crate) fn documents(values: Vec<Value>) -> Self {
        Self { value: Value::Array(values), is_documents: true, parts: Vec::new() }
    }

    pub(crate) fn table(mut self, table: Table) -> Self {
        self.parts.push(Part::Table(table));
        self
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    pub(crate) fn picture(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Picture(text.into()));
        self
    }
}

//! What does a TOML document say, and on which line does it say it?

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Origin, Problem};

/// A value and the place where it was given.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date or time, as it was written.
    Moment(String),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

/// Which document is being parsed.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Default,
    File(Arc<str>),
}

impl Document {
    /// Parses `text`; what is not TOML is one problem with its line.
    pub(super) fn parse(&self, text: &str) -> Result<Node, Problem> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        // What follows the first error is often only its consequence.
        if let Some(first) = errors.iter().min_by_key(|error| start(error)) {
            return Err(Problem {
                place: self.origin(text, start(first)).to_string(),
                key: String::new(),
                reason: first.message().to_owned(),
            });
        }
        let content = self.table(text, table.get_ref())?;
        Ok(Node { content, origin: self.origin(text, 0) })
    }

    fn table(&self, text: &str, table: &DeTable<'_>) -> Result<Content, Problem> {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            let origin = self.origin(text, key.span().start);
            let content = self.value(text, value)?;
            Ok((key.get_ref().clone().into_owned(), Node { content, origin }))
        };
        table.iter().map(entry).collect::<Result<_, _>>().map(Content::Table)
    }

    fn value(&self, text: &str, value: &Spanned<DeValue<'_>>) -> Result<Content, Problem> {
        let refuse = |reason: &str| Problem {
            place: self.origin(text, value.span().start).to_string(),
            key: String::new(),
            reason: reason.to_owned(),
        };
        Ok(match value.get_ref() {
            DeValue::String(text) => Content::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map(Content::Integer)
                .map_err(|_| refuse("the number is out of range"))?,
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map(Content::Float)
                .map_err(|_| refuse("this is no number"))?,
            DeValue::Boolean(truth) => Content::Boolean(*truth),
            DeValue::Datetime(moment) => Content::Moment(moment.to_string()),
            DeValue::Array(items) => {
                let item = |item: &Spanned<DeValue<'_>>| {
                    let origin = self.origin(text, item.span().start);
                    Ok::<_, Problem>(Node { content: self.value(text, item)?, origin })
                };
                Content::List(items.iter().map(item).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(text, table)?,
        })
    }

    fn origin(&self, text: &str, start: usize) -> Origin {
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        match self {
            Self::Default => Origin::Default { line },
            Self::File(path) => Origin::File { path: Arc::clone(path), line },
        }
    }
}

impl Content {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Moment(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

//! Whose word counts? The environment over the arguments over the file over the defaults.
//!
//! Every key stands in the service's `default.toml`; what does not stand there is refused. Two
//! shapes are open: an empty table takes any key, and a list is replaced as a whole.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::document::{Content, Document, Node, Table};
use super::error::{Error, Origin, Problem};
use super::read::{Reading, read};
use super::{environment, print, suggest};

/// Everything that may speak about the configuration of one process.
#[derive(Debug, Default)]
pub(crate) struct Sources<'a> {
    pub(crate) default: &'a str,
    pub(crate) file: Option<&'a Path>,
    /// (flag, dotted key, value), from the command line.
    pub(crate) arguments: Vec<(String, String, String)>,
    pub(crate) variables: Vec<(String, String)>,
}

/// The configuration in force, before a service has made its own sense of it.
#[derive(Debug)]
pub(crate) struct Effective(Node);

/// Reads `text` over `default`, as `--config` would: for tests and for tools.
pub fn parse<C: DeserializeOwned>(default: &str, text: &str) -> Result<C, Error> {
    let mut effective = defaults(default)?;
    let over = Document::File("config".into()).parse(text).map_err(|p| Error::Refused(vec![p]))?;
    effective.merge(&defaults(default)?, over)?;
    effective.read()
}

impl Effective {
    pub(crate) fn load(sources: &Sources<'_>) -> Result<Self, Error> {
        let schema = defaults(sources.default)?;
        let mut effective = Self(schema.0.clone());
        if let Some(path) = sources.file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| Error::Unreadable { path: PathBuf::from(path), source })?;
            let document = Document::File(path.display().to_string().into());
            let over = document.parse(&text).map_err(|problem| Error::Refused(vec![problem]))?;
            effective.merge(&schema, over)?;
        }
        let mut problems = Vec::new();
        for (flag, key, value) in &sources.arguments {
            let origin = Origin::Argument(flag.as_str().into());
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            environment::set(&mut effective.0, &path, value, &origin, &mut problems);
        }
        for (name, value) in &sources.variables {
            environment::apply(&schema.0, &mut effective.0, name, value, &mut problems);
        }
        if problems.is_empty() { Ok(effective) } else { Err(Error::Refused(problems)) }
    }

    /// The configuration as a service's own type, or as a part of it.
    pub(crate) fn read<C: DeserializeOwned>(&self) -> Result<C, Error> {
        read(&self.0).map(|Reading { value, .. }| value)
    }

    /// The whole configuration as TOML; what the service reads as a secret is masked.
    pub(crate) fn print<C: DeserializeOwned>(&self) -> Result<String, Error> {
        let Reading { secrets, .. } = read::<C>(&self.0)?;
        Ok(print::toml(&self.0, &secrets))
    }

    fn merge(&mut self, schema: &Self, over: Node) -> Result<(), Error> {
        let mut problems = Vec::new();
        merge(&schema.0, &mut self.0, over, "", &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(Error::Refused(problems)) }
    }
}

fn defaults(text: &str) -> Result<Effective, Error> {
    let parsed = Document::Default.parse(text);
    parsed.map(Effective).map_err(|problem| Error::Refused(vec![problem]))
}

/// Puts `over` on `base`; a table is merged key by key, everything else is replaced.
fn merge(schema: &Node, base: &mut Node, over: Node, at: &str, problems: &mut Vec<Problem>) {
    let Node { content, origin } = over;
    match (&schema.content, &mut base.content, content) {
        (Content::Table(known), Content::Table(base), Content::Table(over)) => {
            merge_tables(known, base, over, at, problems);
        }
        (Content::Table(_), _, other) => problems.push(Problem {
            place: origin.to_string(),
            key: at.to_owned(),
            reason: format!("expected a table, found {}", other.kind()),
        }),
        (_, base_content, content) => {
            *base_content = content;
            base.origin = origin;
        }
    }
}

fn merge_tables(
    known: &Table,
    base: &mut Table,
    over: Table,
    at: &str,
    problems: &mut Vec<Problem>,
) {
    let mut entries: Vec<_> = over.into_iter().collect();
    entries.sort_by_key(|(_, over)| over.origin.line());
    for (key, over) in entries {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (known.get(&key), base.get_mut(&key)) {
            (Some(schema), Some(base)) => merge(schema, base, over, &path, problems),
            // An empty table in the defaults is open: its keys are the user's.
            _ if known.is_empty() && !at.is_empty() => {
                base.insert(key, over);
            }
            _ => problems.push(Problem {
                place: over.origin.to_string(),
                reason: unknown(&key, known, &over.content),
                key: path,
            }),
        }
    }
}

fn unknown(key: &str, known: &Table, content: &Content) -> String {
    let what = if matches!(content, Content::Table(_)) { "section" } else { "key" };
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    format!("unknown {what}{}", suggest::hint(key, &names))
}

//! What is wrong with a resource, where, and what would be right?
//!
//! Problems are collected and not thrown: whoever reads or checks a resource names everything that
//! is wrong with it, so that it is corrected in one round.

use std::fmt;

use turnpike_proto::config::v1::Problem;

/// The most problems that one resource is told; the last one says how many more there are.
const MOST: usize = 100;

/// One problem as one line: file, resource, field, reason, suggestion.
pub fn describe(problem: &Problem) -> String {
    let mut line = String::new();
    for part in [&problem.file, &problem.resource, &problem.field] {
        if !part.is_empty() {
            line.push_str(part);
            line.push_str(": ");
        }
    }
    line.push_str(&problem.reason);
    if !problem.suggestion.is_empty() {
        line.push_str("; ");
        line.push_str(&problem.suggestion);
    }
    line
}

/// The place of a field in the JSON form, spelled only when somebody asks.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Name(&'p str),
    Index(usize),
}

impl At<'static> {
    pub(crate) const ROOT: Self = Self { parent: None, step: Step::Root };
}

impl<'p> At<'p> {
    /// The member `name` of this place.
    pub(crate) const fn name<'a>(&'a self, name: &'a str) -> At<'a>
    where
        'p: 'a,
    {
        At { parent: Some(self), step: Step::Name(name) }
    }

    /// The element `index` of this place.
    pub(crate) const fn index<'a>(&'a self, index: usize) -> At<'a>
    where
        'p: 'a,
    {
        At { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Name(name) if !is_plain(name) => write!(f, "[{name:?}]"),
            Step::Name(name) if parent.parent.is_none() => f.write_str(name),
            Step::Name(name) => write!(f, ".{name}"),
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The problems of one resource.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    resource: String,
    file: String,
    list: Vec<Problem>,
    beyond: usize,
}

impl Problems {
    pub(crate) fn of(resource: impl Into<String>, file: impl Into<String>) -> Self {
        Self { resource: resource.into(), file: file.into(), list: Vec::new(), beyond: 0 }
    }

    /// Something is wrong at `at`. Reason and suggestion are sentences without a full stop; an
    /// empty suggestion means that there is none.
    pub(crate) fn add(
        &mut self,
        at: &At<'_>,
        reason: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        if self.list.len() < MOST {
            self.add_at(&at.to_string(), reason, suggestion);
        } else {
            self.beyond += 1;
        }
    }

    /// The same with a place that is spelled already.
    pub(crate) fn add_at(
        &mut self,
        field: &str,
        reason: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        if self.list.len() >= MOST {
            self.beyond += 1;
            return;
        }
        self.list.push(Problem {
            resource: self.resource.clone(),
            file: self.file.clone(),
            field: field.to_owned(),
            reason: reason.into(),
            suggestion: suggestion.into(),
        });
    }

    /// Whether something is told about this field already.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.list.iter().any(|problem| problem.field == field)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        if self.beyond > 0 {
            self.list.push(Problem {
                resource: self.resource,
                file: self.file,
                field: String::new(),
                reason: format!("{} more problems are not listed", self.beyond),
                suggestion: String::new(),
            });
        }
        self.list
    }
}

/// The known name that is meant by `name`, if one is near enough to be worth saying.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // Distances are quadratic: nobody meant a name of that length.
    let folded: String = name.chars().take(256).collect::<String>().to_lowercase();
    let allowed = (folded.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`", or nothing.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("did you mean `{name}`?")).unwrap_or_default()
}

/// A text as it is quoted in a sentence: short, on one line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace(char::is_control, " ")
}

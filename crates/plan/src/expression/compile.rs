//! How is an expression read, and what is it ready for?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::ast::IdedExpr;
use cel::common::value::CowVal;
use cel::parser::ParseErrors;

use super::engine::{Outcome, run, text, truth, with_environment};
use super::fact::Facts;
use super::kind::Kind;
use super::rewrite::{Meaning, Told, Walk};
use super::wanted::{Wanted, Wrong};
use crate::problem::{At, Problems, shown};

/// The longest expression, in bytes.
const MAX_BYTES: usize = 2048;
/// How deep what is read may nest.
const MAX_NESTING: u16 = 24;

/// An expression that is true or false for a call.
#[derive(Clone, Debug)]
pub struct Expression {
    source: Arc<str>,
    tree: IdedExpr,
    names: Vec<(Box<str>, Meaning)>,
}

/// An expression that makes a text of a call.
#[derive(Clone, Debug)]
pub struct TextExpression(Expression);

/// Why it cannot be said what an expression comes to. No value of a call is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The call has no such thing, or nobody knows.
    #[error("there is no `{0}`")]
    Missing(Box<str>),
    /// Something is of a type that it should not be.
    #[error("{0}")]
    Types(Box<str>),
    /// A function or an operator could not do what it is asked for.
    #[error("{0}")]
    Failed(&'static str),
    /// What came out is neither true nor false.
    #[error("it is neither true nor false")]
    Undecided,
    /// It looked at more of the call than an expression may.
    #[error("it looks at more than an expression may")]
    TooMuch,
    /// The engine broke off.
    #[error("the engine broke off")]
    Broken,
}

impl Expression {
    /// Reads `text`, which stands at `at`. `None`: something is wrong, which is told.
    pub(crate) fn parse(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        Self::parse_as(text, Kind::decides, at, problems)
    }

    /// Reads an expression whose kind `fits`.
    fn parse_as(
        text: &str,
        fits: fn(Kind) -> Result<(), Wrong>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        if text.trim().is_empty() || text.len() > MAX_BYTES {
            let reason =
                format!("an expression has 1 to {MAX_BYTES} bytes, this one {}", text.len());
            problems.add(at, reason, "");
            return None;
        }
        // What is read was written by somebody else; a reader that breaks off is no reason to end.
        let read = catch_unwind(|| read(text, fits));
        match read.unwrap_or_else(|_| Err(broken())) {
            Ok((tree, names)) => Some(Self { source: text.into(), tree, names }),
            Err(told) => {
                let place = told.at.map(|at| place(text, at)).unwrap_or_default();
                problems.add(at, format!("{place}{}", told.reason), told.suggestion);
                None
            }
        }
    }

    /// Whether it is true for a call.
    pub fn holds(&self, facts: &dyn Facts) -> Result<bool, EvaluationError> {
        self.evaluate(facts, truth)?.ok_or(EvaluationError::Undecided)
    }

    /// What `read` finds in what it comes to; `None`: it finds nothing.
    fn evaluate<T>(
        &self,
        facts: &dyn Facts,
        read: impl FnOnce(&CowVal<'_, '_>) -> Option<T>,
    ) -> Result<Option<T>, EvaluationError> {
        let run = || run(&self.tree, &self.names, facts, read);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Outcome::Decided(decided)) => Ok(Some(decided)),
            Ok(Outcome::Undecided) => Ok(None),
            Ok(Outcome::TooMuch) => Err(EvaluationError::TooMuch),
            Ok(Outcome::Failed(error)) => Err(of_engine(&error)),
            Err(_) => Err(EvaluationError::Broken),
        }
    }

    /// As it was written.
    pub const fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// Everything of a call that it names.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.names.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::Value(wanted) | Meaning::Presence(wanted) => Some(wanted),
            Meaning::Pattern(_) | Meaning::Network(_) => None,
        })
    }
}

impl TextExpression {
    /// Reads `text`, which stands at `at`. `None`: something is wrong, which is told.
    pub(crate) fn parse(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        Expression::parse_as(text, Kind::spells, at, problems).map(Self)
    }

    /// What it makes of a call; `None`: no text.
    pub fn text(&self, facts: &dyn Facts) -> Result<Option<String>, EvaluationError> {
        self.0.evaluate(facts, text)
    }

    /// As it was written.
    pub const fn source(&self) -> &Arc<str> {
        self.0.source()
    }

    /// Everything of a call that it names.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.0.wanted()
    }
}

type Read = (IdedExpr, Vec<(Box<str>, Meaning)>);

fn read(text: &str, fits: fn(Kind) -> Result<(), Wrong>) -> Result<Read, Told> {
    let parser = with_environment(|environment| environment.parser());
    let parsed = parser.max_recursion_depth(MAX_NESTING).parse_with_source_info(text);
    let (mut tree, source) = parsed.map_err(|errors| of_parser(text, &errors))?;
    let mut walk = Walk::new(&source);
    let id = tree.id;
    let kind = walk.walk(&mut tree)?;
    fits(kind).map_err(|(reason, suggestion)| {
        let at = source.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok());
        Told { at, reason, suggestion }
    })?;
    Ok((tree, walk.names))
}

fn of_parser(text: &str, errors: &ParseErrors) -> Told {
    let first = errors.errors.first();
    let at = first.and_then(|error| {
        let (line, column) = error.pos;
        let before = text.split_inclusive('\n').take(usize::try_from(line).ok()?.checked_sub(1)?);
        let before: usize = before.map(|line| line.chars().count()).sum();
        before.checked_add(usize::try_from(column).ok()?.checked_sub(1)?)
    });
    let said = first.map_or("it cannot be read", |error| error.msg.as_str());
    let said = said.trim_start_matches("Syntax error: ");
    Told { at, reason: format!("it is no expression: {}", shown(said)), suggestion: String::new() }
}

fn broken() -> Told {
    let reason = "the reader broke off".to_owned();
    Told { at: None, reason, suggestion: "write it in a simpler form".to_owned() }
}

/// "at character 7, `claims.tenant …`: "; the character is the first of what is meant.
fn place(text: &str, at: usize) -> String {
    let rest: String = text.chars().skip(at).take(24).collect();
    if rest.trim().is_empty() {
        return "at its end: ".to_owned();
    }
    format!("at character {}, `{}`: ", at.saturating_add(1), shown(&rest))
}

/// What the engine says, without what the call said.
fn of_engine(error: &ExecutionError) -> EvaluationError {
    use EvaluationError::{Failed, Missing, Types};
    match error {
        ExecutionError::UndeclaredReference(name) => Missing(name.as_str().into()),
        ExecutionError::NoSuchKey(_) => Failed("a map has no such member"),
        ExecutionError::NoSuchOverload(error) => Types(error.to_string().into()),
        ExecutionError::UnexpectedType { got, want } => {
            Types(format!("{want} is expected, and it is {got}").into())
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            Failed("a number is divided by zero")
        }
        ExecutionError::Overflow(..) => Failed("a number is too large"),
        ExecutionError::IndexOutOfBounds(_) => Failed("a list has no such member"),
        ExecutionError::FunctionError { .. } => Failed("a function cannot take its operand"),
        ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedTargetType { .. } => Failed("values do not go together"),
        _ => Failed("it cannot be evaluated"),
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;

//! What does a tree come to in a call?
//!
//! The engine asks for what it comes to; each answer is paid for, so that no call costs more than a
//! bound, whatever its token says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Value};

use super::fact::Facts;
use super::functions::environment;
use super::rewrite::Meaning;

/// How much one evaluation may look at: bytes of text, and sixteen for each value.
const MOST: usize = 256 * 1024;

thread_local! {
    /// Each thread has its own, so that threads share no counter of it.
    static ENVIRONMENT: Arc<Env> = Arc::new(environment());
}

/// The functions and types of this thread.
pub(super) fn with_environment<T>(act: impl FnOnce(&Arc<Env>) -> T) -> T {
    ENVIRONMENT.with(act)
}

/// What came of an evaluation.
pub(super) enum Outcome<T> {
    /// It is this.
    Decided(T),
    /// It is something else than was wanted.
    Undecided,
    /// It failed.
    Failed(ExecutionError),
    /// It looked at more than it may.
    TooMuch,
}

/// A truth value.
pub(super) fn truth(value: &CowVal<'_, '_>) -> Option<bool> {
    value.downcast_ref::<CelBool>().map(|decided| *decided.inner())
}

/// A text.
pub(super) fn text(value: &CowVal<'_, '_>) -> Option<String> {
    value.downcast_ref::<CelString>().map(|text| text.inner().to_owned())
}

/// Evaluates `tree`, whose identifiers mean `names`, to what `read` finds in the value.
pub(super) fn run<T>(
    tree: &IdedExpr,
    names: &[(Box<str>, Meaning)],
    facts: &dyn Facts,
    read: impl FnOnce(&CowVal<'_, '_>) -> Option<T>,
) -> Outcome<T> {
    let answers =
        Answers { names, facts, left: AtomicUsize::new(MOST), spent: AtomicBool::new(false) };
    let outcome = with_environment(|environment| {
        let mut context = Context::with_env(Arc::clone(environment));
        context.set_variable_resolver(&answers);
        match Value::resolve_val(tree, &context) {
            Ok(value) => read(&value).map_or(Outcome::Undecided, Outcome::Decided),
            Err(error) => Outcome::Failed(error),
        }
    });
    // `||` steps over what fails on one side, so this is asked whatever came of it.
    if answers.spent.load(Ordering::Relaxed) { Outcome::TooMuch } else { outcome }
}

/// The answers to what the engine asks for. It wants to share them among threads, though nobody does:
/// hence the atomics.
struct Answers<'e> {
    names: &'e [(Box<str>, Meaning)],
    facts: &'e dyn Facts,
    left: AtomicUsize,
    spent: AtomicBool,
}

impl Answers<'_> {
    fn pay(&self, cost: usize) -> Option<()> {
        let Some(left) = self.left.load(Ordering::Relaxed).checked_sub(cost) else {
            self.spent.store(true, Ordering::Relaxed);
            return None;
        };
        self.left.store(left, Ordering::Relaxed);
        Some(())
    }
}

impl VariableResolver for Answers<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (_, meaning) = self.names.iter().find(|(name, _)| **name == *variable)?;
        match meaning {
            Meaning::Value(wanted) => {
                let fact = self.facts.look_up(wanted)?;
                self.pay(fact.cost())?;
                fact.into_value().map(CowVal::Owned)
            }
            Meaning::Presence(wanted) => {
                self.pay(1)?;
                Some(CowVal::owned(CelBool::from(self.facts.has(wanted)?)))
            }
            Meaning::Pattern(pattern) => Some(CowVal::Borrowed(pattern)),
            Meaning::Network(network) => Some(CowVal::Borrowed(network)),
        }
    }
}

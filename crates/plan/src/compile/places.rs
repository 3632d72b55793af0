//! Which of several things that an API has belongs to which operation?
//!
//! The API says one that holds for all its operations; an operation may say one of its own, or that
//! it has none. They are kept in one list, and operations name them by their places.

use super::named::Named;
use crate::problem::{At, Problems};
use crate::resource::ResourceKey;

/// The most things of one kind of one API, those of its operations included.
const MOST: usize = 100;

/// What an API and its operations may say.
pub(crate) trait Placed: Sized {
    /// How it is written.
    type Written: PartialEq;
    /// Several of it, in words.
    const MANY: &'static str;

    /// How it is written that there is none, and nothing else.
    fn off() -> Self::Written;

    /// Whether it is written that there is none.
    fn is_off(written: &Self::Written) -> bool;

    /// What it comes to; `None`: something is wrong, which is told.
    fn compile(
        written: &Self::Written,
        whose: Whose<'_>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<Self>;
}

/// What something that is compiled belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'n> {
    /// The API or the product.
    pub(crate) key: &'n ResourceKey,
    /// The resources that may be named.
    pub(crate) named: Named<'n>,
}

/// Those of one API, while it is compiled.
pub(crate) struct Places<'n, P> {
    whose: Whose<'n>,
    all: Vec<P>,
    /// The place of the one that holds where an operation says nothing.
    of_api: Option<usize>,
}

impl<'n, P: Placed> Places<'n, P> {
    /// Begins with what the API says.
    pub(crate) fn of(
        written: Option<&P::Written>,
        whose: Whose<'n>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Self {
        let mut places = Self { whose, all: Vec::new(), of_api: None };
        places.of_api = written.and_then(|written| places.add(written, at, problems));
        places
    }

    /// The place of the one of an operation that says `own`; `None`: it has none.
    pub(crate) fn place(
        &mut self,
        own: Option<&P::Written>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<usize> {
        match own {
            Some(own) => self.add(own, at, problems),
            None => self.of_api,
        }
    }

    /// All of them, each at its place.
    pub(crate) fn into_all(self) -> Vec<P> {
        self.all
    }

    fn add(&mut self, written: &P::Written, at: &At<'_>, problems: &mut Problems) -> Option<usize> {
        if P::is_off(written) {
            if *written != P::off() {
                let reason = "nothing else stands beside `off: true`";
                problems.add(at, reason, "leave out `off`, or everything else");
            }
            return None;
        }
        if self.all.len() == MOST {
            let reason = format!("an API has at most {MOST} {}", P::MANY);
            problems.add(at, reason, "let operations share the one of the API");
            return None;
        }
        self.all.push(P::compile(written, self.whose, at, problems)?);
        Some(self.all.len() - 1)
    }
}

//! What became of each thing that stood there?

/// The most items that a report lists; the others are counted.
const MOST: usize = 10_000;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The format and its version, for example `OpenAPI 3.0.1`.
    pub dialect: String,
    /// What the document calls itself; empty: nothing.
    pub title: String,
    /// One by one, in the order of the documents.
    pub items: Vec<Item>,
    /// How many further items are not listed.
    pub beyond: usize,
}

/// One thing that stood in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where: the file, if there are several, and the path in it.
    pub place: String,
    /// What it is.
    pub what: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It means the same here.
    Taken,
    /// It is here in another form: how.
    Changed(String),
    /// It is not here: why.
    Left(String),
}

impl Outcome {
    /// `taken`, `changed` or `left`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Changed(_) => "changed",
            Self::Left(_) => "left",
        }
    }

    /// How it was changed or why it was left; empty where it was taken.
    pub fn reason(&self) -> &str {
        match self {
            Self::Taken => "",
            Self::Changed(how) => how,
            Self::Left(why) => why,
        }
    }
}

impl Report {
    /// A report about a document of this dialect.
    pub(crate) fn of(dialect: impl Into<String>, title: impl Into<String>) -> Self {
        Self { dialect: dialect.into(), title: title.into(), ..Self::default() }
    }

    pub(crate) fn taken(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.add(place.into(), what.into(), Outcome::Taken);
    }

    pub(crate) fn changed(
        &mut self,
        place: impl Into<String>,
        what: impl Into<String>,
        how: impl Into<String>,
    ) {
        self.add(place.into(), what.into(), Outcome::Changed(how.into()));
    }

    pub(crate) fn left(
        &mut self,
        place: impl Into<String>,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.add(place.into(), what.into(), Outcome::Left(why.into()));
    }

    fn add(&mut self, place: String, what: String, outcome: Outcome) {
        if self.items.len() < MOST {
            self.items.push(Item { place, what, outcome });
        } else {
            self.beyond += 1;
        }
    }

    /// How many were taken, changed and left, of those that are listed.
    pub fn counts(&self) -> [usize; 3] {
        let count = |name: &str| self.items.iter().filter(|it| it.outcome.name() == name).count();
        [count("taken"), count("changed"), count("left")]
    }
}

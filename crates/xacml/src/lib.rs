//! What do these XACML 3.0 policies say, and are they right?
//!
//! A document in, typed policies or a list of problems with their places out: structure, identifiers,
//! values, variables, and references between documents. Nothing is evaluated here, and nothing is
//! passed over: what is not understood is refused, so that whoever evaluates meets only what it knows.
//! Pure: no I/O, nothing is fetched, and hostile XML is bounded before it is parsed.
#![warn(missing_docs)]

mod bounds;
mod element;
mod identifier;
mod model;
mod problem;
mod read;
mod references;
mod value;
mod version;

pub use bounds::MAX_BYTES;
pub use identifier::{Combining, DataType, Function, XPathVersion};
pub use model::{
    AdviceExpression, AllOf, AnyOf, Apply, Assignment, AttributeDesignator, AttributeSelector,
    AttributeValue, Child, CombinerParameter, Condition, Document, Effect, Expression, Match,
    Matched, ObligationExpression, Outcomes, ParametersOf, Policy, PolicySet, Reference, Referred,
    Root, Rule, Target, VariableDefinition,
};
pub use problem::Problem;
pub use read::read;
pub use references::{MAX_EXPANDED, check_references, find};
pub use version::{Version, VersionPattern};

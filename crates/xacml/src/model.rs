//! What does a policy consist of?
//!
//! The elements of the core specification's section 5, understood: identifiers are the functions, types
//! and algorithms that they name, variables are found, and nothing of the syntax is left, so that other
//! forms of writing a policy may lead here, too.

use crate::identifier::{Combining, DataType, Function, XPathVersion};
use crate::version::{Version, VersionPattern};

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The policy set or policy that it is.
    pub root: Root,
    /// How many policy sets, policies and rules it has.
    pub size: usize,
}

/// The outermost element of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Root {
    /// A policy set.
    PolicySet(PolicySet),
    /// A policy.
    Policy(Policy),
}

/// Policies that are combined (section 5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySet {
    /// `PolicySetId`.
    pub id: Box<str>,
    /// `Version`.
    pub version: Version,
    /// What becomes of the decisions of its children.
    pub combining: Combining,
    /// Parameters of that, in the order of the document.
    pub parameters: Vec<CombinerParameter>,
    /// `PolicySetDefaults`; none: the next outer one says it.
    pub xpath: Option<XPathVersion>,
    /// To which requests it applies.
    pub target: Target,
    /// What it combines, in the order of the document.
    pub children: Vec<Child>,
    /// What is to be done, and may be done, with its decision.
    pub outcomes: Outcomes,
}

/// What a policy set combines.
#[derive(Clone, Debug, PartialEq)]
pub enum Child {
    /// A policy set that stands in it.
    PolicySet(PolicySet),
    /// A policy that stands in it.
    Policy(Policy),
    /// One that stands elsewhere.
    Reference(Reference),
}

/// Rules that are combined (section 5.14).
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// `PolicyId`.
    pub id: Box<str>,
    /// `Version`.
    pub version: Version,
    /// What becomes of the decisions of its rules.
    pub combining: Combining,
    /// Parameters of that, in the order of the document.
    pub parameters: Vec<CombinerParameter>,
    /// `PolicyDefaults`; none: the next outer one says it.
    pub xpath: Option<XPathVersion>,
    /// To which requests it applies.
    pub target: Target,
    /// Expressions with a name; none depends on itself.
    pub variables: Vec<VariableDefinition>,
    /// In the order of the document; at least one, or one variable.
    pub rules: Vec<Rule>,
    /// What is to be done, and may be done, with its decision.
    pub outcomes: Outcomes,
}

/// One decision and its conditions (section 5.21).
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// `RuleId`, which no other rule of the policy has.
    pub id: Box<str>,
    /// The decision.
    pub effect: Effect,
    /// To which requests it applies; none: to those of its policy.
    pub target: Option<Target>,
    /// What has to be true besides.
    pub condition: Option<Condition>,
    /// What is to be done, and may be done, with its decision.
    pub outcomes: Outcomes,
}

/// The decision that a rule makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The request is permitted.
    Permit,
    /// The request is denied.
    Deny,
}

/// All of these have to match; none: every request does (section 5.6).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// In the order of the document.
    pub any_of: Vec<AnyOf>,
}

/// One of these has to match (section 5.7).
#[derive(Clone, Debug, PartialEq)]
pub struct AnyOf {
    /// At least one.
    pub all_of: Vec<AllOf>,
}

/// All of these have to match (section 5.8).
#[derive(Clone, Debug, PartialEq)]
pub struct AllOf {
    /// At least one.
    pub matches: Vec<Match>,
}

/// A value and values of the request of which one has to match it (section 5.9).
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// What is asked about each pair.
    pub function: Function,
    /// Its first argument.
    pub value: AttributeValue,
    /// Where its second arguments come from.
    pub matched: Matched,
}

/// Values of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Matched {
    /// By their name.
    Designator(AttributeDesignator),
    /// By a path in the content.
    Selector(AttributeSelector),
}

/// What has to be true (section 5.26).
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(pub Expression);

/// What has a value (section 5.25).
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A function of arguments.
    Apply(Apply),
    /// A function by itself, as an argument of another one.
    Function(Function),
    /// A value that is written down.
    Value(AttributeValue),
    /// Values of the request by their name.
    Designator(AttributeDesignator),
    /// Values of the request by a path in the content.
    Selector(AttributeSelector),
    /// The variable at this place in its policy.
    Variable(usize),
}

/// A function of arguments (section 5.27).
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The function.
    pub function: Function,
    /// Its arguments.
    pub arguments: Vec<Expression>,
}

/// A value that is written down (section 5.31).
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeValue {
    /// What it is.
    pub data_type: DataType,
    /// As it is written; blanks around it belong to a string alone. It is of its type.
    pub text: Box<str>,
    /// Of an `XPathExpression`: the category in whose content the path is followed.
    pub category: Option<Box<str>>,
    /// Of an `XPathExpression`: the prefixes that the path uses, and their namespaces.
    pub namespaces: Vec<(Box<str>, Box<str>)>,
}

/// Values of the request by their name (section 5.29).
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeDesignator {
    /// Whose attribute.
    pub category: Box<str>,
    /// Which one.
    pub attribute: Box<str>,
    /// Values of other types are not meant.
    pub data_type: DataType,
    /// Who has to have said it; none: anybody.
    pub issuer: Option<Box<str>>,
    /// Whether it is an error that there is none.
    pub must_be_present: bool,
}

/// Values of the request by a path in the content (section 5.30).
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeSelector {
    /// In whose content.
    pub category: Box<str>,
    /// The attribute that says where in the content the path begins; none: at its element.
    pub context: Option<Box<str>>,
    /// `XPath`.
    pub path: Box<str>,
    /// The prefixes that the path uses, and their namespaces.
    pub namespaces: Vec<(Box<str>, Box<str>)>,
    /// What the nodes that are found say.
    pub data_type: DataType,
    /// Whether it is an error that there is none.
    pub must_be_present: bool,
}

/// An expression with a name (section 5.23).
#[derive(Clone, Debug, PartialEq)]
pub struct VariableDefinition {
    /// `VariableId`, which no other one of the policy has.
    pub id: Box<str>,
    /// What it stands for.
    pub expression: Expression,
}

/// What goes with a decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcomes {
    /// What is to be done: who cannot do it must not let the request through.
    pub obligations: Vec<ObligationExpression>,
    /// What may be done.
    pub advice: Vec<AdviceExpression>,
}

/// Something to be done with a decision (section 5.39).
#[derive(Clone, Debug, PartialEq)]
pub struct ObligationExpression {
    /// `ObligationId`.
    pub id: Box<str>,
    /// With which decision.
    pub fulfill_on: Effect,
    /// What is told about it.
    pub assignments: Vec<Assignment>,
}

/// Something that may be done with a decision (section 5.40).
#[derive(Clone, Debug, PartialEq)]
pub struct AdviceExpression {
    /// `AdviceId`.
    pub id: Box<str>,
    /// With which decision.
    pub applies_to: Effect,
    /// What is told about it.
    pub assignments: Vec<Assignment>,
}

/// What an obligation or an advice is told (`AttributeAssignmentExpression`, section 5.41).
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// `AttributeId`.
    pub attribute: Box<str>,
    /// `Category`.
    pub category: Option<Box<str>>,
    /// `Issuer`.
    pub issuer: Option<Box<str>>,
    /// The values, one assignment each.
    pub expression: Expression,
}

/// Something that a combining algorithm is told (section 5.16).
#[derive(Clone, Debug, PartialEq)]
pub struct CombinerParameter {
    /// About whom.
    pub of: ParametersOf,
    /// `ParameterName`.
    pub name: Box<str>,
    /// Its value.
    pub value: AttributeValue,
}

/// About whom a combining algorithm is told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParametersOf {
    /// The combination.
    All,
    /// The rule with this identifier.
    Rule(Box<str>),
    /// The policy with this identifier.
    Policy(Box<str>),
    /// The policy set with this identifier.
    PolicySet(Box<str>),
}

/// A policy or policy set that stands elsewhere (sections 5.10 and 5.11).
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Which of both.
    pub to: Referred,
    /// Its identifier.
    pub id: Box<str>,
    /// The versions that are meant; none: any.
    pub version: Option<VersionPattern>,
    /// The first version that is meant.
    pub earliest: Option<VersionPattern>,
    /// The last version that is meant.
    pub latest: Option<VersionPattern>,
    /// Where it stands in its document.
    pub line: u32,
}

/// What a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referred {
    /// `PolicyIdReference`.
    Policy,
    /// `PolicySetIdReference`.
    PolicySet,
}

impl Root {
    /// `PolicyId` or `PolicySetId`.
    pub fn id(&self) -> &str {
        match self {
            Self::PolicySet(one) => &one.id,
            Self::Policy(one) => &one.id,
        }
    }

    /// `Version`.
    pub const fn version(&self) -> &Version {
        match self {
            Self::PolicySet(one) => &one.version,
            Self::Policy(one) => &one.version,
        }
    }

    /// What a reference to it is.
    pub const fn referred(&self) -> Referred {
        match self {
            Self::PolicySet(_) => Referred::PolicySet,
            Self::Policy(_) => Referred::Policy,
        }
    }
}

impl Document {
    /// What it refers to, in the order of the document.
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        let mut open: Vec<&Child> = match &self.root {
            Root::PolicySet(set) => set.children.iter().rev().collect(),
            Root::Policy(_) => Vec::new(),
        };
        while let Some(child) = open.pop() {
            match child {
                Child::PolicySet(set) => open.extend(set.children.iter().rev()),
                Child::Policy(_) => {}
                Child::Reference(reference) => found.push(reference),
            }
        }
        found
    }
}

impl Referred {
    /// The element that refers so.
    pub const fn element(self) -> &'static str {
        match self {
            Self::Policy => "PolicyIdReference",
            Self::PolicySet => "PolicySetIdReference",
        }
    }
}

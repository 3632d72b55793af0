//! What is in an expression, and may it be there?
//!
//! The tree is walked once. What it names of a call becomes one identifier each, whose meaning stands
//! in a list; what is unknown, can never hold, or could run long, is told with its place.

use std::fmt::Write as _;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, SourceInfo, operators};

use super::functions::{IN_NETWORK, MATCHES, Network, Pattern, TYPES, of_function};
use super::kind::{Kind, of_literal, of_operator, text};
use super::wanted::{Wanted, Wrong};
use crate::problem::shown;

/// How deep the tree of an expression may be: evaluation goes as deep.
const MAX_DEPTH: usize = 48;
/// The most different things of a call that one expression names.
const MAX_NAMES: usize = 64;

/// What an identifier of ours means.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// The value in the call.
    Value(Wanted),
    /// Whether the call has it.
    Presence(Wanted),
    /// A regular expression.
    Pattern(Pattern),
    /// A network.
    Network(Network),
}

/// What is wrong, and at which character of the source.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) at: Option<usize>,
    pub(super) reason: String,
    pub(super) suggestion: String,
}

/// A walk through a tree.
pub(super) struct Walk<'s> {
    source: &'s SourceInfo,
    /// The identifiers, with what they mean.
    pub(super) names: Vec<(Box<str>, Meaning)>,
    /// The variables of the comprehension that is walked.
    bound: Vec<(String, Kind)>,
    comprehensions: usize,
    depth: usize,
}

type Walked = Result<Kind, Told>;

impl<'s> Walk<'s> {
    pub(super) const fn new(source: &'s SourceInfo) -> Self {
        Self { source, names: Vec::new(), bound: Vec::new(), comprehensions: 0, depth: 0 }
    }

    /// Walks `node`, and says of which kind it is.
    pub(super) fn walk(&mut self, node: &mut IdedExpr) -> Walked {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.told(node.id, nested()));
        }
        let id = node.id;
        let kind = match self.named(node)? {
            Some(kind) => kind,
            None => match &mut node.expr {
                Expr::Literal(literal) => of_literal(literal),
                Expr::Ident(name) => {
                    let name = name.clone();
                    self.identifier(id, &name)?
                }
                Expr::Select(select) => {
                    let of = self.walk(&mut select.operand)?;
                    if !matches!(of, Kind::Map | Kind::Any) {
                        let reason = "only maps and claims have members that are named";
                        return Err(self.told(id, (reason.to_owned(), String::new())));
                    }
                    if select.test { Kind::Bool } else { Kind::Any }
                }
                Expr::List(list) => {
                    for element in &mut list.elements {
                        self.walk(element)?;
                    }
                    Kind::List
                }
                Expr::Map(map) => {
                    for entry in &mut map.entries {
                        let EntryExpr::MapEntry(entry) = &mut entry.expr else {
                            return Err(self.told(id, unknown()));
                        };
                        self.walk(&mut entry.key)?;
                        self.walk(&mut entry.value)?;
                    }
                    Kind::Map
                }
                Expr::Call(call) => self.call(id, call)?,
                Expr::Comprehension(_) => self.comprehension(node)?,
                Expr::Struct(_) | Expr::Unspecified => return Err(self.told(id, unknown())),
            },
        };
        self.depth -= 1;
        Ok(kind)
    }

    /// The kind of a node that names something of a call, which it is made an identifier for. `None`:
    /// it names nothing.
    fn named(&mut self, node: &mut IdedExpr) -> Result<Option<Kind>, Told> {
        if let Some(steps) = self.steps(&node.expr) {
            let found = Wanted::find(&steps).map_err(|wrong| self.told(node.id, wrong))?;
            let name = spelled(&steps);
            self.replace(node, name, Meaning::Value(found.0))?;
            return Ok(Some(found.1));
        }
        // `has(a.b)`, and `"b" in a` where `a` has members of any name.
        let (of, member) = match &node.expr {
            Expr::Select(select) if select.test => (&select.operand.expr, select.field.as_str()),
            Expr::Call(call) if call.func_name == operators::IN => match call.args.as_slice() {
                [one, of] => match text(&one.expr) {
                    Some(member) => (&of.expr, member),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let is_in = matches!(node.expr, Expr::Call(_));
        let Some(mut steps) = self.steps(of) else { return Ok(None) };
        if is_in && !Self::has_any_member(&steps) {
            return Ok(None);
        }
        steps.push(member);
        let (wanted, _) = Wanted::find(&steps).map_err(|wrong| self.told(node.id, wrong))?;
        if wanted.is_always_there() {
            let reason = format!("`{}` is always there", steps.join("."));
            return Err(self.told(node.id, (reason, "leave `has` out".to_owned())));
        }
        let name = format!("has({})", spelled(&steps));
        self.replace(node, name, Meaning::Presence(wanted))?;
        Ok(Some(Kind::Bool))
    }

    /// Whether `in` asks for a member by its name, and not for one of a list.
    fn has_any_member(steps: &[&str]) -> bool {
        matches!(steps, ["request", "headers" | "query" | "params"] | ["claims"])
    }

    /// `a.b["c"]` as its steps, where `a` is something of a call.
    fn steps<'e>(&self, expr: &'e Expr) -> Option<Vec<&'e str>> {
        let (mut steps, mut expr) = (Vec::new(), expr);
        loop {
            match expr {
                Expr::Ident(name) => {
                    let root =
                        Wanted::is_root(name) && !self.bound.iter().any(|(it, _)| it == name);
                    steps.push(name.as_str());
                    steps.reverse();
                    return root.then_some(steps);
                }
                Expr::Select(select) if !select.test => {
                    steps.push(&select.field);
                    expr = &select.operand.expr;
                }
                Expr::Call(call) if call.func_name == operators::INDEX => {
                    let [of, index] = call.args.as_slice() else { return None };
                    steps.push(text(&index.expr)?);
                    expr = &of.expr;
                }
                _ => return None,
            }
        }
    }

    fn replace(&mut self, node: &mut IdedExpr, name: String, meaning: Meaning) -> Result<(), Told> {
        if !self.names.iter().any(|(known, _)| **known == *name) {
            if self.names.len() >= MAX_NAMES {
                let reason = format!("it names more than {MAX_NAMES} things of a call");
                return Err(self.told(node.id, (reason, "write several conditions".to_owned())));
            }
            self.names.push((name.as_str().into(), meaning));
        }
        node.expr = Expr::Ident(name);
        Ok(())
    }

    fn identifier(&self, id: u64, name: &str) -> Walked {
        if let Some((_, kind)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*kind);
        }
        if TYPES.contains(&name) {
            return Ok(Kind::Type);
        }
        // A constant that was made one of ours before.
        if self.names.iter().any(|(known, _)| **known == *name) {
            return Ok(Kind::Any);
        }
        let reason = format!("there is no variable `{}`", shown(name));
        Err(self.told(id, (reason, Wanted::near_root(name))))
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Walked {
        if matches!(call.func_name.as_str(), MATCHES | IN_NETWORK) {
            self.constant(id, call)?;
        }
        let mut operands = Vec::with_capacity(call.args.len() + 1);
        if let Some(target) = &mut call.target {
            operands.push(self.walk(target)?);
        }
        for argument in &mut call.args {
            operands.push(self.walk(argument)?);
        }
        let made = match of_operator(&call.func_name, &operands) {
            Some(made) => made,
            None => of_function(&call.func_name, call.target.is_some(), operands.len()),
        };
        made.map_err(|wrong| self.told(id, wrong))
    }

    /// Makes the last operand of a function, which has to be a text, what it means.
    fn constant(&mut self, id: u64, call: &mut CallExpr) -> Result<(), Told> {
        let Some(last) = call.args.last_mut() else { return Ok(()) };
        let Some(written) = text(&last.expr).map(str::to_owned) else {
            let reason =
                format!("the last operand of `{}` is a text that stands here", call.func_name);
            let suggestion = "write it in quotes: what a caller says is not taken for a pattern";
            return Err(self.told(id, (reason, suggestion.to_owned())));
        };
        let meaning = if call.func_name == MATCHES {
            Pattern::parse(&written).map(Meaning::Pattern)
        } else {
            Network::parse(&written).map(Meaning::Network)
        };
        let meaning = meaning.map_err(|wrong| self.told(last.id, wrong))?;
        let name = format!("{}(, {written:?})", call.func_name);
        self.replace(last, name, meaning)
    }

    /// What `all`, `exists`, `map` and the like became. One in another could run long: the time is the
    /// product of both.
    fn comprehension(&mut self, node: &mut IdedExpr) -> Walked {
        let Expr::Comprehension(it) = &mut node.expr else { return Ok(Kind::Any) };
        self.comprehensions += 1;
        if self.comprehensions > 1 {
            let reason = "one of `all`, `exists`, `exists_one`, `map`, `filter` is inside another";
            let suggestion = "write two conditions, or two of them beside each other";
            return Err(self.told(node.id, (reason.to_owned(), suggestion.to_owned())));
        }
        let range = self.walk(&mut it.iter_range)?;
        if !matches!(range, Kind::List | Kind::Map | Kind::Any) {
            let reason = "only lists and maps have members to go through";
            return Err(self.told(it.iter_range.id, (reason.to_owned(), String::new())));
        }
        let start = self.walk(&mut it.accu_init)?;
        let before = self.bound.len();
        self.bound.push((it.iter_var.clone(), Kind::Any));
        self.bound.extend(it.iter_var2.iter().map(|name| (name.clone(), Kind::Any)));
        self.bound.push((it.accu_var.clone(), start));
        for part in [&mut it.loop_cond, &mut it.loop_step] {
            self.walk(part)?;
        }
        let made = self.walk(&mut it.result)?;
        self.bound.truncate(before);
        self.comprehensions -= 1;
        Ok(made)
    }

    fn told(&self, id: u64, (reason, suggestion): Wrong) -> Told {
        let at = self.source.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok());
        Told { at, reason, suggestion }
    }
}

/// A name for what `steps` name: one that no variable of an expression has.
fn spelled(steps: &[&str]) -> String {
    let plain = |step: &&str| step.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut name = String::new();
    for (index, step) in steps.iter().enumerate() {
        match index {
            0 => name.push_str(step),
            _ if plain(step) => {
                name.push('.');
                name.push_str(step);
            }
            _ => {
                // Writing to a String does not fail.
                let _ = write!(name, "[{step:?}]");
            }
        }
    }
    name
}

fn nested() -> Wrong {
    let reason = format!("it nests deeper than {MAX_DEPTH} levels");
    (reason, "write several conditions".to_owned())
}

fn unknown() -> Wrong {
    ("messages cannot be made here".to_owned(), "write a map, a list or a plain value".to_owned())
}

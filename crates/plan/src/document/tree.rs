//! What does a YAML or JSON text say, before anybody knows what it means?
//!
//! A tree that keeps repeated names, so that they can be told, and that grows within a budget:
//! aliases may not make a document much larger than it is written, and nothing may nest deeper
//! than the parsers' limit of 128.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    /// In the order of the text; names may stand twice.
    Map(Vec<(String, Self)>),
}

/// Why a text is no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("it is not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("it is not valid YAML: {0}")]
    Yaml(#[source] serde_norway::Error),
    #[error("it nests too deeply")]
    Depth,
}

/// The documents of a text, in their order. Nothing follows an error that ends the text.
pub(crate) fn parse(text: &str, json_only: bool) -> Vec<Result<Tree, TreeError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if opens_too_often(text) {
        return vec![Err(TreeError::Depth)];
    }
    // JSON is YAML, but its own parser is faster and tells errors better.
    let start = text.trim_start();
    if json_only || start.starts_with(['{', '[']) {
        match parse_json(text) {
            Ok(tree) => return vec![Ok(tree)],
            Err(error) if json_only => return vec![Err(error)],
            Err(error) => {
                let quoted = start.get(1..).is_some_and(|rest| rest.trim_start().starts_with('"'));
                let documents = parse_yaml(text);
                let meant_json = quoted && documents.iter().any(Result::is_err);
                return if meant_json { vec![Err(error)] } else { documents };
            }
        }
    }
    parse_yaml(text)
}

fn parse_json(text: &str) -> Result<Tree, TreeError> {
    let budget = budget(text);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tree = Grow { budget: &budget }.deserialize(&mut deserializer).map_err(TreeError::Json)?;
    deserializer.end().map_err(TreeError::Json)?;
    Ok(tree)
}

fn parse_yaml(text: &str) -> Vec<Result<Tree, TreeError>> {
    let budget = budget(text);
    let mut trees = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let tree = Grow { budget: &budget }.deserialize(document).map_err(TreeError::Yaml);
        let broken = tree.is_err();
        trees.push(tree.map(merged));
        // After an error the parser stays where it is and would repeat the error for ever.
        if broken {
            break;
        }
    }
    trees
}

/// Without aliases a document has fewer values and bytes than its text; with them it may be four
/// times as large.
fn budget(text: &str) -> Cell<usize> {
    Cell::new(text.len().saturating_mul(4).saturating_add(64 * 1024))
}

/// The YAML scanner looks at every open bracket for each token, so a run of a million of them
/// would keep it busy for hours. No honest document opens ten thousand.
fn opens_too_often(text: &str) -> bool {
    let mut open = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > 10_000
    })
}

/// Grows one value within a budget.
#[derive(Clone, Copy)]
struct Grow<'b> {
    budget: &'b Cell<usize>,
}

impl Grow<'_> {
    fn pay<E: Error>(self, size: usize) -> Result<(), E> {
        let left = self.budget.get().checked_sub(size.saturating_add(1));
        self.budget.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| E::custom("aliases make the document too large"))
    }
}

impl<'de> DeserializeSeed<'de> for Grow<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Grow<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        self.pay(0).map(|()| Tree::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        self.pay(0).map(|()| Tree::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        self.pay(0).map(|()| Tree::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        self.pay(0).map(|()| Tree::Number(value.into()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Tree, E> {
        self.visit_string(value.to_string())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Tree, E> {
        self.visit_string(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        self.pay(0)?;
        Ok(Number::from_f64(value).map_or_else(|| Tree::Text(value.to_string()), Tree::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        self.pay(value.len()).map(|()| Tree::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Tree, E> {
        self.pay(value.len()).map(|()| Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        self.pay(0)?;
        let mut list = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        self.pay(0)?;
        let mut map = Vec::new();
        while let Some(name) = access.next_key_seed(self)? {
            let name = match name {
                Tree::Text(name) => name,
                Tree::Number(number) => number.to_string(),
                Tree::Bool(value) => value.to_string(),
                Tree::Null => "null".to_owned(),
                _ => return Err(A::Error::custom("a name is a text, not a list or an object")),
            };
            map.push((name, access.next_value_seed(self)?));
        }
        Ok(Tree::Map(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Tree, A::Error> {
        Err(A::Error::custom("tags (`!name`) have no meaning here"))
    }
}

/// YAML merge keys: `<<` puts the members of another map under those that are written here.
fn merged(tree: Tree) -> Tree {
    match tree {
        Tree::List(list) => Tree::List(list.into_iter().map(merged).collect()),
        Tree::Map(map) => {
            let mut own = Vec::with_capacity(map.len());
            let mut others = Vec::new();
            for (name, value) in map {
                match (name.as_str(), merged(value)) {
                    ("<<", Tree::Map(other)) => others.extend(other),
                    ("<<", Tree::List(list)) if list.iter().all(|one| one.as_map().is_some()) => {
                        others.extend(list.into_iter().flat_map(Tree::into_map));
                    }
                    (_, value) => own.push((name, value)),
                }
            }
            for (name, value) in others {
                if !own.iter().any(|(known, _)| *known == name) {
                    own.push((name, value));
                }
            }
            Tree::Map(own)
        }
        scalar => scalar,
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Map(map.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

impl From<Tree> for Value {
    fn from(tree: Tree) -> Self {
        match tree {
            Tree::Null => Self::Null,
            Tree::Bool(value) => Self::Bool(value),
            Tree::Number(number) => Self::Number(number),
            Tree::Text(text) => Self::String(text),
            Tree::List(list) => Self::Array(list.into_iter().map(Self::from).collect()),
            Tree::Map(map) => {
                let mut object = serde_json::Map::with_capacity(map.len());
                for (name, value) in map {
                    // The first of several, as everywhere.
                    object.entry(name).or_insert_with(|| value.into());
                }
                Self::Object(object)
            }
        }
    }
}

impl Tree {
    /// The first member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn as_map(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn into_map(self) -> Vec<(String, Self)> {
        match self {
            Self::Map(map) => map,
            _ => Vec::new(),
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value in words, for "found …".
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => format!("the truth value {value}"),
            Self::Number(number) => format!("the number {number}"),
            Self::Text(text) => format!("the text `{}`", crate::problem::shown(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "an object".to_owned(),
        }
    }
}

//! Which authorization details may be asked for? (RFC 9396, KM-043)
//!
//! Each type is configured with a JSON Schema that its objects fit. Schemas refer to nothing outside
//! themselves, so that no request makes the server fetch anything.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

/// The longest `authorization_details`, in bytes.
const LONGEST: usize = 16 * 1024;
/// The most objects of one request.
const MOST: usize = 32;

/// The types that are configured.
#[derive(Default)]
pub struct DetailTypes(Vec<(String, Validator)>);

impl fmt::Debug for DetailTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Why details are refused (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongDetails(pub(super) &'static str);

struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("a schema refers to {uri}, and nothing outside is read").into())
    }
}

impl DetailTypes {
    /// Adds a type with the schema in a file.
    pub fn add(&mut self, name: &str, schema: &Path) -> anyhow::Result<()> {
        anyhow::ensure!(
            !name.is_empty() && !self.knows(name),
            "the type `{name}` is empty or comes twice"
        );
        let text = std::fs::read_to_string(schema)
            .with_context(|| format!("{} is unreadable", schema.display()))?;
        let schema = serde_json::from_str(&text)?;
        let validator = jsonschema::options().with_retriever(Nothing).build(&schema);
        let validator = validator.map_err(|error| anyhow::anyhow!("no schema: {error}"))?;
        self.0.push((name.to_owned(), validator));
        Ok(())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub fn knows(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The details in the text of a parameter, each of a type in `allowed`.
    pub(super) fn read(
        &self,
        text: Option<&str>,
        allowed: &[String],
    ) -> Result<Vec<Value>, WrongDetails> {
        let Some(text) = text else { return Ok(Vec::new()) };
        let list = list(text)?;
        for detail in &list {
            let kind = detail.get("type").and_then(Value::as_str);
            let kind = kind.ok_or(WrongDetails("an object has no type"))?;
            if !allowed.iter().any(|name| name == kind) {
                return Err(WrongDetails("the client may not ask for such a type"));
            }
            let known = self.0.iter().find(|(name, _)| name == kind);
            let (_, schema) = known.ok_or(WrongDetails("a type is not known here"))?;
            if !schema.is_valid(detail) {
                return Err(WrongDetails("an object does not fit the schema of its type"));
            }
        }
        Ok(list)
    }
}

fn list(text: &str) -> Result<Vec<Value>, WrongDetails> {
    if text.len() > LONGEST {
        return Err(WrongDetails("authorization_details is too long"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(list)) if list.len() > MOST => {
            Err(WrongDetails("authorization_details has too many objects"))
        }
        Ok(Value::Array(list)) => Ok(list),
        _ => Err(WrongDetails("authorization_details is no JSON array")),
    }
}

/// The details of a token that comes from an authorization: all of them, or fewer (section 6).
pub(super) fn narrowed(granted: &[Value], asked: Option<&str>) -> Result<Vec<Value>, WrongDetails> {
    let Some(asked) = asked else { return Ok(granted.to_vec()) };
    let list = list(asked)?;
    if list.iter().all(|detail| granted.contains(detail)) {
        return Ok(list);
    }
    Err(WrongDetails("an object was not agreed to"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","required":["type","amount"],
        "properties":{"type":{"const":"payment"},"amount":{"type":"number","maximum":100}},
        "additionalProperties":false}"#;

    fn types(schema: &str) -> anyhow::Result<DetailTypes> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("schema.json");
        std::fs::write(&path, schema)?;
        let mut types = DetailTypes::default();
        types.add("payment", &path)?;
        types.add("other", &path)?;
        Ok(types)
    }

    /// `said` is how many objects there are, or what is wrong.
    #[track_caller]
    fn check(text: &str, said: &str) {
        let types = types(SCHEMA).expect("types");
        let found = types.read(Some(text), &["payment".to_owned(), "gone".to_owned()]);
        let found = found.map_or_else(|wrong| wrong.0.to_owned(), |list| list.len().to_string());
        assert_eq!(found, said, "{text}");
    }

    #[test]
    fn details_fit_the_schema_of_their_type() {
        check("[]", "0");
        check(r#"[{"type":"payment","amount":3},{"type":"payment","amount":100}]"#, "2");
        for wrong in [
            r#"[{"type":"payment","amount":101}]"#,
            r#"[{"type":"payment"}]"#,
            r#"[{"type":"payment","amount":3,"to":"me"}]"#,
        ] {
            check(wrong, "an object does not fit the schema of its type");
        }
        check(r#"[{"type":"other","amount":3}]"#, "the client may not ask for such a type");
        check(r#"[{"type":"gone","amount":3}]"#, "a type is not known here");
        check(r#"[{"amount":3}]"#, "an object has no type");
        check("[7]", "an object has no type");
        check(r#"{"type":"payment","amount":3}"#, "authorization_details is no JSON array");
        check("[", "authorization_details is no JSON array");
    }

    #[test]
    fn a_schema_reads_nothing_from_elsewhere() {
        let refused = types(r#"{"$ref":"http://127.0.0.1:1/schema.json"}"#);
        assert!(refused.is_err());
        let refused = types(r#"{"$ref":"file:///etc/passwd"}"#);
        assert!(refused.is_err());
    }

    #[test]
    fn a_token_has_what_was_agreed_to_or_less() {
        let detail = |amount: u32| serde_json::json!({ "type": "payment", "amount": amount });
        let granted = [detail(1), detail(2)];
        assert_eq!(narrowed(&granted, None), Ok(granted.to_vec()));
        let one = serde_json::json!([detail(2)]).to_string();
        assert_eq!(narrowed(&granted, Some(&one)), Ok(vec![detail(2)]));
        let more = serde_json::json!([detail(3)]).to_string();
        assert!(narrowed(&granted, Some(&more)).is_err());
    }
}

//! What are a provider's scopes and claims called here?

use std::collections::BTreeMap;

use jose::Claims;
use serde_json::Value;
use turnpike_proto::config::v1::KeyManagerSpec;

use super::head::has_control;
use crate::problem::{At, Problems};

const MOST_NAMES: usize = 256;
const MAX_NAME_BYTES: usize = 256;
/// What these say decides whether a token is believed, and what it is for.
const FIXED: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "scope",
    "scp",
    "cnf",
    "km",
];

/// The words of a provider, and ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimNames {
    /// The claim that holds the scopes; `None`: `scope`, else `scp`.
    scope_claim: Option<Box<str>>,
    /// By their name there; empty: dropped.
    scopes: BTreeMap<String, String>,
    /// By their name here.
    claims: BTreeMap<String, String>,
}

impl ClaimNames {
    /// Says in our words what the provider said in its own.
    pub fn translate(&self, claims: &mut Claims) {
        match self.scope_claim.as_deref() {
            None | Some("scope") => {}
            Some(claim) => claims.scopes = claims.at(claim).map(words).unwrap_or_default(),
        }
        if !self.scopes.is_empty() {
            let ours = |scope: String| match self.scopes.get(&scope) {
                Some(ours) if ours.is_empty() => None,
                Some(ours) => Some(ours.clone()),
                None => Some(scope),
            };
            claims.scopes =
                std::mem::take(&mut claims.scopes).into_iter().filter_map(ours).collect();
        }
        let found: Vec<(String, Value)> = self
            .claims
            .iter()
            .filter_map(|(here, there)| Some((here.clone(), claims.at(there)?.clone())))
            .collect();
        // What is named here is what the provider says under the other name, or nothing.
        for here in self.claims.keys() {
            claims.other.remove(here);
        }
        claims.other.extend(found);
    }
}

/// A text with blanks, or a list of texts. Anything else holds no scope.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn compile_claim_names(
    spec: &KeyManagerSpec,
    at: &At<'_>,
    problems: &mut Problems,
) -> ClaimNames {
    let fits = |name: &str| name.len() <= MAX_NAME_BYTES && !has_control(name);
    if !fits(&spec.scope_claim) {
        problems.add(&at.name("scopeClaim"), "a claim's name has at most 256 bytes", "");
    }
    let list = at.name("scopes");
    if spec.scopes.len() > MOST_NAMES {
        problems.add(&list, format!("there are more than {MOST_NAMES}"), "");
    }
    for (there, here) in &spec.scopes {
        let plain = |name: &str| fits(name) && !name.contains([' ', '"', '\\']);
        if there.is_empty() || !plain(there) || !plain(here) {
            problems.add(&list.name(there), "it is no scope (RFC 6749 section 3.3)", "");
        }
    }
    let list = at.name("claims");
    if spec.claims.len() > MOST_NAMES {
        problems.add(&list, format!("there are more than {MOST_NAMES}"), "");
    }
    for (here, there) in &spec.claims {
        if FIXED.contains(&here.as_str()) {
            let reason = "its meaning is fixed";
            problems.add(&list.name(here), reason, "choose another name");
        } else if here.is_empty() || there.is_empty() || !fits(here) || !fits(there) {
            problems.add(&list.name(here), "a claim's name has 1 to 256 bytes", "");
        }
    }
    ClaimNames {
        scope_claim: (!spec.scope_claim.is_empty()).then(|| spec.scope_claim.as_str().into()),
        scopes: spec.scopes.clone(),
        claims: spec.claims.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `names` is a `spec` without what else belongs there; the answer the scopes, then `tier`.
    #[track_caller]
    fn check(names: &Value, said: &Value, expected: &str) {
        let text = |name: &str| names[name].as_str().unwrap_or_default().to_owned();
        let map = |name: &str| {
            let members = names[name].as_object().into_iter().flatten();
            members.map(|(a, b)| (a.clone(), b.as_str().unwrap().to_owned())).collect()
        };
        let spec = KeyManagerSpec {
            scope_claim: text("scopeClaim"),
            scopes: map("scopes"),
            claims: map("claims"),
            ..KeyManagerSpec::default()
        };
        let names = compile_claim_names(&spec, &At::ROOT, &mut Problems::default());
        let mut object = said.as_object().unwrap().clone();
        object.insert("iss".to_owned(), json!("i"));
        object.insert("exp".to_owned(), json!(1));
        let mut claims = Claims::of_object(object).unwrap();
        names.translate(&mut claims);
        let tier = claims.text("tier").unwrap_or("-");
        assert_eq!(format!("{} {tier}", claims.scopes.join(",")), expected);
    }

    #[test]
    fn scopes_stand_in_the_claim_that_is_named_in_any_form() {
        let said =
            json!({ "scope": "a b", "scp": ["c"], "roles": "d", "realm": { "roles": ["e"] } });
        check(&json!({}), &said, "a,b -");
        check(&json!({ "scopeClaim": "scp" }), &said, "c -");
        check(&json!({ "scopeClaim": "roles" }), &said, "d -");
        check(&json!({ "scopeClaim": "realm.roles" }), &said, "e -");
        check(&json!({ "scopeClaim": "realm" }), &said, " -");
        check(&json!({ "scopeClaim": "none" }), &said, " -");
        check(&json!({}), &json!({ "scp": "x y" }), "x,y -");
        check(&json!({ "scopeClaim": "scp" }), &json!({ "scp": "x y" }), "x,y -");
    }

    #[test]
    fn scopes_are_renamed_dropped_or_left() {
        let names = json!({ "scopes": { "api://a/read": "read", "admin": "" } });
        check(&names, &json!({ "scope": "api://a/read admin other" }), "read,other -");
    }

    #[test]
    fn claims_are_found_under_their_name_here_and_cannot_be_smuggled_in() {
        let names = json!({ "claims": { "tier": "x.level" } });
        check(&names, &json!({ "x": { "level": "gold" } }), " gold");
        check(&names, &json!({ "x.level": "dotted", "x": { "level": "gold" } }), " dotted");
        check(&names, &json!({ "tier": "platinum" }), " -");
    }
}

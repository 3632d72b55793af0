//! What does an authorization hold beside its scopes?
//!
//! Single claims (OpenID Connect Core section 5.5) and authorization details (RFC 9396). A claim that
//! was agreed to stands among the scopes that were, under a name that no scope has.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Profile, Scopes};

/// What was asked for, and later: what was agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wishes {
    /// Claims that the ID token has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id_token: Vec<String>,
    /// Claims that userinfo has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub userinfo: Vec<String>,
    /// The `authorization_details`, each an object with a `type`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Value>,
}

impl Wishes {
    /// As it is stored; empty: nothing was asked for.
    pub fn to_text(&self) -> String {
        let nothing = *self == Self::default();
        if nothing { String::new() } else { serde_json::json!(self).to_string() }
    }

    /// Reads back what `to_text` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self::default()) } else { serde_json::from_str(text).ok() }
    }

    /// The claims that a person is asked for because `scopes` do not cover them.
    pub fn beyond(&self, scopes: &Scopes) -> Vec<&str> {
        let covered = |claim: &str| scopes.iter().any(|scope| Profile::is_of_scope(claim, scope));
        let mut claims: Vec<_> = self.id_token.iter().chain(&self.userinfo).collect();
        claims.sort_unstable();
        claims.dedup();
        claims.into_iter().map(String::as_str).filter(|claim| !covered(claim)).collect()
    }

    /// All that a person has to have allowed: `scopes`, and claims that are beyond them. Details are
    /// not among them: each is asked for anew.
    pub fn consents(&self, scopes: &Scopes) -> Scopes {
        let claims = self.beyond(scopes).into_iter();
        let claims: Vec<_> = claims.map(|claim| format!("claim:{claim}")).collect();
        scopes.with(claims.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `consents` is what has to be allowed.
    #[track_caller]
    fn check(wishes: &Value, scopes: &str, consents: &str) {
        let wishes: Wishes = serde_json::from_value(wishes.clone()).expect("wishes");
        assert_eq!(Wishes::parse(&wishes.to_text()).as_ref(), Some(&wishes));
        let scopes = Scopes::parse(scopes).expect("scopes");
        assert_eq!(wishes.consents(&scopes).to_string(), consents);
    }

    #[test]
    fn a_claim_that_no_scope_covers_is_allowed_by_itself() {
        check(&json!({}), "openid", "openid");
        check(&json!({ "userinfo": ["email"] }), "openid", "claim:email openid");
        check(&json!({ "userinfo": ["email"] }), "email openid", "email openid");
        check(
            &json!({ "userinfo": ["name"], "id_token": ["name", "email"] }),
            "email",
            "claim:name email",
        );
    }
}

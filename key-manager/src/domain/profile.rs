//! What is known of a person beside their name, and who may hear which part of it?
//!
//! The standard claims of OpenID Connect Core section 5.1, and the person's roles. A scope stands for some
//! of them (section 5.4); `sub`, `preferred_username` and `updated_at` are no part of a profile: the
//! account has them.

use serde_json::{Map, Value};

use super::roles::Roles;

/// The claims of a person, each of the type that its standard gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile(Map<String, Value>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("they are a JSON object")]
    Object,
    #[error("they have {} bytes at most", Profile::LONGEST)]
    Long,
    #[error("`{0}` is no claim that a person can have here")]
    Unknown(String),
    #[error("`{0}` is {1}")]
    Form(String, &'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Flag,
    Address,
    Roles,
}

/// Name, scope, form. No scope stands for roles: who has them is for those who check them.
const CLAIMS: &[(&str, &str, Form)] = &[
    ("name", "profile", Form::Text),
    ("family_name", "profile", Form::Text),
    ("given_name", "profile", Form::Text),
    ("middle_name", "profile", Form::Text),
    ("nickname", "profile", Form::Text),
    ("profile", "profile", Form::Text),
    ("picture", "profile", Form::Text),
    ("website", "profile", Form::Text),
    ("gender", "profile", Form::Text),
    ("birthdate", "profile", Form::Text),
    ("zoneinfo", "profile", Form::Text),
    ("locale", "profile", Form::Text),
    ("email", "email", Form::Text),
    ("email_verified", "email", Form::Flag),
    ("phone_number", "phone", Form::Text),
    ("phone_number_verified", "phone", Form::Flag),
    ("address", "address", Form::Address),
    ("roles", "", Form::Roles),
];

/// The parts of an address (section 5.1.1).
const ADDRESS: [&str; 6] =
    ["formatted", "street_address", "locality", "region", "postal_code", "country"];

impl Profile {
    /// The longest profile, in bytes of JSON.
    pub const LONGEST: usize = 8 * 1024;

    /// The claims that the account itself has, of the scope `profile`.
    pub const OF_ACCOUNT: [&str; 2] = ["preferred_username", "updated_at"];

    /// The scopes that stand for claims.
    pub const SCOPES: [&str; 4] = ["profile", "email", "address", "phone"];

    /// Reads a JSON object; nothing at all is an empty profile.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        if text.len() > Self::LONGEST {
            return Err(ProfileError::Long);
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let Ok(Value::Object(claims)) = serde_json::from_str(text) else {
            return Err(ProfileError::Object);
        };
        for (name, value) in &claims {
            let known = CLAIMS.iter().find(|(known, ..)| known == name);
            let (_, _, form) = known.ok_or_else(|| ProfileError::Unknown(name.clone()))?;
            form.check(value).map_err(|is| ProfileError::Form(name.clone(), is))?;
        }
        Ok(Self(claims))
    }

    /// The names of all claims that a profile can have.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CLAIMS.iter().map(|(name, ..)| *name)
    }

    /// Whether `scope` stands for `claim`, of a profile or of the account.
    pub fn is_of_scope(claim: &str, scope: &str) -> bool {
        let known = CLAIMS.iter().any(|(name, of, _)| *name == claim && *of == scope);
        known || (scope == "profile" && Self::OF_ACCOUNT.contains(&claim))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Their mail address, where somebody has made sure of it.
    pub fn verified_email(&self) -> Option<&str> {
        let verified = self.get("email_verified").and_then(Value::as_bool);
        self.get("email").and_then(Value::as_str).filter(|_| verified == Some(true))
    }

    /// What the person is.
    pub fn roles(&self) -> Roles {
        // What is none was refused when it was read.
        self.get("roles").and_then(Roles::read).unwrap_or_default()
    }

    /// As it is stored.
    pub fn to_text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl Form {
    fn check(self, value: &Value) -> Result<(), &'static str> {
        match self {
            Self::Text => value.is_string().then_some(()).ok_or("a text"),
            Self::Flag => value.is_boolean().then_some(()).ok_or("true or false"),
            Self::Roles => Roles::read(value).map(|_| ()).ok_or(
                "a list of at most 64 texts of 1 to 128 bytes, without control characters and \
                 spaces around them",
            ),
            Self::Address => {
                let known = |(name, value): (&String, &Value)| {
                    ADDRESS.contains(&name.as_str()) && value.is_string()
                };
                let parts = value.as_object().filter(|parts| parts.iter().all(known));
                parts.map(|_| ()).ok_or(
                    "an object of texts: formatted, street_address, locality, \
                                         region, postal_code, country",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said`: "" for a profile that is read, else part of what is said about it.
    #[track_caller]
    fn check(text: &str, said: &str) {
        match Profile::parse(text) {
            Ok(profile) => {
                assert_eq!(said, "", "{text}");
                assert_eq!(Profile::parse(&profile.to_text()).as_ref(), Ok(&profile), "{text}");
            }
            Err(error) => assert!(error.to_string().contains(said), "{text}: {error}"),
        }
    }

    #[test]
    fn the_standard_claims_are_read_in_their_form() {
        check("", "");
        check(r#"{"name":"Ann","email":"a@b.example","email_verified":true}"#, "");
        check(r#"{"address":{"locality":"Bern","country":"CH"},"phone_number":"+41"}"#, "");
        check(r#"{"roles":["publisher","admin"]}"#, "");
        check(r#"{"roles":[]}"#, "");
    }

    #[test]
    fn what_is_no_claim_or_in_another_form_is_named() {
        check("[]", "object");
        check("{", "object");
        check(r#"{"sub":"x"}"#, "`sub` is no claim");
        check(r#"{"preferred_username":"root"}"#, "preferred_username");
        check(r#"{"email_verified":"true"}"#, "`email_verified` is true or false");
        check(r#"{"name":7}"#, "`name` is a text");
        check(r#"{"address":"Bern"}"#, "`address` is an object");
        check(r#"{"roles":"admin"}"#, "`roles` is a list");
        check(r#"{"roles":["admin",7]}"#, "`roles` is a list");
        check(r#"{"address":{"planet":"Earth"}}"#, "`address` is an object");
        check(&format!(r#"{{"name":"{}"}}"#, "a".repeat(Profile::LONGEST)), "bytes at most");
    }

    #[test]
    fn a_scope_stands_for_its_own_claims_only() {
        let all = || Profile::names().chain(Profile::OF_ACCOUNT);
        let number = |scope| all().filter(|name| Profile::is_of_scope(name, scope)).count();
        assert_eq!(["profile", "email", "phone", "address"].map(number), [14, 2, 2, 1]);
        assert_eq!(number("openid"), 0);
        assert!(Profile::is_of_scope("updated_at", "profile"));
        assert!(!Profile::is_of_scope("email", "profile"));
    }
}

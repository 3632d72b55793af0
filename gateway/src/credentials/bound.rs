//! To what is a token bound, and is that shown? (RFC 8705 §3, RFC 9449)
//!
//! A token that is bound is good for nobody but the holder of the key or the certificate: what proves
//! it is looked at on every call, and a binding of a kind that is not known here refuses the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::Claims;
use serde_json::Value;

use crate::fault::TokenRefused;

/// What a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The thumbprint of a key (`jkt`).
    pub key: Option<Box<str>>,
    /// The SHA-256 of a certificate (`x5t#S256`).
    pub certificate: Option<Box<[u8; 32]>>,
}

impl Bound {
    /// What the claims say (RFC 7800 §3.1).
    pub(super) fn of(claims: &Claims) -> Result<Self, TokenRefused> {
        let Some(confirmation) = claims.other.get("cnf") else { return Ok(Self::default()) };
        let members = confirmation.as_object().ok_or(TokenRefused::Bound)?;
        let mut bound = Self::default();
        for (name, value) in members {
            let text = value.as_str().ok_or(TokenRefused::Bound)?;
            match name.as_str() {
                "jkt" if !text.is_empty() => bound.key = Some(text.into()),
                "x5t#S256" => {
                    let digest = URL_SAFE_NO_PAD.decode(text).ok();
                    let digest = digest.and_then(|digest| digest.try_into().ok());
                    bound.certificate = Some(Box::new(digest.ok_or(TokenRefused::Bound)?));
                }
                // Whoever has to hold something that is not known here cannot show it.
                _ => return Err(TokenRefused::Bound),
            }
        }
        if bound.is_free() { Err(TokenRefused::Bound) } else { Ok(bound) }
    }

    /// Whether it is good for whoever has it.
    pub const fn is_free(&self) -> bool {
        self.key.is_none() && self.certificate.is_none()
    }
}

/// Where a token may be used, in its own words (`km.rst`); `None`: everywhere.
pub(super) fn restriction(claims: &Claims) -> Result<Option<plan::RestrictionPlan>, TokenRefused> {
    let Some(said) = claims.other.get("km").and_then(|ours| ours.get("rst")) else {
        return Ok(None);
    };
    let list = |name: &str| match said.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.ok_or(TokenRefused::Restriction)
        }
        Some(_) => Err(TokenRefused::Restriction),
    };
    let known = said.as_object().is_some_and(|all| all.keys().all(|it| it == "ip" || it == "ref"));
    if !known {
        return Err(TokenRefused::Restriction);
    }
    let (networks, hosts) = (list("ip")?, list("ref")?);
    let plan = plan::RestrictionPlan::read(networks.into_iter(), hosts.into_iter());
    let plan = plan.ok_or(TokenRefused::Restriction)?;
    Ok((!plan.is_empty()).then_some(plan))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(name: &str, value: &Value) -> Claims {
        let all = json!({ "iss": "i", "exp": 9, name: value });
        Claims::of_object(all.as_object().cloned().unwrap()).unwrap()
    }

    /// `cnf` and what it comes to.
    #[track_caller]
    fn check(confirmation: &Value, expected: &str) {
        let said = match Bound::of(&claims("cnf", confirmation)) {
            Err(refused) => format!("{refused:?}"),
            Ok(Bound { key, certificate }) => {
                format!("{} {}", key.unwrap_or_default(), certificate.is_some())
            }
        };
        assert_eq!(said, expected, "{confirmation}");
    }

    #[test]
    fn a_key_and_a_certificate_are_read() {
        let digest = URL_SAFE_NO_PAD.encode([7; 32]);
        check(&json!({ "jkt": "k" }), "k false");
        check(&json!({ "x5t#S256": digest }), " true");
        check(&json!({ "jkt": "k", "x5t#S256": digest }), "k true");
        assert!(Bound::of(&claims("other", &json!(1))).unwrap().is_free());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for wrong in [
            json!(null),
            json!({}),
            json!("x"),
            json!({ "jkt": "" }),
            json!({ "jkt": 1 }),
            json!({ "jwk": {} }),
            json!({ "kid": "k" }),
            json!({ "jkt": "k", "kid": "k" }),
            json!({ "x5t#S256": "AAAA" }),
        ] {
            check(&wrong, "Bound");
        }
    }

    #[test]
    fn restrictions_that_cannot_be_read_refuse_the_token() {
        let said = |value: Value| {
            let said = restriction(&claims("km", &json!({ "rst": value })));
            said.map(|plan| plan.is_some()).map_err(|refused| format!("{refused:?}"))
        };
        assert_eq!(said(json!({ "ip": ["192.0.2.0/24"], "ref": ["shop.example"] })), Ok(true));
        assert_eq!(said(json!({ "ip": [], "ref": [] })), Ok(false));
        for wrong in [
            json!("x"),
            json!({ "ip": "x" }),
            json!({ "ip": [1] }),
            json!({ "net": [] }),
            json!([]),
        ] {
            assert_eq!(said(wrong), Err("Restriction".to_owned()));
        }
    }
}

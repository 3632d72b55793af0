//! Which single claims does a request ask for? (OpenID Connect Core section 5.5)
//!
//! Claims that are not known here are left out, as the standard has it. A value that is asked for
//! counts where it says who somebody is (`sub`) or how they logged in (`acr`).

use serde_json::{Map, Value};

use crate::domain::{Profile, Wishes};

/// The longest `claims`, in bytes.
const LONGEST: usize = 4096;

/// What `claims` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClaimsRequest {
    pub(super) wishes: Wishes,
    /// Who has to be the one; empty: anybody.
    pub(super) subject: String,
    /// What the login shall prove, in the order of preference.
    pub(super) acr: Vec<String>,
    /// Whether there is no answer without it.
    pub(super) acr_essential: bool,
}

/// `Err` is what is wrong with it.
pub(super) fn read(text: Option<&str>) -> Result<ClaimsRequest, &'static str> {
    let Some(text) = text else { return Ok(ClaimsRequest::default()) };
    if text.len() > LONGEST {
        return Err("claims is too long");
    }
    let Ok(Value::Object(all)) = serde_json::from_str::<Value>(text) else {
        return Err("claims is no JSON object");
    };
    let empty = Map::new();
    let part = |name: &str| match all.get(name) {
        None | Some(Value::Null) => Ok(&empty),
        Some(Value::Object(part)) => Ok(part),
        Some(_) => Err("a part of claims is no JSON object"),
    };
    let (id_token, userinfo) = (part("id_token")?, part("userinfo")?);
    let acr = id_token.get("acr").unwrap_or(&Value::Null);
    let subject = [id_token, userinfo].into_iter().find_map(|part| values(part.get("sub")?).pop());
    Ok(ClaimsRequest {
        wishes: Wishes {
            id_token: known(id_token),
            userinfo: known(userinfo),
            ..Wishes::default()
        },
        subject: subject.unwrap_or_default(),
        acr: values(acr),
        acr_essential: acr.get("essential") == Some(&Value::Bool(true)),
    })
}

fn known(part: &Map<String, Value>) -> Vec<String> {
    let all = Profile::names().chain(Profile::OF_ACCOUNT);
    all.filter(|name| part.contains_key(*name)).map(str::to_owned).collect()
}

/// The texts that a claim is asked to be: `value`, or each of `values`.
fn values(claim: &Value) -> Vec<String> {
    let list = claim.get("values").and_then(Value::as_array).into_iter().flatten();
    let all = claim.get("value").into_iter().chain(list);
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said`: claims of the ID token, of userinfo, the subject and the acr; or what is wrong.
    #[track_caller]
    fn check(text: &str, said: &str) {
        let found = match read(Some(text)) {
            Err(wrong) => wrong.to_owned(),
            Ok(asked) => {
                let mark = if asked.acr_essential { "!" } else { "" };
                let (wishes, acr) = (asked.wishes, asked.acr.join(" "));
                let (id_token, userinfo) = (wishes.id_token.join(" "), wishes.userinfo.join(" "));
                format!("{id_token}/{userinfo}/{}/{acr}{mark}", asked.subject)
            }
        };
        assert_eq!(found, said, "{text}");
    }

    #[test]
    fn known_claims_are_asked_for_in_their_place() {
        check("{}", "///");
        check(r#"{"userinfo":{"email":null,"name":{"essential":true}}}"#, "/name email//");
        check(
            r#"{"id_token":{"updated_at":null,"auth_time":{"essential":true}}}"#,
            "updated_at///",
        );
        check(r#"{"userinfo":{"http://example.info/claims/groups":null}}"#, "///");
        check(r#"{"id_token":null,"other":7}"#, "///");
    }

    #[test]
    fn values_count_for_the_person_and_the_login() {
        check(r#"{"id_token":{"sub":{"value":"u1"}}}"#, "//u1/");
        check(r#"{"userinfo":{"sub":{"value":"u1"}}}"#, "//u1/");
        check(r#"{"id_token":{"acr":{"essential":true,"values":["a","b"]}}}"#, "///a b!");
        check(r#"{"id_token":{"acr":{"value":"a"}}}"#, "///a");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        check("[]", "claims is no JSON object");
        check("x", "claims is no JSON object");
        check(r#"{"userinfo":[]}"#, "a part of claims is no JSON object");
        check(&format!("{{\"a\":\"{}\"}}", "a".repeat(LONGEST)), "claims is too long");
    }
}

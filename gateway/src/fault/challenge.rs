//! What does a caller have to show who was refused?
//!
//! One challenge for each kind of credential that the API reads, so that a client finds the one that it
//! knows (RFC 9110 §11.6.1): RFC 6750 §3 for tokens, RFC 9449 §7.1 for bound ones, RFC 7617 §2 for
//! passwords. A request without credentials is told no error code.

use http::StatusCode;
use plan::SecurityPlan;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use super::reason::{Fault, ProofRefused, TokenRefused};

const BEARER: &str = "Bearer realm=\"Turnpike\"";
const ALGORITHMS: &str = "ES256 ES384 PS256 EdDSA";

/// The challenge of a call that met no API, for a token.
pub(super) fn bearer(fault: &Fault) -> Option<String> {
    let error = error(fault)?;
    Some(if error.is_empty() { BEARER.to_owned() } else { format!("{BEARER}, {error}") })
}

/// The challenges of an API with this `security`; `metadata` is where RFC 9728 tells more about it.
pub fn challenges(fault: &Fault, security: &SecurityPlan, metadata: &str) -> Vec<String> {
    let Some(error) = error(fault) else { return Vec::new() };
    let mut all = Vec::new();
    let with = |challenge: String, more: &str| {
        if more.is_empty() { challenge } else { format!("{challenge}, {more}") }
    };
    if security.schemes.has(Scheme::Oauth2) {
        let metadata = format!("resource_metadata=\"{metadata}\"");
        let (plain, proven) = if is_about_proof(fault) { ("", &*error) } else { (&*error, "") };
        if security.sender_constrained || !proven.is_empty() {
            let dpop = format!("DPoP realm=\"Turnpike\", algs=\"{ALGORITHMS}\"");
            all.push(with(with(dpop, proven), &metadata));
        }
        all.push(with(with(BEARER.to_owned(), plain), &metadata));
    }
    if security.schemes.has(Scheme::Basic) {
        all.push("Basic realm=\"Turnpike\", charset=\"UTF-8\"".to_owned());
    }
    if security.schemes.has(Scheme::ApiKey) {
        all.push("ApiKey realm=\"Turnpike\"".to_owned());
    }
    // There is no scheme for certificates, and a 401 has a challenge (RFC 9110 §15.5.2).
    if security.schemes.has(Scheme::MutualTls) {
        all.push("MutualTLS realm=\"Turnpike\"".to_owned());
    }
    all
}

/// The error code and what follows it; empty: there is none to tell. `None`: nothing is asked for.
fn error(fault: &Fault) -> Option<String> {
    match fault {
        Fault::InvalidToken(TokenRefused::Proof(proof)) => {
            let code = match proof {
                ProofRefused::Key | ProofRefused::Token => "invalid_token",
                _ => "invalid_dpop_proof",
            };
            Some(format!("error=\"{code}\""))
        }
        Fault::InvalidToken(refused) => {
            let description = match refused {
                TokenRefused::Refused(jose::Refusal::Expired) => "The access token expired",
                _ => "The access token is not valid",
            };
            Some(format!("error=\"invalid_token\", error_description=\"{description}\""))
        }
        Fault::MissingScope { scopes } => {
            Some(format!("error=\"insufficient_scope\", scope=\"{scopes}\""))
        }
        _ if fault.row().status == StatusCode::UNAUTHORIZED => Some(String::new()),
        _ => None,
    }
}

/// Whether a key would have to be proven.
const fn is_about_proof(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::InvalidToken(TokenRefused::Proof(_) | TokenRefused::Bound | TokenRefused::Unbound)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plan::SchemeSet;

    use super::*;

    #[track_caller]
    fn check(schemes: &[Scheme], bound: bool, fault: &Fault, expected: &[&str]) {
        let mut security = SecurityPlan::clone(&SecurityPlan::usual());
        security.schemes = schemes.iter().map(|scheme| SchemeSet::of(*scheme)).collect();
        security.sender_constrained = bound;
        let said = challenges(fault, &Arc::new(security), "M");
        assert_eq!(said, expected);
    }

    #[test]
    fn each_kind_of_credential_has_its_challenge() {
        let missing = Fault::MissingCredentials;
        let token = "Bearer realm=\"Turnpike\", resource_metadata=\"M\"";
        let basic = "Basic realm=\"Turnpike\", charset=\"UTF-8\"";
        let key = "ApiKey realm=\"Turnpike\"";
        check(&[Scheme::Oauth2], false, &missing, &[token]);
        check(&[Scheme::Basic], false, &missing, &[basic]);
        check(
            &[Scheme::ApiKey, Scheme::Basic, Scheme::Oauth2],
            false,
            &missing,
            &[token, basic, key],
        );
        check(&[Scheme::MutualTls], false, &missing, &["MutualTLS realm=\"Turnpike\""]);
        check(&[Scheme::Oauth2], false, &Fault::NotSubscribed, &[]);
    }

    #[test]
    fn a_token_is_told_what_is_wrong_with_it() {
        let expired = Fault::InvalidToken(TokenRefused::Refused(jose::Refusal::Expired));
        check(
            &[Scheme::Oauth2],
            false,
            &expired,
            &["Bearer realm=\"Turnpike\", error=\"invalid_token\", \
             error_description=\"The access token expired\", resource_metadata=\"M\""],
        );
        let used = Fault::InvalidToken(TokenRefused::Proof(ProofRefused::Used));
        check(
            &[Scheme::Oauth2],
            false,
            &used,
            &[
                "DPoP realm=\"Turnpike\", algs=\"ES256 ES384 PS256 EdDSA\", \
             error=\"invalid_dpop_proof\", resource_metadata=\"M\"",
                "Bearer realm=\"Turnpike\", resource_metadata=\"M\"",
            ],
        );
    }
}

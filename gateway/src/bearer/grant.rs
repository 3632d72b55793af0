//! What is asked of a token endpoint, and what does it answer?

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use plan::{OAuth2Plan, SecretText};
use serde::Deserialize;

use crate::sender::{AskError, Trust, ask};

/// How long a token is good that does not say.
const USUAL_LIFE: Duration = Duration::from_mins(5);
/// No token is taken to be good for longer.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum GrantError {
    #[error("the token endpoint did not answer within {0:?}")]
    Timeout(Duration),
    #[error("the token endpoint cannot be asked")]
    Ask(#[from] AskError),
    #[error("the token request cannot be written")]
    Request(#[from] http::Error),
    #[error("the token endpoint answered {status} {code}")]
    Refused { status: u16, code: String },
    #[error("the answer of the token endpoint is no token: {0}")]
    Unusable(&'static str),
}

/// What a token endpoint gave.
pub(super) struct Granted {
    /// The value of an Authorization field. It does not print.
    pub(super) value: HeaderValue,
    pub(super) life: Duration,
    pub(super) refresh: Option<String>,
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
    refresh_token: Option<String>,
}

/// Some servers write the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Asks for a token with `form`.
pub(super) async fn request(
    plan: &OAuth2Plan,
    form: &SecretText,
    trust: &Trust,
) -> Result<Granted, GrantError> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&*plan.path)
        .header(HOST, &plan.server.authority)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = &plan.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request.body(Full::new(Bytes::from(form.expose().to_owned())))?;
    let (status, body) = ask(&plan.server, trust, request).await?;
    granted(status, &body)
}

fn granted(status: StatusCode, body: &[u8]) -> Result<Granted, GrantError> {
    if !status.is_success() {
        let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || "_-. ".contains(*letter);
        let code = refusal.map(|refusal| refusal.error).unwrap_or_default();
        let code = code.chars().filter(plain).take(80).collect();
        return Err(GrantError::Refused { status: status.as_u16(), code });
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| GrantError::Unusable("it is no such JSON"))?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(GrantError::Unusable("it is of another type than Bearer"));
    }
    // RFC 6750 §2.1: what can stand behind `Bearer`.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if answer.access_token.is_empty() || !answer.access_token.bytes().all(fits) {
        return Err(GrantError::Unusable("it holds what cannot stand in a field"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", answer.access_token))
        .map_err(|_| GrantError::Unusable("it holds what cannot stand in a field"))?;
    value.set_sensitive(true);
    let seconds = match answer.expires_in {
        None => None,
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.trim().parse().ok(),
    };
    let life = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let life = life.unwrap_or(USUAL_LIFE).min(LONGEST_LIFE);
    if life.is_zero() {
        return Err(GrantError::Unusable("it has expired already"));
    }
    Ok(Granted { value, life, refresh: answer.refresh_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `body` with `status` comes to: "value seconds refresh".
    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        let said = match granted(status, body.as_bytes()) {
            Ok(granted) => {
                assert!(!format!("{:?}", granted.value).contains("abc"), "a token prints");
                let refresh = granted.refresh.unwrap_or_else(|| "-".to_owned());
                format!("{} {} {refresh}", granted.value.to_str().unwrap(), granted.life.as_secs())
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_token_comes_with_its_life() {
        let body = r#"{"access_token":"abc","token_type":"bearer","expires_in":60,"scope":"x"}"#;
        check(200, body, "Bearer abc 60 -");
        let body = r#"{"access_token":"abc","expires_in":"7","refresh_token":"r"}"#;
        check(200, body, "Bearer abc 7 r");
        check(200, r#"{"access_token":"abc"}"#, "Bearer abc 300 -");
        check(200, r#"{"access_token":"abc","expires_in":1e300}"#, "Bearer abc 300 -");
        check(200, r#"{"access_token":"abc","expires_in":1e9}"#, "Bearer abc 86400 -");
    }

    #[test]
    fn what_is_no_token_is_told_without_being_shown() {
        check(200, "<html>", "the answer of the token endpoint is no token: it is no such JSON");
        check(
            200,
            r#"{"access_token":"abc\r\nx: y"}"#,
            "the answer of the token endpoint is no token: it holds what cannot stand in a field",
        );
        check(
            200,
            r#"{"access_token":"abc","token_type":"DPoP"}"#,
            "the answer of the token endpoint is no token: it is of another type than Bearer",
        );
        check(
            401,
            r#"{"error":"invalid_client","error_description":"secret abc is wrong"}"#,
            "the token endpoint answered 401 invalid_client",
        );
        check(500, "", "the token endpoint answered 500 ");
    }
}

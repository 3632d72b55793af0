//! How is an error told over REST?
//!
//! As problem details (RFC 9457) with the status that HTTP has for it: `type` and `code` are stable and
//! for programs, `detail` is for people, and `problems` say what is wrong with which field of which
//! resource, and what would be right.

use chassis::https::BodyError;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use plan::Problem;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::reply::{Content, Reply, reply};
use crate::edge::{json as proto_json, status};
use crate::manage::ManageError;
use crate::people::Unknown;

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Fault {
    NoRoute(Option<String>),
    /// The methods that are allowed.
    Method(String),
    /// What was asked for, and what is answered.
    Accept {
        given: String,
        offered: &'static str,
    },
    /// Who asks is not known.
    Unknown(Unknown),
    /// Who asks may not, and why.
    Forbidden(&'static str),
    /// What was sent, where JSON or YAML is understood.
    MediaType(String),
    Body(BodyError),
    /// A parameter, a header field or a text that is not understood.
    Request(String),
    /// Problems of resources that could not even be read.
    Problems(Vec<Problem>),
    /// `If-Match` or `If-None-Match` does not hold.
    Precondition(String),
    NotYet(&'static str),
    Manage(ManageError),
    /// What a gRPC service said.
    Status(Status),
    /// An answer of ours has no JSON form.
    Broken,
}

impl From<ManageError> for Fault {
    fn from(error: ManageError) -> Self {
        Self::Manage(error)
    }
}

impl Fault {
    pub(super) fn answer(&self) -> Reply {
        let (status, _) = self.status();
        let mut response = reply(status, &self.problem());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = self.field()
            && let Ok(value) = HeaderValue::try_from(value)
        {
            headers.insert(name, value);
        }
        response
    }

    /// The problem itself.
    pub(super) fn problem(&self) -> Value {
        let (status, code) = self.status();
        json!({
            "type": format!("urn:turnpike:problem:{code}"),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "code": code,
            "problems": self.problems(),
        })
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute(_) => (StatusCode::NOT_FOUND, "no_route"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Accept { .. } => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            Self::Unknown(Unknown::TooMany(_)) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
            }
            Self::Unknown(Unknown::Away | Unknown::NotLoaded) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            Self::Unknown(_) => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Body(BodyError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Body(BodyError::TooSlow(_)) => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::Body(_) | Self::Request(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Problems(_) => (StatusCode::BAD_REQUEST, "refused"),
            Self::Precondition(_) => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::NotYet(_) => (StatusCode::NOT_FOUND, "not_available"),
            Self::Manage(error) => of_use_case(error),
            Self::Status(status) => of_code(status.code()),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NoRoute(Some(near)) => format!("there is nothing here; did you mean {near}?"),
            Self::NoRoute(None) => "there is nothing here".to_owned(),
            Self::Method(allowed) => format!("this method is not known here; these are: {allowed}"),
            Self::Accept { given, offered } => {
                format!("answers are {offered}, which `{given}` does not take")
            }
            Self::Unknown(unknown) => unknown.to_string(),
            Self::Forbidden(why) => (*why).to_owned(),
            Self::MediaType(given) => {
                format!("`{given}` is not understood; send application/json or application/yaml")
            }
            Self::Body(error) => error.to_string(),
            Self::Request(what) | Self::Precondition(what) => what.clone(),
            Self::Problems(problems) => match problems.first() {
                Some(first) => plan::describe(first),
                None => "the document cannot be read".to_owned(),
            },
            Self::NotYet(what) => (*what).to_owned(),
            Self::Manage(error) => status::of(error).message().to_owned(),
            Self::Status(status) => status.message().to_owned(),
            Self::Broken => "the answer could not be written".to_owned(),
        }
    }

    fn problems(&self) -> Vec<Value> {
        let told;
        let problems = match self {
            Self::Problems(problems)
            | Self::Manage(
                ManageError::Refused(problems)
                | ManageError::InUse(problems)
                | ManageError::OutOfTurn(problems),
            ) => problems.as_slice(),
            Self::Status(status) => {
                told = status::problems(status);
                told.as_slice()
            }
            _ => &[],
        };
        let of = |problem| proto_json::of("turnpike.config.v1.Problem", problem);
        problems.iter().map(of).collect()
    }

    fn field(&self) -> Option<(HeaderName, String)> {
        match self {
            Self::Method(allowed) => Some((ALLOW, allowed.clone())),
            Self::Unknown(Unknown::TooMany(wait)) => {
                Some((RETRY_AFTER, wait.as_secs().max(1).to_string()))
            }
            Self::Unknown(Unknown::Away | Unknown::NotLoaded) => {
                Some((RETRY_AFTER, "1".to_owned()))
            }
            Self::Unknown(unknown) => Some((WWW_AUTHENTICATE, challenge(unknown))),
            Self::Forbidden(_) | Self::Manage(ManageError::Forbidden(_)) => {
                let said = r#"Bearer realm="turnpike", error="insufficient_scope""#;
                Some((WWW_AUTHENTICATE, said.to_owned()))
            }
            Self::Manage(error) if status::code(error) == Code::Unavailable => {
                Some((RETRY_AFTER, "1".to_owned()))
            }
            Self::Status(status) if status.code() == Code::Unavailable => {
                Some((RETRY_AFTER, "1".to_owned()))
            }
            _ => None,
        }
    }
}

/// RFC 6750 section 3. The words are ours and hold nothing that was sent.
fn challenge(unknown: &Unknown) -> String {
    match unknown {
        Unknown::Invalid(why) => {
            let why = why.replace(['"', '\\', '`'], "'");
            format!(r#"Bearer realm="turnpike", error="invalid_token", error_description="{why}""#)
        }
        _ => r#"Bearer realm="turnpike""#.to_owned(),
    }
}

fn of_use_case(error: &ManageError) -> (StatusCode, &'static str) {
    match (error, status::code(error)) {
        (ManageError::KeyManager(_), Code::FailedPrecondition) => {
            (StatusCode::CONFLICT, "key_manager_refuses")
        }
        (ManageError::OutOfTurn(_), _) => (StatusCode::CONFLICT, "out_of_turn"),
        (_, code) => of_code(code),
    }
}

const fn of_code(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, "refused"),
        Code::OutOfRange => (StatusCode::NOT_FOUND, "not_kept"),
        Code::FailedPrecondition => (StatusCode::CONFLICT, "in_use"),
        Code::AlreadyExists => (StatusCode::CONFLICT, "exists"),
        Code::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Code::Aborted => (StatusCode::CONFLICT, "conflict"),
        Code::PermissionDenied => (StatusCode::FORBIDDEN, "forbidden"),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Code::Unimplemented => (StatusCode::NOT_FOUND, "not_available"),
        Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Code::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// Sends a browser elsewhere.
pub(super) fn redirect(to: &'static str) -> Reply {
    let mut response = Response::new(Content::default());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

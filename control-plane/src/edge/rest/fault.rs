//! How is an error told over REST?
//!
//! As `{"code", "message", "problems"}` with the status that HTTP has for it. The code is stable
//! and for programs, the message is for people.

use chassis::https::BodyError;
use http::header::{ALLOW, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use plan::Problem;
use serde_json::{Value, json};
use tonic::Code;

use super::reply::{Reply, reply};
use crate::edge::{json as proto_json, status};
use crate::manage::ManageError;

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Fault {
    NoRoute(Option<String>),
    /// The methods that are allowed.
    Method(String),
    Unauthenticated,
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
}

impl From<ManageError> for Fault {
    fn from(error: ManageError) -> Self {
        Self::Manage(error)
    }
}

impl Fault {
    pub(super) fn answer(&self) -> Reply {
        let (status, code) = self.status();
        let body = json!({
            "code": code,
            "message": self.message(),
            "problems": self.problems(),
        });
        let mut response = reply(status, &body);
        if let Some((name, value)) = self.field()
            && let Ok(value) = HeaderValue::try_from(value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute(_) => (StatusCode::NOT_FOUND, "no_route"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Body(BodyError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Body(BodyError::TooSlow(_)) => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::Body(_) | Self::Request(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Problems(_) => (StatusCode::BAD_REQUEST, "refused"),
            Self::Precondition(_) => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::NotYet(_) => (StatusCode::NOT_FOUND, "not_available"),
            Self::Manage(error) => of_use_case(error),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NoRoute(Some(near)) => format!("there is nothing here; did you mean {near}?"),
            Self::NoRoute(None) => "there is nothing here".to_owned(),
            Self::Method(allowed) => format!("this method is not known here; these are: {allowed}"),
            Self::Unauthenticated => "the administrator's bearer token is asked for".to_owned(),
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
        }
    }

    fn problems(&self) -> Vec<Value> {
        let problems = match self {
            Self::Problems(problems)
            | Self::Manage(
                ManageError::Refused(problems)
                | ManageError::InUse(problems)
                | ManageError::OutOfTurn(problems),
            ) => problems.as_slice(),
            _ => &[],
        };
        let of = |problem| proto_json::of("turnpike.config.v1.Problem", problem);
        problems.iter().map(of).collect()
    }

    fn field(&self) -> Option<(HeaderName, String)> {
        match self {
            Self::Method(allowed) => Some((ALLOW, allowed.clone())),
            Self::Unauthenticated => Some((WWW_AUTHENTICATE, "Bearer".to_owned())),
            Self::Manage(error) if status::code(error) == Code::Unavailable => {
                Some((RETRY_AFTER, "1".to_owned()))
            }
            _ => None,
        }
    }
}

fn of_use_case(error: &ManageError) -> (StatusCode, &'static str) {
    match (error, status::code(error)) {
        (_, Code::InvalidArgument) => (StatusCode::BAD_REQUEST, "refused"),
        (ManageError::KeyManager(_), Code::FailedPrecondition) => {
            (StatusCode::CONFLICT, "key_manager_refuses")
        }
        (ManageError::OutOfTurn(_), _) => (StatusCode::CONFLICT, "out_of_turn"),
        (_, Code::FailedPrecondition) => (StatusCode::CONFLICT, "in_use"),
        (_, Code::OutOfRange) => (StatusCode::NOT_FOUND, "not_kept"),
        (_, Code::ResourceExhausted) => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        (_, Code::NotFound) => (StatusCode::NOT_FOUND, "not_found"),
        (_, Code::Aborted) => (StatusCode::CONFLICT, "conflict"),
        (_, Code::Unavailable) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// Sends a browser elsewhere.
pub(super) fn redirect(to: &'static str) -> Reply {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

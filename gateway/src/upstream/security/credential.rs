//! Which credential does a call carry to its backend?

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use plan::{AwsPlan, CredentialPlan};

use super::super::request::Request;
use super::sigv4;
use crate::bearer::{NoToken, Token};
use crate::body::{Body, BodyError};
use crate::escape::{decoded, encoded};
use crate::fault::Fault;

/// Bodies up to this size, in bytes, are read before they are sent where that lets a signature
/// cover them.
const SIGNED_BODY: u64 = 64 * 1024;

/// A credential, ready to be written into a request head.
pub(in crate::upstream) struct Shown<'a> {
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// It is the same for every call.
    Plan(&'a CredentialPlan),
    /// A token that was fetched.
    Token(Arc<Token>),
    /// A signature.
    Aws { plan: &'a AwsPlan, unix: i64, payload: String },
}

/// Gets the credential of the endpoint ready. A body that is short is read for a signature.
pub(in crate::upstream) async fn prepare<'a>(
    request: &Request<'a>,
    body: &mut Body,
) -> Result<Option<Box<Shown<'a>>>, Fault> {
    let Some(plan) = request.endpoint.credential.as_deref() else { return Ok(None) };
    let kind = match plan {
        CredentialPlan::Field(..) | CredentialPlan::Query(..) => Kind::Plan(plan),
        CredentialPlan::Token(_) => Kind::Token(token(request).await?),
        CredentialPlan::Aws(aws) => Kind::Aws {
            plan: aws,
            unix: request.worker.clock.unix_seconds(),
            payload: payload(request, body).await?,
        },
    };
    Ok(Some(Box::new(Shown { kind })))
}

/// A token that no backend has refused yet.
pub(super) async fn token(request: &Request<'_>) -> Result<Arc<Token>, Fault> {
    let Some(CredentialPlan::Token(plan)) = request.endpoint.credential.as_deref() else {
        return Err(Fault::ApiNotReady);
    };
    let worker = request.worker;
    let none = |why: NoToken| Fault::BackendNoToken(Box::new(why));
    if let Some(token) = worker.bearers.slot(plan).map_err(none)?.fresh(worker.clock.unix_us()) {
        return Ok(token);
    }
    worker.bearers.token(plan, &worker.clock).await.map_err(none)
}

/// The hash of the body, as far as it is known before it is sent.
async fn payload(request: &Request<'_>, body: &mut Body) -> Result<String, Fault> {
    let short = body.length().is_some_and(|length| length <= SIGNED_BODY);
    if let Body::Stream(_) = body
        && short
        && request.waits().is_none()
    {
        *body = Body::full(collected(std::mem::take(body)).await?);
    }
    Ok(match body {
        Body::Empty => sigv4::hash(&[]),
        Body::Full(bytes) => sigv4::hash(bytes),
        _ => sigv4::UNSIGNED.to_owned(),
    })
}

/// All of a body whose length was announced and is short.
async fn collected(mut body: Body) -> Result<Bytes, Fault> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            BodyError::TooLarge => Fault::BodyTooLarge,
            BodyError::TooSlow => Fault::RequestTimeout,
            error => Fault::IncompleteBody(Box::new(error)),
        })?;
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// Whether the field called `name` (in lower case) is written by a credential after `plan` and by
/// nobody else.
pub(in crate::upstream) fn writes(plan: &CredentialPlan, name: &str) -> bool {
    match plan {
        CredentialPlan::Field(field, _) => field == name,
        CredentialPlan::Query(..) => false,
        CredentialPlan::Token(_) => name == "authorization",
        CredentialPlan::Aws(_) => sigv4::writes(name),
    }
}

impl Shown<'_> {
    /// With another token.
    pub(super) const fn with(token: Arc<Token>) -> Self {
        Self { kind: Kind::Token(token) }
    }

    /// Whether it can be replaced by another one.
    pub(in crate::upstream) fn is_renewable(&self) -> bool {
        self.token().is_some()
    }

    /// The token, where it is one.
    pub(super) fn token(&self) -> Option<&Arc<Token>> {
        match &self.kind {
            Kind::Token(token) => Some(token),
            _ => None,
        }
    }

    /// Writes its fields behind the request head in `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut field = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        };
        match &self.kind {
            Kind::Plan(CredentialPlan::Field(name, value)) => {
                field(name.as_str(), value.as_bytes());
            }
            Kind::Plan(_) => {}
            Kind::Token(token) => field("authorization", token.value.as_bytes()),
            Kind::Aws { plan, unix, payload } => sigv4::sign(plan, *unix, payload, out),
        }
    }

    /// The path and query that are asked for: a key in the query takes the place of what the client
    /// sent under its name.
    pub(in crate::upstream) fn target<'t>(&self, target: &'t str) -> Cow<'t, str> {
        let Kind::Plan(CredentialPlan::Query(name, key)) = &self.kind else {
            return Cow::Borrowed(target);
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let others = query.split('&').filter(|pair| {
            let said = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && encoded(&decoded(said, true), b"") != **name
        });
        let mut whole = format!("{path}?");
        for pair in others {
            whole.push_str(pair);
            whole.push('&');
        }
        for part in [name, "=", key.expose()] {
            whole.push_str(part);
        }
        Cow::Owned(whole)
    }
}

//! What is known of a call, for those who write it into something?

use std::io::Write as _;

use http::HeaderValue;
use plan::{Part, Variable};
use serde_json::Value;

use crate::handlers::Permit;
use crate::identity::is_identity;
use crate::received::Received;

/// What is known of a call.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request.
    pub received: &'a Received,
    /// The caller and what is called.
    pub permit: &'a Permit<'a>,
    /// The call's name, as `x-request-id` says it.
    pub name: &'a [u8; 32],
}

impl Facts<'_> {
    /// Writes a text for this call behind what is in `out`.
    pub fn write(&self, parts: &[Part], out: &mut Vec<u8>) {
        for part in parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => self.look_up(variable, out),
            }
        }
    }

    fn look_up(&self, variable: &Variable, out: &mut Vec<u8>) {
        let Self { received, permit, name } = self;
        let (api, application) = (permit.matched().api(), permit.application());
        let text: &str = match variable {
            Variable::RequestId => return out.extend_from_slice(*name),
            Variable::ClientAddress => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{}", received.peer.client);
                return;
            }
            Variable::RequestMethod => received.method.as_str(),
            Variable::RequestHost => received.host_name(),
            Variable::RequestPath => received.path(),
            Variable::RequestHeader(name) => {
                // What a client says in the gateway's name is not what it says itself, and its
                // credentials are for the gateway alone.
                let hidden = is_identity(name.as_str()) || permit.takes(name.as_str());
                let said = received.headers.get(name).filter(|_| !hidden);
                let said = said.map_or(b"".as_slice(), HeaderValue::as_bytes);
                return plain(&String::from_utf8_lossy(said), out);
            }
            Variable::TokenClaim(name) => {
                return match permit.caller().claim(name).as_deref() {
                    None | Some(Value::Null) => {}
                    Some(Value::String(text)) => plain(text, out),
                    Some(other) => plain(&other.to_string(), out),
                };
            }
            Variable::ApiName => &api.name,
            Variable::ApiVersion => &api.version,
            Variable::ApiContext => &api.context,
            Variable::OperationPath => &permit.matched().operation().path,
            Variable::ApplicationName => application.map_or("", |application| &application.name),
            Variable::ApplicationOwner => application.map_or("", |application| &application.owner),
            Variable::UserName => permit.caller().user(),
            Variable::SubscriptionTier => {
                permit.subscription().map_or("", |subscription| &subscription.tier)
            }
        };
        plain(text, out);
    }
}

/// Writes `text` without what could end a field: some of it was written by others, and a line break
/// would make a field of theirs out of it.
fn plain(text: &str, out: &mut Vec<u8>) {
    out.extend(text.bytes().filter(|byte| !byte.is_ascii_control()));
}

//! A token of ours that was verified: whose is it, and until when?

use serde_json::Value;

use super::{Confirmation, Restrictions};

/// What an access token says, once its signature and its time were found good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveToken {
    pub issuer: String,
    pub client_id: String,
    pub subject: String,
    pub scopes: Vec<String>,
    pub audience: Vec<String>,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    pub jti: String,
    /// The refresh family it came from; `None`: no person stands behind it.
    pub family: Option<String>,
    /// Single claims of the person that it opens, beside those of its scopes.
    pub userinfo: Vec<String>,
    /// Its authorization details (RFC 9396).
    pub details: Vec<Value>,
    /// Who acts with it, if not its subject (RFC 8693 section 4.1).
    pub act: Option<Value>,
    /// Who may, if it says so (section 4.4).
    pub may_act: Option<Value>,
    /// What its person is, as far as it is known.
    pub roles: Vec<String>,
    /// From where it may be used.
    pub restrictions: Restrictions,
    /// What it is bound to.
    pub confirmation: Confirmation,
}

//! What does an access token say? (RFC 9068 section 2.2, KM-060)

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::domain::{Confirmation, Restrictions, Scopes};

#[derive(Debug, Serialize)]
pub(super) struct Claims<'t> {
    pub(super) iss: &'t str,
    pub(super) sub: &'t str,
    pub(super) aud: Audience<'t>,
    pub(super) client_id: &'t str,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<ScopeText<'t>>,
    /// When the person logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_time: Option<i64>,
    /// How they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acr: Option<&'t str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) amr: Vec<&'t str>,
    /// What the person is (RFC 9068 section 2.2.3.1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<&'t str>,
    #[serde(skip_serializing_if = "Ours::is_empty")]
    pub(super) km: Ours<'t>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<Cnf>,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    pub(super) authorization_details: &'t [Value],
    /// Who acts, if not the subject (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) act: Option<&'t Value>,
    /// What else there is to say.
    #[serde(flatten)]
    pub(super) more: &'t Map<String, Value>,
}

/// What only we and our gateways read (KM-060).
#[derive(Debug, Serialize)]
pub(super) struct Ours<'t> {
    /// The authorization of a person that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fam: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<&'t str>,
    /// Single claims that userinfo has for this token.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) uic: &'t [String],
    /// From where it may be used.
    #[serde(skip_serializing_if = "restrict_nothing")]
    pub(super) rst: &'t Restrictions,
}

impl Ours<'_> {
    const fn is_empty(&self) -> bool {
        let Self { fam, sid, uic, rst } = self;
        fam.is_none() && sid.is_none() && uic.is_empty() && rst.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn restrict_nothing(rst: &&Restrictions) -> bool {
    rst.is_empty()
}

/// What the token is bound to (RFC 9449 section 6.1, RFC 8705 section 3.1).
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Cnf {
    #[serde(skip_serializing_if = "Option::is_none")]
    jkt: Option<String>,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl Cnf {
    pub(super) fn of(confirmation: &Confirmation) -> Self {
        Self { jkt: confirmation.key.clone(), certificate: confirmation.certificate.clone() }
    }

    pub(super) fn confirmation(self) -> Confirmation {
        Confirmation { key: self.jkt, certificate: self.certificate }
    }
}

/// The `cnf` that introspection shows (RFC 9449 section 6.2); `None`: a bearer token.
pub fn cnf(confirmation: &Confirmation) -> Option<Value> {
    let bound = Some(confirmation).filter(|confirmation| !confirmation.is_empty())?;
    serde_json::to_value(Cnf::of(bound)).ok()
}

/// One audience is a text, several are a list (RFC 7519 section 4.1.3).
#[derive(Debug)]
pub(super) struct Audience<'t>(pub(super) &'t [String]);

impl Serialize for Audience<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

#[derive(Debug)]
pub(super) struct ScopeText<'t>(pub(super) &'t Scopes);

impl Serialize for ScopeText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

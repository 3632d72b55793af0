//! Which certificates are clients shown, for which hosts, and how long are they good?
//!
//! Never a key.

use chassis::pki::Facts;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use crate::date::rfc3339;
use crate::snapshot::{Certificates, InForce};

/// Hosts that are shown of one certificate.
const MOST_HOSTS: usize = 100;

/// A certificate that clients are shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certificate {
    /// The Certificate resource; absent: it is the gateway's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    hosts: Vec<String>,
    hosts_not_shown: usize,
    #[serde(flatten)]
    said: Option<Said>,
}

/// What it says about itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: String,
    not_after: String,
}

/// The certificates of the resources that `wanted` wants by their names.
pub(super) fn of_resources(
    certificates: &Certificates,
    wanted: impl Fn(&str) -> bool,
) -> Vec<InForce> {
    let all = certificates.in_force().into_iter();
    all.filter(|one| wanted(&one.name)).collect()
}

/// The gateway's own, which is shown for all other hosts.
pub(super) fn own(certificates: &Certificates) -> Option<Certificate> {
    let leaf = certificates.own_leaf()?;
    let (hosts, said) = (vec!["*".to_owned()], said(Some(&leaf)));
    Some(Certificate { resource: None, hosts, hosts_not_shown: 0, said })
}

impl From<InForce> for Certificate {
    fn from(one: InForce) -> Self {
        let InForce { name, leaf, mut hosts } = one;
        let hosts_not_shown = hosts.len().saturating_sub(MOST_HOSTS);
        hosts.truncate(MOST_HOSTS);
        let said = said(leaf.as_ref());
        Self { resource: Some(name.as_ref().to_owned()), hosts, hosts_not_shown, said }
    }
}

fn said(leaf: Option<&CertificateDer<'_>>) -> Option<Said> {
    let Facts { subject, issuer, names, valid } = leaf.and_then(Facts::of)?;
    let (not_before, not_after) = (rfc3339(*valid.start()), rfc3339(*valid.end()));
    Some(Said { subject, issuer, names, not_before, not_after })
}

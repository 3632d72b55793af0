//! How does a gateway make sure of an endpoint's `https` servers, and who does it say it is?

use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use sha2::{Digest as _, Sha256};
use turnpike_proto::config::v1::BackendTls;
use turnpike_proto::config::v1::backend_tls::Version;

use super::api::unknown;
use super::certificate::{CertificateForm, check_pair, read_private_key};
use super::named::Named;
use crate::problem::{At, Problems, shown};

const MAX_AUTHORITIES: usize = 16;

/// TLS to the servers of an endpoint, where it is not as everywhere.
#[derive(Clone)]
pub struct BackendTlsPlan {
    /// Two plans with the same id are the same: one connection serves both.
    pub id: [u8; 32],
    /// The authorities that are believed; empty: as everywhere.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Who the gateway says it is.
    pub client: Option<Arc<CertifiedKey>>,
    /// The name that is asked for and looked for; `None`: the host of the server.
    pub server_name: Option<ServerName<'static>>,
    /// Whether TLS 1.2 is too old.
    pub only_tls13: bool,
}

impl PartialEq for BackendTlsPlan {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for BackendTlsPlan {}

impl fmt::Debug for BackendTlsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendTlsPlan")
            .field("authorities", &self.authorities.len())
            .field("client", &self.client.is_some())
            .field("server_name", &self.server_name)
            .field("only_tls13", &self.only_tls13)
            .finish_non_exhaustive()
    }
}

/// `None` where something is wrong, which is told, or not at hand.
pub(crate) fn compile_backend_tls(
    tls: &BackendTls,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<BackendTlsPlan> {
    let authorities = authorities(&tls.authorities, named, &at.name("authorities"), problems);
    let here = at.name("clientCertificate");
    let client = match tls.client_certificate.as_str() {
        "" => Some(None),
        name => client(name, named, &here, problems).map(Some),
    };
    let server_name = server_name(&tls.server_name, &at.name("serverName"), problems);
    let Ok(version) = Version::try_from(tls.min_version) else {
        problems.add(&at.name("minVersion"), unknown(tls.min_version), "");
        return None;
    };
    let only_tls13 = version == Version::Tls13;
    let (authorities, client, server_name) = (authorities?, client?, server_name.ok()?);
    let mut hash = Sha256::new();
    let mut take = |part: &[u8]| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    };
    take(&[u8::from(only_tls13), u8::from(client.is_some())]);
    take(tls.server_name.to_ascii_lowercase().as_bytes());
    for authority in &authorities {
        take(authority);
    }
    let client = client.map(|Client { certified, secret }| {
        for certificate in &certified.cert {
            take(certificate);
        }
        take(secret.as_bytes());
        certified
    });
    let id = hash.finalize().into();
    Some(BackendTlsPlan { id, authorities, client, server_name, only_tls13 })
}

fn authorities(
    names: &[String],
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Vec<CertificateDer<'static>>> {
    if names.len() > MAX_AUTHORITIES {
        problems.add(at, format!("there are {}, at most {MAX_AUTHORITIES}", names.len()), "");
        return None;
    }
    let (mut all, mut whole) = (Vec::new(), true);
    for (index, name) in names.iter().enumerate() {
        let here = at.index(index);
        match named.certificate(name, &here, problems) {
            Some(CertificateForm::Authority(authority)) => {
                all.extend(authority.0.iter().cloned());
            }
            Some(_) => {
                problems.add(&here, format!("Certificate/{name} is not of use backend_ca"), "");
                whole = false;
            }
            None => whole = false,
        }
    }
    whole.then_some(all)
}

struct Client<'o> {
    certified: Arc<CertifiedKey>,
    secret: &'o str,
}

fn client<'o>(
    name: &str,
    named: Named<'o>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Client<'o>> {
    let form = named.certificate(name, at, problems)?;
    let CertificateForm::Client { chain, secret } = form else {
        problems.add(at, format!("Certificate/{name} is not of use backend_client"), "");
        return None;
    };
    let secret = named.secret(&secret, at, problems)?;
    match read_private_key(secret).and_then(|key| check_pair(chain, key)) {
        Ok(certified) => Some(Client { certified: Arc::new(certified), secret }),
        Err(reason) => {
            problems.add(at, format!("Certificate/{name}: {reason}"), "");
            None
        }
    }
}

/// The name, where there is one; what is wrong with it is told.
fn server_name(
    text: &str,
    at: &At<'_>,
    problems: &mut Problems,
) -> Result<Option<ServerName<'static>>, InvalidDnsNameError> {
    if text.is_empty() {
        return Ok(None);
    }
    ServerName::try_from(text.to_ascii_lowercase()).map(Some).inspect_err(|_| {
        let reason = format!("`{}` is no name of a server", shown(text));
        problems.add(at, reason, "write a DNS name or an address, without port");
    })
}

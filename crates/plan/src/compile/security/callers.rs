//! For whom does a certificate stand that a caller shows?
//!
//! One that is known counts by its key alone, so that it can be renewed; one of an authority counts by
//! the names inside. What it is good for is said beside it.

use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use throttle::{Meter, MeterConfig, Subject};
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{CallerAuthority, CallerCertificate, CallerRights, MutualTls};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::compile::certificate::{CertificateForm, ClientAuthority, spki_digest};
use crate::compile::host::{HostPattern, parse_host};
use crate::compile::named::Named;
use crate::compile::operation::check_scopes;
use crate::compile::subscriber::{KeyType, compile_key_type};
use crate::compile::tier::USUAL_PRIORITY;
use crate::objects::or_default;
use crate::problem::{At, Problems, shown};

const MAX_CERTIFICATES: usize = 1_000;
const MAX_AUTHORITIES: usize = 64;
const MAX_NAMES: usize = 64;

/// Whose certificates are good for an interface.
#[derive(Clone, Debug, Default)]
pub struct CallersPlan {
    /// By the digest of their keys, in order.
    known: Vec<([u8; 32], Arc<CallerRightsPlan>)>,
    authorities: Vec<AuthorityRule>,
}

/// What a caller with a certificate may do.
#[derive(Clone, Debug)]
pub struct CallerRightsPlan {
    /// Where it stands in the resource: `certificates[0]`.
    pub place: Box<str>,
    /// Which backends it reaches.
    pub key_type: KeyType,
    /// The scopes that it has.
    pub scopes: Vec<Box<str>>,
    /// The tier that limits its calls.
    pub tier: Arc<str>,
    /// The priority of that tier under overload.
    pub priority: u8,
    /// The limits of that tier at work.
    pub meter: Arc<Meter>,
}

#[derive(Clone, Debug)]
struct AuthorityRule {
    /// Name of the Certificate.
    certificate: Arc<str>,
    names: Vec<NameRule>,
    rights: Arc<CallerRightsPlan>,
}

/// A name that a certificate has (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
enum NameRule {
    Dns(HostPattern),
    Uri(Box<str>),
    /// All URIs below one, which ends with a slash.
    UriBelow(Box<str>),
    Email(Box<str>),
    Ip(IpAddr),
}

impl CallersPlan {
    /// What the holder of `leaf` may do; `None`: this certificate is not good here. `authority` looks
    /// a Certificate of use `client_ca` up.
    pub fn find<'p>(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now_unix: i64,
        authority: impl Fn(&str) -> Option<&'p Arc<ClientAuthority>>,
    ) -> Option<&Arc<CallerRightsPlan>> {
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let validity = parsed.validity();
        let lasts = validity.not_before.timestamp()..=validity.not_after.timestamp();
        if !lasts.contains(&now_unix) {
            return None;
        }
        let digest = spki_digest(&parsed);
        if let Ok(place) = self.known.binary_search_by(|(known, _)| known.cmp(&digest)) {
            return self.known.get(place).map(|(_, rights)| rights);
        }
        let named = |rule: &&AuthorityRule| rule.names.iter().any(|name| name.is_in(&parsed));
        let signed = |rule: &&AuthorityRule| {
            authority(&rule.certificate).is_some_and(|it| it.signed(leaf, chain, now_unix))
        };
        self.authorities.iter().filter(named).find(signed).map(|rule| &rule.rights)
    }

    /// Whether a tier of this name limits anybody.
    pub(crate) fn is_limited_by(&self, tier: &str) -> bool {
        self.all().any(|rights| &*rights.tier == tier)
    }

    /// Takes over what was counted for those who are still there with the same limits.
    pub(crate) fn count_on(&mut self, old: &Self, api: &str) {
        let known = self.known.iter_mut().map(|(_, rights)| rights);
        for rights in known.chain(self.authorities.iter_mut().map(|rule| &mut rule.rights)) {
            let before = old.all().find(|old| old.place == rights.place);
            if let (Some(before), Some(rights)) = (before, Arc::get_mut(rights)) {
                let name = || subject(api, &rights.place);
                rights.meter = before.meter.under(rights.meter.config(), name);
            }
        }
    }

    /// Has them counted under the name of the API (`name:version`) that they may call, where gateways
    /// count together.
    pub(crate) fn count_as(&mut self, api: &str) {
        let known = self.known.iter_mut().map(|(_, rights)| rights);
        let all = known.chain(self.authorities.iter_mut().map(|rule| &mut rule.rights));
        for rights in all.filter_map(Arc::get_mut) {
            let config = rights.meter.config().clone();
            rights.meter = Arc::new(Meter::named(config, || subject(api, &rights.place)));
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<CallerRightsPlan>> {
        let known = self.known.iter().map(|(_, rights)| rights);
        known.chain(self.authorities.iter().map(|rule| &rule.rights))
    }
}

fn subject(api: &str, place: &str) -> Subject {
    Subject::of("certificate", &[api, place])
}

impl NameRule {
    fn parse(text: &str) -> Result<Self, String> {
        let unreadable = || format!("`{}` is no name of a certificate", shown(text));
        let (kind, name) = text.split_once(':').ok_or_else(unreadable)?;
        match kind {
            "dns" => parse_host(name).map(Self::Dns).map_err(|(reason, _)| reason),
            "ip" => name.parse().map(Self::Ip).map_err(|_| unreadable()),
            _ if name.is_empty() || name.len() > 2_048 => Err(unreadable()),
            "email" if name.contains('@') => Ok(Self::Email(name.into())),
            "uri" if name.contains(':') => Ok(match name.strip_suffix('*') {
                Some(below) if below.ends_with('/') => Self::UriBelow(below.into()),
                _ => Self::Uri(name.into()),
            }),
            _ => Err(unreadable()),
        }
    }

    fn is_in(&self, certificate: &X509Certificate<'_>) -> bool {
        let names = certificate.subject_alternative_name().ok().flatten();
        names.is_some_and(|names| names.value.general_names.iter().any(|name| self.fits(name)))
    }

    fn fits(&self, name: &GeneralName<'_>) -> bool {
        match (self, name) {
            (Self::Dns(pattern), GeneralName::DNSName(name)) => pattern.matches(name),
            (Self::Uri(exact), GeneralName::URI(uri)) => **exact == **uri,
            // A name that climbs back up is below nothing.
            (Self::UriBelow(above), GeneralName::URI(uri)) => {
                let rest = uri.strip_prefix(&**above).unwrap_or_default();
                !rest.is_empty() && !rest.split('/').any(|part| matches!(part, "." | ".."))
            }
            (Self::Email(exact), GeneralName::RFC822Name(name)) => **exact == **name,
            (Self::Ip(IpAddr::V4(exact)), GeneralName::IPAddress(name)) => {
                exact.octets().as_slice() == *name
            }
            (Self::Ip(IpAddr::V6(exact)), GeneralName::IPAddress(name)) => {
                exact.octets().as_slice() == *name
            }
            _ => false,
        }
    }
}

pub(super) fn compile_callers(
    mutual: Option<&MutualTls>,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<CallersPlan> {
    let mutual = mutual.filter(|it| !it.certificates.is_empty() || !it.authorities.is_empty());
    let Some(mutual) = mutual else {
        let suggestion = "name the certificates or authorities that are good";
        problems.add(at, "it does not say whose certificates are good", suggestion);
        return None;
    };
    let mut plan = CallersPlan::default();
    let list = at.name("certificates");
    if mutual.certificates.len() > MAX_CERTIFICATES {
        let reason = format!("there are {}, at most {MAX_CERTIFICATES}", mutual.certificates.len());
        problems.add(&list, reason, "name their authority");
        return None;
    }
    for (index, one) in mutual.certificates.iter().enumerate() {
        let place = format!("certificates[{index}]");
        let known = compile_known(one, &place, named, &list.index(index), problems);
        plan.known.extend(known);
    }
    plan.known.sort_by_key(|(digest, _)| *digest);
    if plan.known.windows(2).any(|pair| matches!(pair, [one, two] if one.0 == two.0)) {
        problems.add(&list, "two certificates have the same key", "keep one of them");
    }
    let list = at.name("authorities");
    if mutual.authorities.len() > MAX_AUTHORITIES {
        let reason = format!("there are {}, at most {MAX_AUTHORITIES}", mutual.authorities.len());
        problems.add(&list, reason, "");
        return None;
    }
    for (index, one) in mutual.authorities.iter().enumerate() {
        let place = format!("authorities[{index}]");
        plan.authorities.extend(compile_authority(
            one,
            &place,
            named,
            &list.index(index),
            problems,
        ));
    }
    Some(plan)
}

fn compile_known(
    one: &CallerCertificate,
    place: &str,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<([u8; 32], Arc<CallerRightsPlan>)> {
    let rights = compile_rights(one.rights.as_ref(), place, named, &at.name("rights"), problems);
    let here = at.name("certificate");
    let form = named.certificate(&one.certificate, &here, problems)?;
    if let CertificateForm::Caller(digest) = form {
        return Some((digest, rights));
    }
    problems.add(&here, format!("Certificate/{} is not of use `caller`", one.certificate), "");
    None
}

fn compile_authority(
    one: &CallerAuthority,
    place: &str,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<AuthorityRule> {
    let rights = compile_rights(one.rights.as_ref(), place, named, &at.name("rights"), problems);
    let list = at.name("names");
    if one.names.is_empty() || one.names.len() > MAX_NAMES {
        let reason = format!("there are {} names, from 1 to {MAX_NAMES}", one.names.len());
        problems.add(&list, reason, "write for example `dns:api.partner.example`");
        return None;
    }
    let mut names = Vec::with_capacity(one.names.len());
    for (index, text) in one.names.iter().enumerate() {
        match NameRule::parse(text) {
            Ok(rule) => names.push(rule),
            Err(reason) => {
                let suggestion = "write `dns:`, `uri:`, `email:` or `ip:` and the name";
                problems.add(&list.index(index), reason, suggestion);
            }
        }
    }
    let here = at.name("certificate");
    let form = named.certificate(&one.certificate, &here, problems)?;
    if matches!(form, CertificateForm::ClientAuthority(_)) {
        let certificate = one.certificate.as_str().into();
        return Some(AuthorityRule { certificate, names, rights });
    }
    problems.add(&here, format!("Certificate/{} is not of use `client_ca`", one.certificate), "");
    None
}

fn compile_rights(
    rights: Option<&CallerRights>,
    place: &str,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Arc<CallerRightsPlan> {
    let rights = rights.cloned().unwrap_or_default();
    let key_type = compile_key_type(rights.r#type, &at.name("type"), problems);
    check_scopes(&rights.scopes, &at.name("scopes"), problems);
    let tier = or_default(&rights.tier, "Unlimited");
    let found = named.tier(tier, Level::Subscription, &at.name("tier"), problems);
    let (meter, priority) = found.map_or_else(
        || (MeterConfig::unlimited(), USUAL_PRIORITY),
        |found| (found.meter.clone(), found.priority),
    );
    Arc::new(CallerRightsPlan {
        place: place.into(),
        key_type,
        scopes: rights.scopes.iter().map(|scope| scope.as_str().into()).collect(),
        tier: tier.into(),
        priority,
        meter: Arc::new(Meter::new(meter)),
    })
}

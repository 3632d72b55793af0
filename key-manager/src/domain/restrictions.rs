//! From where may the tokens of a client be used? (KM-060)
//!
//! Each token carries it as `km.rst`, so that whoever takes the token can judge without asking: the
//! networks that its caller is in, and the hosts whose pages it is used from. Each list that is not empty
//! has to fit.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// What a token says; nothing: from everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Restrictions {
    /// Networks in CIDR form, without host bits.
    #[serde(rename = "ip", skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Host names in lower case; `*` as the first label stands for any one.
    #[serde(rename = "ref", skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
}

/// As they stand in a token or in the store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    ip: Vec<String>,
    #[serde(default)]
    r#ref: Vec<String>,
}

impl TryFrom<Written> for Restrictions {
    type Error = RestrictionError;

    fn try_from(written: Written) -> Result<Self, RestrictionError> {
        Self::parse(&written.ip, &written.r#ref)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestrictionError {
    #[error("allowed_ips: `{0}` is no network like 192.0.2.0/24 and no address")]
    Network(String),
    #[error("allowed_ips: at most {} of them", Restrictions::MOST)]
    Networks,
    #[error("allowed_domains: `{0}` is no host name like shop.example or *.shop.example")]
    Domain(String),
    #[error("allowed_domains: at most {} of them", Restrictions::MOST)]
    Domains,
}

impl Restrictions {
    /// The most networks, and the most domains, of one client.
    pub const MOST: usize = 64;

    /// Reads networks and host names as people write them; what comes twice counts once.
    pub fn parse(networks: &[String], domains: &[String]) -> Result<Self, RestrictionError> {
        if networks.len() > Self::MOST {
            return Err(RestrictionError::Networks);
        }
        if domains.len() > Self::MOST {
            return Err(RestrictionError::Domains);
        }
        let mut read = Self::default();
        for text in networks {
            let found = network(text).ok_or_else(|| RestrictionError::Network(start(text)))?;
            let found = found.to_string();
            if !read.networks.contains(&found) {
                read.networks.push(found);
            }
        }
        for text in domains {
            let found = domain(text).ok_or_else(|| RestrictionError::Domain(start(text)))?;
            if !read.domains.contains(&found) {
                read.domains.push(found);
            }
        }
        Ok(read)
    }

    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.domains.is_empty()
    }
}

/// A network, or an address as a network of its own. One that IPv6 only wraps is an IPv4 network, as
/// callers are looked at.
fn network(text: &str) -> Option<IpNet> {
    let found = match text.parse::<IpNet>() {
        Ok(found) => found,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    let mapped = match found {
        IpNet::V6(net) => net.addr().to_ipv4_mapped().zip(net.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let plain = mapped.map(|(address, prefix): (Ipv4Addr, u8)| Ipv4Net::new(address, prefix));
    match plain {
        Some(net) => net.ok().map(|net| IpNet::V4(net.trunc())),
        None => Some(found.trunc()),
    }
}

/// A host name of letters, digits and hyphens; other letters come in their ASCII form.
fn domain(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let host = name.strip_prefix("*.").unwrap_or(&name);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        let bounded = (1..=63).contains(&label.len()) && label.bytes().all(known);
        bounded && !label.starts_with('-') && !label.ends_with('-')
    };
    let fits = name.len() <= 253 && host.split('.').all(is_label);
    fits.then_some(name)
}

/// So much of a text that an answer can name it.
fn start(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is what a token says of it, or the refusal.
    #[track_caller]
    fn check(networks: &[&str], domains: &[&str], read: &str) {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let said = match Restrictions::parse(&owned(networks), &owned(domains)) {
            Ok(restrictions) => {
                let text = serde_json::json!(restrictions).to_string();
                assert_eq!(serde_json::from_str::<Restrictions>(&text).ok(), Some(restrictions));
                text
            }
            Err(refusal) => refusal.to_string(),
        };
        assert!(said.starts_with(read), "{networks:?} {domains:?}: {said}");
    }

    #[test]
    fn networks_are_written_without_host_bits_and_addresses_as_networks() {
        check(&[], &[], "{}");
        check(
            &["152.23.5.6", "192.168.1.2/24", "2001:c00::/23", "2001:DB8::1"],
            &[],
            r#"{"ip":["152.23.5.6/32","192.168.1.0/24","2001:c00::/23","2001:db8::1/128"]}"#,
        );
        check(
            &["::ffff:192.0.2.7", "::ffff:192.0.2.9/120"],
            &[],
            r#"{"ip":["192.0.2.7/32","192.0.2.0/24"]}"#,
        );
        check(&["10.0.0.0/8", "10.1.2.3/8"], &[], r#"{"ip":["10.0.0.0/8"]}"#);
    }

    #[test]
    fn host_names_are_lower_case_and_may_begin_with_a_star() {
        check(
            &[],
            &["Shop.Example", "*.shop.example", "localhost", "xn--bcher-kva.example", "*.com"],
            r#"{"ref":["shop.example","*.shop.example","localhost","xn--bcher-kva.example","*.com"]}"#,
        );
    }

    #[test]
    fn what_is_neither_is_refused_by_its_field() {
        for text in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.1:80", " 10.0.0.1", "0/0"] {
            check(&[text], &[], "allowed_ips: `");
        }
        let long = "a".repeat(64);
        for text in [
            "",
            "*",
            "*.",
            "a.*.example",
            "*a.example",
            "**.a",
            "https://a.example",
            "a.example:443",
            "a.example/",
            "a..b",
            ".a",
            "a.",
            "-a.example",
            "a-.example",
            "b\u{fc}cher.example",
            "a b",
            &long,
        ] {
            check(&[], &[text], "allowed_domains: `");
        }
        check(&["10.0.0.1"; Restrictions::MOST + 1], &[], "allowed_ips: at most 64");
        check(&[], &["a"; Restrictions::MOST + 1], "allowed_domains: at most 64");
        check(&["10.0.0.1"; Restrictions::MOST], &["a"; Restrictions::MOST], "{");
    }

    #[test]
    fn a_token_that_says_more_than_is_known_here_cannot_be_judged() {
        assert!(serde_json::from_str::<Restrictions>(r#"{"ip":[],"time":["12"]}"#).is_err());
        assert!(serde_json::from_str::<Restrictions>(r#"{"ip":["anywhere"]}"#).is_err());
    }
}

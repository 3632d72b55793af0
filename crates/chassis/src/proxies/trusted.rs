//! Who may speak for a client?
//!
//! Proxies in front of a service, named by their networks. What anybody else says about who they
//! are is not believed, and what a trusted one says only in the field that is configured: proxies
//! hand on what they do not know, so the other field may be the client's own invention.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::hops::elements;

/// The field in which proxies say for whom they speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `X-Forwarded-For`, with `-Proto` and `-Host`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies that are believed; by default none.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    networks: Vec<IpNet>,
    source: Source,
}

/// A text is no network.
#[derive(Debug, thiserror::Error)]
#[error("`{network}` is not a network like 10.0.0.0/8")]
pub struct NetworkError {
    /// The text.
    pub network: String,
    /// Why it is none.
    #[source]
    pub cause: ipnet::AddrParseError,
}

impl Proxies {
    /// Believes who is in one of these networks, and what it says in the field that is the `source`.
    pub fn parse(networks: &[String], source: Source) -> Result<Self, NetworkError> {
        let parse = |network: &String| {
            network.parse().map_err(|cause| NetworkError { network: network.clone(), cause })
        };
        let networks = networks.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { networks, source })
    }

    /// Whether nobody is believed.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Where proxies say it.
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Whether what `peer` says about others is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// The client that `peer` speaks for: the last address in its list that is not a trusted proxy
    /// itself. Whoever is not trusted speaks for nobody but itself.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(peer) {
            return client;
        }
        let mut follow = |hop: Option<IpAddr>| match hop {
            None => true,
            Some(address) => {
                client = address.to_canonical();
                !self.trusts(client)
            }
        };
        match self.source {
            Source::XForwardedFor => {
                let fields = headers.get_all("x-forwarded-for").iter().rev();
                let mut hops = fields
                    .flat_map(|field| field.to_str().unwrap_or_default().rsplit(',').map(address));
                hops.any(&mut follow);
            }
            Source::Forwarded => {
                let hops = elements(headers);
                hops.iter().rev().any(|hop| follow(address(&hop.from)));
            }
        }
        client
    }
}

/// The address in a list, where a port may follow it; `None`: it is none (`unknown`, `_hidden`).
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Believes 10.0.0.0/8; `said` are the `x-forwarded-for` fields in their order.
    #[track_caller]
    fn check(peer: &str, said: &[&str], client: &str) {
        check_in(Source::XForwardedFor, "x-forwarded-for", peer, said, client);
        // Said where nobody looks, it is not believed.
        check_in(Source::Forwarded, "x-forwarded-for", peer, said, peer);
    }

    #[track_caller]
    fn forwarded(peer: &str, said: &[&str], client: &str) {
        check_in(Source::Forwarded, "forwarded", peer, said, client);
        check_in(Source::XForwardedFor, "forwarded", peer, said, peer);
    }

    #[track_caller]
    fn check_in(source: Source, name: &'static str, peer: &str, said: &[&str], client: &str) {
        let proxies = Proxies::parse(&["10.0.0.0/8".to_owned()], source).unwrap();
        let mut headers = HeaderMap::new();
        for field in said {
            headers.append(name, field.parse().unwrap());
        }
        let found = proxies.client(peer.parse().unwrap(), &headers);
        assert_eq!(found.to_string(), client);
    }

    #[test]
    fn who_is_not_trusted_is_the_client_whatever_it_says() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_client() {
        check("10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["6.6.6.6", "2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["198.51.100.7:4711, 10.0.0.2"], "198.51.100.7");
    }

    #[test]
    fn the_standard_field_says_the_same() {
        forwarded("192.0.2.1", &["for=198.51.100.7"], "192.0.2.1");
        forwarded("10.0.0.1", &["for=6.6.6.6, For=198.51.100.7;proto=https"], "198.51.100.7");
        forwarded("10.0.0.1", &["for=6.6.6.6", "for=\"[2001:db8::1]:4711\""], "2001:db8::1");
        forwarded("10.0.0.1", &["for=198.51.100.7;by=10.0.0.9, for=10.0.0.2"], "198.51.100.7");
        forwarded("10.0.0.1", &["for=unknown, for=10.0.0.2"], "10.0.0.2");
        forwarded("10.0.0.1", &["for=\"198.51.100.7, for=6.6.6.6"], "10.0.0.1");
        forwarded("10.0.0.1", &["proto=https"], "10.0.0.1");
    }

    #[test]
    fn a_proxy_that_says_nothing_or_nonsense_is_the_client() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &[""], "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = Proxies::parse(&["10.0.0.0".to_owned()], Source::default()).unwrap_err();
        assert!(error.to_string().starts_with("`10.0.0.0` is not"), "{error}");
    }
}

//! Who may speak for a client?
//!
//! Proxies in front of the gateway, named by their networks. What anybody else says about who they
//! are is not believed.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The proxies that are believed; by default none.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

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
    /// Believes who is in one of these networks.
    pub fn parse(networks: &[String]) -> Result<Self, NetworkError> {
        let parse = |network: &String| {
            network.parse().map_err(|cause| NetworkError { network: network.clone(), cause })
        };
        networks.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether what `peer` says about others is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The client that `peer` speaks for: the last address in `x-forwarded-for` that is not a
    /// trusted proxy itself. Whoever is not trusted speaks for nobody but itself.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(peer) {
            return client;
        }
        for field in headers.get_all("x-forwarded-for").iter().rev() {
            for hop in field.to_str().unwrap_or_default().rsplit(',') {
                let Ok(address) = hop.trim().parse::<IpAddr>() else { return client };
                client = address.to_canonical();
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Believes 10.0.0.0/8; `said` are the `x-forwarded-for` fields in their order.
    #[track_caller]
    fn check(peer: &str, said: &[&str], client: &str) {
        let proxies = Proxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        for field in said {
            headers.append("x-forwarded-for", field.parse().unwrap());
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
    }

    #[test]
    fn a_proxy_that_says_nothing_or_nonsense_is_the_client() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &[""], "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = Proxies::parse(&["10.0.0.0".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("`10.0.0.0` is not"), "{error}");
    }
}

//! Which addresses may be dialled for somebody else?
//!
//! What is not an address of the public internet is refused, however it is spelled: addresses of
//! this machine, of private networks, of links, and those that carry an IPv4 address inside. An
//! operator names the exceptions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// How far requests may go.
#[derive(Clone, Debug)]
pub enum Reach {
    /// Wherever the operator who named the address wants, also without TLS.
    Anywhere,
    /// The public internet by https, and what is named here.
    Public(Vec<Allowed>),
}

/// An exception: a network like `10.1.0.0/16`, an address, or a host by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Addresses, whatever host has them.
    Net(IpNet),
    /// A host, whatever addresses it has; lower case.
    Host(String),
}

/// Not an exception.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network like 10.1.0.0/16, no address and no host name")]
pub struct AllowedError(String);

impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(IpNet::from(address)));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if text.is_empty() || text.len() > 253 || !text.bytes().all(known) {
            return Err(AllowedError(text.to_owned()));
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }
}

impl Reach {
    /// Whether `host`, which has `address`, may be dialled there.
    pub(super) fn admits(&self, host: &str, address: IpAddr) -> bool {
        let Self::Public(allowed) = self else { return true };
        let address = address.to_canonical();
        let named = |one: &Allowed| match one {
            Allowed::Net(net) => net.contains(&address),
            Allowed::Host(known) => host.eq_ignore_ascii_case(known),
        };
        is_public(address) || allowed.iter().any(named)
    }

    /// Whether a request may go without TLS.
    pub(super) const fn admits_cleartext(&self) -> bool {
        matches!(self, Self::Anywhere)
    }
}

/// Whether an address is one of the public internet (the IANA registries of special addresses).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !is_special_v4(address),
        IpAddr::V6(address) => !is_special_v6(address),
    }
}

const fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        // This network, private, loopback, multicast and reserved.
        (0 | 10 | 127 | 224.., ..) | (172, 16..=31, _) | (192, 168, _)
        // Carrier-grade NAT, link-local, benchmarks.
        | (100, 64..=127, _) | (169, 254, _) | (198, 18 | 19, _)
        // Protocol assignments, documentation, and the old relay of 6to4.
        | (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) => true,
        _ => false,
    }
}

const fn is_special_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Teredo, ORCHID and the other protocol assignments; documentation; 6to4, which hides an
        // IPv4 address.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002 | 0x3fff, ..] => true,
        // All that is assigned lies in 2000::/3: loopback, mapped and translated addresses, local
        // ones, links and multicast lie outside.
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, public: bool) {
        assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
    }

    #[test]
    fn addresses_of_our_own_networks_are_not_public_in_any_spelling() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(address, false);
        }
    }

    #[test]
    fn the_internet_is_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "192.1.1.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2a00:1450:4001::1",
        ] {
            check(address, true);
        }
    }

    #[test]
    fn an_operator_names_exceptions_by_network_address_or_host() {
        let named = |text: &str| text.parse::<Allowed>().unwrap();
        let reach =
            Reach::Public(vec![named("10.1.0.0/16"), named("127.0.0.1"), named("Idp.corp")]);
        let admits = |host: &str, address: &str| reach.admits(host, address.parse().unwrap());
        assert!(admits("any", "10.1.2.3") && admits("any", "::ffff:10.1.2.3"));
        assert!(admits("any", "127.0.0.1") && !admits("any", "127.0.0.2"));
        assert!(admits("idp.CORP", "192.168.0.1") && !admits("idp.corp.evil", "192.168.0.1"));
        assert!(!admits("any", "10.2.0.1"));
        for text in ["", "a b", "https://x", "10.0.0.0/33", "x/8"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }
}

//! From where, and on which pages, may something be used?
//!
//! Networks and host names. Both have to hold where both are said, and what a call does not say is a
//! refusal: a call without `Origin` and `Referer` is on no page.

use std::net::IpAddr;

use ipnet::IpNet;

use super::host::{HostPattern, parse_host};
use crate::problem::{At, Problems, shown};

/// The most networks, and the most host names.
const MOST: usize = 100;

/// Where something may be used; by default everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestrictionPlan {
    networks: Vec<IpNet>,
    hosts: Vec<HostPattern>,
}

/// Which of them does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The address of the client.
    Address,
    /// The page, or there is none.
    Page,
}

impl RestrictionPlan {
    /// Whether it may be used everywhere.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.hosts.is_empty()
    }

    /// Whether a client with this address may use it on the pages that it names, as `Origin` and
    /// `Referer` do: each of those that are said has to fit, and one has to be said.
    pub fn check<'h>(
        &self,
        client: IpAddr,
        pages: impl Iterator<Item = &'h str>,
    ) -> Result<(), Unfit> {
        let client = client.to_canonical();
        if !self.networks.is_empty() && !self.networks.iter().any(|it| it.contains(&client)) {
            return Err(Unfit::Address);
        }
        if self.hosts.is_empty() {
            return Ok(());
        }
        let mut said = false;
        for page in pages {
            said = true;
            let host = host_of(page).ok_or(Unfit::Page)?;
            if !self.hosts.iter().any(|pattern| pattern.matches(host)) {
                return Err(Unfit::Page);
            }
        }
        if said { Ok(()) } else { Err(Unfit::Page) }
    }

    /// The same in the words of a token (`km.rst`). `None`: they cannot be read, and nothing fits.
    pub fn read<'t>(
        networks: impl Iterator<Item = &'t str>,
        hosts: impl Iterator<Item = &'t str>,
    ) -> Option<Self> {
        let networks: Option<Vec<IpNet>> = networks.take(MOST + 1).map(parse_network).collect();
        let hosts: Result<Vec<HostPattern>, _> = hosts.take(MOST + 1).map(parse_host).collect();
        let (networks, hosts) = (networks?, hosts.ok()?);
        (networks.len() <= MOST && hosts.len() <= MOST).then_some(Self { networks, hosts })
    }
}

/// The host of a URL like `https://shop.example:8443/cart`; `None`: it names none, as `null` does.
fn host_of(page: &str) -> Option<&str> {
    let (scheme, rest) = page.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    // Browsers send no user information; where there is some, the host is not where it seems.
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let bare = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(bare.strip_suffix('.').unwrap_or(bare))
}

/// A network, or a single address.
fn parse_network(text: &str) -> Option<IpNet> {
    let alone = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    text.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(alone)
}

/// `allowedIps` and `allowedDomains`, which stand at `at`.
pub(super) fn compile_restriction(
    networks: &[String],
    hosts: &[String],
    at: &At<'_>,
    problems: &mut Problems,
) -> RestrictionPlan {
    let mut plan = RestrictionPlan::default();
    for (name, list) in [("allowedIps", networks), ("allowedDomains", hosts)] {
        if list.len() > MOST {
            problems.add(&at.name(name), format!("there are {}, at most {MOST}", list.len()), "");
            return plan;
        }
    }
    for (index, text) in networks.iter().enumerate() {
        let Some(network) = parse_network(text) else {
            let reason = format!("`{}` is no network and no address", shown(text));
            let suggestion = "write for example `192.0.2.0/24`, `2001:db8::/32` or `192.0.2.7`";
            problems.add(&at.name("allowedIps").index(index), reason, suggestion);
            continue;
        };
        plan.networks.push(network);
    }
    for (index, text) in hosts.iter().enumerate() {
        match parse_host(text) {
            Ok(pattern) => plan.hosts.push(pattern),
            Err((reason, suggestion)) => {
                problems.add(&at.name("allowedDomains").index(index), reason, suggestion);
            }
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rules` are networks and hosts; `pages` are those that a call names.
    #[track_caller]
    fn check(rules: &str, client: &str, pages: &str, expected: Result<(), Unfit>) {
        let is_network = |text: &&str| parse_network(text).is_some();
        let networks = rules.split_whitespace().filter(is_network);
        let hosts = rules.split_whitespace().filter(|text| !is_network(text));
        let plan = RestrictionPlan::read(networks, hosts).unwrap();
        let said = plan.check(client.parse().unwrap(), pages.split_whitespace());
        assert_eq!(said, expected, "{rules} {client} {pages}");
    }

    const ADDRESS: Result<(), Unfit> = Err(Unfit::Address);
    const PAGE: Result<(), Unfit> = Err(Unfit::Page);

    #[test]
    fn an_address_is_in_one_of_the_networks() {
        check("", "192.0.2.1", "", Ok(()));
        check("192.0.2.0/24", "192.0.2.255", "", Ok(()));
        check("192.0.2.0/24", "192.0.3.0", "", ADDRESS);
        check("192.0.2.7/24", "192.0.2.1", "", Ok(()));
        check("152.23.5.6 2001:c00::/23", "152.23.5.6", "", Ok(()));
        check("152.23.5.6 2001:c00::/23", "2001:dff::1", "", Ok(()));
        check("152.23.5.6 2001:c00::/23", "2001:e00::1", "", ADDRESS);
        check("192.0.2.0/24", "::ffff:192.0.2.9", "", Ok(()));
        check("2001:db8::/32", "192.0.2.1", "", ADDRESS);
    }

    #[test]
    fn every_page_that_is_named_fits_and_one_is_named() {
        check("shop.example", "192.0.2.1", "https://shop.example", Ok(()));
        check("shop.example", "192.0.2.1", "http://SHOP.example:8080/cart?x#y", Ok(()));
        check("shop.example", "192.0.2.1", "", PAGE);
        check("shop.example", "192.0.2.1", "null", PAGE);
        check("shop.example", "192.0.2.1", "https://shop.example.evil.example", PAGE);
        check("shop.example", "192.0.2.1", "https://evil.example/shop.example", PAGE);
        check("shop.example", "192.0.2.1", "https://shop.example@evil.example/", PAGE);
        check("shop.example", "192.0.2.1", "https://evil.example\\shop.example", PAGE);
        check("shop.example", "192.0.2.1", "https://shop.example https://evil.example/", PAGE);
        check("shop.example", "192.0.2.1", "ftp://shop.example", PAGE);
    }

    #[test]
    fn a_star_stands_for_one_label() {
        check("*.shop.example", "192.0.2.1", "https://a.shop.example", Ok(()));
        check("*.shop.example", "192.0.2.1", "https://shop.example", PAGE);
        check("*.shop.example", "192.0.2.1", "https://a.b.shop.example", PAGE);
        check("*.wso2.example", "192.0.2.1", "https://evil-wso2xexample", PAGE);
    }

    #[test]
    fn addresses_and_pages_have_to_hold_together() {
        check("192.0.2.0/24 shop.example", "192.0.2.1", "https://shop.example", Ok(()));
        check("192.0.2.0/24 shop.example", "192.0.2.1", "", PAGE);
        check("192.0.2.0/24 shop.example", "198.51.100.1", "https://shop.example", ADDRESS);
    }

    #[test]
    fn what_cannot_be_read_fits_nobody() {
        assert_eq!(RestrictionPlan::read(["192.0.2.0/33"].into_iter(), [].into_iter()), None);
        assert_eq!(RestrictionPlan::read([].into_iter(), ["*"].into_iter()), None);
        let many = std::iter::repeat_n("192.0.2.1", MOST + 1);
        assert_eq!(RestrictionPlan::read(many, [].into_iter()), None);
    }
}

//! From which network does somebody ask?
//!
//! An address of IPv4 is its own; whoever has one of IPv6 has its /64, and as many others as they like.

use std::net::{IpAddr, Ipv6Addr};

/// What stands for all addresses of whoever asks from `address`.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four @ IpAddr::V4(_) => four,
    }
}

//! How much of a client's address is kept?

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The whole address.
    Full,
    /// The first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
    Truncated,
    /// Nothing; then clients cannot be counted either.
    None,
}

/// The key for counting addresses could not be read or made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub struct KeyError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Keeps of addresses what may be kept.
#[derive(Clone)]
pub struct Addresses {
    keep: Keep,
    key: Hmac<Sha256>,
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addresses").field("keep", &self.keep).finish_non_exhaustive()
    }
}

impl Addresses {
    /// Reads the key of a file, or makes one. It stays the same over restarts, so that a client
    /// counts once; it never leaves the machine, so that nobody else can try addresses out.
    pub fn open(keep: Keep, path: &Path) -> Result<Self, KeyError> {
        let failed = |action| move |source| KeyError { action, path: path.into(), source };
        let key = match fs::read(path) {
            Ok(key) if key.len() == 32 => key,
            Ok(_) => {
                let source = io::Error::new(io::ErrorKind::InvalidData, "it is not 32 bytes");
                return Err(failed("use")(source));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = chassis::random::bytes::<32>().to_vec();
                write_new(path, &key).map_err(failed("write"))?;
                key
            }
            Err(error) => return Err(failed("read")(error)),
        };
        let key = Hmac::new_from_slice(&key).map_err(|_| {
            failed("use")(io::Error::new(io::ErrorKind::InvalidData, "it is no key"))
        })?;
        Ok(Self { keep, key })
    }

    /// The part of an address that is kept.
    pub fn kept(&self, address: IpAddr) -> Vec<u8> {
        match (self.keep, address) {
            (Keep::None, _) => Vec::new(),
            (Keep::Full, IpAddr::V4(v4)) => v4.octets().to_vec(),
            (Keep::Full, IpAddr::V6(v6)) => v6.octets().to_vec(),
            (Keep::Truncated, IpAddr::V4(v4)) => {
                (v4 & Ipv4Addr::new(255, 255, 255, 0)).octets().to_vec()
            }
            (Keep::Truncated, IpAddr::V6(v6)) => {
                let mask = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0, 0, 0, 0, 0);
                (v6 & mask).octets().to_vec()
            }
        }
    }

    /// Stands for an address where clients are counted; never 0 for one that may be counted.
    pub fn identify(&self, address: IpAddr) -> u64 {
        if self.keep == Keep::None {
            return 0;
        }
        let mut mac = self.key.clone();
        match address {
            IpAddr::V4(v4) => mac.update(&v4.octets()),
            IpAddr::V6(v6) => mac.update(&v6.octets()),
        }
        let digest = mac.finalize().into_bytes();
        digest.first_chunk::<8>().map_or(1, |bytes| u64::from_le_bytes(*bytes).max(1))
    }
}

/// The address in 4 or 16 bytes; an IPv4 address that was mapped to IPv6 is an IPv4 address.
pub fn parse(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

/// Whether an address can be somewhere in the world at all.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            let reserved = a == 0 || a >= 224;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared || reserved)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_multicast())
        }
    }
}

fn write_new(path: &Path, key: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keep: Keep, address: &str, kept: &str, public: bool) {
        let folder = tempfile::tempdir().unwrap();
        let addresses = Addresses::open(keep, &folder.path().join("address.key")).unwrap();
        let bytes = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let address = parse(&bytes).unwrap();
        let shown = parse(&addresses.kept(address)).map_or_else(String::new, |ip| ip.to_string());
        assert_eq!((shown.as_str(), is_public(address)), (kept, public));
        assert_eq!(addresses.identify(address) == 0, keep == Keep::None);
    }

    #[test]
    fn an_address_is_cut_to_its_network() {
        check(Keep::Truncated, "203.0.113.77", "203.0.113.0", true);
        check(Keep::Truncated, "2001:db8:1:2::3", "2001:db8:1::", true);
    }

    #[test]
    fn a_mapped_address_is_treated_as_ipv4() {
        check(Keep::Truncated, "::ffff:203.0.113.77", "203.0.113.0", true);
        check(Keep::Full, "::ffff:10.1.2.3", "10.1.2.3", false);
    }

    #[test]
    fn the_whole_address_or_nothing_is_kept_on_demand() {
        check(Keep::Full, "203.0.113.77", "203.0.113.77", true);
        check(Keep::None, "203.0.113.77", "", true);
    }

    #[test]
    fn addresses_of_no_country_are_known() {
        let inside = "127.0.0.1 10.0.0.1 172.31.0.1 192.168.1.1 100.64.0.1 100.127.255.255 169.254.1.1 0.0.0.0 255.255.255.255 ::1 :: fc00::1 fe80::1 ff02::1";
        for address in inside.split(' ') {
            check(Keep::Full, address, address, false);
        }
        for address in ["100.128.0.1", "172.32.0.1", "8.8.8.8", "2a00::1"] {
            check(Keep::Full, address, address, true);
        }
    }

    #[test]
    fn a_client_is_the_same_one_after_a_restart_and_another_one_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let identify = |file: &str| {
            let addresses = Addresses::open(Keep::Truncated, &folder.path().join(file)).unwrap();
            addresses.identify("203.0.113.77".parse().unwrap())
        };
        assert_eq!(identify("a"), identify("a"));
        assert_ne!(identify("a"), identify("b"));
    }

    #[test]
    fn bytes_that_are_no_address_are_unknown() {
        assert_eq!((parse(&[]), parse(&[1, 2, 3])), (None, None));
    }
}

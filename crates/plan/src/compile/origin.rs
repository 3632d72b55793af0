//! Which origins of web pages does a list name?
//!
//! Origins are compared as a whole and byte for byte: what a pattern leaves open is only how many
//! labels stand in front of its domain.

use crate::problem::{At, Problems, shown};

/// The most origins of one list.
pub(super) const MAX_ENTRIES: usize = 100;
const MAX_BYTES: usize = 256;

/// An origin, or all of one scheme and port below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Exact(Box<str>),
    /// What stands in front of the host (`https://`) and what follows its first labels
    /// (`.shop.example:8443`).
    Below(Box<str>, Box<str>),
}

impl Origin {
    pub(super) fn is(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *origin,
            Self::Below(scheme, domain) => origin
                .strip_prefix(&**scheme)
                .and_then(|rest| rest.strip_suffix(&**domain))
                .is_some_and(|labels| labels.split('.').all(is_label)),
        }
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The origins of a list; a `*` in it is somebody else's business.
pub(super) fn compile_origins(
    given: &[String],
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<Origin> {
    if given.len() > MAX_ENTRIES {
        problems.add(at, format!("there are {}, at most {MAX_ENTRIES}", given.len()), "");
        return Vec::new();
    }
    let mut origins = Vec::with_capacity(given.len());
    for (index, text) in given.iter().enumerate().filter(|(_, text)| *text != "*") {
        match parse_origin(text) {
            Ok(origin) if origins.contains(&origin) => {
                problems.add(&at.index(index), "the origin stands twice", "keep one of them");
            }
            Ok(origin) => origins.push(origin),
            Err(suggestion) => {
                let reason = format!("`{}` is no origin", shown(text));
                problems.add(&at.index(index), reason, suggestion);
            }
        }
    }
    origins
}

/// RFC 6454 §6.2: scheme, host and a port that is not the default one. The error is a suggestion.
fn parse_origin(text: &str) -> Result<Origin, String> {
    const FORM: &str = "write `https://shop.example` or `https://*.shop.example`";
    if text == "null" {
        return Ok(Origin::Exact("null".into()));
    }
    if text.len() > MAX_BYTES {
        return Err(format!("an origin has at most {MAX_BYTES} bytes"));
    }
    let lower = text.to_ascii_lowercase();
    let Some((scheme, rest)) = lower.split_once("://") else { return Err(FORM.to_owned()) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if scheme.is_empty() || !scheme.bytes().all(plain) {
        return Err(FORM.to_owned());
    }
    if let Some(bare) = rest.split(['/', '?', '#']).next().filter(|bare| bare.len() < rest.len()) {
        return Err(format!("an origin has no path, write `{scheme}://{}`", shown(bare)));
    }
    let (below, host) = rest.strip_prefix("*.").map_or((false, rest), |host| (true, host));
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with(['0', '+'])) {
        return Err("a port is a number from 1 to 65535".to_owned());
    }
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let known = match address {
        Some(address) => !below && address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_label),
    };
    if !known {
        return Err(FORM.to_owned());
    }
    // Browsers leave out a default port.
    let default = matches!((scheme, port), ("https", Some("443")) | ("http", Some("80")));
    let host = if default { name } else { host };
    if below {
        return Ok(Origin::Below(format!("{scheme}://").into(), format!(".{host}").into()));
    }
    Ok(Origin::Exact(format!("{scheme}://{host}").into()))
}

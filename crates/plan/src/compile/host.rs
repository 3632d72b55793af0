//! Under which host names is a group of gateways reached?

use std::collections::BTreeMap;

use turnpike_proto::config::v1::GatewayGroup;

use super::head::{check_labels, required};
use crate::problem::{At, Problems, shown};

const MAX_HOSTS: usize = 1_000;

/// A gateway group, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupPlan {
    /// Empty: every host name.
    pub(crate) hosts: Vec<HostPattern>,
}

/// A host name, or every name one label below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Exact(String),
    Below(String),
}

impl GroupPlan {
    /// Whether a call for `host` (with or without a port) may be answered.
    pub(crate) fn allows(&self, host: &str) -> bool {
        if self.hosts.is_empty() {
            return true;
        }
        let name = bare_name(host);
        self.hosts.iter().any(|pattern| pattern.matches(name))
    }
}

impl HostPattern {
    /// Whether `name`, without a port, is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.eq_ignore_ascii_case(name),
            Self::Below(parent) => name.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(parent)
            }),
        }
    }
}

/// The host without its port and without the dot of the root.
fn bare_name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

pub(crate) fn compile_group(
    name: &str,
    group: &GatewayGroup,
    problems: &mut Problems,
) -> Option<GroupPlan> {
    let spec = required(group.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    if name == "default" && !spec.selector.is_empty() {
        let reason = "the group `default` selects every gateway";
        problems.add(&at.name("selector"), reason, "make a group of another name");
    }
    check_labels(&spec.selector, &at.name("selector"), problems);
    let list = at.name("virtualHosts");
    if spec.virtual_hosts.len() > MAX_HOSTS {
        problems.add(
            &list,
            format!("there are {}, at most {MAX_HOSTS}", spec.virtual_hosts.len()),
            "",
        );
        return None;
    }
    let mut hosts = Vec::with_capacity(spec.virtual_hosts.len());
    for (index, text) in spec.virtual_hosts.iter().enumerate() {
        match parse_host(text) {
            Ok(pattern) => hosts.push(pattern),
            Err((reason, suggestion)) => problems.add(&list.index(index), reason, suggestion),
        }
    }
    problems.is_empty().then_some(GroupPlan { hosts })
}

/// A DNS name or an address, without port; `*.` in front stands for one label.
pub(crate) fn parse_host(text: &str) -> Result<HostPattern, (String, String)> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        return Ok(HostPattern::Exact(if address.is_ipv6() {
            format!("[{address}]")
        } else {
            address.to_string()
        }));
    }
    let (name, below) = match text.strip_prefix("*.") {
        Some(parent) => (parent, true),
        None => (text, false),
    };
    if name.contains(':') || name.contains('/') {
        let suggestion = "leave out scheme, port and path".to_owned();
        return Err((format!("`{}` is no host name", shown(text)), suggestion));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() > 253 || !name.split('.').all(label) {
        let suggestion = if name.contains('*') {
            "`*.` stands in front and for one label"
        } else {
            "write a DNS name like `api.example.com`"
        };
        return Err((format!("`{}` is no host name", shown(text)), suggestion.to_owned()));
    }
    let name = name.to_ascii_lowercase();
    Ok(if below { HostPattern::Below(name) } else { HostPattern::Exact(name) })
}

/// Whether a gateway with these labels belongs to a group with this selector.
pub(crate) fn selects(
    selector: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> bool {
    selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

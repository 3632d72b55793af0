//! Is what every resource has in common right?

use turnpike_proto::config::v1::{Metadata, Resource};

use crate::problem::{At, Problems, shown};
use crate::resource::{Kind, is_name, kind, metadata, stated};

const MAX_LABELS: usize = 64;
const MAX_LABEL_BYTES: usize = 256;
/// With so many a resource is shared at most, to read and to change.
const MAX_NAMES: usize = 100;
/// The longest text for people, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 64 * 1024;

/// `apiVersion`, `kind` and `metadata`.
pub(crate) fn check_head(resource: &Resource, problems: &mut Problems) {
    let root = At::ROOT;
    let Some((kind, (api_version, stated))) = kind(resource).zip(stated(resource)) else {
        problems.add(&root, "the resource is empty", "");
        return;
    };
    if !matches!(api_version, "" | crate::resource::API_VERSION) {
        let reason = format!("`turnpike/v1` is expected, found `{}`", shown(api_version));
        problems.add(&root.name("apiVersion"), reason, "write `turnpike/v1`");
    }
    if !stated.is_empty() && stated != kind.name() {
        let reason = format!("the resource is of kind {kind} and says `{}`", shown(stated));
        problems.add(&root.name("kind"), reason, format!("write `{kind}`"));
    }
    match metadata(resource) {
        None => problems.add(&root.name("metadata"), "it is missing", "give the resource a name"),
        Some(metadata) => check_metadata(kind, metadata, problems),
    }
}

fn check_metadata(kind: Kind, metadata: &Metadata, problems: &mut Problems) {
    let root = At::ROOT;
    let at = root.name("metadata");
    let rule = "use 1 to 128 letters, digits, `.`, `_` and `-`, a letter or digit first";
    if !is_name(&metadata.name) {
        let reason = if metadata.name.is_empty() {
            "a name is missing".to_owned()
        } else {
            format!("`{}` is no name", shown(&metadata.name))
        };
        problems.add(&at.name("name"), reason, rule);
    }
    if kind.has_versions() {
        if !is_name(&metadata.version) {
            let reason = format!("`{}` is no version", shown(&metadata.version));
            problems.add(&at.name("version"), reason, rule);
        }
    } else if !metadata.version.is_empty() {
        problems.add(&at.name("version"), format!("{kind} has no versions"), "leave it out");
    }
    if metadata.labels.len() > MAX_LABELS {
        let reason = format!("there are {}, at most {MAX_LABELS}", metadata.labels.len());
        problems.add(&at.name("labels"), reason, "");
    }
    check_labels(&metadata.labels, &at.name("labels"), problems);
    if metadata.owner.len() > MAX_LABEL_BYTES || has_control(&metadata.owner) {
        let reason = format!("an owner is one line of at most {MAX_LABEL_BYTES} bytes");
        problems.add(&at.name("owner"), reason, "");
    }
    if !metadata.tenant.is_empty() && !is_name(&metadata.tenant) {
        let reason = format!("`{}` is no tenant", shown(&metadata.tenant));
        problems.add(&at.name("tenant"), reason, rule);
    }
    if let Some(access) = &metadata.access {
        let at = at.name("access");
        check_names(&access.read, true, &at.name("read"), problems);
        check_names(&access.write, false, &at.name("write"), problems);
    }
}

/// Whom a resource is shared with.
fn check_names(names: &[String], everybody: bool, at: &At<'_>, problems: &mut Problems) {
    if names.len() > MAX_NAMES {
        problems.add(at, format!("there are {}, at most {MAX_NAMES}", names.len()), "");
    }
    for (index, name) in names.iter().enumerate() {
        let at = at.index(index);
        if name.is_empty() || name.len() > MAX_LABEL_BYTES || has_control(name) {
            let reason = format!("a name is one line of at most {MAX_LABEL_BYTES} bytes");
            problems.add(&at, reason, "");
        } else if name == "*" && !everybody {
            let suggestion = "name users, or teams as `team:NAME`";
            problems.add(&at, "not everybody may change a resource", suggestion);
        }
    }
}

/// Labels, and the selectors that ask for them.
pub(crate) fn check_labels(
    labels: &std::collections::BTreeMap<String, String>,
    at: &At<'_>,
    problems: &mut Problems,
) {
    for (name, value) in labels {
        let too_long = name.len() > MAX_LABEL_BYTES || value.len() > MAX_LABEL_BYTES;
        if name.is_empty() || too_long || has_control(name) || has_control(value) {
            let reason =
                format!("a label has a name; name and value have at most {MAX_LABEL_BYTES} bytes");
            problems.add(&at.name(name), reason, "");
        }
    }
}

/// A text that is only shown to people.
pub(crate) fn check_description(text: &str, at: &At<'_>, problems: &mut Problems) {
    if text.len() > MAX_DESCRIPTION_BYTES {
        let reason = format!("it has {} bytes, at most {MAX_DESCRIPTION_BYTES}", text.len());
        problems.add(at, reason, "");
    }
}

pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// `spec`, or a problem.
pub(crate) fn required<'s, S>(spec: Option<&'s S>, problems: &mut Problems) -> Option<&'s S> {
    if spec.is_none() {
        problems.add(&At::ROOT.name("spec"), "it is missing", "say what the resource is");
    }
    spec
}

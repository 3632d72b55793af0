//! What are the values of secrets that go to a service?

use std::collections::BTreeMap;

use plan::{Kind, Objects, ResourceKey};
use turnpike_proto::config::v1::resource::Resource as Any;

/// The values of those of `names` that are there.
pub(super) fn values<'n>(
    objects: &Objects,
    names: impl IntoIterator<Item = &'n str>,
) -> BTreeMap<String, String> {
    let named = names.into_iter().filter_map(|name| Some((name.to_owned(), value(objects, name)?)));
    named.collect()
}

fn value(objects: &Objects, name: &str) -> Option<String> {
    let key = ResourceKey::of_id(Kind::Secret, name);
    match objects.get(&key)?.resource()?.into_owned().resource? {
        // Files leave a line end behind that nobody means.
        Any::Secret(secret) => Some(secret.spec?.value.trim_end_matches(['\r', '\n']).to_owned()),
        _ => None,
    }
}

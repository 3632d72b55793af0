//! What does a writer mean who sends back what was read?
//!
//! Listings leave texts out; a definition or a policy document that came back with the digest of a stored
//! text and without a text means the stored one. (Admission does the same for the values of secrets.)
//! An application without keys keeps those that it has: whoever keeps it in a file never saw the
//! keys that were generated since.

use plan::{Resource, ResourceKey};
use turnpike_proto::config::v1::Definition;
use turnpike_proto::config::v1::resource::Resource as Any;

use crate::catalog::State;

/// The resource with what its writer could not know.
pub fn completed(mut resource: Resource, state: &State) -> Resource {
    let stored = plan::key(&resource).and_then(|key: ResourceKey| state.objects.get(&key));
    let stored = stored.as_ref().and_then(|object| object.resource());
    let stored = stored.as_ref().and_then(|resource| resource.resource.as_ref());
    if let (Some(Any::Api(new)), Some(Any::Api(old))) = (&mut resource.resource, stored) {
        let new = new.spec.as_mut().and_then(|spec| spec.definition.as_mut());
        let old = old.spec.as_ref().and_then(|spec| spec.definition.as_ref());
        if let (Some(new), Some(old)) = (new, old) {
            complete(new, old);
        }
    }
    if let (Some(Any::XacmlPolicySet(new)), Some(Any::XacmlPolicySet(old))) =
        (&mut resource.resource, stored)
    {
        let stored = old.spec.iter().flat_map(|spec| &spec.documents);
        for document in new.spec.iter_mut().flat_map(|spec| &mut spec.documents) {
            stored.clone().for_each(|old| complete(document, old));
        }
    }
    if let (Some(Any::Application(new)), Some(Any::Application(old))) =
        (&mut resource.resource, stored)
        && let Some(old) = &old.spec
    {
        let new = new.spec.get_or_insert_default();
        if new.keys.is_empty() {
            new.keys.clone_from(&old.keys);
        }
        if new.api_keys.is_empty() {
            new.api_keys.clone_from(&old.api_keys);
        }
    }
    resource
}

/// The text of what came back with nothing but the digest of a stored one.
fn complete(new: &mut Definition, old: &Definition) {
    let is_bare = new.text.is_empty() && new.file.is_empty() && !new.sha256.is_empty();
    if is_bare && new.sha256 == old.sha256 {
        new.text.clone_from(&old.text);
    }
}

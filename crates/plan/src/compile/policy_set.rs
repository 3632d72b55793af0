//! Are the policies of a `XacmlPolicySet` right, and do they find what they refer to?
//!
//! What a document says is `xacml`'s to judge. References lead to the other documents of the set and to
//! those of the sets that it includes; these include none themselves, so that no circle leads through
//! several sets.

use std::collections::BTreeSet;
use std::sync::Arc;

use turnpike_proto::config::v1::{Definition, XacmlPolicySet};
use xacml::{Document, Reference, check_references, find, read};

use super::head::{check_description, required};
use super::named::Named;
use crate::problem::{At, Problems};

/// The most documents of a set.
const MAX_DOCUMENTS: usize = 32;
/// The most sets that one includes.
const MAX_INCLUDES: usize = 16;

/// The policies of a `XacmlPolicySet`, understood. Nothing decides by them yet.
#[derive(Clone, Debug)]
pub struct PolicySetPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its documents. The first decides, the others are referred to. There is at least one.
    pub documents: Vec<Document>,
    /// The documents of the sets that it includes.
    pub library: Vec<Document>,
}

/// The plan of a set; `None`: it has problems, which are told.
pub(crate) fn compile_policy_set(
    name: &str,
    set: &XacmlPolicySet,
    named: Named<'_>,
    problems: &mut Problems,
) -> Option<PolicySetPlan> {
    let spec = required(set.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    let library = included(name, &spec.includes, named, &at.name("includes"), problems);
    let at = at.name("documents");
    let count = spec.documents.len();
    if count == 0 {
        let suggestion = "write `documents: [{ file: policy.xml }]`";
        problems.add(&at, "there is no document, which would decide", suggestion);
    }
    if count > MAX_DOCUMENTS {
        let reason = format!("there are {count}, at most {MAX_DOCUMENTS}");
        problems.add(&at, reason, "put some into a set of their own, and include that");
        return None;
    }
    let mut documents = Vec::with_capacity(count);
    for (index, written) in spec.documents.iter().enumerate() {
        documents.extend(read_document(written, &at.index(index), problems));
    }
    if !problems.is_empty() {
        return None;
    }
    // Without the other sets, nobody can say what is missing.
    if named.are_at_hand() {
        let elsewhere = |reference: &Reference| {
            let holder = named.policy_set_that(|set| holds(set, reference))?;
            Some(format!("`{holder}` has it: put that into `includes`"))
        };
        for (index, problem) in check_references(&documents, &library, elsewhere) {
            let here = at.index(index);
            problems.add(&here.name("text"), problem.to_string(), problem.suggestion);
        }
    }
    problems.is_empty().then(|| PolicySetPlan { name: name.into(), documents, library })
}

/// Whether a set that others may include has what a reference names.
fn holds(set: &XacmlPolicySet, reference: &Reference) -> bool {
    let Some(spec) = set.spec.as_ref().filter(|spec| spec.includes.is_empty()) else {
        return false;
    };
    // Most name it nowhere, and are not read.
    let texts = spec.documents.iter().map(|document| &document.text);
    let naming = texts.filter(|text| text.contains(&*reference.id));
    naming.filter_map(|text| read(text).ok()).any(|it| find(reference, [&it]).is_some())
}

fn read_document(written: &Definition, at: &At<'_>, problems: &mut Problems) -> Option<Document> {
    let here = at.name("text");
    if !written.file.is_empty() {
        let suggestion = "put the document into `text`";
        problems.add(&at.name("file"), "a file is only named in files", suggestion);
        return None;
    }
    if written.text.is_empty() {
        let suggestion = "write the XML there, or in files `file: policy.xml`";
        problems.add(&here, "the document is missing", suggestion);
        return None;
    }
    match read(&written.text) {
        Ok(document) => Some(document),
        Err(list) => {
            for problem in list {
                problems.add(&here, problem.to_string(), problem.suggestion);
            }
            None
        }
    }
}

/// The documents of the sets with these names; of one that is not good there is none, and it is told.
fn included(
    own: &str,
    names: &[String],
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<Document> {
    if names.len() > MAX_INCLUDES {
        let reason = format!("there are {}, at most {MAX_INCLUDES}", names.len());
        problems.add(at, reason, "put the documents of some of them into one set");
        return Vec::new();
    }
    let (mut seen, mut library) = (BTreeSet::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        let here = at.index(index);
        if name == own || !seen.insert(name) {
            let reason = if name == own { "a set includes itself" } else { "it stands twice" };
            problems.add(&here, reason, "leave it out");
            continue;
        }
        let Some(set) = named.policy_set(name, &here, problems) else { continue };
        let spec = set.spec.as_ref();
        if spec.is_some_and(|spec| !spec.includes.is_empty()) {
            let reason = format!("XacmlPolicySet/{name} includes others itself");
            problems.add(&here, reason, "include those, too, and let it include none");
            continue;
        }
        let mut theirs = Problems::default();
        for written in spec.into_iter().flat_map(|spec| &spec.documents) {
            library.extend(read_document(written, &here, &mut theirs));
        }
        if !theirs.is_empty() {
            problems.add(&here, format!("XacmlPolicySet/{name} is not usable"), "");
        }
    }
    library
}

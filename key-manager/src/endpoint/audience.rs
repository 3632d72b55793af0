//! For whom is a token?
//!
//! For every audience of the configuration, or for those that `resource` names (RFC 8707).

use std::borrow::Cow;

use super::Refusal;
use crate::form::Form;

pub(super) fn audience<'a>(known: &'a [String], form: &Form) -> Result<Cow<'a, [String]>, Refusal> {
    let mut asked = Vec::new();
    // RFC 8693 section 2.1 has a second name for it.
    for resource in form.all("resource").chain(form.all("audience")) {
        let found = known.iter().find(|audience| *audience == resource);
        let audience = found.ok_or(Refusal::InvalidTarget)?;
        if !asked.contains(audience) {
            asked.push(audience.clone());
        }
    }
    Ok(if asked.is_empty() { Cow::Borrowed(known) } else { Cow::Owned(asked) })
}

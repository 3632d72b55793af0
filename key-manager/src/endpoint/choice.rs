//! Where can people log in besides?

use super::Authority;
use crate::federation::Member;

/// A provider that people can log in at.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) title: String,
    /// Where its button leads in the end.
    pub(super) address: String,
}

/// The providers that people can log in at now.
pub(super) fn choices(authority: &Authority) -> Vec<Choice> {
    let choice = |member: &Member| {
        let login = member.provider.login.as_ref().filter(|_| member.provider.enabled)?;
        let address = member.metadata()?.authorization.as_ref()?.to_string();
        let (name, title) = (member.provider.name.clone(), login.title.clone());
        Some(Choice { name, title, address })
    };
    authority.federation.all().iter().filter_map(|(member, _)| choice(member)).collect()
}

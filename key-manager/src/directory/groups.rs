//! What are people of a group? (KM-100)
//!
//! Only groups that are named in the configuration count: nobody gets a role here by a name that somebody
//! gave a group there.

use std::collections::BTreeMap;

use ldap3::ldap_escape;

use crate::domain::{RoleError, Roles};

/// Where the name of a person goes in a filter.
pub(super) const NAME: &str = "{name}";
/// Where the distinguished name of a person's entry goes in a filter.
const ENTRY: &str = "{dn}";

/// The part of `[ldap]` that is about groups, checked; nothing: nobody asks for groups.
#[derive(Clone, Debug, Default)]
pub struct GroupRules {
    /// Of a person's entry; empty: it names no groups.
    attribute: String,
    /// Empty: nobody looks for groups.
    base: String,
    filter: String,
    /// By the folded name of a group.
    roles: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupsError {
    #[error("`roles`: no groups are read: set `group_attribute` or `group_base`")]
    Unread,
    #[error("`group_filter` has `{ENTRY}` or `{NAME}` where the person goes")]
    Filter,
    #[error("`roles`: `group` says which one")]
    Group,
    #[error("`roles`: `{role}`: {source}")]
    Role { role: String, source: RoleError },
    #[error("`roles`: at most {} of them", GroupRules::MOST)]
    TooMany,
}

impl GroupRules {
    /// The most lines that say what people of a group are.
    pub const MOST: usize = 1000;

    /// `roles` are pairs of the distinguished name of a group and what its people are.
    pub fn new(
        attribute: String,
        base: String,
        filter: String,
        roles: Vec<(String, String)>,
    ) -> Result<Self, GroupsError> {
        if roles.len() > Self::MOST {
            return Err(GroupsError::TooMany);
        }
        if !roles.is_empty() && attribute.is_empty() && base.is_empty() {
            return Err(GroupsError::Unread);
        }
        if !base.is_empty() && !filter.contains(ENTRY) && !filter.contains(NAME) {
            return Err(GroupsError::Filter);
        }
        let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (group, role) in roles {
            if group.trim().is_empty() {
                return Err(GroupsError::Group);
            }
            if let Err(source) = Roles::collect([role.as_str()]) {
                return Err(GroupsError::Role { role, source });
            }
            known.entry(fold(&group)).or_default().push(role);
        }
        Ok(Self { attribute, base, filter, roles: known })
    }

    /// Where an entry names its groups, if groups say something and it does.
    pub(super) fn attribute(&self) -> Option<&str> {
        Some(self.attribute.as_str()).filter(|name| !name.is_empty() && !self.roles.is_empty())
    }

    /// Where the groups of a person are looked for, and by which filter.
    pub(super) fn search(&self, entry: &str, name: &str) -> Option<(&str, String)> {
        if self.base.is_empty() || self.roles.is_empty() {
            return None;
        }
        // The name first: what a name holds is never taken for a place in the filter.
        let mut filter = String::new();
        for (place, part) in self.filter.split(NAME).enumerate() {
            if place > 0 {
                filter.push_str(&ldap_escape(name));
            }
            filter.push_str(&part.replace(ENTRY, &ldap_escape(entry)));
        }
        Some((&self.base, filter))
    }

    /// What somebody is who is in these groups; what is beyond the bound is left out.
    pub(super) fn roles<'g>(&self, groups: impl IntoIterator<Item = &'g str>) -> Roles {
        let known = groups.into_iter().filter_map(|group| self.roles.get(&fold(group))).flatten();
        known.fold(Roles::default(), |all, role| {
            // What is none was refused when the configuration was read.
            all.with(&Roles::collect([role.as_str()]).unwrap_or_default())
        })
    }
}

/// A distinguished name in one form: small letters, no spaces between its parts (RFC 4514).
fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let (mut between, mut escaped) = (true, false);
    for c in name.trim().chars().flat_map(char::to_lowercase) {
        if between && !escaped && c.is_whitespace() {
            continue;
        }
        between = !escaped && matches!(c, ',' | '=' | '+');
        if between {
            while folded.ends_with(' ') && !folded.ends_with("\\ ") {
                folded.pop();
            }
        }
        folded.push(c);
        escaped = c == '\\' && !escaped;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: &str = "(&(objectClass=groupOfNames)(member={dn}))";

    fn rules(attribute: &str, base: &str, filter: &str) -> Result<GroupRules, GroupsError> {
        let pairs = [
            ("cn=Admins, ou=groups, dc=example", "admin"),
            ("cn=admins,ou=groups,dc=example", "operator"),
            ("cn=a\\, b,ou=groups,dc=example", "comma"),
        ];
        let pairs = pairs.map(|(group, role)| (group.to_owned(), role.to_owned())).to_vec();
        GroupRules::new(attribute.to_owned(), base.to_owned(), filter.to_owned(), pairs)
    }

    #[track_caller]
    fn check(groups: &[&str], roles: &str) {
        let found = rules("memberOf", "", "").expect("rules").roles(groups.iter().copied());
        assert_eq!(found.iter().collect::<Vec<_>>().join(" "), roles, "{groups:?}");
    }

    #[test]
    fn a_group_is_known_by_its_name_however_it_is_written() {
        check(&[], "");
        check(&["cn=admins,ou=groups,dc=example"], "admin operator");
        check(&[" CN = Admins ,OU=Groups, DC=example"], "admin operator");
        check(&["cn=a\\, b,ou=groups,dc=example", "cn=other"], "comma");
    }

    #[test]
    fn no_other_group_is() {
        for group in [
            "",
            "admins",
            "cn=admins",
            "cn=admins,ou=groups,dc=example,dc=com",
            "cn=admins\\,ou=groups,dc=example",
            "cn=a\\,b,ou=groups,dc=example",
            "cn=a,b,ou=groups,dc=example",
        ] {
            check(&[group], "");
        }
    }

    #[test]
    fn a_person_cannot_change_the_question() {
        let of = |filter| rules("", "ou=groups", filter).expect("rules");
        let asked = |filter, entry, name| of(filter).search(entry, name).map(|(_, filter)| filter);
        assert_eq!(
            asked(FILTER, "uid=a*,dc=b", "x").as_deref(),
            Some("(&(objectClass=groupOfNames)(member=uid=a\\2a,dc=b))")
        );
        assert_eq!(asked("(m={name})", "e", "a)(b={dn}").as_deref(), Some("(m=a\\29\\28b={dn})"));
        assert_eq!(rules("memberOf", "", "").expect("rules").search("e", "n"), None);
    }

    #[test]
    fn what_reads_no_groups_is_no_configuration() {
        let said =
            |made: Result<GroupRules, GroupsError>| format!("{:?}", made.expect_err("wrong"));
        assert_eq!(said(rules("", "", FILTER)), "Unread");
        assert_eq!(said(rules("", "ou=groups", "(objectClass=*)")), "Filter");
        let of = |group: &str, role: &str| {
            let pairs = vec![(group.to_owned(), role.to_owned())];
            GroupRules::new("memberOf".to_owned(), String::new(), String::new(), pairs)
        };
        assert_eq!(said(of(" ", "a")), "Group");
        assert!(said(of("cn=a", "")).starts_with("Role"));
    }
}

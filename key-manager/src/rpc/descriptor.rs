//! Is what a grant handler says of itself good, and what does it mean?
//!
//! A description that is not good is refused as a whole: nothing is asked of its handler.

use std::collections::BTreeSet;

use turnpike_proto::identity::v1 as proto;

/// The longest value of a parameter unless the handler says otherwise, in bytes.
const LONGEST: usize = 1024;
/// The longest that it may say.
const LONGEST_OF_ALL: usize = 16 * 1024;
/// The most parameters, error codes and claims, each.
const MOST: usize = 32;
/// The longest name of one of them, in bytes.
const LONGEST_NAME: usize = 64;

/// What the key manager reads itself, and no handler.
const OURS: [&str; 11] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
    "resource",
    "audience",
    "authorization_details",
    PENDING,
    "dpop_jkt",
];

/// What proves something to another grant: handed out only where the handler says that it is secret.
const SECRET: [&str; 12] = [
    "password",
    "code",
    "code_verifier",
    "refresh_token",
    "device_code",
    "auth_req_id",
    "assertion",
    "subject_token",
    "actor_token",
    "token",
    "otp",
    "pin",
];

/// The parameter with which a client asks again after somebody had to answer first.
pub const PENDING: &str = "pending_handle";

/// A description that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Those that the configuration names too.
    pub types: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub needs_user: bool,
    pub may_refresh: bool,
    pub error_codes: Vec<String>,
    /// Those that the configuration allows too.
    pub claims: Vec<String>,
    pub public_clients: bool,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    /// Bytes.
    pub longest: usize,
    pub required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    #[error("it serves none of the grant types that the configuration names")]
    Types,
    #[error("parameters: `{0}` is no name of one, or is named twice")]
    Parameter(String),
    #[error("parameters: `{0}` is for the key manager alone")]
    Ours(String),
    #[error("parameters: `{0}` has to be declared as a secret")]
    Secret(String),
    #[error("parameters: `{0}` may be longer than {LONGEST_OF_ALL} bytes")]
    Longest(String),
    #[error("error_codes: `{0}` is none")]
    Code(String),
    #[error("there are more than {MOST} parameters, error codes or claims")]
    TooMany,
}

impl Descriptor {
    /// `types` and `claims` are what the configuration allows.
    pub(super) fn read(
        said: proto::GrantDescriptor,
        types: &[String],
        claims: &[String],
    ) -> Result<Self, DescriptorError> {
        let many = [said.parameters.len(), said.error_codes.len(), said.claims.len()];
        if many.into_iter().any(|count| count > MOST) {
            return Err(DescriptorError::TooMany);
        }
        let types: Vec<_> =
            types.iter().filter(|name| said.grant_types.contains(name)).cloned().collect();
        if types.is_empty() {
            return Err(DescriptorError::Types);
        }
        if let Some(code) = said.error_codes.iter().find(|code| !is_code(code)) {
            return Err(DescriptorError::Code(code.clone()));
        }
        let mut names = BTreeSet::new();
        if let Some(again) = said.parameters.iter().find(|one| !names.insert(one.name.as_str())) {
            return Err(DescriptorError::Parameter(again.name.clone()));
        }
        Ok(Self {
            types,
            parameters: said.parameters.iter().map(parameter).collect::<Result<_, _>>()?,
            needs_user: said.needs_user,
            may_refresh: said.may_refresh,
            error_codes: said.error_codes,
            claims: claims.iter().filter(|name| said.claims.contains(name)).cloned().collect(),
            public_clients: said.public_clients,
            version: said.version.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect(),
        })
    }
}

fn parameter(said: &proto::GrantParameter) -> Result<Parameter, DescriptorError> {
    let name = said.name.as_str();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(known) {
        return Err(DescriptorError::Parameter(name.to_owned()));
    }
    if OURS.contains(&name) {
        return Err(DescriptorError::Ours(name.to_owned()));
    }
    if SECRET.contains(&name) && !said.secret {
        return Err(DescriptorError::Secret(name.to_owned()));
    }
    let longest = match usize::try_from(said.longest) {
        Ok(0) => LONGEST,
        Ok(longest) if longest <= LONGEST_OF_ALL => longest,
        _ => return Err(DescriptorError::Longest(name.to_owned())),
    };
    Ok(Parameter { name: name.to_owned(), longest, required: said.required })
}

fn is_code(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> proto::GrantDescriptor {
        proto::GrantDescriptor {
            grant_types: vec!["urn:a".to_owned(), "urn:other".to_owned()],
            parameters: vec![proto::GrantParameter {
                name: "voucher".to_owned(),
                ..proto::GrantParameter::default()
            }],
            claims: vec!["kiosk".to_owned(), "iss".to_owned()],
            ..proto::GrantDescriptor::default()
        }
    }

    /// `said`: what is refused, or "" where nothing is.
    #[track_caller]
    fn check(change: impl FnOnce(&mut proto::GrantDescriptor), said: &str) {
        let mut described = good();
        change(&mut described);
        let types = ["urn:a", "urn:b"].map(str::to_owned);
        let read = Descriptor::read(described, &types, &["kiosk".to_owned()]);
        let refusal = read.map_or_else(|refusal| refusal.to_string(), |_| String::new());
        assert_eq!(refusal.is_empty(), said.is_empty(), "{refusal}");
        assert!(refusal.contains(said), "{refusal}");
    }

    fn named(name: &str, secret: bool) -> Vec<proto::GrantParameter> {
        vec![proto::GrantParameter {
            name: name.to_owned(),
            secret,
            ..proto::GrantParameter::default()
        }]
    }

    #[test]
    fn only_what_the_configuration_allows_too_is_left() {
        let types = ["urn:a", "urn:b"].map(str::to_owned);
        let read = Descriptor::read(good(), &types, &["kiosk".to_owned(), "x".to_owned()]);
        let read = read.expect("a description");
        assert_eq!((read.types, read.claims), (vec!["urn:a".into()], vec!["kiosk".into()]));
        assert_eq!(read.parameters.first().expect("one").longest, 1024);
    }

    #[test]
    fn a_description_is_good_as_a_whole_or_not_at_all() {
        check(|_| {}, "");
        check(|said| said.grant_types.clear(), "grant types");
        check(|said| said.grant_types = vec!["urn:other".to_owned()], "grant types");
        for name in OURS {
            check(|said| said.parameters = named(name, true), "key manager alone");
        }
        for name in SECRET {
            check(|said| said.parameters = named(name, false), "as a secret");
            check(|said| said.parameters = named(name, true), "");
        }
        for name in ["", "a b", "a&b", "ä", &"a".repeat(65)] {
            check(|said| said.parameters = named(name, true), "no name");
        }
        check(|said| said.parameters.extend(named("voucher", false)), "twice");
        check(|said| said.parameters.iter_mut().for_each(|one| one.longest = 16_385), "longer");
        check(|said| said.error_codes = vec!["No Code".to_owned()], "No Code");
        check(|said| said.claims = vec!["c".to_owned(); 33], "more than");
    }
}

//! What is a token for programs, and what is kept of it?
//!
//! `tpt_`, an identifier, and 32 random bytes. What is stored is its SHA-256, beside the resources, so
//! that every control plane hears at once of one that has ended.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chassis::hex;
use plan::Kind;
use prost::Message as _;
use subtle::ConstantTimeEq as _;

use super::caller::{Caller, Known, Limits, Pattern, Shown};
use super::role::{Role, Roles};
use crate::catalog::State;

/// So many tokens there may be.
pub const MOST_TOKENS: usize = 10_000;
/// The longest life, in seconds: a year, be it a long one.
const LONGEST: i64 = 366 * 24 * 3600;
const MOST_KINDS: usize = 32;
const MOST_OBJECTS: usize = 100;

const PREFIX: &str = "tpt_";
const TOKENS: &str = "tokens/";
const USES: &str = "uses/";
/// Bytes of randomness.
const ID: usize = 9;
const SECRET: usize = 32;

/// What is kept of a token.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Token {
    /// Random; names it in logs.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its name for people.
    #[prost(string, tag = "2")]
    pub name: String,
    /// SHA-256 of the whole text.
    #[prost(bytes = "vec", tag = "3")]
    pub digest: Vec<u8>,
    /// For whom it works: a user, or `team:` and a team; empty: nobody.
    #[prost(string, tag = "4")]
    pub owner: String,
    /// The names of its roles.
    #[prost(string, repeated, tag = "5")]
    pub roles: Vec<String>,
    /// Its tenant; empty: the operator.
    #[prost(string, tag = "6")]
    pub tenant: String,
    /// Whether it may change nothing.
    #[prost(bool, tag = "7")]
    pub read_only: bool,
    /// The kinds that it is limited to; empty: all.
    #[prost(string, repeated, tag = "8")]
    pub kinds: Vec<String>,
    /// The resources that it is limited to; empty: all.
    #[prost(string, repeated, tag = "9")]
    pub objects: Vec<String>,
    /// Who made it.
    #[prost(string, tag = "10")]
    pub created_by: String,
    /// In seconds since the Unix epoch.
    #[prost(int64, tag = "11")]
    pub created_at: i64,
    /// In seconds since the Unix epoch.
    #[prost(int64, tag = "12")]
    pub expires_at: i64,
}

/// When a token was used last.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Use {
    /// In days since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub day: i64,
}

/// A token to make.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// Empty: all of whoever asks.
    pub roles: Vec<String>,
    /// Empty: whoever asks.
    pub owner: String,
    /// Empty: that of whoever asks.
    pub tenant: String,
    /// Whether it may change nothing.
    pub read_only: bool,
    /// Empty: all.
    pub kinds: Vec<String>,
    /// Empty: all.
    pub objects: Vec<String>,
    /// In seconds.
    pub lifetime: i64,
}

/// Why it is not made.
#[derive(Debug, PartialEq, Eq)]
pub enum NotMade {
    /// The field, and what is wrong with it.
    Field(&'static str, String),
    /// It would be more than whoever asks may give.
    Forbidden(&'static str),
}

/// Where a token is stored, below the place of people.
pub fn token_key(id: &str) -> String {
    format!("{TOKENS}{id}")
}

/// Where its last use is stored.
pub fn use_key(id: &str) -> String {
    format!("{USES}{id}")
}

/// Every token of a state, with the day on which it was last used.
pub fn tokens(state: &State) -> impl Iterator<Item = (Token, Option<i64>)> {
    let stored = state
        .people
        .range(Arc::<str>::from(TOKENS)..)
        .take_while(|(key, _)| key.starts_with(TOKENS));
    stored.filter_map(|(_, value)| {
        let token = Token::decode(value.clone()).ok()?;
        let used = last_used(state, &token.id);
        Some((token, used))
    })
}

pub(super) fn last_used(state: &State, id: &str) -> Option<i64> {
    let value = state.people.get(use_key(id).as_str())?;
    Some(Use::decode(value.clone()).ok()?.day)
}

/// A token as `by` wants it, and its text, which nobody else ever has.
pub fn new_token(by: &Caller, wanted: NewToken, now: i64) -> Result<(Token, String), NotMade> {
    let NewToken { name, roles, owner, tenant, read_only, kinds, objects, lifetime } = wanted;
    let field = |name, reason: &str| NotMade::Field(name, reason.to_owned());
    if by.shown() == Shown::AutomationToken {
        // Whoever got hold of one would otherwise make themselves others that outlive it.
        return Err(NotMade::Forbidden("a token does not make tokens"));
    }
    if !plan::is_name(&name) {
        return Err(field("name", "1 to 128 letters, digits, `.`, `_` and `-` are expected"));
    }
    if lifetime <= 0 || lifetime > LONGEST {
        return Err(field("lifetime", "a span of up to 366 days is expected"));
    }
    let mut named = Vec::with_capacity(roles.len().min(Role::ALL.len()));
    for role in &roles {
        let role = role.parse::<Role>();
        named.push(role.map_err(|unknown| NotMade::Field("roles", unknown.to_string()))?);
    }
    let roles = if named.is_empty() { by.roles() } else { Roles::of(named) };
    let is_admin = by.roles().has(Role::Admin);
    if roles.is_empty() || !(is_admin || by.roles().holds(roles)) {
        return Err(NotMade::Forbidden("nobody gives a role that they do not have"));
    }
    let owner = if owner.is_empty() { by.user().to_owned() } else { owner };
    if !owner.is_empty() && owner.len() > 256 || owner.chars().any(char::is_control) {
        return Err(field("owner", "one line of at most 256 bytes is expected"));
    }
    if !owner.is_empty() && !by.is_named(&owner) && !is_admin {
        return Err(NotMade::Forbidden("only administrators make tokens for somebody else"));
    }
    let tenant = if tenant.is_empty() { by.tenant().to_owned() } else { tenant };
    if tenant != by.tenant() && !(by.is_of_operator() && is_admin) {
        return Err(NotMade::Forbidden("only the operator's administrators choose the tenant"));
    }
    if !tenant.is_empty() && !plan::is_name(&tenant) {
        return Err(field("tenant", "letters, digits, `.`, `_` and `-` are expected"));
    }
    check_limits(&kinds, &objects)?;
    let id = format!("t{}", hex(&chassis::random::bytes::<ID>()));
    let text = format!("{PREFIX}{id}_{}", chassis::random::token(SECRET));
    let token = Token {
        digest: digest(&SHA256, text.as_bytes()).as_ref().to_vec(),
        id,
        name,
        owner,
        roles: roles.names(),
        tenant,
        read_only,
        kinds,
        objects,
        created_by: by.name().to_owned(),
        created_at: now,
        expires_at: now.saturating_add(lifetime),
    };
    Ok((token, text))
}

fn check_limits(kinds: &[String], objects: &[String]) -> Result<(), NotMade> {
    if kinds.len() > MOST_KINDS {
        return Err(NotMade::Field("kinds", format!("at most {MOST_KINDS} are expected")));
    }
    if let Some(unknown) = kinds.iter().find(|name| find_kind(name).is_none()) {
        return Err(NotMade::Field("kinds", format!("there is no kind `{unknown}`")));
    }
    if objects.len() > MOST_OBJECTS {
        return Err(NotMade::Field("objects", format!("at most {MOST_OBJECTS} are expected")));
    }
    match objects.iter().find(|text| Pattern::parse(text).is_none()) {
        Some(text) => {
            let reason = format!("`{text}` is no key; write Kind/name, or its beginning and `*`");
            Err(NotMade::Field("objects", reason))
        }
        None => Ok(()),
    }
}

fn find_kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

impl Token {
    /// Whether somebody may see it and end it.
    pub fn is_of(&self, by: &Caller) -> bool {
        let administers = by.roles().has(Role::Admin)
            && (by.is_of_operator() || by.tenant() == self.tenant)
            && by.limits().is_none();
        let mine = by.shown() != Shown::AutomationToken
            && by.tenant() == self.tenant
            && (self.created_by == by.name() || by.is_named(&self.owner));
        administers || mine
    }

    /// Whoever shows it; none: what is stored is not understood, which is no reason to let anybody in.
    fn caller(&self) -> Option<Caller> {
        let roles: Result<Vec<Role>, _> = self.roles.iter().map(|role| role.parse()).collect();
        let kinds: Option<Vec<Kind>> = self.kinds.iter().map(|name| find_kind(name)).collect();
        let objects: Option<Vec<Pattern>> =
            self.objects.iter().map(|text| Pattern::parse(text)).collect();
        Some(Caller::of(Known {
            name: format!("token:{}", self.name),
            shown: Shown::AutomationToken,
            user: self.owner.clone(),
            teams: Vec::new(),
            roles: Roles::of(roles.ok()?),
            tenant: self.tenant.clone(),
            limits: Limits { read_only: self.read_only, kinds: kinds?, objects: objects? },
            expires_at: Some(self.expires_at),
        }))
    }
}

/// Whether a text has the form of a token.
pub(super) fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Who shows this token at `now`, and its identifier.
pub(super) fn find(state: &State, text: &str, now: i64) -> Result<(Caller, String), &'static str> {
    const UNKNOWN: &str = "the token is not known";
    let (id, _) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(UNKNOWN)?;
    let stored = state.people.get(token_key(id).as_str()).ok_or(UNKNOWN)?;
    let token = Token::decode(stored.clone()).map_err(|_| UNKNOWN)?;
    let shown = digest(&SHA256, text.as_bytes());
    let same: bool = shown.as_ref().ct_eq(&token.digest).into();
    if !same || token.id != id {
        return Err(UNKNOWN);
    }
    if now >= token.expires_at {
        return Err("the token has expired");
    }
    Ok((token.caller().ok_or(UNKNOWN)?, token.id))
}

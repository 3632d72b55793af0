//! With what does somebody show that they answer for the API that they call?
//!
//! A test key of our own key manager, for a short time. It is a JWT of a type and an audience of its own,
//! so that no access token is one, and it is none. It is verified anew for every call: few are made
//! with one, and nothing has to be remembered.

use std::fmt;
use std::sync::Arc;

use jose::{Claims, Expectation, KeySet};
use plan::{ApiPlan, KeyType};
use serde_json::Value;
use turnpike_proto::test_key::{APIS, AUDIENCE, CLAIM, EXPLAIN_ONLY, SANDBOX, TYPE};

use super::bearer_jwt::Grounds;
use crate::fault::TokenRefused;
use crate::generation::{Generation, ResidentKeys};

/// The longest life, in seconds: who signs makes none that last longer.
const LONGEST_SECONDS: i64 = 3_600;
/// How far clocks may differ, in seconds.
const SKEW_SECONDS: u32 = 5;

/// A test key that was verified.
pub struct TestKey {
    text: Box<str>,
    claims: Claims,
    /// The APIs that it opens; `None`: every one.
    apis: Option<Vec<String>>,
    key_type: KeyType,
    explains_only: bool,
    ends_at: i64,
    /// What it was verified with.
    keys: Arc<KeySet>,
}

impl TestKey {
    /// Verifies `text`. Only keys that our key manager streams are looked at: a gateway that has no
    /// key manager takes no test keys.
    pub fn verify(text: &str, grounds: Grounds<'_>) -> Result<Self, TokenRefused> {
        let ResidentKeys { issuer, keys } = issuer(grounds.generation)?;
        let expect = Expectation {
            issuer: issuer.clone(),
            audiences: vec![AUDIENCE.to_owned()],
            algorithms: grounds.generation.plan.resident().expectation.algorithms.clone(),
            skew_seconds: SKEW_SECONDS,
            types: vec![TYPE.to_owned()],
            type_may_be_absent: false,
        };
        let claims = jose::verify(text, keys, &expect, grounds.now_unix);
        let key = Self::of(text, claims.map_err(TokenRefused::Refused)?, keys)?;
        key.stands(grounds)?;
        Ok(key)
    }

    fn of(text: &str, claims: Claims, keys: &Arc<KeySet>) -> Result<Self, TokenRefused> {
        let unreadable = || TokenRefused::Unreadable;
        let issued_at = claims.issued_at.ok_or_else(unreadable)?;
        let lasts = claims.expires_at.saturating_sub(issued_at);
        // What cannot be revoked by itself, or lasts too long, was not made for this.
        if claims.jti.is_none() || claims.subject.is_none() || lasts > LONGEST_SECONDS {
            return Err(unreadable());
        }
        let said = claims.other.get(CLAIM).and_then(Value::as_object).ok_or_else(unreadable)?;
        let flag = |name: &str| match said.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(unreadable),
        };
        let (sandbox, explains_only) = (flag(SANDBOX)?, flag(EXPLAIN_ONLY)?);
        let apis = match said.get(APIS) {
            // Calls are made with keys that name what they are for.
            None if !explains_only => return Err(unreadable()),
            None => None,
            Some(list) => {
                let list = list.as_array().ok_or_else(unreadable)?;
                let name = |one: &Value| one.as_str().map(str::to_owned).ok_or_else(unreadable);
                Some(list.iter().map(name).collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(Self {
            text: text.into(),
            ends_at: claims.expires_at.saturating_add(i64::from(SKEW_SECONDS)),
            apis,
            key_type: if sandbox { KeyType::Sandbox } else { KeyType::Production },
            explains_only,
            claims,
            keys: Arc::clone(keys),
        })
    }

    /// Whether it is for this API or product.
    pub fn opens(&self, api: &ApiPlan) -> bool {
        self.apis.as_ref().is_none_or(|apis| apis.iter().any(|id| **id == *api.id))
    }

    /// Whether it is for every API.
    pub const fn opens_all(&self) -> bool {
        self.apis.is_none()
    }

    /// Whether no call is made with it.
    pub const fn explains_only(&self) -> bool {
        self.explains_only
    }

    /// Which backends it reaches.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Who has asked for it.
    pub fn subject(&self) -> &str {
        self.claims.subject.as_deref().unwrap_or_default()
    }

    /// When it ends, in Unix seconds.
    pub const fn ends_at(&self) -> i64 {
        self.ends_at
    }

    /// Whether it has neither run out nor been revoked.
    pub fn stands(&self, grounds: Grounds<'_>) -> Result<(), TokenRefused> {
        if grounds.now_unix >= self.ends_at {
            return Err(TokenRefused::Refused(jose::Refusal::Expired));
        }
        if grounds.revocations.is_revoked(&self.claims.issuer, &self.claims) {
            return Err(TokenRefused::Revoked);
        }
        Ok(())
    }

    /// Whether it is still good under the keys in force.
    pub fn again(&self, grounds: Grounds<'_>) -> Result<(), TokenRefused> {
        if Arc::ptr_eq(&issuer(grounds.generation)?.keys, &self.keys) {
            return self.stands(grounds);
        }
        Self::verify(&self.text, grounds).map(drop)
    }
}

fn issuer(generation: &Generation) -> Result<&ResidentKeys, TokenRefused> {
    if !generation.plan.resident().enabled {
        return Err(TokenRefused::Disabled);
    }
    generation.resident_keys.as_ref().ok_or(TokenRefused::NoKeys)
}

/// The key is a secret.
impl fmt::Debug for TestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKey").field("apis", &self.apis).finish_non_exhaustive()
    }
}

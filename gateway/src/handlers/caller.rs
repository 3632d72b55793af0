//! What is known of whoever calls, whichever kinds of credential they have shown?

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use jose::Claims;
use plan::{ApiKeyPlan, CallerRightsPlan, ConsumerPlan, KeyType, RestrictionPlan};
use serde_json::Value;

use crate::credentials::{Known, TestKey};
use crate::rpc::passwords;

/// Proof that the caller is known, as far as the operation wants to know them.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub(super) token: Option<Rc<Known>>,
    pub(super) api_key: Option<Arc<ApiKeyPlan>>,
    pub(super) person: Option<Arc<passwords::Person>>,
    pub(super) certificate: Option<Arc<CallerRightsPlan>>,
    /// Alone, if at all.
    pub(super) test_key: Option<Rc<TestKey>>,
}

impl Caller {
    /// Somebody who tries the API out.
    pub(super) fn testing(key: Rc<TestKey>) -> Self {
        Self { test_key: Some(key), ..Self::default() }
    }

    /// The test key that the call is made with, in place of all that the API asks for.
    pub const fn test_key(&self) -> Option<&Rc<TestKey>> {
        self.test_key.as_ref()
    }

    /// The token that was shown; `None` where none is asked for.
    pub const fn token(&self) -> Option<&Rc<Known>> {
        self.token.as_ref()
    }

    /// The API key that was shown.
    pub const fn api_key(&self) -> Option<&Arc<ApiKeyPlan>> {
        self.api_key.as_ref()
    }

    /// Who showed a password.
    pub const fn person(&self) -> Option<&Arc<passwords::Person>> {
        self.person.as_ref()
    }

    /// What the certificate that was shown is good for.
    pub const fn certificate(&self) -> Option<&Arc<CallerRightsPlan>> {
        self.certificate.as_ref()
    }

    /// Whether nobody is known: the operation asks for nobody.
    pub const fn is_anybody(&self) -> bool {
        self.token.is_none()
            && self.api_key.is_none()
            && self.person.is_none()
            && self.certificate.is_none()
            && self.test_key.is_none()
    }

    /// What was shown, in a word; of several, what says most about who calls. Empty: nothing was asked
    /// for.
    pub fn shown(&self) -> &'static str {
        match self {
            Self { token: Some(token), .. } if token.algorithm().is_some() => "jwt",
            Self { token: Some(_), .. } => "opaque",
            Self { api_key: Some(_), .. } => "api-key",
            Self { person: Some(_), .. } => "basic",
            Self { certificate: Some(_), .. } => "certificate",
            Self { test_key: Some(_), .. } => "test-key",
            _ => "",
        }
    }

    /// The client, or the API key, that stands for an application.
    pub fn consumer(&self) -> Option<Arc<ConsumerPlan>> {
        let of_key = || self.api_key.as_ref().map(|key| Arc::clone(&key.consumer));
        match &self.token {
            Some(token) => token.consumer(),
            None => of_key(),
        }
    }

    /// The subject of the token, the person, or who has asked for the test key; empty: there is none.
    pub fn user(&self) -> &str {
        let of_token = self.token.as_ref().and_then(|token| token.claims().subject.as_deref());
        let person = self.person.as_ref().map(|person| &*person.subject);
        let tester = self.test_key.as_ref().map(|key| key.subject());
        of_token.or(person).or(tester).unwrap_or_default()
    }

    /// Everything that the user is called: the subject, and the names that key managers give to it.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let names = self.token.iter().flat_map(|token| {
            let named = |claim: &str| token.claims().text(claim);
            let subject = token.claims().subject.as_deref();
            [subject, named("username"), named("preferred_username")]
        });
        let person = self.person.iter().flat_map(|one| [Some(&*one.subject), Some(&*one.name)]);
        let tester = self.test_key.iter().map(|key| Some(key.subject()));
        names.chain(person).chain(tester).flatten()
    }

    /// Whether a person calls, and not an application for itself.
    pub fn is_person(&self) -> bool {
        match (&self.token, &self.person) {
            (Some(token), _) => !token.is_of_application(),
            (None, person) => person.is_some(),
        }
    }

    /// Which backends are reached, as far as the credential says so.
    pub fn key_type(&self) -> Option<KeyType> {
        let certificate = self.certificate.as_ref().map(|rights| rights.key_type);
        let test_key = self.test_key.as_ref().map(|key| key.key_type());
        let consumer = match &self.token {
            Some(token) => token.key_type(),
            None => self.api_key.as_ref().map(|key| key.consumer.key_type),
        };
        consumer.or(certificate).or(test_key)
    }

    /// Where the credentials may be used; each of these has to hold.
    pub fn restrictions(&self) -> impl Iterator<Item = &RestrictionPlan> {
        let token = self.token.as_ref().and_then(|token| token.restriction());
        token.into_iter().chain(self.api_key.as_ref().map(|key| &key.restriction))
    }

    /// Whom the credentials name: a person, or a client that acts for itself.
    pub fn subject(&self) -> Option<&str> {
        Some(self.user()).filter(|user| !user.is_empty())
    }

    /// The client, or the API key, that stands for an application, whether or not it is known.
    pub fn client_id(&self) -> Option<&str> {
        match &self.token {
            Some(token) => token.consumer_key(),
            None => self.api_key.as_ref().map(|key| &*key.consumer.consumer_key),
        }
    }

    /// What the credentials allow by themselves; what people may is decided by each API.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let token = self.token.iter().flat_map(|token| &token.claims().scopes).map(String::as_str);
        let key = self.api_key.iter().flat_map(|key| &key.scopes).map(|scope| &**scope);
        let rights = self.certificate.iter().flat_map(|rights| &rights.scopes);
        token.chain(key).chain(rights.map(|scope| &**scope))
    }

    /// When the first of the credentials ends, in Unix seconds; `None`: none does by itself.
    pub fn ends_at(&self) -> Option<i64> {
        let token = self.token.as_ref().map(|token| token.ends_at());
        let key = self.api_key.as_ref().map(|key| key.ends_at);
        let test_key = self.test_key.as_ref().map(|key| key.ends_at());
        token.into_iter().chain(key).chain(test_key).min()
    }

    /// What the credential says under this name.
    pub fn claim(&self, name: &str) -> Option<Cow<'_, Value>> {
        said(self.token()?.claims(), name)
    }
}

/// What a token says under this name, those of its claims included that are kept apart.
pub fn said<'c>(claims: &'c Claims, name: &str) -> Option<Cow<'c, Value>> {
    let text = |text: &str| Cow::Owned(Value::from(text));
    let time = |seconds: i64| Cow::Owned(Value::from(seconds));
    match name {
        "aud" if claims.audience_is_list => {
            Some(Cow::Owned(Value::from(claims.audience.as_slice())))
        }
        "aud" => claims.audience.first().map(|one| text(one)),
        "exp" => Some(time(claims.expires_at)),
        "nbf" => claims.not_before.map(time),
        "iat" => claims.issued_at.map(time),
        "scope" => Some(text(&claims.scopes.join(" "))),
        _ => match claims.other.get(name) {
            Some(value) => Some(Cow::Borrowed(value)),
            None => claims.text(name).map(text),
        },
    }
}

//! What is a third-party provider? (KM-090)
//!
//! Whose tokens gateways take besides ours, as a `KeyManager` resource says it.

use std::fmt;

use chassis::Secret;
use jose::Algorithm;
use url::Url;

/// A provider, as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    /// Compared byte for byte.
    pub issuer: String,
    pub enabled: bool,
    /// What its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    pub keys: ProviderKeys,
    /// Where its metadata are.
    pub metadata: Option<Url>,
    pub introspection: Option<Introspection>,
    pub registration: Option<Registration>,
    pub login: Option<ProviderLogin>,
    pub connector: Option<Connection>,
}

/// Where the program is that speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub address: String,
    /// In its certificate.
    pub name: String,
}

/// Where its public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderKeys {
    /// In the resource; gateways have them already.
    Pinned,
    /// There.
    At(Url),
    /// Where its metadata say.
    Discovered,
}

/// Our own client there.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderClient {
    pub id: String,
    pub secret: SecretValue,
    /// Whether the secret stands in the form, and not in the Authorization field.
    pub in_form: bool,
}

/// How it is asked about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// `None`: where its metadata say.
    pub endpoint: Option<Url>,
    pub client: ProviderClient,
}

/// How clients are registered there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `None`: where its metadata say.
    pub endpoint: Option<Url>,
    /// The initial access token (RFC 7591 section 3); `None`: none is shown.
    pub token: Option<SecretValue>,
}

/// How people log in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderLogin {
    /// What the button calls it.
    pub title: String,
    pub client: ProviderClient,
    pub scopes: Vec<String>,
    pub linking: Linking,
}

/// Who gets in that was never here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    /// Everybody, with an account of their own.
    Create,
    /// The account here with the same verified mail address, else as `Create`.
    VerifiedEmail,
    /// Nobody.
    None,
}

/// A secret that can be compared with the one before, and not printed.
#[derive(Clone)]
pub struct SecretValue(pub Secret);

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for SecretValue {}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl fmt::Debug for ProviderClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderClient").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Provider {
    /// Whether what is known of `other` is known of this one too: the same server, asked at the same
    /// places.
    pub fn is_there_where(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.keys == other.keys
            && self.metadata == other.metadata
            && self.connector == other.connector
    }

    /// The hosts that whoever applied it has named.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let keys = match &self.keys {
            ProviderKeys::At(url) => Some(url),
            ProviderKeys::Pinned | ProviderKeys::Discovered => None,
        };
        let introspection = self.introspection.as_ref().and_then(|it| it.endpoint.as_ref());
        let registration = self.registration.as_ref().and_then(|it| it.endpoint.as_ref());
        let urls = [keys, self.metadata.as_ref(), introspection, registration];
        urls.into_iter().flatten().filter_map(Url::host_str)
    }
}

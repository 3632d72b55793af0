//! How does the key manager learn of third-party providers?
//!
//! The control plane says all of them, and says them again when one changes. What it admitted is good;
//! a provider that cannot be understood here all the same is left out alone, and told of.

use chassis::Secret;
use jose::Algorithm;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use turnpike_proto::config::v1 as proto;
use turnpike_proto::config::v1::provider_client::Method;
use turnpike_proto::config::v1::provider_login::Linking as LinkingWord;
use turnpike_proto::config::v1::providers_client::ProvidersClient;
use url::Url;

use crate::domain::{
    Connection, Introspection, Linking, Provider, ProviderClient, ProviderKeys, ProviderLogin,
    Registration, SecretValue,
};

/// What is put behind the issuer to find its metadata (OpenID Connect Discovery section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Each set of providers, as it comes.
#[derive(Debug)]
pub struct ProviderSets(Streaming<proto::ProviderSet>);

/// Why a provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("`{0}` is no https URL")]
    Url(String),
    #[error("`{0}` is no algorithm here")]
    Algorithm(String),
    #[error("the value of the Secret `{0}` is missing")]
    Secret(String),
}

impl ProviderSets {
    /// Opens the stream.
    pub async fn watch(control_plane: &Channel) -> Result<Self, Box<Status>> {
        let request = chassis::rpc::traced(Request::new(proto::WatchProvidersRequest {}));
        let client = ProvidersClient::new(control_plane.clone());
        let answer = client
            .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)
            .watch(request)
            .await
            .map_err(Box::new)?;
        Ok(Self(answer.into_inner()))
    }

    /// The next set; `None`: the stream has ended.
    pub async fn next(&mut self) -> Result<Option<proto::ProviderSet>, Box<Status>> {
        self.0.message().await.map_err(Box::new)
    }
}

/// The providers of a set that can be understood.
pub fn from_proto(set: &proto::ProviderSet) -> Vec<Provider> {
    let read = |one: &proto::Provider| match provider(one) {
        Ok(provider) => Some(provider),
        Err(error) => {
            let name = one.key_manager.as_ref().and_then(|it| it.metadata.as_ref());
            let name = name.map(|metadata| metadata.name.as_str());
            tracing::error!(name, error = &error as &dyn std::error::Error, "provider left out");
            None
        }
    };
    set.providers.iter().filter_map(read).collect()
}

fn provider(one: &proto::Provider) -> Result<Provider, ProviderError> {
    let missing = ProviderError::Missing;
    let key_manager = one.key_manager.as_ref().ok_or(missing("the resource"))?;
    let metadata = key_manager.metadata.as_ref().ok_or(missing("its name"))?;
    let spec = key_manager.spec.as_ref().ok_or(missing("its spec"))?;
    let keys = match (spec.jwks.is_empty(), optional(&spec.jwks_uri)?) {
        (false, _) => ProviderKeys::Pinned,
        (true, Some(url)) => ProviderKeys::At(url),
        // Its tokens say nothing; or the resource says where their keys are.
        (true, None) if spec.connector.is_some() && spec.discovery_url.is_empty() => {
            ProviderKeys::Pinned
        }
        (true, None) => ProviderKeys::Discovered,
    };
    let login = spec.login.as_ref().map(|login| self::login(one, &metadata.name, login));
    let asked = spec.introspection.as_ref().filter(|_| spec.connector.is_none());
    let introspection = asked.map(|asked| {
        Ok(Introspection {
            endpoint: optional(&asked.endpoint)?,
            client: client(one, asked.client.as_ref())?,
        })
    });
    let registration = spec.registration.as_ref().map(|registration| {
        let named = Some(registration.token_secret.as_str()).filter(|name| !name.is_empty());
        Ok(Registration {
            endpoint: optional(&registration.endpoint)?,
            token: named.map(|name| secret(one, name)).transpose()?,
        })
    });
    let where_metadata_are = match optional(&spec.discovery_url)? {
        Some(url) => Some(url),
        // An issuer that is no URL has none.
        None => {
            optional(&format!("{}{WELL_KNOWN}", spec.issuer.trim_end_matches('/'))).ok().flatten()
        }
    };
    Ok(Provider {
        name: metadata.name.clone(),
        issuer: spec.issuer.clone(),
        enabled: spec.enabled.unwrap_or(true),
        algorithms: algorithms(&spec.algorithms)?,
        keys,
        metadata: where_metadata_are,
        introspection: introspection.transpose()?,
        registration: registration.transpose()?,
        login: login.transpose()?,
        connector: spec.connector.as_ref().map(|connector| Connection {
            address: connector.address.clone(),
            name: Some(connector.name.clone())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| metadata.name.clone()),
        }),
    })
}

fn login(
    one: &proto::Provider,
    name: &str,
    login: &proto::ProviderLogin,
) -> Result<ProviderLogin, ProviderError> {
    let or = |said: &str, usual: &str| if said.is_empty() { usual } else { said }.to_owned();
    let scopes = if login.scopes.is_empty() {
        ["openid", "profile", "email"].map(str::to_owned).to_vec()
    } else {
        login.scopes.clone()
    };
    Ok(ProviderLogin {
        title: or(&login.title, name),
        client: client(one, login.client.as_ref())?,
        scopes,
        linking: match LinkingWord::try_from(login.linking) {
            Ok(LinkingWord::Create) => Linking::Create,
            Ok(LinkingWord::VerifiedEmail) => Linking::VerifiedEmail,
            // A word of a later version: nobody is let in by chance.
            Ok(LinkingWord::None) | Err(_) => Linking::None,
        },
    })
}

fn client(
    one: &proto::Provider,
    client: Option<&proto::ProviderClient>,
) -> Result<ProviderClient, ProviderError> {
    let client = client.ok_or(ProviderError::Missing("our client there"))?;
    Ok(ProviderClient {
        id: client.id.clone(),
        secret: secret(one, &client.secret)?,
        in_form: client.method == i32::from(Method::ClientSecretPost),
    })
}

fn secret(one: &proto::Provider, name: &str) -> Result<SecretValue, ProviderError> {
    let value = one.secrets.get(name).ok_or_else(|| ProviderError::Secret(name.to_owned()))?;
    Ok(SecretValue(Secret::new(value.as_str())))
}

fn optional(text: &str) -> Result<Option<Url>, ProviderError> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host());
    url.map(Some).ok_or_else(|| ProviderError::Url(text.to_owned()))
}

fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, ProviderError> {
    if names.is_empty() {
        return Ok(vec![Algorithm::ES256, Algorithm::RS256]);
    }
    let read = |name: &String| name.parse().map_err(|_| ProviderError::Algorithm(name.clone()));
    names.iter().map(read).collect()
}

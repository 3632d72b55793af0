//! How does an application get a client at a key manager?
//!
//! The client is registered first and added to the application second; when the second step
//! fails, the client is removed again. What stays behind when even that fails is a client without
//! an application, whose tokens no gateway lets through.

use std::error::Error;
use std::fmt;

use plan::{Kind, Problem, Resource, ResourceKey};
use turnpike_proto::config::v1::ApplicationKey;
use turnpike_proto::config::v1::key_type::Type as KeyType;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::change::{Manager, Wanted};
use super::error::ManageError;
use super::read::get;

const RESIDENT: &str = "resident";
/// How often adding the key starts again because the application was changed meanwhile.
const ATTEMPTS: usize = 5;

/// The clients of the resident key manager.
#[async_trait::async_trait]
pub trait Clients: fmt::Debug + Send + Sync + 'static {
    /// Makes a client.
    async fn register(&self, client: NewClient) -> Result<ClientKey, ClientsError>;
    /// Removes it again.
    async fn remove(&self, client_id: &str) -> Result<(), ClientsError>;
}

/// Why the key manager did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// It does not answer.
    #[error("the key manager does not answer")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// It refuses.
    #[error("the key manager refuses: {0}")]
    Refused(String),
}

/// A client to make.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Shown on pages and in logs.
    pub name: String,
    /// What it may ask for.
    pub scopes: Vec<String>,
}

/// A client that was made.
#[derive(Clone)]
pub struct ClientKey {
    /// Its identifier.
    pub consumer_key: String,
    /// Its secret, which nobody else has.
    pub consumer_secret: chassis::Secret,
    /// Where it gets tokens.
    pub token_endpoint: String,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("consumer_key", &self.consumer_key)
            .finish_non_exhaustive()
    }
}

/// For whom.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Name of the application.
    pub application: String,
    /// Whether it reaches the sandbox backends.
    pub sandbox: bool,
    /// Name of the key manager; empty: resident.
    pub key_manager: String,
    /// What the client may ask for.
    pub scopes: Vec<String>,
}

/// Makes a client and adds it to the application.
pub async fn generate(
    manager: &Manager,
    clients: &dyn Clients,
    wanted: NewKey,
) -> Result<ClientKey, ManageError> {
    let key = ResourceKey::new(Kind::Application, &wanted.application, None);
    get(manager.catalog(), &key)?;
    if !matches!(wanted.key_manager.as_str(), "" | RESIDENT) {
        return Err(ManageError::Refused(vec![Problem {
            resource: key.to_string(),
            field: "keyManager".to_owned(),
            reason: format!("clients of {} are registered there", wanted.key_manager),
            suggestion: "add the client identifier to spec.keys of the application".to_owned(),
            ..Problem::default()
        }]));
    }
    let kind = if wanted.sandbox { "sandbox" } else { "production" };
    let name = format!("{} ({kind})", wanted.application);
    let client = NewClient { name, scopes: wanted.scopes };
    let made = clients.register(client).await.map_err(ManageError::KeyManager)?;
    let added = add(manager, &key, &made.consumer_key, wanted.sandbox).await;
    if let Err(error) = added {
        if let Err(left) = clients.remove(&made.consumer_key).await {
            let (client, reason) = (&made.consumer_key, left.to_string());
            tracing::warn!(client, reason, "a client without an application stays behind");
        }
        return Err(error);
    }
    Ok(made)
}

async fn add(
    manager: &Manager,
    key: &ResourceKey,
    consumer_key: &str,
    sandbox: bool,
) -> Result<(), ManageError> {
    let mut last = ManageError::NotFound(key.clone());
    for _ in 0..ATTEMPTS {
        // What is shown carries its revision, so a change in between is noticed.
        let mut resource: Resource = get(manager.catalog(), key)?;
        if let Some(Any::Application(application)) = &mut resource.resource {
            let r#type = if sandbox { KeyType::Sandbox } else { KeyType::Production };
            application.spec.get_or_insert_default().keys.push(ApplicationKey {
                key_manager: RESIDENT.to_owned(),
                r#type: r#type.into(),
                consumer_key: consumer_key.to_owned(),
            });
        }
        let wanted = Wanted { upserts: vec![resource], ..Wanted::default() };
        last = match manager.change(wanted).await {
            Ok(_) => return Ok(()),
            Err(error @ ManageError::Stale { .. }) => error,
            Err(error) => return Err(error),
        };
    }
    Err(last)
}

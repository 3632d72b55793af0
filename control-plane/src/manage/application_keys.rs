//! How does an application get a client at a key manager?
//!
//! The client is registered first and added to the application second; when the second step
//! fails, the client is removed again. What stays behind when even that fails is a client without
//! an application, whose tokens no gateway lets through.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use plan::{Kind, Problem, Resource, ResourceKey};
use turnpike_proto::config::v1::key_type::Type as KeyType;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{ApplicationKey, ApplicationSpec, application_spec};

use super::change::{Manager, Wanted};
use super::error::ManageError;
use super::read::current;
use super::workflow::{WantedClient, permitted};
use crate::people::Caller;

const RESIDENT: &str = "resident";
/// How often adding the key starts again because the application was changed meanwhile.
const ATTEMPTS: usize = 5;

/// The clients of the key managers.
#[async_trait::async_trait]
pub trait Clients: fmt::Debug + Send + Sync + 'static {
    /// Makes a client.
    async fn register(&self, client: NewClient) -> Result<ClientKey, ClientsError>;
    /// Makes sure that a client of a third-party provider is there, as far as it can be asked.
    async fn find(&self, key_manager: &str, client_id: &str) -> Result<(), ClientsError>;
    /// Removes it again.
    async fn remove(&self, key_manager: &str, client_id: &str) -> Result<(), ClientsError>;
    /// Makes a test key.
    async fn test_key(&self, by: &Caller, wanted: NewTestKey) -> Result<TestKey, ClientsError>;
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
    /// Where: the name of a key manager; empty: at the resident one.
    pub key_manager: String,
    /// From where its tokens may be used.
    pub restrictions: Restrictions,
}

/// From where the tokens of a client may be used, as it was asked for; the key manager looks whether it is
/// well-formed. Empty: from everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Networks in CIDR form, or addresses.
    pub ips: Vec<String>,
    /// Hosts of the pages; the first label may be `*`.
    pub domains: Vec<String>,
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

/// A test key to make.
#[derive(Clone, Debug)]
pub struct NewTestKey {
    /// The APIs and products that it opens, `name:version`; empty: every one.
    pub apis: Vec<String>,
    /// Whether it reaches the sandbox backends.
    pub sandbox: bool,
    /// Whether it only explains.
    pub explain_only: bool,
    /// How long it lasts; none: as long as test keys do.
    pub lifetime: Option<Duration>,
}

/// A test key that was made; nobody else has it.
#[derive(Debug)]
pub struct TestKey {
    /// The key.
    pub key: chassis::Secret,
    /// When it ends, in Unix seconds.
    pub expires_at: i64,
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
    /// The client, where it is there already; empty: it is made.
    pub consumer_key: String,
    /// From where the client's tokens may be used.
    pub restrictions: Restrictions,
}

/// Makes a client and adds it to the application.
pub async fn generate(
    by: &Caller,
    manager: &Manager,
    clients: &dyn Clients,
    wanted: NewKey,
) -> Result<ClientKey, ManageError> {
    let key = ResourceKey::new(Kind::Application, &wanted.application, None);
    // Before a client is made that would have to be removed again.
    approved(&key, &manager.get_to_change(by, &key)?)?;
    let elsewhere = match wanted.key_manager.as_str() {
        "" | RESIDENT => None,
        name => Some(name),
    };
    if let Some(name) = elsewhere {
        let provider = ResourceKey::new(Kind::KeyManager, name, None);
        find_provider(by, manager, &provider)?;
    }
    let at =
        Place { key: &key, key_manager: elsewhere.unwrap_or(RESIDENT), sandbox: wanted.sandbox };
    if elsewhere.is_some() && wanted.restrictions != Restrictions::default() {
        return Err(unrestricted(&key));
    }
    let client =
        WantedClient { application: &key, key_manager: at.key_manager, sandbox: at.sandbox };
    let used = permitted(by, manager, client).await?;
    if !wanted.consumer_key.is_empty() {
        return map(by, manager, clients, (at, &used), wanted.consumer_key).await;
    }
    let kind = if wanted.sandbox { "sandbox" } else { "production" };
    let name = format!("{} ({kind})", wanted.application);
    let key_manager = elsewhere.unwrap_or_default().to_owned();
    let NewKey { scopes, restrictions, .. } = wanted;
    let client = NewClient { name, scopes, key_manager, restrictions };
    let made = clients.register(client).await.map_err(ManageError::KeyManager)?;
    let added = add(by, manager, (at, &used), &made.consumer_key).await;
    if let Err(error) = added {
        let removed = clients.remove(elsewhere.unwrap_or_default(), &made.consumer_key).await;
        if let Err(left) = removed {
            let (client, reason) = (&made.consumer_key, left.to_string());
            tracing::warn!(client, reason, "a client without an application stays behind");
        }
        return Err(error);
    }
    Ok(made)
}

/// Who waits for approval gets no keys; so no client is registered for it.
fn approved(key: &ResourceKey, resource: &Resource) -> Result<(), ManageError> {
    let state = match &resource.resource {
        Some(Any::Application(one)) => one.spec.as_ref().map(ApplicationSpec::state),
        _ => None,
    };
    match state.unwrap_or_default() {
        application_spec::State::Approved => Ok(()),
        state => Err(ManageError::OutOfTurn(vec![Problem {
            resource: key.to_string(),
            field: "spec.state".to_owned(),
            reason: format!("an application that is {} has no keys", state.as_str_name()),
            suggestion: "have it approved first: `turnpike approvals list`".to_owned(),
            ..Problem::default()
        }])),
    }
}

/// Everybody may have a client at each key manager that is for all tenants.
fn find_provider(by: &Caller, manager: &Manager, key: &ResourceKey) -> Result<(), ManageError> {
    let state = current(manager.catalog())?;
    let held = state.objects.get(key);
    let metadata = held.as_ref().and_then(|object| object.resource());
    let tenant = metadata.as_deref().and_then(plan::metadata).map(|known| known.tenant.as_str());
    let theirs = |tenant: &str| tenant.is_empty() || tenant == by.tenant() || by.may_everything();
    match tenant.filter(|tenant| theirs(tenant)) {
        Some(_) => Ok(()),
        None => Err(ManageError::NotFound(key.clone())),
    }
}

/// Tokens of another issuer do not say from where they may be used.
fn unrestricted(key: &ResourceKey) -> ManageError {
    ManageError::Refused(vec![Problem {
        resource: key.to_string(),
        field: "allowedIps, allowedDomains".to_owned(),
        reason: "only our own key manager restricts tokens".to_owned(),
        suggestion: "leave them out, or register the client at the resident key manager".to_owned(),
        ..Problem::default()
    }])
}

/// Where a key is added.
#[derive(Clone, Copy)]
struct Place<'k> {
    key: &'k ResourceKey,
    key_manager: &'k str,
    sandbox: bool,
}

/// Adds a client that was made elsewhere. `to`: where, and what is stored with it.
async fn map(
    by: &Caller,
    manager: &Manager,
    clients: &dyn Clients,
    to: (Place<'_>, &[Resource]),
    consumer_key: String,
) -> Result<ClientKey, ManageError> {
    let (at, _) = to;
    if at.key_manager == RESIDENT {
        return Err(ManageError::Refused(vec![Problem {
            resource: at.key.to_string(),
            field: "consumerKey".to_owned(),
            reason: "clients of our own key manager are made, not named".to_owned(),
            suggestion: "leave out the consumer key, or name another key manager".to_owned(),
            ..Problem::default()
        }]));
    }
    clients.find(at.key_manager, &consumer_key).await.map_err(ManageError::KeyManager)?;
    add(by, manager, to, &consumer_key).await?;
    let (consumer_secret, token_endpoint) = (chassis::Secret::new(""), String::new());
    Ok(ClientKey { consumer_key, consumer_secret, token_endpoint })
}

async fn add(
    by: &Caller,
    manager: &Manager,
    (at, used): (Place<'_>, &[Resource]),
    consumer_key: &str,
) -> Result<(), ManageError> {
    let Place { key, key_manager, sandbox } = at;
    let r#type = if sandbox { KeyType::Sandbox } else { KeyType::Production };
    let edit = |spec: &mut ApplicationSpec| {
        spec.keys.push(ApplicationKey {
            key_manager: key_manager.to_owned(),
            r#type: r#type.into(),
            consumer_key: consumer_key.to_owned(),
        });
        Ok(())
    };
    edit_application(by, manager, key, used, edit).await.map(drop)
}

/// Changes an application as it is now, with what is stored beside it, and starts again where it was
/// changed meanwhile.
pub(super) async fn edit_application(
    by: &Caller,
    manager: &Manager,
    key: &ResourceKey,
    beside: &[Resource],
    edit: impl Fn(&mut ApplicationSpec) -> Result<(), ManageError>,
) -> Result<u64, ManageError> {
    let mut last = ManageError::NotFound(key.clone());
    for _ in 0..ATTEMPTS {
        // What is shown carries its revision, so a change in between is noticed.
        let mut resource: Resource = manager.get_to_change(by, key)?;
        if let Some(Any::Application(application)) = &mut resource.resource {
            edit(application.spec.get_or_insert_default())?;
        }
        let (upserts, requests) = (vec![resource], beside.to_vec());
        let wanted = Wanted { upserts, requests, makes_keys: true, ..Wanted::default() };
        last = match manager.change(by, wanted).await {
            Ok(changed) => return Ok(changed.revision),
            Err(error @ ManageError::Stale { .. }) => error,
            Err(error) => return Err(error),
        };
    }
    Err(last)
}

//! `turnpike keys …`: with which client does an application get its tokens?

use chassis::config::Secret;
use clap::{Args, Subcommand};
use serde_json::json;
use turnpike_proto::admin::v1::GenerateKeyRequest;
use turnpike_proto::admin::v1::application_keys_client::ApplicationKeysClient;

use crate::clients::Client;
use crate::failure::Failure;
use crate::kept::Home;
use crate::key_type::KeyType;
use crate::output::Report;
use crate::{api_keys, key_list, rpc, test_keys};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Keys {
    /// Register a new client for an application; its secret is shown once
    Generate(Generate),
    /// Let an application use a client that a third-party key manager has already
    Map(Map),
    /// Make an API key for an application; it is shown once
    ApiKey(api_keys::Make),
    /// End an API key
    RevokeApiKey(api_keys::Revoke),
    /// Show the keys of an application, and when each was used last
    List(key_list::List),
    /// Make a key with which an API is tried out, without an application; it is shown once
    TestKey(test_keys::Make),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Map {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The client's identifier there, byte for byte
    #[arg(long, value_name = "CLIENT-ID")]
    pub(crate) consumer_key: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) which: Which,
    /// A scope that the client may ask for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// A network (CIDR) or address from which its tokens may be used; may be given several times
    #[arg(long = "allow-ip", value_name = "CIDR")]
    pub(crate) allowed_ips: Vec<String>,
    /// A host from whose pages its tokens may be used, its first label may be `*`; may be given several
    /// times
    #[arg(long = "allow-domain", value_name = "DOMAIN")]
    pub(crate) allowed_domains: Vec<String>,
}

impl Generate {
    /// Without a scope, for use from everywhere.
    pub(crate) const fn plain(which: Which) -> Self {
        Self { which, scopes: Vec::new(), allowed_ips: Vec::new(), allowed_domains: Vec::new() }
    }
}

/// Which of an application's clients.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    pub(crate) app: String,
    /// Which backends its tokens reach
    #[arg(long = "type", value_name = "TYPE", default_value = "production")]
    pub(crate) key_type: KeyType,
    /// Name of the key manager
    #[arg(long, value_name = "KEY-MANAGER", default_value = "resident")]
    pub(crate) key_manager: String,
}

pub(crate) async fn generate(
    connection: &rpc::Options,
    home: &Home,
    asked: &Generate,
) -> Result<Report, Failure> {
    let clients = home.clients(&connection.authority()?)?;
    let (client, token_endpoint) = register(connection, asked).await?;
    let secret = client.consumer_secret.expose();
    let kept = clients.keep(&client);
    let report = Report::new(json!({
        "consumerKey": client.consumer_key,
        "consumerSecret": secret,
        "tokenEndpoint": token_endpoint,
        "keptIn": kept.is_ok().then(|| clients.file()),
    }))
    .text(format!("consumerKey     {}", client.consumer_key))
    .text(format!("consumerSecret  {secret}"))
    .text(format!("tokenEndpoint   {token_endpoint}"))
    .text("The secret is shown here and never again.");
    match kept {
        Ok(()) => Ok(report.text(format!(
            "Key and secret are also kept in {} (only you can read it), for `turnpike token --app {}`.",
            clients.file().display(),
            asked.which.app
        ))),
        // The client exists: its secret must reach the user even where it cannot be kept.
        Err(source) => Err(Failure::NotKept { report: Box::new(report), source }),
    }
}

pub(crate) async fn map(connection: &rpc::Options, asked: &Map) -> Result<Report, Failure> {
    let Map { which, consumer_key } = asked;
    let wire = connection.control_plane()?;
    ApplicationKeysClient::new(wire.channel())
        .generate(GenerateKeyRequest {
            application: which.app.clone(),
            sandbox: which.key_type == KeyType::Sandbox,
            key_manager: which.key_manager.clone(),
            consumer_key: consumer_key.clone(),
            ..GenerateKeyRequest::default()
        })
        .await
        .map_err(|status| wire.error(status))?;
    let (app, key_manager) = (&which.app, &which.key_manager);
    let value =
        json!({ "consumerKey": consumer_key, "keyManager": key_manager, "application": app });
    Ok(Report::new(value)
        .text(format!("{consumer_key} of {key_manager} is a client of {app} from now on.")))
}

/// Registers a client; also answers where it gets tokens.
pub(crate) async fn register(
    connection: &rpc::Options,
    asked: &Generate,
) -> Result<(Client, String), Failure> {
    let Generate { which, scopes, allowed_ips, allowed_domains } = asked.clone();
    let wire = connection.control_plane()?;
    let answer = ApplicationKeysClient::new(wire.channel())
        .generate(GenerateKeyRequest {
            application: which.app.clone(),
            sandbox: which.key_type == KeyType::Sandbox,
            key_manager: which.key_manager.clone(),
            scopes,
            allowed_ips,
            allowed_domains,
            ..GenerateKeyRequest::default()
        })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let client = Client {
        application: which.app,
        key_type: which.key_type.name().to_owned(),
        key_manager: which.key_manager,
        consumer_key: answer.consumer_key,
        consumer_secret: Secret::new(answer.consumer_secret),
    };
    Ok((client, answer.token_endpoint))
}

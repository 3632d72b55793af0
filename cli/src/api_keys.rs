//! `turnpike keys api-key` and `revoke-api-key`: what does an application show that gets no tokens?

use std::time::Duration;

use clap::Args;
use serde_json::json;
use turnpike_proto::admin::v1::application_keys_client::ApplicationKeysClient;
use turnpike_proto::admin::v1::{GenerateApiKeyRequest, RevokeApiKeyRequest};

use crate::failure::Failure;
use crate::key_type::KeyType;
use crate::output::Report;
use crate::{rpc, span};

#[derive(Args, Clone, Debug)]
pub(crate) struct Make {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    pub(crate) app: String,
    /// Which backends it reaches
    #[arg(long = "type", value_name = "TYPE", default_value = "production")]
    pub(crate) key_type: KeyType,
    /// A scope that it has; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// A network or an address from which it may be used; may be given several times
    #[arg(long = "allow-ip", value_name = "CIDR")]
    pub(crate) allowed_ips: Vec<String>,
    /// A host on whose pages it may be used, `*.` for one label; may be given several times
    #[arg(long = "allow-domain", value_name = "DOMAIN")]
    pub(crate) allowed_domains: Vec<String>,
    /// How long it lasts, like 30d; without it until it is revoked
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    pub(crate) expires: Option<Duration>,
    /// A name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) label: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Revoke {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    pub(crate) app: String,
    /// The identifier of the key, as it was shown when the key was made
    #[arg(long, value_name = "ID")]
    pub(crate) id: String,
}

pub(crate) async fn make(connection: &rpc::Options, asked: &Make) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let made = ApplicationKeysClient::new(wire.channel())
        .generate_api_key(GenerateApiKeyRequest {
            application: asked.app.clone(),
            sandbox: asked.key_type == KeyType::Sandbox,
            scopes: asked.scopes.clone(),
            allowed_ips: asked.allowed_ips.clone(),
            allowed_domains: asked.allowed_domains.clone(),
            lifetime: asked.expires.map(span::to_proto),
            label: asked.label.clone(),
        })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let expires = made.expires_at.as_ref().map(|at| at.seconds);
    let report = Report::new(json!({ "id": made.id, "key": made.key, "expiresAt": expires }))
        .text(format!("id   {}", made.id))
        .text(format!("key  {}", made.key))
        .text("The key is shown here and never again.");
    Ok(report.text(format!("Call with: -H 'apikey: {}'", made.key)))
}

pub(crate) async fn revoke(connection: &rpc::Options, asked: &Revoke) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let Revoke { app, id } = asked;
    let request = RevokeApiKeyRequest { application: app.clone(), id: id.clone() };
    let answer = ApplicationKeysClient::new(wire.channel()).revoke_api_key(request).await;
    let revision = answer.map_err(|status| wire.error(status))?.into_inner().revision;
    Ok(Report::new(json!({ "id": id, "revision": revision }))
        .text(format!("The API key {id} of {app} has ended (revision {revision}).")))
}

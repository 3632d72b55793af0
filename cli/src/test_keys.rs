//! `turnpike keys test-key`: how does whoever answers for an API try it out?

use std::time::Duration;

use chassis::config::Secret;
use clap::Args;
use serde_json::json;
use turnpike_proto::admin::v1::GenerateTestKeyRequest;
use turnpike_proto::admin::v1::test_keys_client::TestKeysClient;

use crate::failure::Failure;
use crate::gateways::time;
use crate::key_type::KeyType;
use crate::output::Report;
use crate::subscriptions::versioned;
use crate::{rpc, span};

/// The field in which gateways look for it.
pub(crate) const FIELD: &str = "turnpike-test-key";
/// A key that explains is used at once.
const EXPLAINS_FOR: Duration = Duration::from_mins(1);

#[derive(Args, Clone, Debug)]
pub(crate) struct Make {
    /// An API or product that it opens; may be given several times
    #[arg(long = "api", value_name = "NAME:VERSION", required = true, value_parser = versioned)]
    apis: Vec<String>,
    /// Which backends it reaches
    #[arg(long = "type", value_name = "TYPE", default_value = "production")]
    key_type: KeyType,
    /// How long it lasts, at most 1h
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = span::parse)]
    expires: Duration,
}

pub(crate) async fn make(connection: &rpc::Options, asked: &Make) -> Result<Report, Failure> {
    let request = GenerateTestKeyRequest {
        apis: asked.apis.clone(),
        sandbox: asked.key_type == KeyType::Sandbox,
        lifetime: Some(span::to_proto(asked.expires)),
        explain_only: false,
    };
    let wire = connection.control_plane()?;
    let made = TestKeysClient::new(wire.channel()).generate(request).await;
    let made = made.map_err(|status| wire.error(status))?.into_inner();
    let ends = made.expires_at.as_ref();
    let value = json!({ "key": made.key, "expiresAt": ends.map(|at| at.seconds) });
    Ok(Report::new(value)
        .text(format!("key   {}", made.key))
        .text(format!("ends  {}", time(ends)))
        .text(
            "The key is shown here and never again; `turnpike revoke KEY` ends it before its time.",
        )
        .text(format!("Call with: -H '{FIELD}: {}'", made.key)))
}

/// A key with which gateways explain, and let nobody through, for every API and for a moment.
pub(crate) async fn explaining(connection: &rpc::Options) -> Result<Secret, Failure> {
    let request = GenerateTestKeyRequest {
        explain_only: true,
        lifetime: Some(span::to_proto(EXPLAINS_FOR)),
        ..GenerateTestKeyRequest::default()
    };
    let wire = connection.control_plane()?;
    let made = TestKeysClient::new(wire.channel()).generate(request).await;
    Ok(Secret::new(made.map_err(|status| wire.error(status))?.into_inner().key))
}

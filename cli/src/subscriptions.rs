//! `turnpike subscribe`: may this application call that API?

use clap::Args;
use turnpike_proto::config::v1::resource::Resource as AnyResource;
use turnpike_proto::config::v1::{Metadata, Resource, Subscription, SubscriptionSpec};

use crate::apply;
use crate::failure::Failure;
use crate::output::Report;
use crate::rpc;

#[derive(Args, Clone, Debug)]
pub(crate) struct Subscribe {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    app: String,
    /// The API: NAME:VERSION
    #[arg(long, value_name = "NAME:VERSION", value_parser = versioned)]
    api: String,
    /// Tier of the subscription, one that the API offers
    #[arg(long, value_name = "TIER", default_value = "Unlimited")]
    tier: String,
    #[command(flatten)]
    wait: apply::Wait,
}

pub(crate) async fn subscribe(
    connection: &rpc::Options,
    asked: &Subscribe,
) -> Result<Report, Failure> {
    let resource = Resource { resource: Some(AnyResource::Subscription(asked.resource())) };
    apply::send(connection, vec![resource], false, &asked.wait).await
}

impl Subscribe {
    /// One application has one subscription per API: its name says both.
    fn resource(&self) -> Subscription {
        Subscription {
            api_version: "turnpike/v1".to_owned(),
            kind: "Subscription".to_owned(),
            metadata: Some(Metadata {
                name: format!("{}-{}", self.app, self.api.replace(':', "-")),
                ..Metadata::default()
            }),
            spec: Some(SubscriptionSpec {
                application: self.app.clone(),
                api: self.api.clone(),
                tier: self.tier.clone(),
                ..SubscriptionSpec::default()
            }),
        }
    }
}

fn versioned(text: &str) -> Result<String, &'static str> {
    match text.split_once(':') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok(text.to_owned()),
        _ => Err("write it as NAME:VERSION, for example orders:1.0.0"),
    }
}

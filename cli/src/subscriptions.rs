//! `turnpike subscribe`: may this application call that API or product?

use clap::Args;
use turnpike_proto::admin::v1::subscriptions_client::SubscriptionsClient;
use turnpike_proto::config::v1::resource::Resource as AnyResource;
use turnpike_proto::config::v1::subscription_spec::State;
use turnpike_proto::config::v1::{Metadata, Resource, Subscription, SubscriptionSpec};

use crate::apply;
use crate::failure::Failure;
use crate::output::Report;
use crate::rpc::{self, Kind};

#[derive(Args, Clone, Debug)]
pub(crate) struct Subscribe {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    app: String,
    /// The API: NAME:VERSION
    #[arg(long, value_name = "NAME:VERSION", value_parser = versioned)]
    #[arg(required_unless_present = "product", conflicts_with = "product")]
    api: Option<String>,
    /// Instead of an API, the product: NAME:VERSION
    #[arg(long, value_name = "NAME:VERSION", value_parser = versioned)]
    product: Option<String>,
    /// Tier of the subscription, one that the API or product offers
    #[arg(long, value_name = "TIER", default_value = "Unlimited")]
    tier: String,
    #[command(flatten)]
    wait: apply::Wait,
}

pub(crate) async fn subscribe(
    connection: &rpc::Options,
    asked: &Subscribe,
) -> Result<Report, Failure> {
    match send(connection, asked.resource(), asked).await {
        // The right may be there already, under a name that somebody else has chosen.
        Err(Failure::Problems(problems)) => match asked.stored(connection).await? {
            Some(stored) => send(connection, stored, asked).await,
            None => Err(Failure::Problems(problems)),
        },
        other => other,
    }
}

/// Puts it, which waits for a decision where one is asked for; a file that is applied does not.
async fn send(
    connection: &rpc::Options,
    subscription: Subscription,
    asked: &Subscribe,
) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let put = SubscriptionsClient::new(wire.channel()).put(subscription).await;
    let stored = match put.map_err(|status| wire.error(status)) {
        Ok(stored) => stored.into_inner(),
        Err(error) => {
            let problems = error.problems();
            let refused = !problems.is_empty();
            return Err(if refused { Failure::Problems(problems) } else { error.into() });
        }
    };
    let said = told(&stored, &asked.tier);
    let resource = Resource { resource: Some(AnyResource::Subscription(stored)) };
    let report = Report::new(plan::to_json(&resource)).text(said);
    apply::awaited(connection, &asked.wait, report).await
}

/// What has become of it.
fn told(stored: &Subscription, wanted: &str) -> String {
    let name = stored.metadata.as_ref().map_or("", |metadata| &metadata.name);
    let spec = stored.spec.clone().unwrap_or_default();
    let tier = if spec.tier.is_empty() { "Unlimited" } else { &spec.tier };
    match spec.state() {
        State::OnHold => format!("Subscription/{name} waits for approval"),
        State::Rejected => format!("Subscription/{name} was not approved"),
        _ if tier != wanted => {
            format!("Subscription/{name} keeps the tier {tier} until {wanted} is approved")
        }
        state => format!("Subscription/{name} with the tier {tier} is {}", state.as_str_name()),
    }
}

impl Subscribe {
    /// What it is to; APIs and products have no name in common.
    fn called(&self) -> &str {
        self.api.as_deref().or(self.product.as_deref()).unwrap_or_default()
    }

    /// One application has one subscription per API or product: its name says both.
    fn resource(&self) -> Subscription {
        Subscription {
            api_version: "turnpike/v1".to_owned(),
            kind: "Subscription".to_owned(),
            metadata: Some(Metadata {
                name: format!("{}-{}", self.app, self.called().replace(':', "-")),
                ..Metadata::default()
            }),
            spec: Some(SubscriptionSpec {
                application: self.app.clone(),
                api: self.api.clone().unwrap_or_default(),
                api_product: self.product.clone().unwrap_or_default(),
                tier: self.tier.clone(),
                ..SubscriptionSpec::default()
            }),
        }
    }

    /// What is stored under another name, with the tier that is asked for.
    async fn stored(&self, connection: &rpc::Options) -> Result<Option<Subscription>, Failure> {
        let own = self.resource().metadata.unwrap_or_default().name;
        let Some(mut stored) = find(connection, &self.app, self.called()).await? else {
            return Ok(None);
        };
        let other = stored.metadata.as_ref().is_some_and(|metadata| metadata.name != own);
        if let Some(spec) = &mut stored.spec {
            spec.tier.clone_from(&self.tier);
        }
        Ok(other.then_some(stored))
    }
}

/// The one subscription that an application has to an API or a product, whatever its name.
pub(crate) async fn find(
    connection: &rpc::Options,
    application: &str,
    called: &str,
) -> Result<Option<Subscription>, Failure> {
    let all = rpc::list(&connection.control_plane()?, &Kind::parse("Subscription")?).await?;
    Ok(all.into_iter().find_map(|resource| match resource.resource {
        Some(AnyResource::Subscription(stored)) => {
            let spec = stored.spec.as_ref()?;
            let same = spec.api == called || spec.api_product == called;
            (spec.application == application && same).then_some(stored)
        }
        _ => None,
    }))
}

pub(crate) fn versioned(text: &str) -> Result<String, &'static str> {
    match text.split_once(':') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok(text.to_owned()),
        _ => Err("write it as NAME:VERSION, for example orders:1.0.0"),
    }
}

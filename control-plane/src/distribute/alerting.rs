//! What do analytics collectors get to know of alerts?
//!
//! Every `AlertRule` and `NotificationChannel`, with the secrets that channels name. Gateways get none
//! of it.

use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::digest;
use chassis::{Shutdown, hex};
use plan::{Kind, Objects};
use prost::Message as _;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use turnpike_proto::config::v1::alerting_server::Alerting as Service;
use turnpike_proto::config::v1::notification_channel_spec::Way;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    AlertRule, AlertingSet, Metadata, NotificationChannel, WatchAlertingRequest,
};

use super::secrets;
use crate::catalog::Catalog;

/// The service that collectors watch.
#[derive(Debug)]
pub struct Alerting {
    catalog: Arc<Catalog>,
    shutdown: Shutdown,
}

impl Alerting {
    /// Says what is in `catalog`.
    pub fn new(catalog: Arc<Catalog>, shutdown: Shutdown) -> Self {
        Self { catalog, shutdown }
    }
}

type Sets = Pin<Box<dyn Stream<Item = Result<AlertingSet, Status>> + Send>>;

#[tonic::async_trait]
impl Service for Alerting {
    type WatchStream = Sets;

    async fn watch(
        &self,
        request: Request<WatchAlertingRequest>,
    ) -> Result<Response<Sets>, Status> {
        let states = tokio_stream::wrappers::WatchStream::new(self.catalog.subscribe());
        let mut said = request.into_inner().known;
        // Before the resources are loaded, nothing is said: the collector goes on as it is.
        let sets = states.filter_map(move |state| {
            let set = set(&state?.objects);
            if said == set.hash {
                return None;
            }
            said.clone_from(&set.hash);
            Some(Ok(set))
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(sets))))
    }
}

fn set(objects: &Objects) -> AlertingSet {
    let rules = objects.of_kind(Kind::AlertRule).filter_map(|object| {
        match object.resource()?.into_owned().resource? {
            Any::AlertRule(one) => Some(short_rule(one)),
            _ => None,
        }
    });
    let channels = objects.of_kind(Kind::NotificationChannel).filter_map(|object| {
        match object.resource()?.into_owned().resource? {
            Any::NotificationChannel(one) => Some(short_channel(one)),
            _ => None,
        }
    });
    let (rules, channels): (Vec<_>, Vec<_>) = (rules.collect(), channels.collect());
    let secrets = secrets::values(objects, channels.iter().filter_map(secret));
    let mut set = AlertingSet { rules, channels, secrets, hash: String::new() };
    set.hash = hex(digest::digest(&digest::SHA256, &set.encode_to_vec()).as_ref());
    set
}

/// The secret that a channel names.
fn secret(channel: &NotificationChannel) -> Option<&str> {
    match channel.spec.as_ref()?.way.as_ref()? {
        Way::Webhook(webhook) => Some(&webhook.secret),
        Way::Email(_) => None,
    }
}

/// Without what is for people: it may be long, and a change of it is none for collectors.
fn short_rule(mut rule: AlertRule) -> AlertRule {
    rule.metadata = rule.metadata.map(named);
    if let Some(spec) = rule.spec.as_mut() {
        spec.description.clear();
    }
    rule
}

fn short_channel(mut channel: NotificationChannel) -> NotificationChannel {
    channel.metadata = channel.metadata.map(named);
    if let Some(spec) = channel.spec.as_mut() {
        spec.description.clear();
    }
    channel
}

fn named(metadata: Metadata) -> Metadata {
    Metadata { name: metadata.name, ..Metadata::default() }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const FIRST: &str = "secret key x; rule b enabled; channel a key";

    fn objects(words: &str) -> Objects {
        let mut yaml = String::new();
        for resource in words.split("; ") {
            let (kind, spec) = match resource.split(' ').collect::<Vec<_>>()[..] {
                ["secret", name, value] => (("Secret", name), format!("{{value: {value}}}")),
                ["rule", name, said] => {
                    (("AlertRule", name), format!("{{type: KeySharing, {said}: true}}"))
                }
                ["rule", name, "said", words] => {
                    let spec = format!("{{type: KeySharing, enabled: true, description: {words}}}");
                    (("AlertRule", name), spec)
                }
                ["channel", name, secret] => {
                    let spec = format!("{{webhook: {{url: 'https://a', secret: {secret}}}}}");
                    (("NotificationChannel", name), spec)
                }
                ref other => panic!("{other:?}"),
            };
            let (kind, name) = kind;
            let _ = write!(
                yaml,
                "---\napiVersion: turnpike/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
            );
        }
        let (resources, problems) = plan::read_document(&yaml, "");
        assert!(problems.is_empty(), "{problems:?}");
        plan::admit(&Objects::new(), &resources, &[]).unwrap().objects
    }

    /// Whether collectors are told of the second state after the first.
    #[track_caller]
    fn check(second: &str, is_told: bool) {
        let (first, second) = (set(&objects(FIRST)), set(&objects(second)));
        assert_eq!(first.hash != second.hash, is_told);
        assert_eq!(first.secrets.len(), 1);
    }

    #[test]
    fn collectors_are_told_of_what_is_different_for_them_and_of_nothing_else() {
        check(FIRST, false);
        check("secret key x; rule b said words; channel a key", false);
        check("secret key x; secret other z; rule b enabled; channel a key", false);
        check("secret key y; rule b enabled; channel a key", true);
        check("secret key x; rule c enabled; channel a key", true);
        check("secret key x; channel a key", true);
    }
}

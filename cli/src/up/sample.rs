//! What is there to call before anybody has published an API?
//!
//! A small API with a backend that answers from its definition, an application with a key, and a
//! subscription. What is there already is left as it is, whatever has become of it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use chassis::config::Secret;
use serde_json::Value;
use tonic::Request;
use turnpike_proto::admin::v1::WaitRequest;
use turnpike_proto::admin::v1::publish_client::PublishClient;
use turnpike_proto::admin::v1::wait_for::Gateways;
use turnpike_proto::config::v1::Resource;
use turnpike_proto::config::v1::resource::Resource as AnyResource;

use super::command::Surrounded;
use super::error::UpError;
use super::layout::Layout;
use super::process::Program;
use crate::applications::{self, Generate, Which};
use crate::apply::{self, Wait};
use crate::clients::Client;
use crate::failure::Failure;
use crate::key_type::KeyType;
use crate::output::note;
use crate::rpc::{self, Kind, Name};
use crate::tokens::{self, Token, TokenError};
use crate::{span, subscriptions};

pub(super) const APPLICATION: &str = "shop";
const API: &str = "orders";
const VERSION: &str = "1.0.0";
const CONTEXT: &str = "/orders";
/// Marks the API as ours: it follows the sample backend to another port.
const LABEL: (&str, &str) = ("sample", "turnpike");

const ENDPOINTS: &str = "/spec/endpoints";

const DEFINITION: &str = include_str!("../../../deploy/sample/orders.openapi.yaml");
const RESOURCES: [(&str, &str); 2] = [
    ("tiers.yaml", include_str!("../../../deploy/sample/tiers.yaml")),
    ("shop.yaml", include_str!("../../../deploy/sample/shop.yaml")),
];

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// A call that works.
#[derive(Debug)]
pub(super) struct FirstCall {
    pub(super) url: String,
    pub(super) token: Secret,
    pub(super) life: Option<Duration>,
}

/// The sample backend as a program; `own` is this program.
pub(super) fn backend(layout: &Layout, own: PathBuf) -> Result<Program, UpError> {
    let folder = layout.data().join("sample");
    fs::create_dir_all(&folder).map_err(|source| UpError::Folder(folder.clone(), source))?;
    let definition = folder.join("orders.openapi.yaml");
    fs::write(&definition, DEFINITION)
        .map_err(|source| UpError::Write(definition.clone(), source))?;
    let listen = layout.backend().to_string();
    Ok(Program {
        name: "sample-backend",
        path: own,
        arguments: vec![
            "sample-backend".into(),
            "--listen".into(),
            (&listen).into(),
            "--definition".into(),
            definition.into(),
        ],
        variables: Vec::new(),
        log: layout.log("sample-backend"),
        ready: format!("http://{listen}/orders"),
    })
}

/// Publishes what is not there yet, and gets a token.
pub(super) async fn publish(here: &Surrounded<'_>) -> Result<FirstCall, Failure> {
    let mut missing = Vec::new();
    for resource in resources(&here.layout)? {
        if is_needed(here, &resource).await? {
            missing.push(resource);
        }
    }
    if !missing.is_empty() {
        let count = missing.len();
        apply::send(&here.connection, missing, false, &Wait::for_all(PATIENCE)).await?;
        note(format_args!("{count} sample resources are published"));
    }
    let token = token(here).await?;
    let addresses = here.layout.addresses();
    let url = format!("{}{CONTEXT}/{VERSION}/orders", addresses.http);
    Ok(FirstCall { url, life: token.life(), token: token.access_token })
}

fn resources(layout: &Layout) -> Result<Vec<Resource>, UpError> {
    let broken = |problems: Vec<plan::Problem>| {
        let said: Vec<String> = problems.iter().map(|problem| problem.reason.clone()).collect();
        UpError::Sample(said.join("; "))
    };
    let options = plan::openapi::Options {
        file: "orders.openapi.yaml".to_owned(),
        name: Some(API.to_owned()),
        version: Some(VERSION.to_owned()),
        context: Some(CONTEXT.to_owned()),
        endpoints: vec![format!("http://{}", layout.backend())],
        publish: true,
        ..plan::openapi::Options::default()
    };
    let (mut api, _) = plan::openapi::import(DEFINITION, &options).map_err(broken)?;
    if let Some(spec) = &mut api.spec {
        spec.tiers = ["Gold", "Silver", "Bronze", "Unlimited"].map(str::to_owned).to_vec();
    }
    if let Some(metadata) = &mut api.metadata {
        metadata.labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
    }
    let mut resources = vec![Resource { resource: Some(AnyResource::Api(api)) }];
    for (file, text) in RESOURCES {
        let (found, problems) = plan::read_document(text, file);
        if !problems.is_empty() {
            return Err(broken(problems));
        }
        resources.extend(found);
    }
    Ok(resources)
}

/// Whether it is missing, or is our API and leads to where the backend was before.
async fn is_needed(here: &Surrounded<'_>, resource: &Resource) -> Result<bool, Failure> {
    let wanted = plan::to_json(resource);
    let kind = Kind::parse(text(&wanted, "/kind"))?;
    let name = Name {
        name: text(&wanted, "/metadata/name").to_owned(),
        version: text(&wanted, "/metadata/version").to_owned(),
    };
    if kind.name() == "Subscription" {
        let (application, api) = (text(&wanted, "/spec/application"), text(&wanted, "/spec/api"));
        let stored = subscriptions::find(&here.connection, application, api).await?;
        return Ok(stored.is_none());
    }
    let stored = rpc::get(&here.connection.control_plane()?, &kind, &name).await?;
    let Some(stored) = stored.as_ref().map(plan::to_json) else { return Ok(true) };
    let ours = text(&stored, &format!("/metadata/labels/{}", LABEL.0)) == LABEL.1;
    Ok(ours && stored.pointer(ENDPOINTS) != wanted.pointer(ENDPOINTS))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A token for the kept client, or for a new one where the kept one is not known any more.
async fn token(here: &Surrounded<'_>) -> Result<Token, Failure> {
    let clients = here.home.clients(&here.connection.authority()?)?;
    let kept = clients.find(APPLICATION, KeyType::Production.name(), "resident")?;
    if let Some(client) = kept {
        match ask(here, &client).await {
            Err(Failure::Token(error)) if error.is_unknown_client() => {
                note("the kept key of the sample application is not known any more");
            }
            other => return other,
        }
    }
    let which = Which {
        app: APPLICATION.to_owned(),
        key_type: KeyType::Production,
        key_manager: "resident".to_owned(),
    };
    let (client, _) = applications::register(&here.connection, &Generate::plain(which)).await?;
    clients.keep(&client)?;
    wait_for_gateways(here).await?;
    ask(here, &client).await
}

/// Asks again while the gateway is still finding the key manager.
async fn ask(here: &Surrounded<'_>, client: &Client) -> Result<Token, Failure> {
    let endpoint = tokens::endpoint(&here.layout.addresses())?;
    let http = tokens::client(&here.clock, PATIENCE, &here.connection.authority()?, &endpoint)?;
    let begun = here.clock.instant();
    loop {
        match tokens::ask(&http, &endpoint, client, &[]).await {
            Err(TokenError::Refused { status: 502..=504, .. } | TokenError::NoAnswer { .. })
                if here.clock.instant().duration_since(begun) < PATIENCE =>
            {
                here.clock.sleep(PAUSE).await;
            }
            other => return Ok(other?),
        }
    }
}

async fn wait_for_gateways(here: &Surrounded<'_>) -> Result<(), Failure> {
    let wire = here.connection.control_plane()?;
    let request =
        WaitRequest { wait: Gateways::All.into(), timeout: Some(span::to_proto(PATIENCE)) };
    let answer = PublishClient::new(wire.channel())
        .wait(Request::new(request))
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    if !answer.applied {
        note("not every gateway knows the new key yet; the first call may have to wait");
    }
    Ok(())
}

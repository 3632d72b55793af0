//! A control plane of the test's own, and what speaks with it.

use std::path::Path;
use std::time::Duration;

use chassis::pki::Identity;
use chassis::{Host, Tasks};
use control_plane::bootstrap::{Doors, open};
use control_plane::config::Config;
use plan::Resource;
use tonic::transport::Channel;
use turnpike_proto::admin::v1::apply_client::ApplyClient;
use turnpike_proto::admin::v1::{ApplyRequest, ApplyResponse};

/// A folder with certificates in which control planes are started one after the other, or side by
/// side.
pub(crate) struct Stack {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) tasks: Tasks,
}

pub(crate) struct Plane {
    pub(crate) host: Host,
    pub(crate) doors: Doors,
}

/// Runs `story` in a folder of its own, for a minute at most.
#[track_caller]
pub(crate) fn check(story: impl AsyncFnOnce(Stack)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stack = Stack { folder: tempfile::tempdir().unwrap(), tasks: Tasks::default() };
        let run = async { story(stack).await };
        tokio::time::timeout(Duration::from_mins(1), run).await.expect("the story hangs");
    });
}

impl Stack {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn start(&self) -> Plane {
        self.start_with("control-plane", "").await
    }

    /// A control plane that keeps its data in `data` and has these settings besides.
    pub(crate) async fn start_with(&self, data: &str, more: &str) -> Plane {
        // Control planes that share a store share the file that its keys are wrapped with.
        let (shared, own) =
            (self.path().join("master.key"), self.path().join(data).join("master.key"));
        if shared.exists() && !own.exists() {
            std::fs::create_dir_all(self.path().join(data)).unwrap();
            std::fs::copy(&shared, &own).unwrap();
        }
        let plane = self.open(data, more).await.unwrap();
        if !shared.exists() && own.exists() {
            std::fs::copy(&own, &shared).unwrap();
        }
        plane
    }

    /// Why a control plane does not start.
    pub(crate) async fn refusal(&self, data: &str, more: &str) -> anyhow::Error {
        match self.open(data, more).await {
            Ok(_) => panic!("it starts"),
            Err(refusal) => refusal,
        }
    }

    async fn open(&self, data: &str, more: &str) -> anyhow::Result<Plane> {
        let mut host = Host::development("control-plane", self.path()).unwrap();
        host.data = self.path().join(data);
        std::fs::create_dir_all(&host.data).unwrap();
        let text = format!(
            "[rest]\nlisten = \"127.0.0.1:0\"\n[rpc]\nlisten = \"127.0.0.1:0\"\n\
             [operations]\nlisten = \"127.0.0.1:0\"\n{more}"
        );
        let config = chassis::config::parse::<Config>(include_str!("../../default.toml"), &text);
        let doors = open(&config.unwrap(), &host).await?;
        Ok(Plane { host, doors })
    }

    /// A channel to `plane` with the certificate of `name`.
    pub(crate) fn channel(&self, plane: &Plane, name: &'static str) -> Channel {
        let pki = self.path().join("pki");
        chassis::pki::development(&pki, &[name]).unwrap();
        let identity = Identity::named(&pki, name).unwrap();
        let address = format!("https://{}", plane.doors.rpc);
        chassis::rpc::channel(&identity, &address, "control-plane").unwrap()
    }

    /// A channel to `plane` of somebody who has no certificate.
    pub(crate) fn open_channel(&self, plane: &Plane) -> Channel {
        let ca = self.path().join("pki/ca.pem");
        let address = format!("https://{}", plane.doors.rpc);
        chassis::rpc::channel_without_certificate(&ca, &address, "control-plane").unwrap()
    }

    pub(crate) async fn apply(&self, plane: &Plane, text: &str) -> ApplyResponse {
        self.apply_with(plane, text, ApplyRequest::default()).await.unwrap()
    }

    /// Applies the document `text`; a control plane that is still loading is asked again.
    pub(crate) async fn apply_with(
        &self,
        plane: &Plane,
        text: &str,
        request: ApplyRequest,
    ) -> Result<ApplyResponse, tonic::Status> {
        let request = ApplyRequest { resources: resources(text), ..request };
        let mut client = ApplyClient::new(self.channel(plane, "admin"));
        for _ in 0..100 {
            match client.apply(request.clone()).await {
                Err(status) if status.message().contains("not loaded") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                answer => return answer.map(tonic::Response::into_inner),
            }
        }
        panic!("the resources are not loaded");
    }
}

impl Plane {
    /// Drains and ends; nothing of it runs any more.
    pub(crate) async fn stop(self) {
        self.host.shutdown.request();
        let finished = self.host.tasks.finished();
        tokio::time::timeout(Duration::from_secs(10), finished).await.expect("drained");
    }
}

pub(crate) fn resources(text: &str) -> Vec<Resource> {
    let (resources, problems) = plan::read_document(text, "");
    assert!(problems.is_empty(), "{problems:?}");
    resources
}

/// A published API as a document.
pub(crate) fn api(name: &str) -> String {
    format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: {name}, version: \"1\"}}, spec: \
         {{context: /{name}, lifecycle: PUBLISHED, endpoints: {{production: {{urls: \
         [\"http://127.0.0.1:1/{name}\"]}}}}}}}}\n"
    )
}

/// Several APIs as one document.
pub(crate) fn apis(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().map(|name| api(&name)).collect::<Vec<_>>().join("---\n")
}

pub(crate) fn tier(name: &str, requests: u32) -> String {
    format!(
        "{{apiVersion: turnpike/v1, kind: Tier, metadata: {{name: {name}}}, spec: {{quota: \
         {{requests: {requests}, per: 60s}}}}}}\n"
    )
}

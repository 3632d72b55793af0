//! The real program, and who calls it: a control plane and gateways.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::Host;
use rustix::thread::{CpuSet, sched_setaffinity};
use tonic::transport::Channel;
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;
use turnpike_proto::identity::v1::token_endpoint_client::TokenEndpointClient;
use turnpike_proto::identity::v1::{
    ForwardRequest, HeaderField, IntrospectRequest, RegisterClientRequest, RegisterClientResponse,
};

/// A key manager; ends with its last use.
#[derive(Debug)]
pub(crate) struct Served {
    process: Child,
    rpc: SocketAddr,
    folder: PathBuf,
    /// How long it took from its start to its first answer.
    pub(crate) started_in: Duration,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It is gone already, or it ends here.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Served {
    /// Starts it on one core with its data in `folder`; an empty `store` is SQLite there.
    pub(crate) async fn start(folder: &Path, store: &str) -> anyhow::Result<Self> {
        let [https, rpc, operations] = [free()?, free()?, free()?];
        let path = folder.display().to_string();
        chassis::pki::development(&folder.join("pki"), &["gateway", "control-plane"])?;
        let config = format!(
            "[service]\ndata = \"{path}/data\"\n[pki]\ndirectory = \"{path}/pki\"\n\
             [https]\nlisten = \"{https}\"\n[rpc]\nlisten = \"{rpc}\"\n\
             [operations]\nlisten = \"{operations}\"\n[store]\nurl = \"{store}\"\n"
        );
        let file = folder.join("key-manager.toml");
        fs::write(&file, config)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_key-manager"));
        command.arg("--config").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let process = on_its_own_core(|| command.spawn())?;
        let folder = folder.to_owned();
        let mut served = Self { process, rpc, folder, started_in: Duration::ZERO };
        let mut gateway = IntrospectionClient::new(served.channel("gateway")?);
        while gateway.introspect(IntrospectRequest::default()).await.is_err() {
            anyhow::ensure!(begun.elapsed() < Duration::from_mins(1), "it does not answer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        served.started_in = begun.elapsed();
        Ok(served)
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn channel(&self, caller: &'static str) -> anyhow::Result<Channel> {
        let host = Host::development(caller, &self.folder)?;
        let address = format!("https://{}", self.rpc);
        Ok(chassis::rpc::channel(&host.tls, &address, "key-manager")?)
    }

    /// Registers a client whose access tokens are of this format.
    pub(crate) async fn register(&self, format: &str) -> anyhow::Result<RegisterClientResponse> {
        let asked = RegisterClientRequest {
            name: "bench".to_owned(),
            scopes: vec!["orders.read".to_owned()],
            access_token_format: format.to_owned(),
            ..RegisterClientRequest::default()
        };
        let mut clients = ClientsClient::new(self.channel("control-plane")?);
        Ok(clients.register(asked).await?.into_inner())
    }
}

/// What a gateway forwards for a client that shows its secret and asks with this form.
pub(crate) fn registered(id: &str, secret: &str, form: &str) -> ForwardRequest {
    let basic = STANDARD.encode(format!("{id}:{secret}"));
    let field = |name: &str, value: String| HeaderField {
        name: name.to_owned(),
        value: value.into_bytes(),
    };
    ForwardRequest {
        method: "POST".to_owned(),
        target: "/oauth2/token".to_owned(),
        headers: vec![
            field("content-type", "application/x-www-form-urlencoded".to_owned()),
            field("authorization", format!("Basic {basic}")),
        ],
        body: form.as_bytes().to_vec(),
        secure: true,
        ..ForwardRequest::default()
    }
}

/// The access token that a request is answered with.
pub(crate) async fn token(gateway: &Channel, request: &ForwardRequest) -> anyhow::Result<String> {
    let mut endpoint = TokenEndpointClient::new(gateway.clone());
    let answer = endpoint.forward(request.clone()).await?.into_inner();
    let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let token = body.get("access_token").and_then(serde_json::Value::as_str);
    Ok(token.context("a token")?.to_owned())
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Starts something on the first core, and moves this thread, which is the load, to the others; a machine
/// with one core has that for both.
fn on_its_own_core(start: impl FnOnce() -> std::io::Result<Child>) -> anyhow::Result<Child> {
    let among = |cores: std::ops::Range<usize>| {
        let mut set = CpuSet::new();
        cores.for_each(|core| set.set(core));
        sched_setaffinity(None, &set)
    };
    among(0..1)?;
    let child = start()?;
    among(1..CpuSet::MAX_CPU).ok();
    Ok(child)
}

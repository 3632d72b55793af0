//! A key manager alone: the real program with an embedded store, and nothing around it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chassis::Host;
use tempfile::TempDir;
use tonic::transport::Channel;
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::users_client::UsersClient;
use turnpike_proto::identity::v1::{
    CreateUserRequest, RegisterClientRequest, RegisterClientResponse,
};

use crate::process::{Process, program};
use crate::{Client, eventually, free_port};

/// A running key manager; it ends and its files are deleted when it is dropped.
#[derive(Debug)]
pub struct KeyManager {
    process: Process,
    https: SocketAddr,
    certificates: SocketAddr,
    rpc: SocketAddr,
    folder: TempDir,
}

impl KeyManager {
    /// Starts one with further sections of its configuration, and is ready. `settings` may hold
    /// `{folder}`, the folder of its files.
    pub async fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [https, certificates, rpc, operations] = [(); 4].map(|()| local(free_port()));
        let path = |name: &str| folder.path().join(name);
        // The authority of the other services signs the certificates of clients as well.
        chassis::pki::development(&path("pki"), &["admin"]).expect("certificates");
        let config = format!(
            "[service]\ndata = \"{data}\"\n[pki]\ndirectory = \"{pki}\"\n\
             [operations]\nlisten = \"{operations}\"\n[https]\nlisten = \"{https}\"\n\
             [rpc]\nlisten = \"{rpc}\"\n[issuer]\nurl = \"https://{https}/oauth2\"\n\
             [certificates]\naccept = true\nlisten = \"{certificates}\"\n\
             url = \"https://{certificates}/oauth2\"\nca = \"{pki}/ca.pem\"\n{settings}\n",
            data = path("data").display(),
            pki = path("pki").display(),
            settings = settings.replace("{folder}", &folder.path().display().to_string()),
        );
        fs::write(path("key-manager.toml"), config).expect("a file");
        let mut command = Command::new(program("key-manager"));
        command.arg("--config").arg(path("key-manager.toml"));
        let process = Process::start("key-manager", &mut command, &path("key-manager.log"));
        eventually("the key manager is ready", Duration::from_secs(30), || async move {
            let asked =
                Client::new(operations).try_call("GET", "/readyz", &[], bytes::Bytes::new()).await;
            asked.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        Self { process, https, certificates, rpc, folder }
    }

    /// The `iss` of its tokens, below which its endpoints are.
    pub fn issuer(&self) -> String {
        format!("https://{}/oauth2", self.https)
    }

    /// The same on the port that asks for certificates.
    pub fn with_certificates(&self) -> String {
        format!("https://{}/oauth2", self.certificates)
    }

    /// The PEM file of the authority behind its certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("pki/ca.pem")
    }

    /// The folder of its files, with `pki` and `key-manager.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A channel to its gRPC port with the certificate of `caller`.
    pub fn channel(&self, caller: &'static str) -> Channel {
        let host = Host::development(caller, self.folder()).expect("a host");
        let address = format!("https://{}", self.rpc);
        chassis::rpc::channel(&host.tls, &address, "key-manager").expect("a channel")
    }

    /// Makes an account; `claims` is a JSON object. The answer is the `sub` of its tokens.
    pub async fn person(&self, name: &str, password: &str, claims: &str) -> String {
        let [name, password, claims] = [name, password, claims].map(str::to_owned);
        let request = CreateUserRequest { name, password, claims, ..CreateUserRequest::default() };
        let made = UsersClient::new(self.channel("admin")).create(request).await;
        made.expect("an account").into_inner().user_id
    }

    /// Makes a client.
    pub async fn register(&self, asked: RegisterClientRequest) -> RegisterClientResponse {
        let made = ClientsClient::new(self.channel("control-plane")).register(asked).await;
        made.expect("a client").into_inner()
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

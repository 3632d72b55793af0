//! A provider connector: how does a key manager that speaks no standard take part?
//!
//! See README.md beside this file for how to run it.

mod connector;

use std::path::PathBuf;

use chassis::pki::Identity;
use chassis::rpc::{Allow, Config, Services, serve};
use chassis::{Clock, Host};
use turnpike_proto::identity::v1::provider_connector_server::ProviderConnectorServer;

use connector::Legacy;

/// In its certificate, and in the `KeyManager` resource.
const NAME: &str = "legacy";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(pki)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: provider_connector LISTEN PKI-FOLDER");
    };
    let pki = PathBuf::from(pki);
    let identity = Identity::load(
        &pki.join("ca.pem"),
        &pki.join(format!("{NAME}.pem")),
        &pki.join(format!("{NAME}.key")),
    )?;
    let host = Host::new(NAME, "1", &pki, Clock::system(), identity);
    // Nobody but the key manager, whoever else the authority gave a certificate to.
    let service = ProviderConnectorServer::new(Legacy::default());
    let services =
        Services::new(turnpike_proto::DESCRIPTORS).add(Allow::only(&["key-manager"]), service);
    let config = Config { listen: listen.parse()?, connections: 16 };
    let address = serve(&host, &config, services).await?;
    eprintln!("listening on {address}");
    host.shutdown.wait().await;
    Ok(())
}

//! With whom does a command speak, and who does it say it is?
//!
//! gRPC between the command line and the services is always mutual TLS. Certificate and addresses
//! are those of the installation in `--data`, unless they are named one by one.

use std::path::{Path, PathBuf};

use chassis::config::Secret;
use chassis::pki::Identity;
use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::call::CallError;
use crate::addresses::{Addresses, AddressesError};

/// Where the services are, and the certificate that is shown to them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    /// Folder of the installation: `turnpike up` keeps its state there, the other commands find
    /// their certificate and the addresses there
    #[arg(
        long,
        value_name = "DIR",
        env = "TURNPIKE_DATA",
        default_value = "./data",
        global = true
    )]
    pub(crate) data: PathBuf,
    #[arg(
        help = "Control plane (gRPC) [default: https://127.0.0.1:9444, or what `up` wrote down]",
        long,
        value_name = "URL",
        env = "TURNPIKE_SERVER",
        global = true,
        hide_env = true
    )]
    server: Option<String>,
    #[arg(
        help = "Key manager (gRPC) [default: https://127.0.0.1:9454, or what `up` wrote down]",
        long,
        value_name = "URL",
        env = "TURNPIKE_KEY_MANAGER",
        global = true,
        hide_env = true
    )]
    key_manager_server: Option<String>,
    #[arg(
        help = "Analytics collector (gRPC) [default: https://127.0.0.1:9464, or what `up` wrote down]",
        long,
        value_name = "URL",
        env = "TURNPIKE_ANALYTICS",
        global = true,
        hide_env = true
    )]
    analytics_server: Option<String>,
    /// The token of whoever is signed in, for the control plane alone.
    #[arg(skip)]
    pub(crate) person: Option<Secret>,
    /// Bearer token that is shown to the control plane, in place of the certificate
    #[arg(long = "token", value_name = "TOKEN", env = "TURNPIKE_TOKEN", global = true, hide_env = true, hide_env_values = true, value_parser = secret)]
    bearer: Option<Secret>,
    /// Authority that signed the services' certificates [default: DATA/pki/ca.pem]
    #[arg(long, value_name = "FILE", env = "TURNPIKE_CA", global = true, hide_env = true)]
    ca: Option<PathBuf>,
    /// Certificate to show [default: DATA/pki/admin.pem]
    #[arg(long, value_name = "FILE", env = "TURNPIKE_CERT", global = true, hide_env = true)]
    cert: Option<PathBuf>,
    /// Its private key [default: DATA/pki/admin.key]
    #[arg(long, value_name = "FILE", env = "TURNPIKE_KEY", global = true, hide_env = true)]
    key: Option<PathBuf>,
}

/// Why no connection could be tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(
        "{}: no such file; is `turnpike up` running with --data {}? else name --ca, --cert and --key",
        file.display(), data.display()
    )]
    NoCertificate { file: PathBuf, data: PathBuf },
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("the certificate cannot be used")]
    Identity(#[from] chassis::pki::Error),
    #[error("{address}: no address that can be called")]
    Address { address: String, source: chassis::rpc::Error },
    #[error("the token has characters that no token has")]
    Token,
    #[error(transparent)]
    Addresses(#[from] AddressesError),
}

/// A way to one service.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    service: &'static str,
    address: String,
    channel: InterceptedService<Channel, Bearer>,
}

/// Adds the token to a call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Options {
    /// The installation in `data`, whatever else was named.
    pub(crate) fn local(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            server: None,
            key_manager_server: None,
            analytics_server: None,
            bearer: None,
            person: None,
            ca: None,
            cert: None,
            key: None,
        }
    }

    /// Whether a token or a certificate is named, which then says who asks.
    pub(crate) const fn names_somebody(&self) -> bool {
        self.bearer.is_some() || self.cert.is_some()
    }

    pub(crate) fn control_plane(&self) -> Result<Wire, ConnectionError> {
        let address = self.address(self.server.as_ref(), |addresses| addresses.control_plane)?;
        let token = self.bearer.as_ref().or(self.person.as_ref());
        self.wire("control plane", "control-plane", address, token)
    }

    pub(crate) fn key_manager(&self) -> Result<Wire, ConnectionError> {
        let address =
            self.address(self.key_manager_server.as_ref(), |addresses| addresses.key_manager)?;
        self.wire("key manager", "key-manager", address, None)
    }

    pub(crate) fn analytics(&self) -> Result<Wire, ConnectionError> {
        let address =
            self.address(self.analytics_server.as_ref(), |addresses| addresses.analytics)?;
        self.wire("analytics collector", "analytics-collector", address, None)
    }

    /// The certificate authority of the installation, as its file has it.
    pub(crate) fn authority(&self) -> Result<Vec<u8>, ConnectionError> {
        let file = self.file(self.ca.as_ref(), "ca.pem")?;
        std::fs::read(&file).map_err(|source| ConnectionError::Read { file, source })
    }

    fn address(
        &self,
        named: Option<&String>,
        known: fn(Addresses) -> String,
    ) -> Result<String, ConnectionError> {
        match named {
            Some(address) if address.contains("://") => Ok(address.clone()),
            Some(address) => Ok(format!("https://{address}")),
            None => Ok(known(Addresses::of(&self.data)?)),
        }
    }

    fn wire(
        &self,
        service: &'static str,
        peer: &'static str,
        address: String,
        token: Option<&Secret>,
    ) -> Result<Wire, ConnectionError> {
        let authority = self.file(self.ca.as_ref(), "ca.pem")?;
        let certificate = self.file(self.cert.as_ref(), "admin.pem");
        let channel = match certificate {
            // The control plane lets in who has none: a token says who asks.
            Err(ConnectionError::NoCertificate { .. }) if peer == "control-plane" => {
                chassis::rpc::channel_without_certificate(&authority, &address, peer)
            }
            certificate => {
                let key = self.file(self.key.as_ref(), "admin.key")?;
                let identity = Identity::load(&authority, &certificate?, &key)?;
                chassis::rpc::channel(&identity, &address, peer)
            }
        };
        let channel = channel
            .map_err(|source| ConnectionError::Address { address: address.clone(), source })?;
        let bearer = token.map(|token| bearer(token.expose())).transpose()?;
        Ok(Wire { service, address, channel: InterceptedService::new(channel, Bearer(bearer)) })
    }

    fn file(&self, named: Option<&PathBuf>, usual: &str) -> Result<PathBuf, ConnectionError> {
        let file = named.cloned().unwrap_or_else(|| self.data.join("pki").join(usual));
        if Path::is_file(&file) {
            return Ok(file);
        }
        Err(ConnectionError::NoCertificate { file, data: self.data.clone() })
    }
}

impl Wire {
    pub(crate) fn channel(&self) -> InterceptedService<Channel, Bearer> {
        self.channel.clone()
    }

    /// The status of a call, with the name of whoever it came from.
    pub(crate) fn error(&self, status: Status) -> CallError {
        CallError { service: self.service, address: self.address.clone(), status: Box::new(status) }
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, ConnectionError> {
    let mut value =
        MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| ConnectionError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that the argument parser asks for")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

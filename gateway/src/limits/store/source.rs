//! Where is the engine, and how is it shown who asks?

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo as _, RedisError, RedisResult, TlsCertificates,
};

use super::config::{Config, Mode};
use super::link::LeadsTo;

/// Questions that may be unanswered on a connection; further ones wait until their time is over.
const UNANSWERED: usize = 1024;
/// How often a request follows where a cluster sends it, within its time.
const REDIRECTS: u32 = 2;

/// The way to the engine, as it is configured.
pub struct Source {
    kind: Kind,
    patience: Duration,
}

enum Kind {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinel(Box<Sentinels>),
}

/// Sentinels, and how to speak to them and to the servers that they name.
struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    master: String,
    database: u16,
    server: Account,
    own: Account,
    certificates: Option<TlsCertificates>,
}

#[derive(Default)]
struct Account {
    username: Option<String>,
    password: Option<String>,
}

/// What is configured makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Text that is no address.
    #[error("`{0}` in limits.store.urls is not like redis://HOST:PORT or rediss://HOST:PORT")]
    Url(String),
    /// Too many of them.
    #[error("one server has one address; a cluster and Sentinel have `mode`")]
    Several,
    /// With and without TLS.
    #[error("all addresses of limits.store.urls begin with redis:// or all with rediss://")]
    Mixed,
    /// Nobody knows which master.
    #[error("limits.store.master is what the sentinels call the master")]
    NoMaster,
    /// A certificate without a key, or for a connection without TLS.
    #[error(
        "ca, certificate and key of limits.store are for rediss:// addresses, the latter two together"
    )]
    Certificate,
    /// A file that cannot be read.
    #[error("{file} cannot be read", file = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The client does not take it.
    #[error("limits.store is not understood")]
    Client(#[source] RedisError),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Single(_) => "Source::Single",
            Kind::Cluster(_) => "Source::Cluster",
            Kind::Sentinel(_) => "Source::Sentinel",
        })
    }
}

impl Source {
    /// What is configured; speaks to nobody yet.
    pub fn open(config: &Config) -> Result<Self, SourceError> {
        let nodes = nodes(&config.urls)?;
        let secure = nodes.iter().filter(|node| is_secure(node)).count();
        if secure != 0 && secure != nodes.len() {
            return Err(SourceError::Mixed);
        }
        let certificates = certificates(config, secure > 0)?;
        let server = Account::read(&config.username, &config.password_file)?;
        let kind = match config.mode {
            Mode::Single => single(nodes, config, &server, certificates)?,
            Mode::Cluster => cluster(nodes, config, &server, certificates)?,
            Mode::Sentinel if config.master.is_empty() => return Err(SourceError::NoMaster),
            Mode::Sentinel => Kind::Sentinel(Box::new(Sentinels {
                addresses: nodes,
                master: config.master.clone(),
                database: config.database,
                server,
                own: Account::read(&config.sentinel_username, &config.sentinel_password_file)?,
                certificates,
            })),
        };
        Ok(Self { kind, patience: config.timeout })
    }

    /// How long a call waits for an answer.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> RedisResult<LeadsTo> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_concurrency_limit(UNANSWERED)
            .set_pipeline_buffer_size(UNANSWERED);
        Ok(match &self.kind {
            Kind::Single(client) => {
                LeadsTo::One(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Kind::Cluster(client) => LeadsTo::Many(client.get_async_connection().await?),
            Kind::Sentinel(sentinels) => {
                let mut client = sentinels.client()?;
                let client = client.async_get_client().await?;
                let info = client.get_connection_info().clone();
                let info = info.set_tcp_settings(tcp());
                let client = Client::open(info)?;
                LeadsTo::One(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
        })
    }
}

fn single(
    mut nodes: Vec<ConnectionAddr>,
    config: &Config,
    server: &Account,
    certificates: Option<TlsCertificates>,
) -> Result<Kind, SourceError> {
    let (Some(node), true) = (nodes.pop(), nodes.is_empty()) else {
        return Err(SourceError::Several);
    };
    let info = server.info(node, config.database)?;
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    };
    client.map(|client| Kind::Single(Box::new(client))).map_err(SourceError::Client)
}

fn cluster(
    nodes: Vec<ConnectionAddr>,
    config: &Config,
    server: &Account,
    certificates: Option<TlsCertificates>,
) -> Result<Kind, SourceError> {
    let nodes: Result<Vec<_>, _> =
        nodes.into_iter().map(|node| server.info(node, config.database)).collect();
    let mut builder = ClusterClientBuilder::new(nodes?)
        .retries(REDIRECTS)
        .min_retry_wait(1)
        .max_retry_wait(4)
        .tcp_settings(tcp())
        .connection_timeout(Duration::from_millis(500))
        .response_timeout(config.timeout)
        .connection_concurrency_limit(UNANSWERED);
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    let client = builder.build().map_err(SourceError::Client)?;
    Ok(Kind::Cluster(Box::new(client)))
}

impl Sentinels {
    fn client(&self) -> RedisResult<SentinelClient> {
        let (addresses, secure) = (self.addresses.clone(), self.addresses.iter().any(is_secure));
        let mut builder =
            SentinelClientBuilder::new(addresses, &self.master, SentinelServerType::Master)?
                .set_client_to_redis_db(i64::from(self.database));
        if secure {
            builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        if let Some(username) = &self.server.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &self.server.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(username) = &self.own.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &self.own.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        builder.build()
    }
}

impl Account {
    fn read(username: &str, password_file: &Path) -> Result<Self, SourceError> {
        let username = (!username.is_empty()).then(|| username.to_owned());
        let password = read(password_file)?;
        let password = password.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        Ok(Self { username, password })
    }

    fn info(&self, node: ConnectionAddr, database: u16) -> Result<ConnectionInfo, SourceError> {
        let info = node.into_connection_info().map_err(SourceError::Client)?;
        let mut settings = info.redis_settings().clone().set_db(i64::from(database));
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        Ok(info.set_redis_settings(settings).set_tcp_settings(tcp()))
    }
}

/// Answers are waited for: nothing is held back until it is worth a packet.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

const fn is_secure(node: &ConnectionAddr) -> bool {
    matches!(node, ConnectionAddr::TcpTls { .. })
}

/// Addresses carry nothing else: names and passwords stand where they are not shown.
fn nodes(urls: &[String]) -> Result<Vec<ConnectionAddr>, SourceError> {
    let node = |text: &String| {
        let bare = ["redis://", "rediss://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let bare = bare.filter(|bare| !bare.contains(['@', '/', '?', '#']))?;
        let info = text.as_str().into_connection_info().ok()?;
        (!bare.is_empty()).then(|| info.addr().clone())
    };
    urls.iter().map(|text| node(text).ok_or_else(|| SourceError::Url(text.clone()))).collect()
}

fn certificates(config: &Config, secure: bool) -> Result<Option<TlsCertificates>, SourceError> {
    let root_cert = read(&config.ca)?;
    let client_tls = match (read(&config.certificate)?, read(&config.key)?) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        (None, None) => None,
        _ => return Err(SourceError::Certificate),
    };
    if !secure && (root_cert.is_some() || client_tls.is_some()) {
        return Err(SourceError::Certificate);
    }
    Ok(secure.then_some(TlsCertificates { client_tls, root_cert }))
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, SourceError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let bytes = std::fs::read(file);
    bytes.map(Some).map_err(|error| SourceError::File(file.to_owned(), error))
}

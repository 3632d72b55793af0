//! Which programs make up the system, on which addresses, and how do they find each other?
//!
//! Everything lies under one data folder and listens on loopback. Settings are handed to the
//! services as `TURNPIKE_*` variables; a key that stands in `DATA/<service>.toml` is the user's and
//! is not handed over.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::error::UpError;
use super::process::Program;
use crate::addresses::Addresses;

/// The port of the sample backend.
const BACKEND_PORT: u16 = 3001;

/// The four services, in the order in which they are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    KeyManager,
    ControlPlane,
    AnalyticsCollector,
    Gateway,
}

impl Service {
    pub(super) const ALL: [Self; 4] =
        [Self::KeyManager, Self::ControlPlane, Self::AnalyticsCollector, Self::Gateway];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::KeyManager => "key-manager",
            Self::ControlPlane => "control-plane",
            Self::AnalyticsCollector => "analytics-collector",
            Self::Gateway => "gateway",
        }
    }
}

/// One listening socket: whose, which key of its configuration, and the usual port.
#[derive(Clone, Copy, Debug)]
struct Socket(Service, &'static str, &'static str, u16);

const HTTP: Socket = Socket(Service::Gateway, "receiver", "http", 8280);
const HTTPS: Socket = Socket(Service::Gateway, "receiver", "https", 8243);
const REST: Socket = Socket(Service::ControlPlane, "rest", "listen", 9443);
const CONTROL_PLANE: Socket = Socket(Service::ControlPlane, "rpc", "listen", 9444);
const TOKENS: Socket = Socket(Service::KeyManager, "https", "listen", 9453);
const KEY_MANAGER: Socket = Socket(Service::KeyManager, "rpc", "listen", 9454);
const COLLECTOR: Socket = Socket(Service::AnalyticsCollector, "rpc", "listen", 9464);
const SOCKETS: [Socket; 11] = [
    HTTP,
    HTTPS,
    Socket(Service::Gateway, "operations", "listen", 8290),
    REST,
    CONTROL_PLANE,
    Socket(Service::ControlPlane, "operations", "listen", 9445),
    TOKENS,
    KEY_MANAGER,
    Socket(Service::KeyManager, "operations", "listen", 9455),
    COLLECTOR,
    Socket(Service::AnalyticsCollector, "operations", "listen", 9465),
];

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    data: PathBuf,
    offset: u16,
    files: Vec<(Service, PathBuf, toml::Table)>,
    geo: Option<Geo>,
}

/// A country database, and what its licence asks to be shown with it.
#[derive(Clone, Debug)]
pub(super) struct Geo {
    pub(super) database: PathBuf,
    pub(super) attribution: String,
}

impl Layout {
    /// `data` exists already.
    pub(super) fn read(data: &Path, offset: u16, geo: Option<Geo>) -> Result<Self, UpError> {
        let highest = SOCKETS.iter().map(|socket| socket.3).max().unwrap_or_default();
        if highest.checked_add(offset).is_none() {
            return Err(UpError::Offset(offset));
        }
        let absolute = |path: &Path| {
            path.canonicalize().map_err(|source| UpError::Read(path.to_owned(), source))
        };
        let data = absolute(data)?;
        let mut files = Vec::new();
        for service in Service::ALL {
            let file = data.join(format!("{}.toml", service.name()));
            match fs::read_to_string(&file) {
                Ok(text) => {
                    let table = toml::from_str(&text)
                        .map_err(|source| UpError::Config(file.clone(), source))?;
                    files.push((service, file, table));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(UpError::Read(file, source)),
            }
        }
        let geo = match geo {
            Some(Geo { database, attribution }) => {
                Some(Geo { database: absolute(&database)?, attribution })
            }
            None => None,
        };
        Ok(Self { data, offset, files, geo })
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn pki(&self) -> PathBuf {
        self.data.join("pki")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The files of the user that are in force.
    pub(super) fn own_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(_, path, _)| path.as_path())
    }

    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            http: format!("http://{}", self.at(HTTP)),
            https: format!("https://{}", self.at(HTTPS)),
            rest: format!("https://{}", self.at(REST)),
            control_plane: format!("https://{}", self.at(CONTROL_PLANE)),
            key_manager: format!("https://{}", self.at(KEY_MANAGER)),
            analytics: format!("https://{}", self.at(COLLECTOR)),
        }
    }

    /// Where the sample backend listens.
    pub(super) fn backend(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, BACKEND_PORT + self.offset).into()
    }

    /// One service as a program to start; `beside` is the folder of the programs.
    pub(super) fn program(&self, service: Service, beside: &Path) -> Result<Program, UpError> {
        let name = service.name();
        let path = beside.join(name);
        if !path.is_file() {
            return Err(UpError::NoProgram { program: name, path });
        }
        let file = self.files.iter().find(|(of, ..)| *of == service);
        let mut arguments = Vec::new();
        if let Some((_, file, _)) = file {
            arguments.extend(["--config".into(), file.clone().into_os_string()]);
        }
        let operations = SOCKETS.iter().find(|one| one.0 == service && one.1 == "operations");
        let ready = operations.map(|socket| format!("http://{}/readyz", self.at(*socket)));
        Ok(Program {
            name,
            path,
            arguments,
            variables: self.variables(service),
            log: self.log(name),
            ready: ready.unwrap_or_default(),
        })
    }

    /// What the service is told, unless its own file says otherwise.
    fn variables(&self, service: Service) -> Vec<(String, String)> {
        let path = |path: PathBuf| path.display().to_string();
        let mut settings = vec![
            ("service", "data", path(self.data.join(service.name()))),
            ("pki", "directory", path(self.pki())),
        ];
        let own = SOCKETS.iter().filter(|socket| socket.0 == service);
        settings.extend(own.map(|socket| (socket.1, socket.2, self.usual(*socket).to_string())));
        let addresses = self.addresses();
        match service {
            Service::Gateway => settings.extend([
                ("control_plane", "address", addresses.control_plane),
                ("key_manager", "address", addresses.key_manager),
                ("collector", "address", addresses.analytics),
            ]),
            Service::ControlPlane => {
                settings.push(("key_manager", "address", addresses.key_manager));
                settings.push(("collector", "address", addresses.analytics));
                settings.push(("people", "issuer", format!("https://{}/oauth2", self.at(TOKENS))));
            }
            Service::KeyManager => {
                settings.push(("issuer", "url", format!("https://{}/oauth2", self.at(TOKENS))));
                settings.push(("collector", "address", addresses.analytics));
                settings.push(("control_plane", "address", addresses.control_plane));
            }
            Service::AnalyticsCollector => {
                settings.push(("control_plane", "address", addresses.control_plane));
                if let Some(geo) = &self.geo {
                    settings.push(("geo", "database", path(geo.database.clone())));
                    settings.push(("geo", "attribution", geo.attribution.clone()));
                }
            }
        }
        settings
            .into_iter()
            .filter(|(section, key, _)| self.own_value(service, section, key).is_none())
            .map(|(section, key, value)| (variable(section, key), value))
            .collect()
    }

    /// Where others reach a socket: at loopback, where it listens on every address.
    fn at(&self, socket: Socket) -> SocketAddr {
        let Socket(service, section, key, _) = socket;
        let own = self.own_value(service, section, key).and_then(first_address);
        let mut address = own.unwrap_or_else(|| self.usual(socket));
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            _ => {}
        }
        address
    }

    fn usual(&self, socket: Socket) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, socket.3.saturating_add(self.offset)).into()
    }

    fn own_value(&self, service: Service, section: &str, key: &str) -> Option<&toml::Value> {
        let (.., table) = self.files.iter().find(|(of, ..)| *of == service)?;
        table.get(section)?.get(key)
    }
}

fn first_address(value: &toml::Value) -> Option<SocketAddr> {
    let value = value.as_array().map_or(Some(value), |list| list.first())?;
    value.as_str()?.parse().ok()
}

fn variable(section: &str, key: &str) -> String {
    format!("TURNPIKE_{section}_{key}").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(offset: u16, gateway: &str) -> Layout {
        let files = vec![(
            Service::Gateway,
            PathBuf::from("gateway.toml"),
            toml::from_str(gateway).unwrap(),
        )];
        Layout { data: PathBuf::from("/d"), offset, files, geo: None }
    }

    #[track_caller]
    fn check(layout: &Layout, name: &str, value: Option<&str>) {
        let variables = layout.variables(Service::Gateway);
        let found = variables.iter().find(|(one, _)| one == name);
        assert_eq!(found.map(|(_, value)| value.as_str()), value);
    }

    #[test]
    fn every_default_port_is_shifted() {
        let layout = layout(1000, "");
        check(&layout, "TURNPIKE_RECEIVER_HTTP", Some("127.0.0.1:9280"));
        check(&layout, "TURNPIKE_OPERATIONS_LISTEN", Some("127.0.0.1:9290"));
        check(&layout, "TURNPIKE_SERVICE_DATA", Some("/d/gateway"));
        assert_eq!(layout.addresses().control_plane, "https://127.0.0.1:10444");
        assert_eq!(layout.backend().port(), 4001);
    }

    #[test]
    fn what_the_user_has_set_is_left_alone_and_followed() {
        let layout = layout(0, "[receiver]\nhttp = [\"0.0.0.0:80\"]");
        check(&layout, "TURNPIKE_RECEIVER_HTTP", None);
        check(&layout, "TURNPIKE_RECEIVER_HTTPS", Some("127.0.0.1:8243"));
        assert_eq!(layout.addresses().http, "http://127.0.0.1:80");
    }
}

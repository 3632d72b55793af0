//! Why is there no usable identity?

use std::path::PathBuf;

/// What is wrong with certificates, keys or the development authority.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, written or locked.
    #[error("{}: {action} failed", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no PEM of the kind it should hold.
    #[error("{}: holds no {what} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Certificate or private key.
        what: &'static str,
    },
    /// Certificate, key and authority are there and do not fit, or are refused.
    #[error("{}: the certificate cannot be used", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// A new certificate has expired or is not valid yet.
    #[error("{}: the certificate is not valid now", path.display())]
    NotValidNow {
        /// The certificate's file.
        path: PathBuf,
    },
    /// The file of the authority holds nothing that can be trusted.
    #[error("{}: no certificate in it can be trusted", path.display())]
    Anchors {
        /// The authority's file.
        path: PathBuf,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for `{name}`")]
    Make {
        /// For whom.
        name: String,
        /// Why not.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate must be made and the key that would sign it is not there.
    #[error("`{certificate}.pem` must be made and {} is absent", key.display())]
    Unsigned {
        /// Whose certificate.
        certificate: String,
        /// Where the authority's key should be.
        key: PathBuf,
    },
    /// A name that cannot stand in a file name and in a certificate.
    #[error("`{0}` is no name for a service or an instance: use letters, digits, `.`, `-`, `_`")]
    Name(String),
    /// The files of a certificate and its key belong together.
    #[error("`certificate` and `key` must both be set, or neither")]
    Half,
    /// The TLS library refused a configuration.
    #[error("the TLS configuration is refused")]
    Tls(#[from] rustls::Error),
}

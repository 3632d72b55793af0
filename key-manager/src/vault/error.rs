//! Why can a secret not be kept or read?

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the master key {path} cannot be read or made")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the master key {path} is not 32 bytes in base64url")]
    Form { path: String },
    #[error("the master key {path} may be read by others; make it `chmod 600`")]
    Open { path: String },
    #[error(
        "the store was sealed with the master key {sealed_by}, and {path} is another one ({found}); \
         give the key that belongs to this store"
    )]
    Foreign { path: String, sealed_by: String, found: String },
    #[error("the store was sealed with the master key {sealed_by}, and there is none at {path}")]
    Missing { path: String, sealed_by: String },
    #[error("a sealed value was changed, or sealed for another use")]
    Broken,
    #[error("the cryptography library failed")]
    Crypto,
}

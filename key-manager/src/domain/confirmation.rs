//! Who may use a token: everybody who has it, or only who holds a key?

/// What a token is bound to (`cnf`, RFC 7800); nothing: a bearer token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// `jkt`: the RFC 7638 thumbprint of the `DPoP` key (RFC 9449 section 6).
    pub key: Option<String>,
    /// `x5t#S256`: SHA-256 of the certificate, base64url (RFC 8705 section 3.1).
    pub certificate: Option<String>,
}

impl Confirmation {
    pub const fn is_empty(&self) -> bool {
        self.key.is_none() && self.certificate.is_none()
    }

    /// The `token_type` of a token that is bound so.
    pub const fn token_type(&self) -> &'static str {
        if self.key.is_some() { "DPoP" } else { "Bearer" }
    }
}

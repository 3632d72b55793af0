//! What does an authorization answer with? (OAuth 2.0 Multiple Response Type Encoding Practices)
//!
//! A code, which is good for its client alone. Tokens that travel through the browser instead, or
//! beside it, are for old clients and have to be allowed (KM-035).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A `response_type`: which of the three come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResponseType {
    pub code: bool,
    pub id_token: bool,
    pub token: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no response type here")]
pub struct UnknownResponse(String);

impl ResponseType {
    pub const CODE: Self = Self { code: true, id_token: false, token: false };

    /// Those through the browser: of OpenID Connect Core section 3, and `token` of RFC 6749.
    pub const LEGACY: [Self; 6] = [
        Self { code: false, id_token: true, token: false },
        Self { code: false, id_token: true, token: true },
        Self { code: false, id_token: false, token: true },
        Self { code: true, id_token: true, token: false },
        Self { code: true, id_token: false, token: true },
        Self { code: true, id_token: true, token: true },
    ];

    /// By its name on the wire, in the order of the standard.
    pub const fn name(self) -> &'static str {
        match (self.code, self.id_token, self.token) {
            (true, false, false) => "code",
            (false, true, false) => "id_token",
            (false, true, true) => "id_token token",
            (false, false, true) => "token",
            (true, true, false) => "code id_token",
            (true, false, true) => "code token",
            (true, true, true) => "code id_token token",
            (false, false, false) => "none",
        }
    }

    /// Whether something of it travels through the browser that is good by itself.
    pub const fn is_legacy(self) -> bool {
        self.id_token || self.token
    }
}

impl fmt::Display for ResponseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ResponseType> for String {
    fn from(kind: ResponseType) -> Self {
        kind.name().to_owned()
    }
}

impl TryFrom<String> for ResponseType {
    type Error = UnknownResponse;

    fn try_from(text: String) -> Result<Self, UnknownResponse> {
        text.parse()
    }
}

impl FromStr for ResponseType {
    type Err = UnknownResponse;

    /// The order of the words does not matter (RFC 6749 section 3.1.1); each comes once.
    fn from_str(text: &str) -> Result<Self, UnknownResponse> {
        let mut kind = Self { code: false, id_token: false, token: false };
        for word in text.split(' ') {
            let part = match word {
                "code" => &mut kind.code,
                "id_token" => &mut kind.id_token,
                "token" => &mut kind.token,
                _ => return Err(UnknownResponse(text.to_owned())),
            };
            if std::mem::replace(part, true) {
                return Err(UnknownResponse(text.to_owned()));
            }
        }
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name` is its name, or "-".
    #[track_caller]
    fn check(text: &str, name: &str) {
        let found = text.parse::<ResponseType>().map_or("-", ResponseType::name);
        assert_eq!(found, name, "{text:?}");
    }

    #[test]
    fn words_come_once_in_any_order() {
        check("code", "code");
        check("id_token code", "code id_token");
        check("token id_token code", "code id_token token");
        for wrong in ["", "code code", "code ", "none", "Code", "code,token", "password"] {
            check(wrong, "-");
        }
        for kind in ResponseType::LEGACY {
            check(kind.name(), kind.name());
            assert!(kind.is_legacy());
        }
    }
}

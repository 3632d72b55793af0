//! For whom are a name and a password enough? (KM-034, KM-103)
//!
//! Where nobody can be asked for more: a client that passes them on, and a gateway that is shown them with
//! a call (RFC 7617). They are looked at as on the login page, with the same lockout; who has or needs a
//! second factor is nobody here.

use std::net::IpAddr;

use super::login::{Shown, look};
use super::{Authority, Mfa, Refusal, second_factor};
use crate::domain::User;

/// What a gateway hears of a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authenticated {
    Person {
        user: User,
        /// When the password was looked at, Unix seconds; counts like the `iat` of a token.
        at: i64,
    },
    Nobody,
    /// It was not looked at, and is not for so many seconds.
    Locked {
        seconds: u32,
    },
}

/// Who shows this name and this password, if that is all that they have to show.
pub(super) async fn alone(
    authority: &Authority,
    address: Option<IpAddr>,
    name: &str,
    password: &str,
) -> Result<Shown, Refusal> {
    let shown = look(authority, address, name, password).await?;
    let Shown::Known(user) = &shown else { return Ok(shown) };
    let more = match authority.login.mfa {
        Mfa::Off => false,
        Mfa::Optional => second_factor::has(authority, user).await?,
        Mfa::Required => true,
    };
    if !more {
        return Ok(shown);
    }
    authority.audit.count("login.failed", "", "second_factor", "password");
    Ok(Shown::Unknown)
}

/// For a gateway, which was shown them from `address`.
pub async fn authenticate_for_gateway(
    authority: &Authority,
    address: Option<IpAddr>,
    name: &str,
    password: &str,
) -> Result<Authenticated, Refusal> {
    // Before anything is read: what ends after that is dated later.
    let now = authority.clock.unix_seconds();
    match alone(authority, address, name, password).await? {
        Shown::Known(user) => {
            // Gateways ask again and again: it is counted, like tokens.
            authority.audit.count("login.succeeded", "", "ok", "gateway");
            // As with a token: what follows an end in the same second is dated to the next.
            let at = now.max(user.ended_until.saturating_add(1));
            Ok(Authenticated::Person { user, at })
        }
        Shown::Unknown => Ok(Authenticated::Nobody),
        Shown::Locked { seconds } => Ok(Authenticated::Locked { seconds }),
    }
}

//! How does a person make an account themselves?
//!
//! Only where `login.signup` says so. A page before the login page, on the same way to the same
//! client; how many accounts one network makes, and how many wait for somebody who lets them in, is
//! bounded.

use super::interaction::{cookie, enter, whither};
use super::pages::{self, SignUpPage};
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request};
use crate::accounts::{self, AccountError};
use crate::domain::{LoginMethod, network};
use crate::store::Failures;

/// Whether people make accounts themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUp {
    Off,
    /// They do, and somebody has to let each of them in.
    Approval,
    On,
}

/// So many accounts of one network are free; then it has to wait as after wrong passwords.
const FREE: u32 = 5;

/// What the page says of a wish that was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Name,
    Taken,
    Password,
    Repeated,
    TooMany,
}

/// The page, without a mark on it, and its answer.
pub(super) async fn sign_up(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    if authority.login.signup == SignUp::Off {
        return Err(Refusal::NotFound);
    }
    let form = request.form()?;
    let cookie = cookie(request);
    let ticket = Ticket::open(authority, form.find("request"), cookie.as_deref())?;
    let Some(name) = form.find("name") else {
        return page(authority, &ticket, "", None).await;
    };
    let (password, again) = (form.find("password"), form.find("again"));
    let password = password.unwrap_or_default();
    if again != Some(password) {
        return page(authority, &ticket, name, Some(Trouble::Repeated)).await;
    }
    let network = authority.pepper.digest("sign up by network", &network(request.peer.address));
    let rules = Failures { free: FREE, ..authority.login.network };
    let now = authority.clock.unix_seconds();
    // Every try counts: an answer tells whether a name is taken.
    if !authority.store.begin_attempt(&network, &rules, now).await? {
        return page(authority, &ticket, name, Some(Trouble::TooMany)).await;
    }
    let waits = authority.login.signup == SignUp::Approval;
    let address = request.peer.address;
    let user = match accounts::sign_up(authority, name, password, waits, address).await {
        Ok(user) => user,
        Err(AccountError::Store(error)) => return Err(error.into()),
        Err(AccountError::Hash(failure)) => return Err(failure.into()),
        Err(error) => return page(authority, &ticket, name, Some(trouble(&error))).await,
    };
    if waits {
        return Ok(pages::waiting(user.name.as_str()));
    }
    let method = LoginMethod::PASSWORD;
    enter(authority, request, ticket, &user, cookie.as_deref(), method).await
}

const fn trouble(error: &AccountError) -> Trouble {
    match error {
        AccountError::Password(_) => Trouble::Password,
        AccountError::Taken => Trouble::Taken,
        AccountError::Full => Trouble::TooMany,
        _ => Trouble::Name,
    }
}

/// Asks for a name and a password.
pub(super) async fn page(
    authority: &Authority,
    ticket: &Ticket,
    name: &str,
    trouble: Option<Trouble>,
) -> Result<Reply, Refusal> {
    Ok(pages::sign_up(&SignUpPage {
        client: &whither(authority, ticket).await?,
        action: &authority.issuer.local("signup"),
        request: &ticket.seal(authority)?,
        redirect: &ticket.redirect_uri,
        name,
        trouble,
    }))
}

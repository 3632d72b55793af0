//! Which endpoint answers a request?

use http::Method;

use super::paths::Endpoint;
use super::{
    Authority, Peer, Refusal, Reply, Request, account, authorize, backchannel, cors, device,
    discovery, elsewhere, interaction, introspect, jwks, logout, pages, passkeys, pushed, register,
    reply, revoke, second_factor, sign_up, token, userinfo,
};

/// Answers a request. Never fails: a refusal is an answer too.
pub async fn answer(authority: &Authority, request: &Request) -> Reply {
    let begun = authority.clock.instant();
    let endpoint = authority.issuer.find(&request.path);
    let preflight = endpoint.and_then(|endpoint| cors::preflight(endpoint, request));
    let answered = match (endpoint, preflight) {
        (_, Some(reply)) => Ok(reply),
        (Some(endpoint), None) => serve(authority, endpoint, request).await,
        (None, None) => Err(Refusal::NotFound),
    };
    let mut reply = answered.unwrap_or_else(|refusal| {
        note(&refusal, request);
        if matches!(refusal, Refusal::InvalidClient(_)) {
            let claimed = request.claimed().map(|id| id.to_string()).unwrap_or_default();
            authority.fraud.client_failed(&claimed, request.peer.address);
        }
        if endpoint.is_some_and(Endpoint::is_page) {
            pages::refusal(&refusal)
        } else {
            reply::refusal(&refusal)
        }
    });
    if let Some(endpoint) = endpoint.filter(|_| request.method != Method::OPTIONS) {
        cors::share(authority, endpoint, request, &mut reply).await;
    }
    authority.theme.dress(&mut reply);
    let took = authority.clock.instant().saturating_duration_since(begun);
    authority.meter.answered(
        endpoint.map_or("none", Endpoint::name),
        reply.status().as_u16(),
        took,
    );
    reply
}

async fn serve(
    authority: &Authority,
    endpoint: Endpoint,
    request: &Request,
) -> Result<Reply, Refusal> {
    let post = request.method == Method::POST;
    let get = request.method == Method::GET || request.method == Method::HEAD;
    match endpoint {
        Endpoint::Discovery if get => Ok(discovery::discovery(authority)),
        Endpoint::Jwks if get => Ok(jwks::jwks(authority, request)),
        Endpoint::Discovery | Endpoint::Jwks => Err(Refusal::Method("GET, HEAD")),
        Endpoint::Authorize
        | Endpoint::Userinfo
        | Endpoint::Account
        | Endpoint::Logout
        | Endpoint::Device
        | Endpoint::Approvals
            if !post && request.method != Method::GET =>
        {
            Err(Refusal::Method("GET, POST"))
        }
        _ if !is_private(&request.peer) && (post || endpoint.is_of_people()) => {
            Err(Refusal::Cleartext)
        }
        Endpoint::Authorize => authorize::authorize(authority, request).await,
        Endpoint::Userinfo => userinfo::userinfo(authority, request).await,
        Endpoint::Logout => logout::log_out(authority, request).await,
        Endpoint::Device => device::page(authority, request).await,
        Endpoint::Approvals => backchannel::page(authority, request).await,
        Endpoint::Account if !post => account::show(authority, request).await,
        Endpoint::Account => account::change(authority, request).await,
        Endpoint::Registration => register::manage(authority, request).await,
        Endpoint::Arrived if get => elsewhere::arrived(authority, request).await,
        Endpoint::Arrived => Err(Refusal::Method("GET")),
        _ if !post => Err(Refusal::Method("POST")),
        Endpoint::Elsewhere => elsewhere::depart(authority, request).await,
        Endpoint::Register => register::register(authority, request).await,
        Endpoint::Login => interaction::log_in(authority, request).await,
        Endpoint::Consent => interaction::decide(authority, request).await,
        Endpoint::Factor => second_factor::answered(authority, request).await,
        Endpoint::Passkey => passkeys::log_in(authority, request).await,
        Endpoint::Continue => interaction::go_on(authority, request).await,
        Endpoint::SignUp => sign_up::sign_up(authority, request).await,
        Endpoint::Token => token::token(authority, request).await,
        Endpoint::DeviceAuthorization => device::authorize(authority, request).await,
        Endpoint::Backchannel => backchannel::authorize(authority, request).await,
        Endpoint::Pushed => pushed::push(authority, request).await,
        Endpoint::Introspect => introspect::introspect(authority, request).await,
        Endpoint::Revoke => revoke::revoke(authority, request).await,
    }
}

impl Endpoint {
    /// Whether people read what it answers.
    const fn is_page(self) -> bool {
        matches!(
            self,
            Self::Authorize
                | Self::Login
                | Self::Elsewhere
                | Self::Arrived
                | Self::Consent
                | Self::Factor
                | Self::Passkey
                | Self::Continue
                | Self::Account
                | Self::SignUp
                | Self::Logout
                | Self::Device
                | Self::Approvals
        )
    }

    /// Whether a GET of it carries what belongs to a person.
    const fn is_of_people(self) -> bool {
        matches!(
            self,
            Self::Authorize
                | Self::Arrived
                | Self::Userinfo
                | Self::Account
                | Self::Registration
                | Self::Logout
                | Self::Device
                | Self::Approvals
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Pushed => "par",
            Self::Authorize => "authorize",
            Self::DeviceAuthorization => "device_authorization",
            Self::Device => "device",
            Self::Backchannel => "bc-authorize",
            Self::Approvals => "approvals",
            Self::Login => "login",
            Self::Elsewhere => "federation",
            Self::Arrived => "federation_arrived",
            Self::Logout => "logout",
            Self::Consent => "consent",
            Self::Factor => "factor",
            Self::Passkey => "passkey",
            Self::Continue => "continue",
            Self::Account => "account",
            Self::SignUp => "signup",
            Self::Userinfo => "userinfo",
            Self::Introspect => "introspect",
            Self::Revoke => "revoke",
            Self::Jwks => "jwks",
            Self::Discovery => "discovery",
            Self::Register => "register",
            Self::Registration => "registration",
        }
    }
}

/// Secrets travel over TLS (RFC 6749 section 3.2), or do not leave the machine.
fn is_private(peer: &Peer) -> bool {
    peer.secure || peer.address.is_some_and(|address| address.to_canonical().is_loopback())
}

fn note(refusal: &Refusal, request: &Request) {
    use std::error::Error as _;

    let cause = refusal.source().map(ToString::to_string).unwrap_or_default();
    let client = request.peer.address.map(|address| address.to_string()).unwrap_or_default();
    match refusal {
        Refusal::Failed(cause) => {
            let deeper = cause.source().map(ToString::to_string).unwrap_or_default();
            tracing::error!(%cause, deeper, "request failed");
        }
        Refusal::Unavailable(cause) => {
            let deeper = cause.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%cause, deeper, "request refused for now");
        }
        Refusal::Full(_) => tracing::warn!(client, cause, "client asks faster than is remembered"),
        Refusal::InvalidClient(_) => tracing::info!(client, cause, "client not authenticated"),
        other => tracing::debug!(client, cause, refusal = %other, "request refused"),
    }
}

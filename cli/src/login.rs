//! `turnpike login`, `logout` and `whoami`: who is at the command line?
//!
//! The control plane says where people sign in; the provider is asked for a code, which the person types
//! there in any browser (RFC 8628). What comes back stays in a file of the user's own and is shown to the
//! control plane and to nobody else. It is refreshed when it ends within the half minute.

use std::time::Duration;

use bytes::Bytes;
use chassis::clock::Clock;
use chassis::config::Secret;
use chassis::outbound::{self, Client};
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};
use turnpike_proto::admin::v1::people_client::PeopleClient;
use turnpike_proto::admin::v1::{SignInRequest, SignInResponse, WhoAmIRequest, WhoAmIResponse};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::failure::Failure;
use crate::gateways::time;
use crate::https;
use crate::kept::{Home, Kept, KeptError, text};
use crate::output::{Report, note};
use crate::rpc::{self, of_message};

const PATIENCE: Duration = Duration::from_secs(15);
/// A token that ends within so many seconds is refreshed first.
const SOON: i64 = 30;
/// How long to wait between two questions where the provider says nothing (RFC 8628 section 3.2), and by
/// how much longer after `slow_down`.
const PAUSE: Duration = Duration::from_secs(5);
/// The oldest sign-ins leave when there are more.
const MOST_ENTRIES: usize = 100;
const FILE: &str = "login.json";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("`{0}` is no address of a provider")]
    Address(String),
    #[error("the provider at {url} gives no answer")]
    NoAnswer { url: String, source: Box<outbound::Error> },
    #[error("{url} answers something else than OAuth has it (status {status})")]
    NotUnderstood { url: String, status: u16 },
    #[error("the document at {url} is of another issuer")]
    Issuer { url: String },
    #[error("the provider has no device authorization endpoint (RFC 8628)")]
    NoDevices,
    #[error("the provider refuses: {0}")]
    Refused(String),
    #[error("nobody has typed the code in time")]
    Late,
}

/// The part of the provider's metadata that is used here.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
}

/// Where the provider is asked for what.
#[derive(Debug)]
struct Endpoints {
    issuer: String,
    token_endpoint: Url,
    device_authorization_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
}

impl Endpoints {
    /// None: it is no such document, or tokens would travel without TLS.
    fn read(json: &[u8]) -> Option<Self> {
        let said: Metadata = serde_json::from_slice(json).ok()?;
        let url = |text: &str| Url::parse(text).ok().filter(|url| url.scheme() == "https");
        Some(Self {
            issuer: said.issuer,
            token_endpoint: url(&said.token_endpoint)?,
            device_authorization_endpoint: said
                .device_authorization_endpoint
                .and_then(|it| url(&it)),
            revocation_endpoint: said.revocation_endpoint.and_then(|it| url(&it)),
        })
    }
}

/// RFC 8628 section 3.2.
#[derive(Debug, Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// What a token endpoint says.
enum Answer {
    Granted(Value),
    Refused { error: String, description: String },
}

/// A provider, as one client.
struct Provider {
    http: Client,
    endpoints: Endpoints,
    client_id: String,
}

impl Provider {
    async fn find(http: Client, issuer: &str, client_id: &str) -> Result<Self, LoginError> {
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = Url::parse(&at).map_err(|_| LoginError::Address(at.clone()))?;
        let request = Request::builder().header(header::ACCEPT, "application/json");
        let answer = http.send(&url, request, Bytes::new()).await;
        let answer = answer
            .map_err(|source| LoginError::NoAnswer { url: at.clone(), source: Box::new(source) })?;
        let status = answer.status().as_u16();
        let endpoints = Endpoints::read(answer.body()).filter(|_| status == 200);
        let endpoints =
            endpoints.ok_or_else(|| LoginError::NotUnderstood { url: at.clone(), status })?;
        if endpoints.issuer != issuer {
            return Err(LoginError::Issuer { url: at });
        }
        Ok(Self { http, endpoints, client_id: client_id.to_owned() })
    }

    /// Posts a form with the client's identifier; the status and the JSON of the answer.
    async fn post(&self, url: &Url, fields: &[(&str, &str)]) -> Result<(u16, Value), LoginError> {
        let mut form = Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id).extend_pairs(fields);
        let request = Request::builder()
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        let answer = self.http.send(url, request, Bytes::from(form.finish())).await;
        let answer = answer.map_err(|source| LoginError::NoAnswer {
            url: url.to_string(),
            source: Box::new(source),
        })?;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok((answer.status().as_u16(), body))
    }

    async fn start(&self, scopes: &[String]) -> Result<Started, LoginError> {
        let url = self.endpoints.device_authorization_endpoint.as_ref();
        let url = url.ok_or(LoginError::NoDevices)?;
        let (status, body) = self.post(url, &[("scope", &scopes.join(" "))]).await?;
        if status != 200 {
            return Err(LoginError::Refused(said(&body)));
        }
        let not_understood = |_| LoginError::NotUnderstood { url: url.to_string(), status };
        serde_json::from_value(body).map_err(not_understood)
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Result<Answer, LoginError> {
        let url = &self.endpoints.token_endpoint;
        let (status, body) = self.post(url, fields).await?;
        if status == 200 && body.get("access_token").is_some_and(Value::is_string) {
            return Ok(Answer::Granted(body));
        }
        match text(&body, "error") {
            "" => Err(LoginError::NotUnderstood { url: url.to_string(), status }),
            error => {
                let description = text(&body, "error_description").to_owned();
                Ok(Answer::Refused { error: error.to_owned(), description })
            }
        }
    }

    /// Asks until the person has agreed, or did not.
    async fn wait(&self, clock: &Clock, started: &Started) -> Result<Value, LoginError> {
        let mut pause = started.interval.map_or(PAUSE, Duration::from_secs).max(PAUSE / 5);
        let ends = clock.unix_seconds().saturating_add_unsigned(started.expires_in);
        let fields = [("grant_type", DEVICE), ("device_code", &started.device_code)];
        while clock.unix_seconds() < ends {
            clock.sleep(pause).await;
            match self.token(&fields).await? {
                Answer::Granted(granted) => return Ok(granted),
                Answer::Refused { error, .. } if error == "authorization_pending" => {}
                Answer::Refused { error, .. } if error == "slow_down" => pause += PAUSE,
                Answer::Refused { error, .. } if error == "expired_token" => break,
                Answer::Refused { error, description } => {
                    return Err(LoginError::Refused(format!("{error}: {description}")));
                }
            }
        }
        Err(LoginError::Late)
    }
}

fn said(body: &Value) -> String {
    match (text(body, "error"), text(body, "error_description")) {
        ("", _) => "it gave no reason".to_owned(),
        (error, "") => error.to_owned(),
        (error, description) => format!("{error}: {description}"),
    }
}

/// What is kept of a sign-in.
fn entry(kept: &Kept, provider: &Provider, granted: &Value, clock: &Clock, before: &str) -> Value {
    let life = granted.get("expires_in").and_then(Value::as_i64).unwrap_or(0);
    let access = text(granted, "access_token");
    // Of a provider whose access tokens say nothing, the identity token says who it is.
    let is_jwt = access.split('.').count() == 3;
    let token = if is_jwt { access } else { text(granted, "id_token") };
    let refresh = match text(granted, "refresh_token") {
        "" => before,
        refresh => refresh,
    };
    json!({
        "installation": kept.installation,
        "issuer": provider.endpoints.issuer,
        "clientId": provider.client_id,
        "token": token,
        "refreshToken": refresh,
        "expiresAt": clock.unix_seconds().saturating_add(life),
    })
}

fn keep(kept: &Kept, entry: Option<Value>) -> Result<(), KeptError> {
    let others = kept.read()?.into_iter().filter(|known| !kept.is_here(known));
    let entries: Vec<Value> = entry.into_iter().chain(others).take(MOST_ENTRIES).collect();
    kept.write(&entries)
}

fn find(kept: &Kept) -> Result<Option<Value>, KeptError> {
    Ok(kept.read()?.into_iter().find(|entry| kept.is_here(entry)))
}

/// The connection with the token of whoever is signed in, refreshed where it ends soon. Nobody who names
/// a token or a certificate asks as somebody else.
pub(crate) async fn as_person(
    connection: &rpc::Options,
    home: &Home,
    clock: &Clock,
) -> Result<rpc::Options, Failure> {
    let mut connection = connection.clone();
    if connection.names_somebody() {
        return Ok(connection);
    }
    // Without an authority there is no installation, and without a folder no sign-in.
    let Ok(authority) = connection.authority() else { return Ok(connection) };
    let Ok(kept) = home.kept(FILE, &authority) else { return Ok(connection) };
    let Some(mut signed_in) = find(&kept)? else { return Ok(connection) };
    let ends = signed_in.get("expiresAt").and_then(Value::as_i64).unwrap_or(0);
    if ends.saturating_sub(clock.unix_seconds()) < SOON {
        match refreshed(&kept, &signed_in, clock, &authority).await {
            Ok(Some(entry)) => {
                keep(&kept, Some(entry.clone()))?;
                signed_in = entry;
            }
            Ok(None) => {
                note("turnpike: the sign-in has ended; sign in again with `turnpike login`");
            }
            Err(error) => note(format_args!("turnpike: the sign-in cannot be refreshed: {error}")),
        }
    }
    // One that has ended is shown all the same: whoever signed in does not become an administrator by
    // waiting.
    connection.person = Some(Secret::new(text(&signed_in, "token")));
    Ok(connection)
}

/// None: the provider does not go on with it.
async fn refreshed(
    kept: &Kept,
    entry: &Value,
    clock: &Clock,
    authority: &[u8],
) -> Result<Option<Value>, LoginError> {
    let refresh = text(entry, "refreshToken");
    if refresh.is_empty() {
        return Ok(None);
    }
    let issuer = text(entry, "issuer");
    let provider = Provider::find(http(clock, authority, issuer)?, issuer, text(entry, "clientId"));
    let provider = provider.await?;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    Ok(match provider.token(&fields).await? {
        Answer::Granted(granted) => Some(self::entry(kept, &provider, &granted, clock, refresh)),
        Answer::Refused { .. } => None,
    })
}

fn http(clock: &Clock, authority: &[u8], issuer: &str) -> Result<Client, LoginError> {
    https::client(clock, PATIENCE, authority)
        .map_err(|source| LoginError::NoAnswer { url: issuer.to_owned(), source: Box::new(source) })
}

pub(crate) async fn login(
    connection: &rpc::Options,
    home: &Home,
    clock: &Clock,
) -> Result<Report, Failure> {
    let authority = connection.authority()?;
    let kept = home.kept(FILE, &authority)?;
    let wire = connection.control_plane()?;
    let asked = PeopleClient::new(wire.channel()).sign_in(SignInRequest {}).await;
    let SignInResponse { issuer, client_id, scopes } =
        asked.map_err(|status| wire.error(status))?.into_inner();
    let provider = Provider::find(http(clock, &authority, &issuer)?, &issuer, &client_id).await?;
    let started = provider.start(&scopes).await?;
    let code = &started.user_code;
    match &started.verification_uri_complete {
        Some(url) => note(format_args!("Open {url}\nand make sure that it shows the code {code}")),
        None => note(format_args!("Open {}\nand enter the code {code}", started.verification_uri)),
    }
    let granted = provider.wait(clock, &started).await?;
    let entry = entry(&kept, &provider, &granted, clock, "");
    keep(&kept, Some(entry.clone()))?;
    let mut connection = connection.clone();
    connection.person = Some(Secret::new(text(&entry, "token")));
    whoami(&connection).await
}

pub(crate) async fn logout(
    connection: &rpc::Options,
    home: &Home,
    clock: &Clock,
) -> Result<Report, Failure> {
    let authority = connection.authority()?;
    let kept = home.kept(FILE, &authority)?;
    let Some(entry) = find(&kept)? else {
        return Ok(Report::new(json!({ "signedOut": false })).text("Nobody was signed in"));
    };
    keep(&kept, None)?;
    // What is left at the provider ends by itself; it is said where that takes long.
    if let Err(error) = revoke(&entry, clock, &authority).await {
        note(format_args!("turnpike: the provider was not told: {error}"));
    }
    Ok(Report::new(json!({ "signedOut": true })).text("Signed out"))
}

/// RFC 7009, where the provider has it.
async fn revoke(entry: &Value, clock: &Clock, authority: &[u8]) -> Result<(), LoginError> {
    let issuer = text(entry, "issuer");
    let provider = Provider::find(http(clock, authority, issuer)?, issuer, text(entry, "clientId"));
    let provider = provider.await?;
    let Some(url) = &provider.endpoints.revocation_endpoint else { return Ok(()) };
    let refresh = text(entry, "refreshToken");
    let token = if refresh.is_empty() { text(entry, "token") } else { refresh };
    match provider.post(url, &[("token", token)]).await? {
        (200, _) => Ok(()),
        (_, body) => Err(LoginError::Refused(said(&body))),
    }
}

pub(crate) async fn whoami(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let asked = PeopleClient::new(wire.channel()).who_am_i(WhoAmIRequest {}).await;
    let known = asked.map_err(|status| wire.error(status))?.into_inner();
    let value = of_message("turnpike.admin.v1.WhoAmIResponse", &known);
    Ok(in_words(&known).into_iter().fold(Report::new(value), Report::text))
}

fn in_words(known: &WhoAmIResponse) -> Vec<String> {
    let mut lines = vec![format!("name     {}", known.name), format!("shown    {}", known.shown)];
    let mut line = |what: &str, words: String| {
        if !words.is_empty() {
            lines.push(format!("{what:<8} {words}"));
        }
    };
    line("roles", known.roles.join(", "));
    line("user", known.user.clone());
    line("teams", known.teams.join(", "));
    line("tenant", known.tenant.clone());
    line("kinds", known.kinds.join(", "));
    line("objects", known.objects.join(", "));
    line("may", if known.read_only { "read only".to_owned() } else { String::new() });
    line("ends", time(known.expires_at.as_ref()));
    lines
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn kept(folder: &std::path::Path, authority: &[u8]) -> Kept {
        let home = Home { folder: Some(folder.to_owned()), xdg_config: None, user: None };
        home.kept(FILE, authority).unwrap()
    }

    #[test]
    fn one_sign_in_is_kept_for_each_installation() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (kept(folder.path(), b"one"), kept(folder.path(), b"other"));
        for (kept, token) in [(&one, "a"), (&other, "b"), (&one, "c")] {
            let entry = json!({ "installation": kept.installation, "token": token });
            keep(kept, Some(entry)).unwrap();
        }
        let token = |kept| find(kept).unwrap().map(|entry| text(&entry, "token").to_owned());
        assert_eq!((token(&one).as_deref(), token(&other).as_deref()), (Some("c"), Some("b")));
        keep(&one, None).unwrap();
        assert_eq!((token(&one), token(&other).as_deref()), (None, Some("b")));
    }

    #[test]
    fn what_says_who_it_is_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path(), b"one");
        let clock = Clock::fixed(UNIX_EPOCH + Duration::from_secs(100));
        let http = https::client(&clock, PATIENCE, b"").unwrap();
        let url = Url::parse("https://idp.example/token").unwrap();
        let endpoints = Endpoints {
            issuer: "https://idp.example".to_owned(),
            token_endpoint: url,
            device_authorization_endpoint: None,
            revocation_endpoint: None,
        };
        let provider = Provider { http, endpoints, client_id: "cli".to_owned() };
        let check = |granted: Value, token: &str, refresh: &str| {
            let entry = entry(&kept, &provider, &granted, &clock, "before");
            let ends = entry.get("expiresAt").and_then(Value::as_i64);
            assert_eq!(
                (text(&entry, "token"), text(&entry, "refreshToken"), ends),
                (token, refresh, Some(160))
            );
        };
        let granted =
            |access: &str| json!({ "access_token": access, "id_token": "i", "expires_in": 60 });
        check(granted("a.b.c"), "a.b.c", "before");
        check(granted("opaque"), "i", "before");
        let rotated = json!({ "access_token": "a.b.c", "refresh_token": "next", "expires_in": 60 });
        check(rotated, "a.b.c", "next");
    }
}

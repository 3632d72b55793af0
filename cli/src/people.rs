//! `turnpike user` and `turnpike client`: who may log in, and at which applications?
//!
//! A password comes from a file or standard input and never from the command line, where every user
//! of the machine could read it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::users_client::UsersClient;
use turnpike_proto::identity::v1::{
    ApproveUserRequest, CreateUserRequest, LinkUserRequest, ListPendingUsersRequest,
    RegisterClientRequest, SetClaimsRequest, UnlinkUserRequest,
};

use crate::client_secrets;
use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Report, Table};
use crate::rpc::{self, of_message};

/// More than the longest password: what is longer is refused by the key manager.
const LONGEST_INPUT: u64 = 4096;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; its password is the first line of standard input
    Add(AddUser),
    /// Those who made an account themselves and wait
    Pending,
    /// Let somebody in who waits
    Approve {
        /// The subject, as `user pending` tells it
        #[arg(value_name = "SUBJECT")]
        user_id: String,
    },
    /// Let a person log in with an account that they have at a provider
    Link {
        /// The subject of the person's tokens, as `user add` told it
        #[arg(value_name = "SUBJECT")]
        user_id: String,
        #[command(flatten)]
        elsewhere: Elsewhere,
    },
    /// Let nobody log in any more with an account at a provider
    Unlink(Elsewhere),
    /// Replace what is known of a person: name, mail address, …
    Claims(SetClaims),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AddUser {
    /// The name to log in with
    #[arg(value_name = "NAME")]
    name: String,
    /// Take the password from the first line of this file instead
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// It is no password but the hash that another system made of it
    #[arg(long)]
    hashed: bool,
    #[command(flatten)]
    known: Known,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SetClaims {
    /// The subject of the person's tokens, as `user add` told it
    #[arg(value_name = "SUBJECT")]
    user_id: String,
    #[command(flatten)]
    known: Known,
}

/// An account at a provider.
#[derive(Args, Clone, Debug)]
pub(crate) struct Elsewhere {
    /// Name of the provider's key manager
    #[arg(long, value_name = "KEY-MANAGER")]
    key_manager: String,
    /// What the provider calls the person: the `sub` of its tokens, byte for byte
    #[arg(long, value_name = "SUBJECT-THERE")]
    account: String,
}

/// What is known of a person.
#[derive(Args, Clone, Debug)]
struct Known {
    #[arg(
        help = "A claim of OpenID Connect, like email=ann@example.com or address={\"country\":\"CH\"}, \
                or roles=[\"editor\"]; may be given several times",
        long = "claim",
        value_name = "NAME=VALUE",
        value_parser = claim
    )]
    claims: Vec<(String, Value)>,
}

/// A value that is `true`, `false`, an object or a list is one; everything else is text.
fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is NAME=VALUE")?;
    let read = serde_json::from_str(value)
        .ok()
        .filter(|value: &Value| value.is_boolean() || value.is_object() || value.is_array());
    Ok((name.to_owned(), read.unwrap_or_else(|| value.into())))
}

impl Known {
    fn text(&self) -> String {
        match self.claims.as_slice() {
            [] => String::new(),
            claims => Value::Object(claims.iter().cloned().collect()).to_string(),
        }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Client {
    /// Register an application in which people log in
    Add(AddClient),
    /// What a client proves itself with
    #[command(subcommand)]
    Secret(client_secrets::Command),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AddClient {
    /// What people read when they are asked whether they agree
    #[arg(value_name = "NAME")]
    name: String,
    /// Where people are sent back to; may be given several times
    #[arg(long = "redirect-uri", value_name = "URL", required_unless_present = "device")]
    redirect_uris: Vec<String>,
    /// A scope that it may ask for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", default_values = ["openid", "profile"])]
    scopes: Vec<String>,
    /// People log in for it elsewhere, with a code that it shows (the device grant)
    #[arg(long)]
    device: bool,
    /// It has no secret to keep, like an app on a telephone or in a browser
    #[arg(long)]
    public: bool,
    /// It is the operator's own: people are not asked whether they agree
    #[arg(long)]
    first_party: bool,
}

pub(crate) async fn add_user(
    connection: &rpc::Options,
    asked: &AddUser,
) -> Result<Report, Failure> {
    let secret = asked.password()?;
    let none = String::new();
    let (password, password_hash) = if asked.hashed { (none, secret) } else { (secret, none) };
    let claims = asked.known.text();
    let request = CreateUserRequest { name: asked.name.clone(), password, claims, password_hash };
    let wire = connection.key_manager()?;
    let made = UsersClient::new(wire.channel())
        .create(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let said = format!("{} can log in; the subject of their tokens is {}", made.name, made.user_id);
    Ok(Report::new(json!({ "userId": made.user_id, "name": made.name })).text(said))
}

pub(crate) async fn pending(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let answer = UsersClient::new(wire.channel())
        .list_pending(ListPendingUsersRequest {})
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let mut table = Table::new("nobody waits", &["SUBJECT", "NAME", "SIGNED UP AT"]);
    for user in &answer.users {
        let since = time(user.signed_up_at.as_ref());
        table.row(vec![user.user_id.as_str().into(), user.name.as_str().into(), since.into()]);
    }
    let value = of_message("turnpike.identity.v1.ListPendingUsersResponse", &answer);
    Ok(Report::new(value).table(table))
}

pub(crate) async fn approve(connection: &rpc::Options, user_id: &str) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let request = ApproveUserRequest { user_id: user_id.to_owned() };
    let approved = UsersClient::new(wire.channel()).approve(request).await;
    approved.map_err(|status| wire.error(status))?;
    Ok(Report::new(json!({ "userId": user_id })).text(format!("{user_id} can log in")))
}

pub(crate) async fn link(
    connection: &rpc::Options,
    user_id: &str,
    elsewhere: &Elsewhere,
) -> Result<Report, Failure> {
    let Elsewhere { key_manager, account } = elsewhere.clone();
    let said = format!("{user_id} can log in as {account} of {key_manager}");
    let value = json!({ "userId": user_id, "keyManager": key_manager, "account": account });
    let request = LinkUserRequest { user_id: user_id.to_owned(), key_manager, subject: account };
    let wire = connection.key_manager()?;
    let linked = UsersClient::new(wire.channel()).link(request).await;
    linked.map_err(|status| wire.error(status))?;
    Ok(Report::new(value).text(said))
}

pub(crate) async fn unlink(
    connection: &rpc::Options,
    elsewhere: &Elsewhere,
) -> Result<Report, Failure> {
    let Elsewhere { key_manager, account } = elsewhere.clone();
    let said = format!("Nobody can log in as {account} of {key_manager}");
    let value = json!({ "keyManager": key_manager, "account": account });
    let request = UnlinkUserRequest { key_manager, subject: account };
    let wire = connection.key_manager()?;
    let unlinked = UsersClient::new(wire.channel()).unlink(request).await;
    unlinked.map_err(|status| wire.error(status))?;
    Ok(Report::new(value).text(said))
}

pub(crate) async fn set_claims(
    connection: &rpc::Options,
    asked: &SetClaims,
) -> Result<Report, Failure> {
    let user_id = asked.user_id.clone();
    let request = SetClaimsRequest { user_id, claims: asked.known.text() };
    let wire = connection.key_manager()?;
    let set = UsersClient::new(wire.channel()).set_claims(request).await;
    set.map_err(|status| wire.error(status))?;
    Ok(Report::new(json!({ "userId": asked.user_id })).text("The claims are in force".to_owned()))
}

impl AddUser {
    fn password(&self) -> Result<String, Failure> {
        let mut text = String::new();
        match &self.password_file {
            None => {
                let mut input = std::io::stdin().lock().take(LONGEST_INPUT);
                input.read_to_string(&mut text).map_err(Failure::Input)?;
            }
            Some(file) => {
                let failed = |source| Failure::File { file: file.clone(), source };
                let mut input = std::fs::File::open(file).map_err(failed)?.take(LONGEST_INPUT);
                input.read_to_string(&mut text).map_err(failed)?;
            }
        }
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

pub(crate) async fn add_client(
    connection: &rpc::Options,
    asked: &AddClient,
) -> Result<Report, Failure> {
    let code = (!asked.redirect_uris.is_empty()).then_some("authorization_code");
    let device = asked.device.then_some("urn:ietf:params:oauth:grant-type:device_code");
    let grants = code.into_iter().chain(device).chain(["refresh_token"]);
    let request = RegisterClientRequest {
        name: asked.name.clone(),
        grant_types: grants.map(str::to_owned).collect(),
        scopes: asked.scopes.clone(),
        redirect_uris: asked.redirect_uris.clone(),
        public: asked.public,
        first_party: asked.first_party,
        ..RegisterClientRequest::default()
    };
    let wire = connection.key_manager()?;
    let made = ClientsClient::new(wire.channel())
        .register(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let secret = match made.client_secret.as_str() {
        "" => String::new(),
        secret => format!("client_secret  {secret} (shown once)\n"),
    };
    let (id, issuer) = (&made.client_id, &made.issuer);
    let said = format!("client_id      {id}\n{secret}issuer         {issuer}");
    let value = json!({
        "clientId": made.client_id,
        "clientSecret": made.client_secret,
        "issuer": made.issuer,
    });
    Ok(Report::new(value).text(said))
}

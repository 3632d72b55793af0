//! `turnpike tokens`: which programs may administer, and how do they get a token?

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use turnpike_proto::admin::v1::tokens_client::TokensClient;
use turnpike_proto::admin::v1::{CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, Token};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Report, Table};
use crate::rpc::{self, of_message};
use crate::span;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token, which is shown once
    Create(Create),
    /// Show the tokens that there are
    List,
    /// End a token, on every control plane
    Revoke {
        /// Its name or its identifier
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do; may be given several times [default: all roles of whoever asks]
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How long it is good, at most 366d
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = span::parse)]
    expires: Duration,
    /// It may change nothing
    #[arg(long)]
    read_only: bool,
    /// A kind that it is limited to; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// A resource that it is limited to, like Api/orders:1.0.0 or Api/orders:*; may be given several times
    #[arg(long = "object", value_name = "KIND/NAME")]
    objects: Vec<String>,
    /// For whom it works, who owns what it makes: a user, or team:NAME
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Its tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

pub(crate) async fn run(connection: &rpc::Options, asked: &Command) -> Result<Report, Failure> {
    match asked {
        Command::Create(asked) => create(connection, asked).await,
        Command::List => list(connection).await,
        Command::Revoke { token } => revoke(connection, token).await,
    }
}

async fn create(connection: &rpc::Options, asked: &Create) -> Result<Report, Failure> {
    let asked = asked.clone();
    let request = CreateTokenRequest {
        name: asked.name,
        roles: asked.roles,
        owner: asked.owner.unwrap_or_default(),
        tenant: asked.tenant.unwrap_or_default(),
        read_only: asked.read_only,
        kinds: asked.kinds,
        objects: asked.objects,
        lifetime: Some(span::to_proto(asked.expires)),
    };
    let wire = connection.control_plane()?;
    let made = TokensClient::new(wire.channel()).create(request).await;
    let made = made.map_err(|status| wire.error(status))?.into_inner();
    let ends = made.token.as_ref().and_then(|token| token.expires_at.as_ref());
    let said = format!("token  {}\nends   {}", made.secret, time(ends));
    Ok(Report::new(of_message("turnpike.admin.v1.CreateTokenResponse", &made)).text(said).text(
        "The token is shown here and never again. Use it as TURNPIKE_TOKEN, or as a bearer token.",
    ))
}

async fn list(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let found = TokensClient::new(wire.channel()).list(ListTokensRequest {}).await;
    let found = found.map_err(|status| wire.error(status))?.into_inner();
    let columns = ["NAME", "ID", "ROLES", "LIMITED TO", "OWNER", "TENANT", "ENDS", "LAST USED"];
    let mut table = Table::new("there is no token", &columns);
    for token in &found.tokens {
        table.row(vec![
            token.name.as_str().into(),
            token.id.as_str().into(),
            token.roles.join(", ").into(),
            limits(token).into(),
            token.owner.as_str().into(),
            token.tenant.as_str().into(),
            time(token.expires_at.as_ref()).into(),
            day(token).into(),
        ]);
    }
    Ok(Report::new(of_message("turnpike.admin.v1.ListTokensResponse", &found)).table(table))
}

async fn revoke(connection: &rpc::Options, token: &str) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let request = RevokeTokenRequest { token: token.to_owned() };
    let revoked = TokensClient::new(wire.channel()).revoke(request).await;
    revoked.map_err(|status| wire.error(status))?;
    Ok(Report::new(json!({ "token": token })).text(format!("{token} is no token any more")))
}

fn limits(token: &Token) -> String {
    let reading = token.read_only.then(|| "reading".to_owned());
    let all: Vec<String> =
        reading.into_iter().chain(token.kinds.clone()).chain(token.objects.clone()).collect();
    all.join(", ")
}

/// Which day it was last used on; nobody knows it more exactly.
fn day(token: &Token) -> String {
    time(token.last_used.as_ref()).split('T').next().unwrap_or_default().to_owned()
}

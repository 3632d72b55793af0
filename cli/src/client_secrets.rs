//! `turnpike client secret …`: with which secrets does a client prove itself?
//!
//! To replace one without a gap: add, hand over, remove.

use std::time::Duration;

use chassis::clock::Clock;
use clap::{Args, Subcommand};
use serde_json::json;
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::{
    AddClientSecretRequest, ListClientSecretsRequest, RemoveClientSecretRequest,
};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};
use crate::span;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Make another one, which is good at once; it is shown once
    Add(Add),
    /// Which there are, and until when
    List {
        #[arg(value_name = "CLIENT_ID")]
        client_id: String,
    },
    /// End one at once
    Remove {
        #[arg(value_name = "CLIENT_ID")]
        client_id: String,
        /// As `client secret list` names it
        #[arg(value_name = "SECRET_ID", allow_hyphen_values = true)]
        secret_id: String,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Add {
    #[arg(value_name = "CLIENT_ID")]
    client_id: String,
    /// A name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// It ends after so long [default: never]
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    expires: Option<Duration>,
}

pub(crate) async fn run(
    connection: &rpc::Options,
    clock: &Clock,
    asked: &Command,
) -> Result<Report, Failure> {
    match asked {
        Command::Add(asked) => add(connection, clock, asked).await,
        Command::List { client_id } => list(connection, client_id).await,
        Command::Remove { client_id, secret_id } => remove(connection, client_id, secret_id).await,
    }
}

async fn add(connection: &rpc::Options, clock: &Clock, asked: &Add) -> Result<Report, Failure> {
    let ends = asked.expires.and_then(|span| clock.now().checked_add(span));
    let request = AddClientSecretRequest {
        client_id: asked.client_id.clone(),
        label: asked.label.clone(),
        expires_at: ends.map(Into::into),
    };
    let wire = connection.key_manager()?;
    let made = ClientsClient::new(wire.channel())
        .add_secret(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let (id, secret) = (&made.secret_id, &made.client_secret);
    let said = format!("secret_id      {id}\nclient_secret  {secret} (shown once)");
    let value = json!({ "secretId": made.secret_id, "clientSecret": made.client_secret });
    Ok(Report::new(value).text(said))
}

async fn list(connection: &rpc::Options, client_id: &str) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let answer = ClientsClient::new(wire.channel())
        .list_secrets(ListClientSecretsRequest { client_id: client_id.to_owned() })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let heads = ["SECRET_ID", "LABEL", "CREATED AT", "EXPIRES AT"];
    let mut table = Table::new("the client has no secret", &heads);
    for secret in &answer.secrets {
        table.row(vec![
            secret.secret_id.as_str().into(),
            Cell::text_or_dash(&secret.label),
            time(secret.created_at.as_ref()).into(),
            Cell::text_or_dash(&time(secret.expires_at.as_ref())),
        ]);
    }
    let value = of_message("turnpike.identity.v1.ListClientSecretsResponse", &answer);
    Ok(Report::new(value).table(table))
}

async fn remove(
    connection: &rpc::Options,
    client_id: &str,
    secret_id: &str,
) -> Result<Report, Failure> {
    let (client_id, secret_id) = (client_id.to_owned(), secret_id.to_owned());
    let value = json!({ "clientId": client_id, "secretId": secret_id });
    let wire = connection.key_manager()?;
    let request = RemoveClientSecretRequest { client_id, secret_id };
    let removed = ClientsClient::new(wire.channel()).remove_secret(request).await;
    removed.map_err(|status| wire.error(status))?;
    Ok(Report::new(value).text("The secret is good no more"))
}

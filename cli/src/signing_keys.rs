//! `turnpike key …`: which keys does the key manager sign with, and until when?

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use turnpike_proto::identity::v1::keys_client::KeysClient;
use turnpike_proto::identity::v1::{
    KeySet, ListKeysRequest, RevokeKeyRequest, RotateKeysRequest, SigningKey,
};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Report, Table};
use crate::rpc::{self, of_message};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Every key, and when it changes
    List,
    /// Sign with the next keys from now on; old tokens stay good
    Rotate(Rotate),
    /// End a key that somebody else may have, and every token that it signed
    Revoke {
        /// The key, as `key list` names it
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Rotate {
    /// Also when not everybody can know the next keys yet
    #[arg(long)]
    at_once: bool,
}

pub(crate) async fn run(connection: &rpc::Options, asked: &Command) -> Result<Report, Failure> {
    match asked {
        Command::List => list(connection).await,
        Command::Rotate(Rotate { at_once }) => rotate(connection, *at_once).await,
        Command::Revoke { kid } => revoke(connection, kid).await,
    }
}

async fn list(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let answer = KeysClient::new(wire.channel())
        .list(ListKeysRequest {})
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let heads = ["KID", "ALGORITHM", "STATE", "HOME", "SINCE", "UNTIL"];
    let mut table = Table::new("there is no key", &heads);
    for SigningKey { kid, algorithm, state, home, since, until } in &answer.keys {
        table.row(vec![
            kid.as_str().into(),
            algorithm.as_str().into(),
            state.as_str().into(),
            home.as_str().into(),
            time(since.as_ref()).into(),
            time(until.as_ref()).into(),
        ]);
    }
    Ok(Report::new(of_message("turnpike.identity.v1.ListKeysResponse", &answer)).table(table))
}

async fn rotate(connection: &rpc::Options, at_once: bool) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let answer = KeysClient::new(wire.channel()).rotate(RotateKeysRequest { at_once }).await;
    let set = answer.map_err(|status| wire.error(status))?.into_inner();
    let said = "The next keys sign; the former ones are known until their last token has ended";
    Ok(Report::new(published(&set)).text(said))
}

async fn revoke(connection: &rpc::Options, kid: &str) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let request = RevokeKeyRequest { kid: kid.to_owned() };
    let answer = KeysClient::new(wire.channel()).revoke(request).await;
    let set = answer.map_err(|status| wire.error(status))?.into_inner();
    let said = "Revoked: no token that it signed is good any more. Who keeps the key set of the HTTP \
                endpoint knows within five minutes, gateways know now";
    Ok(Report::new(published(&set)).text(said))
}

/// The key set that is in force now.
fn published(set: &KeySet) -> Value {
    let jwks: Value = serde_json::from_str(&set.jwks).unwrap_or_default();
    json!({ "issuer": set.issuer, "jwks": jwks })
}

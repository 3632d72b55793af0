//! `turnpike revoke`: how do tokens end before their time?
//!
//! One, or all that a client, a person or an application has. What ends is what was issued until now; a
//! client that is still registered gets new ones.

use clap::Args;
use serde_json::{Value, json};
use turnpike_proto::config::v1::ApplicationKey;
use turnpike_proto::identity::v1::RevokeRequest;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::revoke_request::What;

use crate::failure::Failure;
use crate::output::Report;
use crate::resources;
use crate::rpc::{self, Wire};

/// The key manager whose tokens can be ended here.
const RESIDENT: &str = "resident";

#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Revoke {
    /// An access token, as the client holds it
    #[arg(value_name = "TOKEN")]
    access_token: Option<String>,
    /// Every token of a client, by its identifier (consumer key)
    #[arg(long = "client", value_name = "CLIENT_ID")]
    client_id: Option<String>,
    /// Every token of a person, by the subject of their tokens
    #[arg(long = "user", value_name = "SUBJECT")]
    subject: Option<String>,
    /// Every token of an application: of all its clients at the resident key manager
    #[arg(long = "app", value_name = "APPLICATION")]
    application: Option<String>,
}

pub(crate) async fn revoke(connection: &rpc::Options, asked: &Revoke) -> Result<Report, Failure> {
    let Revoke { access_token, client_id, subject, application } = asked.clone();
    if let Some(name) = application {
        return application_tokens(connection, &name).await;
    }
    let (what, ended, nothing) = match (access_token, client_id, subject) {
        (_, Some(id), _) => {
            let ended = format!("every token of the client {id} that was issued until now");
            (What::ClientId(id), ended, "there is no such client")
        }
        (_, _, Some(subject)) => {
            let ended = format!("every token of {subject} that was issued until now");
            (What::Subject(subject), ended, "there is nobody with this subject")
        }
        (token, ..) => {
            let nothing = "the token is unknown, or has ended already";
            (What::Token(token.unwrap_or_default()), "the token".to_owned(), nothing)
        }
    };
    let sequence = end(&connection.key_manager()?, what).await?;
    let said = match sequence {
        0 => format!("nothing to revoke: {nothing}"),
        sequence => format!(
            "revoked (number {sequence} in the log); gateways refuse {ended} within a second"
        ),
    };
    Ok(Report::new(json!({ "sequence": sequence })).text(said))
}

/// 0: there was nothing to end.
async fn end(wire: &Wire, what: What) -> Result<u64, Failure> {
    let request = RevokeRequest { what: Some(what) };
    let answer = RevocationsClient::new(wire.channel()).revoke(request).await;
    Ok(answer.map_err(|status| wire.error(status))?.into_inner().sequence)
}

async fn application_tokens(connection: &rpc::Options, name: &str) -> Result<Report, Failure> {
    let (ours, theirs) = parted(resources::application(connection, name).await?.keys);
    let wire = connection.key_manager()?;
    let mut ended = Vec::new();
    for client in ours {
        let sequence = end(&wire, What::ClientId(client.clone())).await?;
        ended.push((client, sequence));
    }
    Ok(report(name, &ended, &theirs))
}

/// Those of the resident key manager, each once, and the others.
fn parted(keys: Vec<ApplicationKey>) -> (Vec<String>, Vec<ApplicationKey>) {
    let (ours, theirs): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|key| matches!(key.key_manager.as_str(), "" | RESIDENT));
    let mut clients: Vec<String> = ours.into_iter().map(|key| key.consumer_key).collect();
    clients.sort_unstable();
    clients.dedup();
    (clients, theirs)
}

fn report(name: &str, ended: &[(String, u64)], theirs: &[ApplicationKey]) -> Report {
    let value = json!({
        "application": name,
        "ended": ended.iter().map(|(client, sequence)| {
            json!({ "clientId": client, "sequence": sequence })
        }).collect::<Vec<Value>>(),
        "elsewhere": theirs.iter().map(|key| {
            json!({ "keyManager": key.key_manager, "clientId": key.consumer_key })
        }).collect::<Vec<Value>>(),
    });
    lines(name, ended, theirs).into_iter().fold(Report::new(value), Report::text)
}

fn lines(name: &str, ended: &[(String, u64)], theirs: &[ApplicationKey]) -> Vec<String> {
    let ours = ended.iter().map(|(client, sequence)| match sequence {
        0 => format!("nothing to revoke: the key manager knows no client {client}"),
        sequence => format!(
            "revoked (number {sequence} in the log): every token of the client {client} that was \
             issued until now"
        ),
    });
    let theirs = theirs.iter().map(|key| {
        let ApplicationKey { key_manager, consumer_key, .. } = key;
        format!(
            "not revoked: the tokens of {consumer_key} are those of {key_manager}; end them there"
        )
    });
    let mut lines: Vec<String> = ours.chain(theirs).collect();
    if lines.is_empty() {
        lines.push(format!("nothing to revoke: {name} has no clients"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key_manager: &str, client: &str) -> ApplicationKey {
        let (key_manager, consumer_key) = (key_manager.to_owned(), client.to_owned());
        ApplicationKey { key_manager, consumer_key, ..ApplicationKey::default() }
    }

    /// `said` are the beginnings of the lines; client `c9` is not known.
    #[track_caller]
    fn check(keys: &[ApplicationKey], said: &[&str]) {
        let (ours, theirs) = parted(keys.to_vec());
        let ended: Vec<_> =
            ours.into_iter().map(|client| (client.clone(), u64::from(client != "c9"))).collect();
        let lines = lines("shop", &ended, &theirs);
        assert_eq!(lines.len(), said.len(), "{lines:?}");
        for (line, beginning) in lines.iter().zip(said) {
            assert!(line.starts_with(beginning), "{line}");
        }
    }

    #[test]
    fn every_client_of_an_application_is_named_with_what_became_of_its_tokens() {
        check(&[], &["nothing to revoke: shop has no clients"]);
        check(
            &[key("corp", "x"), key("", "c2"), key("resident", "c1"), key("", "c9")],
            &[
                "revoked (number 1 in the log): every token of the client c1 ",
                "revoked (number 1 in the log): every token of the client c2 ",
                "nothing to revoke: the key manager knows no client c9",
                "not revoked: the tokens of x are those of corp",
            ],
        );
        check(
            &[key("", "c1"), key("resident", "c1")],
            &["revoked (number 1 in the log): every token of the client c1 "],
        );
    }
}

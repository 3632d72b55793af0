//! `turnpike keys list`: which keys does an application have, and when was each used last?
//!
//! The keys are asked of the control plane, their use of the analytics collector. Where that cannot be
//! reached, the keys are shown all the same.

use std::collections::HashMap;

use clap::Args;
use prost_types::Timestamp;
use serde_json::{Value, json};
use turnpike_proto::config::v1::key_type::Type;
use turnpike_proto::config::v1::{ApiKey, ApplicationKey, ApplicationSpec};
use turnpike_proto::usage::v1::LastUsedRequest;
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table, note};
use crate::{resources, rpc};

/// The most keys that the collector is asked about at a time.
const AT_A_TIME: usize = 1000;

#[derive(Args, Clone, Debug)]
pub(crate) struct List {
    /// Name of the application
    #[arg(long, value_name = "APPLICATION")]
    app: String,
}

/// A key, whatever it is.
struct Listed {
    id: String,
    kind: &'static str,
    r#type: i32,
    key_manager: String,
    scopes: Vec<String>,
    made: Option<Timestamp>,
    ends: Option<Timestamp>,
    /// From where it may be used: networks and hosts of pages.
    from: Vec<String>,
    label: String,
}

pub(crate) async fn list(connection: &rpc::Options, asked: &List) -> Result<Report, Failure> {
    let keys = keys(resources::application(connection, &asked.app).await?);
    let ids: Vec<String> = keys.iter().map(|key| key.id.clone()).collect();
    let used = match last_used(connection, &asked.app, &ids).await {
        Ok(used) => Some(used),
        Err(failure) => {
            note(format_args!("when keys were used last is not known: {failure}"));
            None
        }
    };
    Ok(report(&asked.app, &keys, used.as_ref()))
}

async fn last_used(
    connection: &rpc::Options,
    application: &str,
    ids: &[String],
) -> Result<HashMap<String, Timestamp>, Failure> {
    let wire = connection.analytics()?;
    let mut used = HashMap::new();
    for ids in ids.chunks(AT_A_TIME) {
        let request = LastUsedRequest { application: application.to_owned(), keys: ids.to_vec() };
        let answer = AnalyticsClient::new(wire.channel()).last_used(request).await;
        let rows = answer.map_err(|status| wire.error(status))?.into_inner().rows;
        used.extend(rows.into_iter().filter_map(|row| Some((row.key, row.at?))));
    }
    Ok(used)
}

fn keys(spec: ApplicationSpec) -> Vec<Listed> {
    let clients = spec.keys.into_iter().map(|client| {
        let ApplicationKey { key_manager, r#type, consumer_key } = client;
        let resident = key_manager.is_empty();
        Listed {
            id: consumer_key,
            kind: "client",
            r#type,
            key_manager: if resident { "resident".to_owned() } else { key_manager },
            scopes: Vec::new(),
            made: None,
            ends: None,
            from: Vec::new(),
            label: String::new(),
        }
    });
    let api_keys = spec.api_keys.into_iter().map(|key| {
        let ApiKey { id, r#type, scopes, allowed_ips, allowed_domains, .. } = key;
        Listed {
            id,
            kind: "api key",
            r#type,
            key_manager: String::new(),
            scopes,
            made: key.created_at,
            ends: key.expires_at,
            from: [allowed_ips, allowed_domains].concat(),
            label: key.label,
        }
    });
    clients.chain(api_keys).collect()
}

/// `used` is absent where nobody could say.
fn report(application: &str, keys: &[Listed], used: Option<&HashMap<String, Timestamp>>) -> Report {
    let heads = [
        "ID",
        "KIND",
        "TYPE",
        "KEY MANAGER",
        "SCOPES",
        "MADE",
        "ENDS",
        "FROM",
        "LAST USED",
        "LABEL",
    ];
    let mut table = Table::new("no keys", &heads);
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        let last = used.and_then(|used| used.get(&key.id));
        let key_type = match Type::try_from(key.r#type) {
            Ok(Type::Sandbox) => "sandbox",
            Ok(Type::Production) | Err(_) => "production",
        };
        let when = |at: Option<&Timestamp>| at.map_or_else(|| "-".to_owned(), |at| time(Some(at)));
        table.row(vec![
            key.id.as_str().into(),
            key.kind.into(),
            key_type.into(),
            Cell::text_or_dash(&key.key_manager),
            Cell::text_or_dash(&key.scopes.join(" ")),
            when(key.made.as_ref()).into(),
            when(key.ends.as_ref()).into(),
            Cell::text_or_dash(&key.from.join(" ")),
            when(last).into(),
            Cell::text_or_dash(&key.label),
        ]);
        let seconds = |at: Option<&Timestamp>| at.map(|at| at.seconds);
        values.push(json!({
            "id": key.id, "kind": key.kind, "type": key_type, "keyManager": key.key_manager,
            "scopes": key.scopes, "madeAt": seconds(key.made.as_ref()),
            "expiresAt": seconds(key.ends.as_ref()), "from": key.from,
            "lastUsedAt": seconds(last), "label": key.label,
        }));
    }
    let value = json!({
        "application": application, "lastUsedKnown": used.is_some(), "keys": Value::Array(values),
    });
    Report::new(value).table(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Part;

    fn spec() -> ApplicationSpec {
        let client =
            ApplicationKey { consumer_key: "live".to_owned(), ..ApplicationKey::default() };
        let key = ApiKey {
            id: "k1".to_owned(),
            sha256: "never shown".to_owned(),
            r#type: Type::Sandbox.into(),
            scopes: vec!["orders.read".to_owned()],
            allowed_ips: vec!["192.0.2.0/24".to_owned()],
            created_at: Some(Timestamp { seconds: 1_769_850_000, nanos: 0 }),
            label: "till".to_owned(),
            ..ApiKey::default()
        };
        ApplicationSpec { keys: vec![client], api_keys: vec![key], ..ApplicationSpec::default() }
    }

    #[track_caller]
    fn check(used: Option<&[(&str, i64)]>, known: bool, last: [Option<i64>; 2]) -> String {
        let used = used.map(|used| {
            let at = |(id, seconds): &(&str, i64)| {
                ((*id).to_owned(), Timestamp { seconds: *seconds, nanos: 0 })
            };
            used.iter().map(at).collect()
        });
        let report = report("shop", &keys(spec()), used.as_ref());
        assert_eq!(report.value["lastUsedKnown"], known);
        for (key, last) in report.value["keys"].as_array().unwrap().iter().zip(last) {
            assert_eq!(key["lastUsedAt"].as_i64(), last, "{key}");
        }
        let Some(Part::Table(table)) = report.parts.first() else { panic!("no table") };
        table.to_string()
    }

    #[test]
    fn keys_are_listed_with_their_last_use_as_far_as_it_is_known() {
        check(None, false, [None, None]);
        check(Some(&[("live", 5)]), true, [Some(5), None]);
        let table = check(Some(&[("k1", 1_769_850_060)]), true, [None, Some(1_769_850_060)]);
        insta::assert_snapshot!(table, @r"
        ID    KIND     TYPE        KEY MANAGER  SCOPES       MADE                  ENDS  FROM          LAST USED             LABEL
        live  client   production  resident     -            -                     -     -             -                     -
        k1    api key  sandbox     -            orders.read  2026-01-31T09:00:00Z  -     192.0.2.0/24  2026-01-31T09:01:00Z  till
        ");
    }
}

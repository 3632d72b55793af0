//! `turnpike get` and `turnpike delete`: what is stored, and how does it go away?

use clap::Args;
use serde_json::{Value, json};
use turnpike_proto::config::v1::resource::Resource as AnyResource;
use turnpike_proto::config::v1::{ApplicationSpec, Resource, ResourceStatus};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, Deleted, Kind, Name, of_message};

#[derive(Args, Clone, Debug)]
pub(crate) struct Get {
    #[arg(
        help = "Api, ApiProduct, Application, Subscription, Tier, DenyPolicy, CustomThrottle, Policy, Workflow, AlertRule, NotificationChannel, KeyManager, GatewayGroup, Certificate or Secret"
    )]
    kind: String,
    /// One of them: NAME, or NAME:VERSION of an API; all of them otherwise
    name: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Describe {
    /// As for `get`
    kind: String,
    /// NAME, or NAME:VERSION of an API
    name: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Delete {
    #[arg(
        help = "Api, ApiProduct, Application, Subscription, Tier, DenyPolicy, CustomThrottle, Policy, Workflow, AlertRule, NotificationChannel, KeyManager, GatewayGroup, Certificate or Secret"
    )]
    kind: String,
    /// NAME, or NAME:VERSION of an API
    name: String,
}

pub(crate) async fn get(connection: &rpc::Options, asked: &Get) -> Result<Report, Failure> {
    let kind = Kind::parse(&asked.kind)?;
    let Some(text) = &asked.name else {
        let resources = rpc::list(&connection.control_plane()?, &kind).await?;
        let values: Vec<Value> = resources.iter().map(plan::to_json).collect();
        let table = table(&kind, &values);
        return Ok(Report::documents(values).table(table));
    };
    let name = parse_name(&kind, text)?;
    let value = find(connection, &kind, &name).await?.ok_or_else(|| missing(&kind, text))?;
    let table = table(&kind, std::slice::from_ref(&value));
    Ok(Report::new(value).table(table))
}

pub(crate) async fn describe(
    connection: &rpc::Options,
    asked: &Describe,
) -> Result<Report, Failure> {
    let kind = Kind::parse(&asked.kind)?;
    let name = parse_name(&kind, &asked.name)?;
    let found = rpc::get(&connection.control_plane()?, &kind, &name).await?;
    let found = found.ok_or_else(|| missing(&kind, &asked.name))?;
    let metadata = plan::metadata(&found).cloned().unwrap_or_default();
    let status = metadata.status.clone().unwrap_or_default();
    let report = Report::new(of_message("turnpike.config.v1.Metadata", &metadata));
    Ok(report.table(conditions(&status)).table(rejections(&status)))
}

fn conditions(status: &ResourceStatus) -> Table {
    let mut table = Table::new("", &["CONDITION", "STATUS", "REVISION", "MORE"]);
    if let Some(accepted) = &status.accepted {
        let more = match accepted.rollout.as_str() {
            "" => String::new(),
            rollout => format!("rollout {rollout} changes it"),
        };
        let more = Cell::text_or_dash(&more);
        table.row(vec!["Accepted".into(), true.into(), accepted.revision.into(), more]);
    }
    let programmed = status.programmed.unwrap_or_default();
    let more = match programmed.of {
        0 => "no gateway needs it".to_owned(),
        of => format!("{} of {of} gateways serve it", programmed.gateways),
    };
    let revision = programmed.revision.into();
    table.row(vec!["Programmed".into(), programmed.all.into(), revision, more.as_str().into()]);
    let more = format!("{} gateways refuse it", status.rejecting);
    let more = if status.rejecting == 0 { "-" } else { &more };
    let is_rejected = (status.rejecting > 0).into();
    table.row(vec!["Rejected".into(), is_rejected, Cell::text_or_dash(""), more.into()]);
    table
}

fn rejections(status: &ResourceStatus) -> Table {
    let heads = ["REFUSED BY", "SINCE", "SERVES INSTEAD", "FIELD", "REASON"];
    let mut table = Table::new("", &heads);
    for one in &status.rejected {
        table.row(vec![
            one.gateway.as_str().into(),
            Cell::text_or_dash(&time(one.since.as_ref())),
            one.serving().as_str_name().to_lowercase().as_str().into(),
            Cell::text_or_dash(&one.field),
            one.reason.as_str().into(),
        ]);
    }
    table
}

pub(crate) async fn delete(connection: &rpc::Options, asked: &Delete) -> Result<Report, Failure> {
    let kind = Kind::parse(&asked.kind)?;
    let name = parse_name(&kind, &asked.name)?;
    let key = format!("{}/{}", kind.name(), asked.name);
    match rpc::delete(&connection.control_plane()?, &kind, &name).await? {
        Deleted::Missing => Err(missing(&kind, &asked.name)),
        Deleted::Gone => Ok(Report::new(json!({ "deleted": key })).text(format!("deleted {key}"))),
        Deleted::Waits(id) => Ok(Report::new(json!({ "waiting": id }))
            .text(format!("{key} goes once {id} is approved: see `turnpike approvals list`"))),
    }
}

/// One resource in the form of the files; `None`: there is no such one.
pub(crate) async fn find(
    connection: &rpc::Options,
    kind: &Kind,
    name: &Name,
) -> Result<Option<Value>, Failure> {
    let found: Option<Resource> = rpc::get(&connection.control_plane()?, kind, name).await?;
    Ok(found.as_ref().map(plan::to_json))
}

/// What an application says of itself.
pub(crate) async fn application(
    connection: &rpc::Options,
    name: &str,
) -> Result<ApplicationSpec, Failure> {
    let kind = Kind::parse("Application")?;
    let named = Name { name: name.to_owned(), version: String::new() };
    let found = rpc::get(&connection.control_plane()?, &kind, &named).await?;
    let Some(AnyResource::Application(application)) = found.and_then(|found| found.resource) else {
        return Err(missing(&kind, name));
    };
    Ok(application.spec.unwrap_or_default())
}

/// The key of one resource: `Api/orders:1.0.0`.
pub(crate) fn key_of(kind: &Kind, text: &str) -> Result<String, Failure> {
    parse_name(kind, text)?;
    Ok(format!("{}/{text}", kind.name()))
}

fn parse_name(kind: &Kind, text: &str) -> Result<Name, Failure> {
    Name::parse(kind, text).ok_or_else(|| Failure::Name {
        kind: kind.name().to_owned(),
        name: text.to_owned(),
        form: if kind.has_versions() { "NAME:VERSION" } else { "NAME" },
    })
}

fn missing(kind: &Kind, name: &str) -> Failure {
    Failure::Missing { key: format!("{}/{name}", kind.name()) }
}

/// A column: its head, where its value stands in the JSON form, and what an absent value means.
type Column = (&'static str, &'static str, &'static str);

fn columns(kind: &str) -> &'static [Column] {
    match kind {
        "Api" => &[
            ("VERSION", "/metadata/version", "-"),
            ("CONTEXT", "/spec/context", "-"),
            ("LIFECYCLE", "/spec/lifecycle", "CREATED"),
            ("OPERATIONS", "/spec/operations", "any"),
            ("TIERS", "/spec/tiers", "Unlimited"),
            ("BACKEND", "/spec/endpoints/production/urls", "-"),
        ],
        "ApiProduct" => &[
            ("VERSION", "/metadata/version", "-"),
            ("CONTEXT", "/spec/context", "-"),
            ("LIFECYCLE", "/spec/lifecycle", "CREATED"),
            ("APIS", "/spec/apis", "-"),
            ("TIERS", "/spec/tiers", "Unlimited"),
        ],
        "Application" => &[
            ("OWNER", "/metadata/owner", "-"),
            ("TIER", "/spec/tier", "Unlimited"),
            ("KEYS", "/spec/keys", "0"),
        ],
        "Subscription" => &[
            ("APPLICATION", "/spec/application", "-"),
            ("API", "/spec/api", "-"),
            ("PRODUCT", "/spec/apiProduct", "-"),
            ("TIER", "/spec/tier", "Unlimited"),
            ("STATE", "/spec/state", "UNBLOCKED"),
        ],
        "Tier" => &[
            ("LEVEL", "/spec/level", "subscription"),
            ("QUOTA", "/spec/quota", "-"),
            ("BURST", "/spec/burst", "-"),
        ],
        "KeyManager" => {
            &[("ISSUER", "/spec/issuer", "-"), ("ALGORITHMS", "/spec/algorithms", "ES256,RS256")]
        }
        "GatewayGroup" => {
            &[("SELECTOR", "/spec/selector", "all"), ("VIRTUAL HOSTS", "/spec/virtualHosts", "all")]
        }
        "Certificate" => &[("USE", "/spec/use", "listener"), ("HOSTS", "/spec/hosts", "-")],
        "Secret" => &[("SHA-256", "/spec/sha256", "-")],
        "DenyPolicy" => &[
            ("APIS", "/spec/apis", "all"),
            ("APPLICATIONS", "/spec/applications", "all"),
            ("USERS", "/spec/users", "all"),
            ("CLIENTS", "/spec/clients", "all"),
            ("ADDRESSES", "/spec/addresses", "all"),
            ("BUT NOT", "/spec/notAddresses", "-"),
            ("UNTIL", "/spec/expiresAt", "-"),
            ("DISABLED", "/spec/disabled", "false"),
            ("REASON", "/spec/reason", "-"),
        ],
        "CustomThrottle" => &[
            ("APIS", "/spec/apis", "all"),
            ("KEY", "/spec/key", "-"),
            ("WHEN", "/spec/when", "always"),
            ("QUOTA", "/spec/quota/requests", "-"),
            ("PER", "/spec/quota/per", "-"),
            ("BURST", "/spec/burst/requests", "-"),
            ("DISABLED", "/spec/disabled", "false"),
        ],
        "Policy" => &[("RULES", "/spec/rules", "-"), ("DESCRIPTION", "/spec/description", "-")],
        "XacmlPolicySet" => &[
            ("DOCUMENTS", "/spec/documents", "-"),
            ("INCLUDES", "/spec/includes", "-"),
            ("DESCRIPTION", "/spec/description", "-"),
        ],
        "Workflow" => &[
            ("EVENTS", "/spec/events", "-"),
            ("HTTP", "/spec/http/url", "-"),
            ("GRPC", "/spec/grpc/address", "-"),
            ("EXPIRES AFTER", "/spec/expiresAfter", "30 days"),
        ],
        "AlertRule" => &[
            ("TYPE", "/spec/type", "-"),
            ("APIS", "/spec/apis", "all"),
            ("ENABLED", "/spec/enabled", "-"),
            ("MODE", "/spec/mode", "-"),
            ("THRESHOLD", "/spec/threshold", "-"),
            ("SENSITIVITY", "/spec/sensitivity", "-"),
            ("SEVERITY", "/spec/severity", "-"),
            ("BLOCKS", "/spec/block/what", "-"),
            ("FOR", "/spec/block/for", "-"),
        ],
        "NotificationChannel" => &[
            ("WEBHOOK", "/spec/webhook/url", "-"),
            ("MAIL", "/spec/email/to", "-"),
            ("SEVERITY", "/spec/severity", "mild"),
            ("TYPES", "/spec/types", "all"),
            ("APIS", "/spec/apis", "all"),
            ("QUIET", "/spec/quiet", "-"),
            ("DISABLED", "/spec/disabled", "false"),
        ],
        _ => &[],
    }
}

fn table(kind: &Kind, values: &[Value]) -> Table {
    let columns = columns(kind.name());
    let mut heads = vec!["NAME"];
    heads.extend(columns.iter().map(|(head, ..)| *head));
    let mut table = Table::new("none", &heads);
    for value in values {
        let mut row = vec![cell(value.pointer("/metadata/name"), "-")];
        row.extend(columns.iter().map(|(_, at, absent)| cell(value.pointer(at), absent)));
        table.row(row);
    }
    table
}

/// A list of texts is shown whole, a list of anything else by its length.
fn cell(value: Option<&Value>, absent: &str) -> Cell {
    match value {
        None | Some(Value::Null) => absent.into(),
        Some(Value::String(text)) => Cell::text_or_dash(text),
        Some(Value::Array(items)) => {
            match items.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
                Some(texts) => Cell::text_or_dash(&texts.join(",")),
                None => items.len().to_string().into(),
            }
        }
        Some(Value::Object(fields)) => {
            let fields = fields.iter().map(|(name, value)| match value {
                Value::String(text) => format!("{name}={text}"),
                other => format!("{name}={other}"),
            });
            Cell::text_or_dash(&fields.collect::<Vec<_>>().join(" "))
        }
        Some(other) => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, value: Value, row: &str) {
        let kind = Kind::parse(kind).unwrap();
        let text = table(&kind, &[value]).to_string();
        assert_eq!(text.lines().nth(1).unwrap(), row);
    }

    #[test]
    fn lists_objects_and_absent_fields_fit_in_a_cell() {
        check(
            "api",
            json!({
                "metadata": { "name": "orders", "version": "1.0.0" },
                "spec": { "context": "/orders", "operations": [{}, {}], "tiers": ["Gold", "Bronze"] },
            }),
            "orders  1.0.0    /orders  CREATED    2           Gold,Bronze  -",
        );
        check(
            "tier",
            json!({ "metadata": { "name": "Gold" },
                "spec": { "level": "subscription", "quota": { "requests": 5000, "per": "60s" } } }),
            "Gold  subscription  per=60s requests=5000  -",
        );
    }

    #[test]
    fn a_version_is_asked_for_where_the_kind_has_one() {
        let named =
            |kind: &str, name: &str| Name::parse(&Kind::parse(kind).unwrap(), name).is_some();
        assert!(
            named("api", "orders:1.0.0") && !named("api", "orders") && !named("api", "orders:")
        );
        assert!(named("tier", "Gold") && !named("tier", "Gold:1"));
    }
}

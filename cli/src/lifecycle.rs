//! `turnpike lifecycle` and `turnpike version`: where is an API in its life, and what comes next?

use clap::Args;
use turnpike_proto::admin::v1::lifecycle_action::Action;
use turnpike_proto::admin::v1::lifecycle_check::Item;
use turnpike_proto::admin::v1::lifecycle_client::LifecycleClient;
use turnpike_proto::admin::v1::{
    ChangeLifecycleRequest, ChangeLifecycleResponse, GetLifecycleRequest, LifecycleStatus,
    NewVersionRequest,
};

use crate::apply;
use crate::failure::Failure;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};
use crate::subscriptions::versioned;

#[derive(Args, Clone, Debug)]
pub(crate) struct Lifecycle {
    /// The API or product: NAME:VERSION
    #[arg(value_name = "NAME:VERSION", value_parser = versioned)]
    id: String,
    /// The step: publish, deploy-as-a-prototype, demote-to-created, block, deprecate, re-publish or
    /// retire; without one it is shown which may be taken
    #[arg(value_name = "ACTION", value_parser = action)]
    action: Option<Action>,
    /// With publish: deprecate the older versions that are published
    #[arg(long, requires = "action")]
    deprecate_old: bool,
    /// With publish: do not take the subscriptions of the previous version along
    #[arg(long, requires = "action")]
    require_resubscription: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    wait: apply::Wait,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Version {
    /// The API or product that is copied: NAME:VERSION
    #[arg(value_name = "NAME:VERSION", value_parser = versioned)]
    id: String,
    /// The version to make
    #[arg(value_name = "NEW")]
    new: String,
    /// Make it the default version when it is published
    #[arg(long = "default")]
    becomes_default: bool,
    /// Do not take the subscriptions along when it is published
    #[arg(long)]
    require_resubscription: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(crate) async fn lifecycle(
    connection: &rpc::Options,
    asked: &Lifecycle,
) -> Result<Report, Failure> {
    match asked.action {
        Some(action) => change(connection, asked, action).await,
        None => show(connection, asked).await,
    }
}

async fn show(connection: &rpc::Options, asked: &Lifecycle) -> Result<Report, Failure> {
    let (name, version) = parts(&asked.id);
    let wire = connection.control_plane()?;
    let status = LifecycleClient::new(wire.channel())
        .get(GetLifecycleRequest { name, version })
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.admin.v1.LifecycleStatus", &status);
    let mut report = Report::new(value);
    report = report.text(format!("{} is {}", status.key, status.state().as_str_name()));
    if !status.waiting.is_empty() {
        let (step, id) = (spelled(status.waiting_action()), &status.waiting);
        report = report.text(format!("{step} waits for a decision: {id}"));
    }
    if !status.outdated_by.is_empty() {
        let changed = status.outdated_by.join(", ");
        report = report.text(format!("it is outdated: {changed} changed after it"));
    }
    Ok(report.table(table(&status)))
}

async fn change(
    connection: &rpc::Options,
    asked: &Lifecycle,
    action: Action,
) -> Result<Report, Failure> {
    let (name, version) = parts(&asked.id);
    let request = ChangeLifecycleRequest {
        name,
        version,
        action: action.into(),
        deprecate_old_versions: asked.deprecate_old,
        require_resubscription: asked.require_resubscription,
        reason: asked.reason.clone(),
    };
    let wire = connection.control_plane()?;
    let changed = LifecycleClient::new(wire.channel())
        .change(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.admin.v1.ChangeLifecycleResponse", &changed);
    let report = Report::new(value).text(told(&asked.id, action, &changed));
    apply::awaited(connection, &asked.wait, report).await
}

pub(crate) async fn new_version(
    connection: &rpc::Options,
    asked: &Version,
) -> Result<Report, Failure> {
    let (name, version) = parts(&asked.id);
    let request = NewVersionRequest {
        name,
        version,
        new_version: asked.new.clone(),
        default_version: asked.becomes_default,
        require_resubscription: asked.require_resubscription,
        reason: asked.reason.clone(),
    };
    let wire = connection.control_plane()?;
    let made = LifecycleClient::new(wire.channel())
        .new_version(request)
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.admin.v1.NewVersionResponse", &made);
    Ok(Report::new(value).text(format!("{} is CREATED", made.key)))
}

fn told(id: &str, action: Action, changed: &ChangeLifecycleResponse) -> String {
    let state = changed.state().as_str_name();
    if !changed.waiting.is_empty() {
        let step = spelled(action);
        return format!("{id} stays {state}: {step} waits for a decision ({})", changed.waiting);
    }
    let mut said = format!("{id} is {state}");
    if !changed.deprecated.is_empty() {
        said = format!("{said}; deprecated {}", changed.deprecated.join(", "));
    }
    if changed.subscriptions > 0 {
        said = format!("{said}; {} subscriptions taken along", changed.subscriptions);
    }
    said
}

fn table(status: &LifecycleStatus) -> Table {
    let heads = ["ACTION", "LEADS TO", "DEPRECATES WITH --deprecate-old", "SUBSCRIPTIONS"];
    let mut table = Table::new("nothing more may be done", &heads);
    for allowed in &status.actions {
        let touched = |item: Item| {
            let check = allowed.checks.iter().find(|check| check.item() == item);
            check.map(|check| check.touches.clone()).unwrap_or_default()
        };
        let subscriptions = touched(Item::RequireResubscription).len();
        table.row(vec![
            spelled(allowed.action()).into(),
            allowed.to().as_str_name().into(),
            Cell::text_or_dash(&touched(Item::DeprecateOldVersions).join(",")),
            Cell::Number(subscriptions.to_string()),
        ]);
    }
    table
}

/// As it is written on the command line.
fn spelled(action: Action) -> String {
    match action {
        Action::DeployAsPrototype => "deploy-as-a-prototype".to_owned(),
        other => other.as_str_name().replace('_', "-"),
    }
}

/// `publish`, `Publish`, `Deploy as a Prototype`, `re_publish`: letters alone tell steps apart.
fn action(text: &str) -> Result<Action, String> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphabetic);
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let wanted = plain(text);
    let all = [
        Action::Publish,
        Action::DeployAsPrototype,
        Action::DemoteToCreated,
        Action::Block,
        Action::Deprecate,
        Action::RePublish,
        Action::Retire,
    ];
    let is_it = |action: &Action| {
        wanted == plain(&spelled(*action)) || wanted == plain(action.as_str_name())
    };
    let unknown = || format!("it is one of {}", all.map(spelled).join(", "));
    all.into_iter().find(is_it).ok_or_else(unknown)
}

/// Of a text that `versioned` has let through.
fn parts(id: &str) -> (String, String) {
    let (name, version) = id.split_once(':').unwrap_or((id, ""));
    (name.to_owned(), version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let said = action(text).map_or_else(|error| error, |action| format!("{action:?}"));
        assert_eq!(said, expected);
    }

    #[test]
    fn steps_are_known_by_each_way_of_writing_them() {
        check("publish", "Publish");
        check("Publish", "Publish");
        check("Deploy as a Prototype", "DeployAsPrototype");
        check("deploy_as_prototype", "DeployAsPrototype");
        check("demote-to-created", "DemoteToCreated");
        check("Re-Publish", "RePublish");
        check(
            "explode",
            "it is one of publish, deploy-as-a-prototype, demote-to-created, block, deprecate, \
             re-publish, retire",
        );
        check("none", &action("explode").unwrap_err());
    }
}

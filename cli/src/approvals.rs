//! `turnpike approvals …`: what waits for a decision, and what becomes of it?

use clap::{Args, Subcommand};
use turnpike_proto::admin::v1::workflow_requests_client::WorkflowRequestsClient;
use turnpike_proto::admin::v1::{DecideWorkflowRequest, ListWorkflowRequest};
use turnpike_proto::config::v1::Resource;
use turnpike_proto::config::v1::WorkflowRequest;
use turnpike_proto::config::v1::resource::Resource as AnyResource;

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc;

/// Pages of this size are asked for; the most that a server gives.
const PAGE: u32 = 1_000;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Approvals {
    /// Show what waits
    List {
        /// Also what was decided, as long as it is kept
        #[arg(long)]
        all: bool,
    },
    /// Carry out what waits
    Approve(Decision),
    /// Refuse what waits
    Reject(Decision),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Decision {
    /// The identifier that `list` shows
    #[arg(value_name = "ID")]
    id: String,
    /// Why, for whoever has asked
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(crate) async fn run(connection: &rpc::Options, asked: &Approvals) -> Result<Report, Failure> {
    match asked {
        Approvals::List { all } => list(connection, *all).await,
        Approvals::Approve(decision) => decide(connection, decision, true).await,
        Approvals::Reject(decision) => decide(connection, decision, false).await,
    }
}

async fn list(connection: &rpc::Options, all: bool) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let mut client = WorkflowRequestsClient::new(wire.channel());
    let (mut requests, mut page_token) = (Vec::new(), String::new());
    loop {
        let asked = ListWorkflowRequest { all, page_size: PAGE, page_token: page_token.clone() };
        let page = client.list(asked).await.map_err(|status| wire.error(status))?.into_inner();
        requests.extend(page.items);
        // The same token again would be a server that turns in a circle.
        if page.next_page_token.is_empty() || page.next_page_token == page_token {
            break;
        }
        page_token = page.next_page_token;
    }
    let table = table(&requests);
    let values = requests.into_iter().map(|request| plan::to_json(&resource(request)));
    Ok(Report::documents(values.collect()).table(table))
}

async fn decide(
    connection: &rpc::Options,
    decision: &Decision,
    approve: bool,
) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let mut client = WorkflowRequestsClient::new(wire.channel());
    let Decision { id, reason } = decision.clone();
    let asked = DecideWorkflowRequest { id, reason };
    let answer = if approve { client.approve(asked).await } else { client.reject(asked).await };
    let decided = answer.map_err(|status| wire.error(status))?.into_inner();
    let spec = decided.spec.clone().unwrap_or_default();
    let said = format!("{}: {}", spec.subject, spec.state().as_str_name());
    Ok(Report::new(plan::to_json(&resource(decided))).text(said))
}

fn resource(request: WorkflowRequest) -> Resource {
    Resource { resource: Some(AnyResource::WorkflowRequest(request)) }
}

fn table(requests: &[WorkflowRequest]) -> Table {
    let heads =
        ["ID", "EVENT", "ABOUT", "WANTED", "ASKED BY", "ASKED AT", "STATE", "DECIDED BY", "REASON"];
    let mut table = Table::new("nothing waits", &heads);
    for request in requests {
        let spec = request.spec.clone().unwrap_or_default();
        let id = request.metadata.as_ref().map_or("", |metadata| &metadata.name);
        table.row(vec![
            id.into(),
            spec.event().as_str_name().into(),
            spec.subject.as_str().into(),
            Cell::text_or_dash(&spec.wanted),
            Cell::text_or_dash(&spec.asked_by),
            Cell::text_or_dash(&time(spec.asked_at.as_ref())),
            spec.state().as_str_name().into(),
            Cell::text_or_dash(&spec.decided_by),
            Cell::text_or_dash(&spec.reason),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use turnpike_proto::config::v1::{Metadata, WorkflowRequestSpec};

    use super::*;

    #[test]
    fn what_waits_is_shown_with_its_identifier() {
        let request = WorkflowRequest {
            metadata: Some(Metadata { name: "w1".to_owned(), ..Metadata::default() }),
            spec: Some(WorkflowRequestSpec {
                subject: "Application/shop".to_owned(),
                asked_by: "admin/vm".to_owned(),
                ..WorkflowRequestSpec::default()
            }),
            ..WorkflowRequest::default()
        };
        let text = table(&[request]).to_string();
        let row = "w1  APPLICATION_CREATION  Application/shop  -       admin/vm  -         WAITING  -           -";
        assert_eq!(text.lines().nth(1), Some(row));
        assert_eq!(table(&[]).to_string(), "nothing waits\n");
    }
}

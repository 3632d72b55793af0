//! `turnpike gateways`: what does each gateway serve?

use prost_types::Timestamp;
use turnpike_proto::admin::v1::gateways_client::GatewaysClient;
use turnpike_proto::admin::v1::{GatewayState, ListGatewaysRequest};

use crate::failure::Failure;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};

pub(crate) async fn list(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.control_plane()?;
    let answer = GatewaysClient::new(wire.channel())
        .list(ListGatewaysRequest {})
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.admin.v1.ListGatewaysResponse", &answer);
    let mut report = Report::new(value)
        .text(format!("revision in force: {}", answer.revision))
        .table(table(&answer.gateways));
    for gateway in &answer.gateways {
        for rejected in rejections(gateway) {
            report = report.text(rejected);
        }
        for left_out in &gateway.left_out {
            report = report.text(format!("{}: partially compatible: {left_out}", gateway.node));
        }
    }
    Ok(report)
}

/// How far each gateway is.
pub(crate) fn table(gateways: &[GatewayState]) -> Table {
    let mut table = Table::new(
        "no gateway is connected",
        &[
            "GATEWAY",
            "GROUPS",
            "CONNECTED",
            "OFFERED",
            "APPLIED",
            "IN SYNC",
            "REJECTED",
            "LAST SEEN",
            "BUILD",
        ],
    );
    for gateway in gateways {
        table.row(vec![
            gateway.node.as_str().into(),
            Cell::text_or_dash(&gateway.groups.join(",")),
            gateway.connected.into(),
            gateway.offered.into(),
            gateway.applied.into(),
            gateway.in_sync.into(),
            Cell::Number(gateway.rejected.len().to_string()),
            Cell::text_or_dash(&time(gateway.last_seen.as_ref())),
            Cell::text_or_dash(&gateway.build),
        ]);
    }
    table
}

/// One line for each resource that a gateway could not put in force.
pub(crate) fn rejections(gateway: &GatewayState) -> impl Iterator<Item = String> {
    gateway.rejected.iter().map(|rejected| {
        let field = if rejected.field.is_empty() { "" } else { ": " };
        let (key, reason) = (&rejected.key, &rejected.reason);
        format!("{}: {key}{field}{}: {reason}", gateway.node, rejected.field)
    })
}

/// To the second, in UTC.
pub(crate) fn time(time: Option<&Timestamp>) -> String {
    time.map(|time| Timestamp { seconds: time.seconds, nanos: 0 }.to_string()).unwrap_or_default()
}

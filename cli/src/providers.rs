//! `turnpike key-managers`: how are third-party key managers doing?

use turnpike_proto::identity::v1::providers_client::ProvidersClient;
use turnpike_proto::identity::v1::{ListProvidersRequest, ProviderStatus};

use crate::failure::Failure;
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::{self, of_message};

pub(crate) async fn list(connection: &rpc::Options) -> Result<Report, Failure> {
    let wire = connection.key_manager()?;
    let answer = ProvidersClient::new(wire.channel())
        .list(ListProvidersRequest {})
        .await
        .map_err(|status| wire.error(status))?
        .into_inner();
    let value = of_message("turnpike.identity.v1.ListProvidersResponse", &answer);
    Ok(Report::new(value).table(table(&answer.providers)))
}

fn table(providers: &[ProviderStatus]) -> Table {
    let mut table = Table::new(
        "no third-party key manager is known",
        &["NAME", "ISSUER", "ENABLED", "HEALTHY", "KEYS", "KEYS READ", "LAST ERROR", "AT"],
    );
    for one in providers {
        table.row(vec![
            one.name.as_str().into(),
            one.issuer.as_str().into(),
            one.enabled.into(),
            one.healthy.into(),
            u64::from(one.keys).into(),
            Cell::text_or_dash(&time(one.keys_read_at.as_ref())),
            Cell::text_or_dash(&one.last_error),
            Cell::text_or_dash(&time(one.last_error_at.as_ref())),
        ]);
    }
    table
}

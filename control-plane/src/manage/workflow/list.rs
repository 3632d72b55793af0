//! What waits, and what has become of the rest?

use plan::{Kind, ResourceKey};
use turnpike_proto::config::v1::WorkflowRequest;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::workflow_request_spec::State as Standing;

use crate::catalog::Catalog;
use crate::manage::error::ManageError;
use crate::manage::read::{Page, PageRequest, get, list};
use crate::people::Caller;

/// One request.
pub fn request(by: &Caller, catalog: &Catalog, id: &str) -> Result<WorkflowRequest, ManageError> {
    let key = ResourceKey::of_id(Kind::WorkflowRequest, id);
    match get(by, catalog, &key)?.resource {
        Some(Any::WorkflowRequest(request)) => Ok(request),
        _ => Err(ManageError::NotFound(key)),
    }
}

/// A page of requests; `decided` says whether also those that wait no more. A page may be shorter than
/// it could be.
pub fn requests(
    by: &Caller,
    catalog: &Catalog,
    decided: bool,
    wanted: &PageRequest,
) -> Result<Page, ManageError> {
    let mut page = list(by, catalog, Kind::WorkflowRequest, wanted)?;
    page.items.retain(|resource| match &resource.resource {
        Some(Any::WorkflowRequest(one)) => {
            decided || one.spec.as_ref().is_some_and(|spec| spec.state() == Standing::Waiting)
        }
        _ => false,
    });
    Ok(page)
}

//! What does a request about what waits ask for, in whichever language it came?

use turnpike_proto::admin::v1::{DecideWorkflowRequest, ListWorkflowRequest, ListWorkflowResponse};
use turnpike_proto::config::v1::WorkflowRequest;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::desk::{Desk, checked_reason};
use crate::manage::workflow::{Verdict, decide, request, requests};
use crate::manage::{ManageError, PageRequest};
use crate::people::Caller;

impl Desk {
    pub(super) fn request(&self, by: &Caller, id: &str) -> Result<WorkflowRequest, ManageError> {
        request(by, self.manager.catalog(), id)
    }

    pub(super) fn requests(
        &self,
        by: &Caller,
        asked: ListWorkflowRequest,
    ) -> Result<ListWorkflowResponse, ManageError> {
        let size = usize::try_from(asked.page_size).unwrap_or(usize::MAX);
        let wanted = PageRequest { size, token: asked.page_token, ..PageRequest::default() };
        let page = requests(by, self.manager.catalog(), asked.all, &wanted)?;
        let items = page.items.into_iter().filter_map(|resource| match resource.resource {
            Some(Any::WorkflowRequest(one)) => Some(one),
            _ => None,
        });
        Ok(ListWorkflowResponse {
            items: items.collect(),
            next_page_token: page.next,
            revision: page.revision,
        })
    }

    /// The request as it stands once it is decided.
    pub(super) async fn decide(
        &self,
        by: &Caller,
        asked: DecideWorkflowRequest,
        verdict: Verdict,
    ) -> Result<WorkflowRequest, ManageError> {
        let reason = checked_reason(asked.reason)?;
        let now = self.now();
        let decided = Box::pin(decide(&self.manager, by, &asked.id, verdict, &reason, now)).await?;
        match decided.resource {
            Some(Any::WorkflowRequest(request)) => Ok(request),
            _ => Err(ManageError::Broken),
        }
    }
}

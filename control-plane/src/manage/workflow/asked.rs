//! Who is asked about an event?

use plan::Kind;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::workflow_spec::Executor;
use turnpike_proto::config::v1::{Workflow, WorkflowSpec};

use crate::catalog::State;

/// The Workflow that has to be waited for; `None`: nobody is asked.
pub(super) fn asked_about(state: &State, event: Event) -> Option<(String, WorkflowSpec)> {
    workflows(state).find(|(_, spec)| {
        let simple = matches!(spec.executor, None | Some(Executor::Simple(_)));
        spec.events.contains(&i32::from(event)) && !simple
    })
}

/// The Workflow of this name.
pub(super) fn workflow(state: &State, name: &str) -> Option<WorkflowSpec> {
    workflows(state).find(|(known, _)| known == name).map(|(_, spec)| spec)
}

fn workflows(state: &State) -> impl Iterator<Item = (String, WorkflowSpec)> {
    state.objects.of_kind(Kind::Workflow).filter_map(|object| {
        match object.resource()?.into_owned().resource? {
            Any::Workflow(Workflow { metadata, spec, .. }) => Some((metadata?.name, spec?)),
            _ => None,
        }
    })
}

//! What does a request about the life of an API or a product ask for, in whichever language it came?

use plan::ResourceKey;
use turnpike_proto::admin::v1::lifecycle_action::Action as Told;
use turnpike_proto::admin::v1::lifecycle_check::Item;
use turnpike_proto::admin::v1::{
    AllowedAction, ChangeLifecycleRequest, ChangeLifecycleResponse, CheckItem, GetLifecycleRequest,
    LifecycleStatus, NewVersionRequest, NewVersionResponse,
};
use turnpike_proto::config::v1::lifecycle::State as Life;

use super::desk::{Desk, checked_reason, refused};
use crate::manage::ManageError;
use crate::manage::lifecycle::{Action, NewVersion, Status, Step, new_version, status, steps};
use crate::manage::workflow::{Stepped, change_state, waiting_about};
use crate::people::Caller;

impl Desk {
    pub(super) fn lifecycle(
        &self,
        by: &Caller,
        request: &GetLifecycleRequest,
    ) -> Result<LifecycleStatus, ManageError> {
        let catalog = self.manager.catalog();
        let status = status(by, catalog, &request.name, &request.version)?;
        let state = catalog.current().ok_or(ManageError::NotLoaded)?;
        let waiting = waiting_about(&state, &status.key);
        let (waiting, action) = match waiting {
            Some((id, spec)) => (id, spec.wanted.parse().map_or(Told::None, on_wire)),
            None => (String::new(), Told::None),
        };
        Ok(LifecycleStatus {
            key: status.key.to_string(),
            state: status.state.into(),
            actions: steps(status.state).map(|(action, to)| allowed(&status, action, to)).collect(),
            waiting,
            waiting_action: action.into(),
            outdated_by: names(&status.outdated_by),
        })
    }

    pub(super) async fn change_lifecycle(
        &self,
        by: &Caller,
        request: ChangeLifecycleRequest,
    ) -> Result<ChangeLifecycleResponse, ManageError> {
        let action = Told::try_from(request.action).ok().and_then(understood).ok_or_else(|| {
            let names: Vec<&str> = Action::ALL.into_iter().map(Action::name).collect();
            let suggestion = format!("it is one of {}", names.join(", "));
            refused("action", "there is no such action", suggestion)
        })?;
        let step = Step {
            name: request.name,
            version: request.version,
            action,
            deprecate_old_versions: request.deprecate_old_versions,
            require_resubscription: request.require_resubscription,
            reason: checked_reason(request.reason)?,
        };
        let stepped = change_state(&self.manager, by, step, self.now()).await?;
        Ok(match stepped {
            Stepped::Taken(taken) => ChangeLifecycleResponse {
                state: taken.state.into(),
                revision: taken.revision,
                waiting: String::new(),
                deprecated: names(&taken.deprecated),
                subscriptions: u32::try_from(taken.subscriptions).unwrap_or(u32::MAX),
            },
            Stepped::Waiting { id, state, revision } => ChangeLifecycleResponse {
                state: state.into(),
                revision,
                waiting: id,
                ..ChangeLifecycleResponse::default()
            },
        })
    }

    pub(super) async fn new_version(
        &self,
        by: &Caller,
        request: NewVersionRequest,
    ) -> Result<NewVersionResponse, ManageError> {
        let wanted = NewVersion {
            name: request.name,
            version: request.version,
            new: request.new_version,
            becomes_default: request.default_version,
            require_resubscription: request.require_resubscription,
            reason: checked_reason(request.reason)?,
        };
        let (key, revision) = new_version(&self.manager, by, wanted).await?;
        Ok(NewVersionResponse { key: key.to_string(), revision })
    }
}

fn allowed(status: &Status, action: Action, to: Life) -> AllowedAction {
    let first = action == Action::Publish && status.state != Life::Published;
    let item = |item: Item, touches: &[ResourceKey]| CheckItem {
        item: item.into(),
        touches: names(touches),
    };
    let checks = if first {
        vec![
            item(Item::DeprecateOldVersions, &status.old_versions),
            item(Item::RequireResubscription, &status.subscriptions),
        ]
    } else {
        Vec::new()
    };
    AllowedAction { action: on_wire(action).into(), to: to.into(), checks }
}

fn names(keys: &[ResourceKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

const fn on_wire(action: Action) -> Told {
    match action {
        Action::Publish => Told::Publish,
        Action::DeployAsPrototype => Told::DeployAsPrototype,
        Action::DemoteToCreated => Told::DemoteToCreated,
        Action::Block => Told::Block,
        Action::Deprecate => Told::Deprecate,
        Action::RePublish => Told::RePublish,
        Action::Retire => Told::Retire,
    }
}

fn understood(told: Told) -> Option<Action> {
    Action::ALL.into_iter().find(|action| on_wire(*action) == told)
}

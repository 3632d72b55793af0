//! What became of a call that somebody may look into?

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use plan::{ApiPlan, EndpointPlan};

use super::stage::{Known, Stage, origin};
use crate::account::Account;
use crate::fault::{Causes, Fault, Limit};
use crate::handlers::{Caller, Permit};
use crate::worker::Held;

/// How a call is judged, while it is.
pub struct View {
    pub(super) generation: Held,
    pub(super) api: Option<Arc<ApiPlan>>,
    /// Whether the call ends with being judged.
    explains: bool,
    pub(super) refusal: Option<Refusal>,
    pub(super) target: Option<Target>,
}

/// A fault, as it is told to whoever answers for the API.
pub(super) struct Refusal {
    pub(super) stage: Stage,
    /// The last stage that was passed before.
    pub(super) until: Option<Stage>,
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) message: &'static str,
    /// With all that lies behind it.
    pub(super) reason: String,
    /// Which policy it was.
    pub(super) policy: Option<Arc<str>>,
    /// Which limit it was.
    pub(super) limit: Option<Limit>,
}

/// Where a permitted call goes.
pub(super) struct Target {
    pub(super) endpoint: Arc<EndpointPlan>,
    pub(super) sandbox: bool,
    pub(super) variant: String,
}

impl View {
    /// A view of a call to `api`, which may not have been found.
    pub(super) fn new(generation: &Held, api: Option<&Arc<ApiPlan>>, explains: bool) -> Self {
        let (generation, api) = (Rc::clone(generation), api.cloned());
        Self { generation, api, explains, refusal: None, target: None }
    }

    /// Whether the call is to be explained and not made.
    pub const fn explains(&self) -> bool {
        self.explains
    }

    /// The call may be made.
    pub fn permitted(&mut self, permit: &Permit<'_>) {
        let (home, variant) = (permit.matched().home(), permit.variant());
        let sandbox = variant.map_or(&home.sandbox, |variant| &variant.sandbox);
        let endpoint = Arc::clone(permit.endpoint());
        self.target = Some(Target {
            sandbox: sandbox.as_ref().is_some_and(|one| Arc::ptr_eq(one, &endpoint)),
            variant: variant.map_or("", |variant| &variant.name).to_owned(),
            endpoint,
        });
    }

    /// The call is refused, or failed.
    pub fn refused(&mut self, fault: &Fault, account: &Account) {
        let known = match account.caller.as_ref().map(Caller::consumer) {
            None => Known::Nobody,
            Some(None) => Known::Caller,
            Some(Some(_)) => Known::Application,
        };
        let (stage, until) = origin(fault, known);
        let row = fault.row();
        let policy = match fault {
            Fault::Denied { policy } => Some(Arc::clone(policy)),
            _ => None,
        };
        let limit = match fault {
            Fault::Throttled { limit, .. } => Some(*limit),
            _ => None,
        };
        self.refusal = Some(Refusal {
            stage,
            until,
            status: row.status.as_u16(),
            code: row.code,
            message: row.message,
            reason: Causes(fault).to_string(),
            policy,
            limit,
        });
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("explains", &self.explains).finish_non_exhaustive()
    }
}

//! What does a call have to fulfil beyond scopes and subscriptions?
//!
//! Rules about claims, expressions, and the check of calls that pages of other sites make.

mod claim;
mod compile;
mod csrf;

pub use claim::ClaimRule;
pub use compile::{AccessPlan, ConditionPlan};
pub(super) use compile::{attach, attach_besides, compile_access};
pub use csrf::CsrfPlan;

//! What does the key manager say to other services and to the operator's programs, and what do they say
//! to it?
//!
//! `collector` tells what was noticed; `providers` hears which third-party providers there are;
//! `grant_handler` asks a grant of the operator's, with `descriptor` for what it serves and `grant_words`
//! for what it is asked and says; `provider_connector` asks a key manager that speaks no standard.

mod collector;
mod descriptor;
mod grant_handler;
mod grant_words;
mod provider_connector;
mod providers;

pub use collector::deliver;
pub use descriptor::{Descriptor, DescriptorError, PENDING, Parameter};
pub use grant_handler::{Handler, HandlerError, HandlerRules};
pub use grant_words::{Decision, Denial, Question, Single, Subject, Wait, Word};
pub use provider_connector::{Connected, Connector, ConnectorError};
pub use providers::{ProviderError, ProviderSets, from_proto};

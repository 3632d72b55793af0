//! Which answers does the gateway give in its own name?

mod causes;
mod challenge;
mod code;
mod farewell;
mod format;
mod grpc;
mod reason;
mod render;
mod retry;
mod subtype;

pub use causes::Causes;
pub use challenge::challenges;
pub use code::{Blame, Class, Row};
pub use farewell::{farewell, trailers};
pub use format::Format;
pub use reason::{
    BadRequest, ClaimRefused, ConditionRefused, CredentialRefused, CrossSite, Fault, Limit,
    NotThere, ProofRefused, TokenRefused, Worded,
};
pub use render::render;
pub use subtype::REST;

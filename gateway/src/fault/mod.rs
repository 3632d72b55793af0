//! Which answers does the gateway give in its own name?

mod code;
mod format;
mod grpc;
mod reason;
mod render;

pub use code::{Blame, Class, Row};
pub use format::Format;
pub use reason::{BadRequest, Fault, Limit, TokenRefused};
pub use render::render;

//! Which numbers does this process show to Prometheus?

mod process;
mod registry;

pub use registry::{CONTENT_TYPE, Metrics};

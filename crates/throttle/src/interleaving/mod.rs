//! Gateways that share a limit, and everything that may happen between them and who counts it: is it ever exceeded?

mod ground;
mod paces;
mod windows;

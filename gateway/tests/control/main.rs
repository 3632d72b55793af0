//! Does the gateway work with the services around it as it promises, also while they are away?
//!
//! Each suite runs one part of the gateway against a service that it makes up, over real mutual
//! TLS.

mod directory;
mod disk;
mod ground;
mod resources;
mod sync;
mod tokens;
mod trust;
mod usage;

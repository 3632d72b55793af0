//! Which messages and services do the parts of Turnpike, and third parties, share?
//!
//! Everything here is generated from the `.proto` files beside this folder, which are the one
//! definition of a resource; YAML and JSON are their proto3 JSON form.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// Managing resources.
pub mod admin {
    /// The first version; see `turnpike/admin/v1`.
    #[allow(
        missing_debug_implementations,
        unused_lifetimes,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated code keeps its own style"
    )]
    pub mod v1 {
        tonic::include_proto!("turnpike.admin.v1");
    }
}

/// Resources, and how gateways get them.
pub mod config {
    /// The first version; see `turnpike/config/v1`.
    #[allow(
        missing_debug_implementations,
        unused_lifetimes,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated code keeps its own style"
    )]
    pub mod v1 {
        tonic::include_proto!("turnpike.config.v1");
    }
}

/// Tokens, keys and revocations.
pub mod identity {
    /// The first version; see `turnpike/identity/v1`.
    #[allow(
        missing_debug_implementations,
        unused_lifetimes,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated code keeps its own style"
    )]
    pub mod v1 {
        tonic::include_proto!("turnpike.identity.v1");
    }
}

/// Usage events, statistics and alerts.
pub mod usage {
    /// The first version; see `turnpike/usage/v1`.
    #[allow(
        missing_debug_implementations,
        unused_lifetimes,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated code keeps its own style"
    )]
    pub mod v1 {
        tonic::include_proto!("turnpike.usage.v1");
    }
}

/// The serialized `FileDescriptorSet` of every package, with comments: for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The same, parsed: for the JSON form of resources.
///
/// # Panics
///
/// Never: the set was made by the build of this crate and is covered by a test.
#[expect(clippy::expect_used, reason = "the bytes are compiled in and covered by a test")]
pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("compiled-in descriptors"));

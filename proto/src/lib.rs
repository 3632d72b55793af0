//! Which messages and services do the parts of Turnpike, and third parties, share?
//!
//! Everything here, but for what `wiped` adds, is generated from the `.proto` files beside this folder, which are the one
//! definition of a resource; YAML and JSON are their proto3 JSON form.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

mod wiped;

/// Managing resources.
pub mod admin {
    /// The first version; see `turnpike/admin/v1`.
    #[allow(clippy::all, reason = "generated code keeps its own style")]
    pub mod v1 {
        tonic::include_proto!("turnpike.admin.v1");
    }
}

/// Resources, and how gateways get them.
pub mod config {
    /// The first version; see `turnpike/config/v1`.
    #[allow(clippy::all, reason = "generated code keeps its own style")]
    pub mod v1 {
        tonic::include_proto!("turnpike.config.v1");
    }
}

/// Tokens, keys and revocations.
pub mod identity {
    /// The first version; see `turnpike/identity/v1`.
    #[allow(clippy::all, reason = "generated code keeps its own style")]
    pub mod v1 {
        tonic::include_proto!("turnpike.identity.v1");
    }
}

/// What makes a JWT of the key manager a test key (`identity/v1/test_keys.proto`), and no access token.
pub mod test_key {
    /// Its `typ`.
    pub const TYPE: &str = "turnpike-test+jwt";
    /// Its `aud`.
    pub const AUDIENCE: &str = "urn:turnpike:test-key";
    /// The claim with all that is said of a test key alone, an object.
    pub const CLAIM: &str = "turnpike_test";
    /// In that claim: the list of the APIs that it opens, each `name:version`. Absent: every one.
    pub const APIS: &str = "apis";
    /// In that claim: `true` where it reaches the sandbox backends. Absent: those for production.
    pub const SANDBOX: &str = "sandbox";
    /// In that claim: `true` where it only explains. Absent: calls are made with it.
    pub const EXPLAIN_ONLY: &str = "explain_only";
}

/// The beginning of a file with a signed state (`admin/v1/states.proto`); its parts follow, each a
/// `Transaction` with its length before it.
pub const STATE_FILE: &[u8; 8] = b"TPSTATE1";

/// Usage events, statistics and alerts.
pub mod usage {
    /// The first version; see `turnpike/usage/v1`.
    #[allow(clippy::all, reason = "generated code keeps its own style")]
    pub mod v1 {
        tonic::include_proto!("turnpike.usage.v1");
    }
}

/// What programs of the operator implement that decide about requests.
pub mod workflow {
    /// The first version; see `turnpike/workflow/v1`.
    #[allow(clippy::all, reason = "generated code keeps its own style")]
    pub mod v1 {
        tonic::include_proto!("turnpike.workflow.v1");
    }
}

/// What Envoy's decision points speak; the parts of it that are needed here.
pub mod envoy {
    /// Configuration that its services share.
    pub mod config {
        /// The innermost part of it.
        pub mod core {
            /// The third version; see `envoy/config/core/v3`.
            #[allow(clippy::all, reason = "generated code keeps its own style")]
            pub mod v3 {
                tonic::include_proto!("envoy.config.core.v3");
            }
        }
    }
    /// Its services.
    pub mod service {
        /// Decisions about requests.
        pub mod auth {
            /// The third version; see `envoy/service/auth/v3`.
            #[allow(clippy::all, reason = "generated code keeps its own style")]
            pub mod v3 {
                tonic::include_proto!("envoy.service.auth.v3");
            }
        }
    }
    /// Types of values.
    pub mod r#type {
        /// The third version; see `envoy/type/v3`.
        #[allow(clippy::all, reason = "generated code keeps its own style")]
        pub mod v3 {
            tonic::include_proto!("envoy.r#type.v3");
        }
    }
}

/// What several protocols over gRPC share.
pub mod google {
    /// Outcomes; see `google/rpc`.
    #[allow(clippy::all, reason = "generated code keeps its own style")]
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

/// What this build understands of resources: the numbers of the fields of each message that one may be made
/// of, and of the values of each enum, by their full names. Gateways say it; [`POOL`] says it too, and
/// takes megabytes.
pub const UNDERSTOOD: &[(&str, &[i32])] = include!(concat!(env!("OUT_DIR"), "/understood.rs"));

/// The serialized `FileDescriptorSet` of every package, with comments: for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The same, parsed: for the JSON form of resources.
///
/// # Panics
///
/// Never: the set was made by the build of this crate and is covered by a test.
pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("compiled-in descriptors"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::{FieldDescriptor, Kind};

    #[test]
    fn every_message_and_field_says_what_it_means() {
        let written = |name: &str| !name.starts_with("google/protobuf/");
        let files: Vec<_> = super::POOL.files().filter(|f| written(f.name())).collect();
        assert!(!files.is_empty());
        let mut silent = Vec::new();
        for file in files {
            let proto = file.file_descriptor_proto();
            let said = |path: &[i32]| {
                let info = proto.source_code_info.iter().flat_map(|info| &info.location);
                info.into_iter().any(|at| at.path == path && at.leading_comments.is_some())
            };
            // 4 = messages, 2 = fields of one, 6 = services, 2 = methods of one.
            for (m, message) in (0..).zip(&proto.message_type) {
                silent.extend((!said(&[4, m])).then(|| message.name().to_owned()));
                for (f, field) in (0..).zip(&message.field) {
                    let name = || format!("{}.{}", message.name(), field.name());
                    silent.extend((!said(&[4, m, 2, f])).then(name));
                }
            }
            for (s, service) in (0..).zip(&proto.service) {
                silent.extend((!said(&[6, s])).then(|| service.name().to_owned()));
                for (r, method) in (0..).zip(&service.method) {
                    let name = || format!("{}/{}", service.name(), method.name());
                    silent.extend((!said(&[6, s, 2, r])).then(name));
                }
            }
        }
        assert!(silent.is_empty(), "without a comment: {silent:?}");
    }

    #[test]
    fn what_is_understood_is_all_that_a_resource_may_be_made_of() {
        let understood = |name: &str| super::UNDERSTOOD.iter().any(|(known, _)| *known == name);
        assert!(understood("turnpike.config.v1.Resource"));
        for (name, numbers) in super::UNDERSTOOD {
            let numbers = BTreeSet::from_iter(numbers.iter().copied());
            if let Some(values) = super::POOL.get_enum_by_name(name) {
                let said: BTreeSet<i32> = values.values().map(|value| value.number()).collect();
                assert_eq!(said, numbers, "{name}");
                continue;
            }
            let message = super::POOL.get_message_by_name(name).expect("a message or an enum");
            let number = |field: FieldDescriptor| i32::try_from(field.number()).unwrap();
            let said: BTreeSet<i32> = message.fields().map(number).collect();
            assert_eq!(said, numbers, "{name}");
            for kind in message.fields().map(|field| field.kind()) {
                let part = match &kind {
                    Kind::Message(message) => message.full_name(),
                    Kind::Enum(values) => values.full_name(),
                    _ => continue,
                };
                assert!(understood(part), "{part}, which is part of {name}");
            }
        }
    }
}

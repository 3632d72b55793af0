//! What can go wrong between this gateway and another service?

use tonic::{Code, Status};

/// Why a service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No connection, or none that can be used now.
    #[error("the {service} cannot be reached")]
    Away {
        /// Who was asked.
        service: &'static str,
        /// What was met instead.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered with a gRPC status.
    #[error("the {service} refuses")]
    Refused {
        /// Who was asked.
        service: &'static str,
        /// Its answer.
        #[source]
        status: Box<Status>,
    },
    /// It said something that the contract does not allow.
    #[error("the {service} breaks the protocol: {what}")]
    Protocol {
        /// Who was asked.
        service: &'static str,
        /// What it said.
        what: &'static str,
    },
    /// It says nothing, though it should.
    #[error("the {service} is silent")]
    Silent {
        /// Who was asked.
        service: &'static str,
    },
    /// The call has ended.
    #[error("the {service} ended the call")]
    Ended {
        /// Who was asked.
        service: &'static str,
    },
}

impl RpcError {
    /// Sorts a status of `service`: is nobody there, or did it say no?
    pub fn from_status(service: &'static str, status: Status) -> Self {
        match status.code() {
            Code::Unavailable => Self::Away { service, source: Box::new(status) },
            _ => Self::Refused { service, status: Box::new(status) },
        }
    }
}

//! What do gateways, the control plane and administrators ask over gRPC?
//!
//! One file per service of `identity.v1`; `open` puts them behind the table of `callers`.

mod address;
mod audit;
mod caller;
mod callers;
mod clients;
mod credentials;
mod forward;
mod gateway_keys;
mod introspection;
mod keys;
mod open;
mod providers;
mod revocations;
mod status;
mod test_keys;
mod to_proto;
mod users;

use address::address;
use caller::caller;
pub use open::rpc;

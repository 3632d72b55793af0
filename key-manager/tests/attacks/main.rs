//! Does the key manager withstand what is known to be tried?
//!
//! One file per row of `docs/attacks.md`, which says for each attack which test shows its answer; many
//! are shown by the suite `service`, whose stand this one shares.
#![cfg_attr(test, expect(dead_code, reason = "each of the two suites uses its part of the stand"))]

#[cfg(test)]
#[path = "../service/browser.rs"]
mod browser;
#[cfg(test)]
#[path = "../service/databases.rs"]
mod databases;
#[cfg(test)]
#[path = "../service/elsewhere.rs"]
mod elsewhere;
#[cfg(test)]
#[path = "../service/postgres.rs"]
mod postgres;
#[cfg(test)]
#[path = "../service/process.rs"]
mod process;
#[cfg(test)]
#[path = "../service/stand.rs"]
mod stand;
#[cfg(test)]
#[path = "../service/visits.rs"]
mod visits;

#[cfg(test)]
mod forge;
#[cfg(test)]
mod places;

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod ciba_device;
#[cfg(test)]
mod client_auth;
#[cfg(test)]
mod code;
#[cfg(test)]
mod csrf;
#[cfg(test)]
mod dpop;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod jose;
#[cfg(test)]
mod logout;
#[cfg(test)]
mod mix_up;
#[cfg(test)]
mod mtls;
#[cfg(test)]
mod opaque;
#[cfg(test)]
mod pkce;
#[cfg(test)]
mod redirect_uri;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod request_objects;
#[cfg(test)]
mod scope_audience;
#[cfg(test)]
mod token_exchange;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod unicode;

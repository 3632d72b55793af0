//! Does the key manager keep its promises, on SQLite and on PostgreSQL alike?

#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod kiosk;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod slapd;
#[cfg(test)]
mod stand;
#[cfg(test)]
mod typed;
#[cfg(test)]
mod visits;

#[cfg(test)]
mod account;
#[cfg(test)]
mod assertions;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod authorize;
#[cfg(test)]
mod backchannel;
#[cfg(test)]
mod bearers;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod chromium;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod connectors;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod dynamic;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod factors;
#[cfg(test)]
mod fapi;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod fraud;
#[cfg(test)]
mod gateway_keys;
#[cfg(test)]
mod hsm;
#[cfg(test)]
mod hybrid;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod linked;
#[cfg(test)]
mod logout;
#[cfg(test)]
mod origins;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod provider_keys;
#[cfg(test)]
mod provider_login;
#[cfg(test)]
mod python_handler;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod registrations;
#[cfg(test)]
mod remote_keys;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod restrictions;
#[cfg(test)]
mod revocations;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rpc;
#[cfg(test)]
mod saml;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sign_up;
#[cfg(test)]
mod store;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod themes;
#[cfg(test)]
mod token_events;
#[cfg(test)]
mod wishes;

//! The key manager: who gets a token, and which tokens are still good?
//!
//! Floors, from the top: `bootstrap` puts the parts together; `edge` carries requests in and answers
//! out (HTTPS for clients, gRPC for our other services); `endpoint`, `registration` and `accounts` are
//! the use cases below both; `grant` says for whom a token is; `client_auth`, `binding`, `issue`,
//! `revocation`, `audit`, `fraud` and `lockout` stand outside the grants; `directory` asks an LDAP server
//! about people, `federation` third-party providers, `rpc` speaks to other services and to plug-ins; `saml`
//! reads assertions of others, `vault` keeps secrets, `hsm` lets a device sign, `store` keeps everything that outlives the process;
//! `domain` and `form` know nobody.

pub mod bootstrap;
pub mod config;
pub mod edge;

pub mod accounts;
pub mod endpoint;
pub mod registration;

pub mod audit;
pub mod binding;
pub mod client_auth;
pub mod directory;
pub mod federation;
pub mod fraud;
pub mod grant;
pub mod issue;
pub mod revocation;

pub mod rpc;

mod breaker;
pub mod lockout;
pub mod saml;

pub mod store;
pub mod vault;

pub mod hsm;

pub mod meter;

pub mod domain;
pub mod form;

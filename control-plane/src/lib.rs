//! What does the control plane consist of? From the binary down:
//!
//! `bootstrap` puts the parts together. `edge` speaks gRPC and REST with people and programs and
//! decides who may; below it `rollout` puts changes in force in waves, `manage` changes resources and
//! `history` keeps what was before, `distribute` brings them to gateways, and `limits` lets gateways
//! count together. `people` knows who asks. They look at `catalog`, the resources in force, which follows
//! `store`. `rpc` calls others.

pub mod bootstrap;
pub mod catalog;
pub mod config;
pub mod distribute;
pub mod edge;
mod greeting;
pub mod history;
pub mod limits;
pub mod manage;
mod network;
pub mod people;
pub mod rollout;
pub mod rpc;
pub mod store;

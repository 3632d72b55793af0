//! How often was what called, how did it end, and what is unusual about it?
//!
//! Reading order: `edge` takes batches of events from gateways and answers questions; `report` and
//! `alert` know what is asked; `live` shows calls as they come; `rpc` asks the control plane; `enrich` adds the country; `store` keeps everything,
//! or hands it on to a ClickHouse (`clickhouse`).

pub mod alert;
pub mod bootstrap;
pub mod clickhouse;
pub mod config;
pub mod edge;
pub mod enrich;
pub mod event;
#[cfg(test)]
mod fixture;
pub mod guard;
pub mod live;
pub mod metrics;
pub mod question;
pub mod report;
pub mod rpc;
pub mod store;
pub mod upkeep;
